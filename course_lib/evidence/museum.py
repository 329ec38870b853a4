"""The bug museum: every classic bug of the course as two lines, with what it cost here.

The costs are in the results file; a bug whose cost nobody measured has no place in a museum.
"""

from html import escape
from typing import NamedTuple

from course_lib.evidence.results import numbers


class Bug(NamedTuple):
    """A bug, the module that reproduces it, its two lines, and the number that says its cost.

    ``diff`` has a line for each step, beginning with "- " (the bug), "+ " (mended) or two blanks.
    ``reads`` says what the number under ``key`` is.
    """

    module: str
    name: str
    diff: str
    key: str
    reads: str


BUGS = (
    Bug(
        "00", "train mode left on while testing",
        "- # model.eval()   forgotten\n+ model.eval()",
        "bugs.train_mode.cost", "of accuracy, with test images sorted by class",
    ),
    Bug(
        "00", "the mean of the batches",
        "- sum(batch_accuracies) / len(batch_accuracies)\n+ right / len(images)",
        "bugs.batch_mean.error", "off the accuracy, on average",
    ),
    Bug(
        "00", "any twenty labels",
        "- support = draw(everything, n_shot * len(classes))\n"
        "+ support = torch.cat([draw(of_class[k], n_shot) for k in classes])",
        "bugs.unstratified.cost", "of accuracy, ten classes",
    ),
    Bug(
        "00", "pairs treated as strangers",
        "- spread = np.sqrt(np.var(a, ddof=1) + np.var(b, ddof=1))\n"
        "+ spread = np.std(a - b, ddof=1)",
        "bugs.unpaired.width", "as wide an interval, from the same runs",
    ),
    Bug(
        "00", "1.96 with five seeds",
        "- half_width = 1.96 * standard_error\n"
        "+ half_width = stats.t.ppf(0.975, df=S - 1) * standard_error",
        "coverage.z", "of its intervals hold the truth, where 95 % were promised",
    ),
    Bug(
        "00", "the best of 25 checkpoints, reported on what chose it",
        "- report(max(accuracy(model, val) for model in checkpoints))\n"
        "+ report(accuracy(best_on_val, test))",
        "best_of_many.reported", "reported, where every checkpoint is right on 95 %",
    ),
    Bug(
        "01", "another form in use than in training",
        "- features = backbone(scans.float())\n"
        "+ features = backbone(preprocess(scans, mean, std))",
        "bugs.bytes.cost", "of accuracy",
    ),
    Bug(
        "01", "dark on white in use, light on dark in training",
        "- x = preprocess(scans, mean, std)\n+ x = preprocess(255 - scans, mean, std)",
        "bugs.input_form.cost", "of accuracy",
    ),
    Bug(
        "01", "the last layer is not the feature",
        "- features = model(images)\n+ features = model.backbone(images)",
        "bugs.last_layer.cost", "of accuracy, on ten classes with a head for five of them",
    ),
    Bug(
        "01", "tuning on the test set",
        "- best = argmax(test_accuracy);        report(test_accuracy[best])\n"
        "+ best = argmax(validation_accuracy);  report(test_accuracy[best])",
        "bugs.tuned_on_test.cost", "too good a report, for one setting chosen on 50 images",
    ),
    Bug(
        "01", "frozen parameters, moving batch-norm: one head",
        "- backbone.requires_grad_(False)\n+ freeze(backbone)",
        "bugs.batchnorm.cost", "of accuracy",
    ),
    Bug(
        "01", "frozen parameters, moving batch-norm: a head of somebody else's",
        "- backbone.requires_grad_(False)\n+ freeze(backbone)",
        "bugs.shared_backbone.cost", "of the first head's accuracy, when the second is trained",
    ),
)  # fmt: skip


class Museum(list):
    """Exhibits (dicts) that a notebook shows with their lines; elsewhere a text."""

    def _repr_html_(self) -> str:
        return "".join(
            f"<section><h4>{escape(bug['module'])} · {escape(bug['bug'])}</h4>"
            f"<pre style='font-family:monospace'>{_coloured(bug['diff'])}</pre>"
            f"<p>{escape(bug['cost'])}</p></section>"
            for bug in self
        )

    def __repr__(self) -> str:
        return "\n\n".join(
            f"{bug['module']} · {bug['bug']}\n{bug['diff']}\n{bug['cost']}" for bug in self
        )


def exhibits() -> Museum:
    """Return all bugs in the order of the course: ``module``, ``bug``, ``diff``, ``cost``.

    Shown as the last line of a cell, each is two coloured lines and a sentence.
    """
    measured = numbers()
    return Museum(
        {
            "module": bug.module,
            "bug": bug.name,
            "diff": bug.diff,
            "cost": f"{measured[bug.key]['text']} {bug.reads}.",
        }
        for bug in BUGS
    )


def _coloured(diff: str) -> str:
    """Return the lines as HTML. The sign at the beginning says what the colour says."""
    tags = {"-": ("<del style='text-decoration:none;color:#C04F00'>", "</del>"),
            "+": ("<ins style='text-decoration:none;color:#00795A'>", "</ins>")}  # fmt: skip
    lines = []
    for line in diff.splitlines():
        before, after = tags.get(line[:1], ("", ""))
        lines.append(f"{before}{escape(line)}{after}")
    return "\n".join(lines)
