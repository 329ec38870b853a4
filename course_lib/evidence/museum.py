"""The bug museum: each classic bug whose cost was measured, as two lines, with that cost.

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
        "- best = argmax(test accuracy);        report(test accuracy of best)\n"
        "+ best = argmax(validation accuracy);  report(test accuracy of best)",
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
    Bug(
        "02", "a rate for random weights",
        "- fit(model, images, labels, lr=3e-2)\n+ fit(model, images, labels, lr=1e-3)",
        "bugs.too_high.cost", "of accuracy",
    ),
    Bug(
        "02", "state_dict() is no copy",
        "- best_state = model.state_dict()\n+ best_state = copy.deepcopy(model.state_dict())",
        "bugs.alias.cost", "of accuracy",
    ),
    Bug(
        "02", "the optimiser that was never told",
        "- model.backbone.requires_grad_(True)\n+ unfreeze(model, optimizer, stage=4)",
        "bugs.never_got.cost", "of accuracy",
    ),
    Bug(
        "02", "head reset between the phases",
        "- model.head = nn.Linear(128, 10)  # before phase two\n+ # the head stays",
        "bugs.head_reset.cost", "of accuracy",
    ),
    Bug(
        "03", "a learning curve whose points are worlds of their own",
        "- support, _ = k_shot_split(labels, size, seed + i)\n"
        "+ support, _ = k_shot_split(labels, size, seed)",
        "bugs.unfair_curve.cost", "more of the curve's steps go down, for no reason but luck",
    ),
    Bug(
        "03", "the best epoch, on the test set",
        "- report(max(test accuracy over the epochs))\n"
        "+ report(test accuracy of the last epoch, or of the best one on validation data)",
        "bugs.best_epoch.cost", "too good a report",
    ),
    Bug(
        "03", "strict=False that loads nothing",
        "- model.load_state_dict(state, strict=False)\n"
        "+ missed = model.load_state_dict(state, strict=False)\n"
        "+ assert not missed.unexpected_keys",
        "bugs.nothing_loaded.cost", "of accuracy",
    ),
    Bug(
        "03", "the last crossing instead of the first",
        "- [step of each row at the target, if the row before was not][-1]\n"
        '+ next(row["step"] for row in history if row["val_accuracy"] >= target)',
        "bugs.last_crossing.scratch.epochs", "to 90 % from scratch; the first came earlier",
    ),
    Bug(
        "04", "a reversal that does not reverse",
        "- domain = discriminator(features)\n+ domain = discriminator(grad_reverse(features, lam))",
        "bugs.no_reversal.cost", "of accuracy on the target",
    ),
    Bug(
        "04", "the target's labels, through the back door",
        "- best = max(models, key=lambda model: evaluate(model, target_images, target_labels))\n"
        "+ best = models[select_model(runs)]",
        "bugs.tuned_on_target.missing",
        "too good a report, where half of the target's classes are missing",
    ),
    Bug(
        "05", "queries pooled as if independent",
        "- half_width = 1.96 * sqrt(mean * (1 - mean) / n_queries_in_all)\n"
        "+ half_width = 1.96 * accuracies.std() / sqrt(n_episodes)",
        "fewshot.interval.cost", "of the 95 % intervals that should hold the truth",
    ),
    Bug(
        "05", "prototypes that include the queries, on pure noise",
        "- prototypes = features.view(n_way, n_shot + n_query, -1).mean(1)\n"
        "+ prototypes = features.view(n_way, n_shot + n_query, -1)[:, :n_shot].mean(1)",
        "fewshot.leak.cost", "of accuracy out of nothing",
    ),
    Bug(
        "05", "prototypes that include the queries, on unknown scripts",
        "- prototypes = features.view(n_way, n_shot + n_query, -1).mean(1)\n"
        "+ prototypes = features.view(n_way, n_shot + n_query, -1)[:, :n_shot].mean(1)",
        "fewshot.bugs.leaking.cost", "too good an accuracy",
    ),
    Bug(
        "05", "train mode at episode time",
        "- features = backbone(images)\n+ features = backbone.eval()(images)",
        "fewshot.bugs.train_mode.by_class.cost", "of accuracy, with images sorted by class",
    ),
    Bug(
        "05", "the nearest has the lowest logit",
        "- logits = torch.cdist(query, prototypes) ** 2\n"
        "+ logits = -torch.cdist(query, prototypes) ** 2",
        "fewshot.bugs.sign.cost", "of accuracy: far below guessing",
    ),
    Bug(
        "06", "accuracy over pixels as the score of masks",
        "- score = (pred == target).float().mean()\n+ score = mean_iou(pred, target, n_classes)",
        "scenes.bugs.background.pixels", "of the pixels are right for a network that finds nothing",
    ),
    Bug(
        "06", "a class that is nowhere counted as 0",
        "- ious = intersection / union.clamp(min=1)\n+ ious = (intersection / union)[union > 0]",
        "scenes.bugs.absent.cost", "of mIoU",
    ),
    Bug(
        "06", "strict=False that loads nothing into the encoder",
        "- segmenter.load_state_dict(backbone.state_dict(), strict=False)\n"
        "+ segmenter.encoder.load_state_dict(backbone.state_dict())",
        "scenes.bugs.nothing_loaded.cost", "of mIoU",
    ),
    Bug(
        "06", "buffers stay behind",
        "- copy(encoder.named_parameters())\n+ copy(encoder.state_dict())",
        "scenes.bugs.buffers.cost", "of average precision",
    ),
    Bug(
        "06", "one object, many hits",
        "- hits = (iou >= 0.5).any(dim=1)\n+ hits = match_boxes(boxes, scores, truth)",
        "scenes.bugs.twice.cost", "of average precision",
    ),
    Bug(
        "06", "scores not sorted",
        "- hits = is_tp.double()\n+ hits = is_tp[scores.argsort(descending=True)].double()",
        "scenes.bugs.unsorted.cost", "of average precision",
    ),
    Bug(
        "07", "both factors zero",
        "- self.A = nn.Parameter(torch.zeros(rank, linear.in_features))\n"
        "+ self.A = nn.Parameter(torch.randn(rank, linear.in_features) / ...)\n"
        "  self.B = nn.Parameter(torch.zeros(linear.out_features, rank))",
        "bugs.both_zero.cost", "of accuracy: LoRA never learns",
    ),
    Bug(
        "07", "alpha where alpha / rank is meant",
        "- self.scale = alpha\n+ self.scale = alpha / rank",
        "bugs.alpha.cost", "of accuracy, but for a step size that nobody asked for",
    ),
    Bug(
        "07", "merged twice",
        "- merged = linear.weight.data; merged += update;  new.weight.data = merged + update\n"
        "+ new.weight.data = linear.weight.data + update",
        "bugs.merged_twice.cost", "of accuracy",
    ),
    Bug(
        "07", "the rest trains along",
        "- put_lora_into(model)\n+ freeze(model);  put_lora_into(model)",
        "bugs.rest_trains.cost", "of accuracy on the source, with LoRA switched off",
    ),
    Bug(
        "08", "stop when it looks clear",
        "- for seed in count(): run(seed); if interval_excludes_zero(): break\n"
        "+ for seed in range(10): run(seed)",
        "bugs.stopping.cost", "more studies that tell two equal methods apart",
    ),
    Bug(
        "08", "a split for each method",
        "- a = fit_a(*draw(labels, seed));  b = fit_b(*draw(labels, seed + 1))\n"
        "+ support = draw(labels, seed);  a = fit_a(*support);  b = fit_b(*support)",
        "bugs.two_splits.width", "as wide an interval",
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
