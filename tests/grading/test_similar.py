"""Copies are found however they were dressed up; what right answers have in common is not."""

import nbformat
import pytest

from course_lib.grading.similar import similar, written
from tests.answers import FILES
from tests.mini import RIGHT

STUB = 'def k_shot_split(labels, n_shot, seed):\n    """Draw n_shot of each class."""\n'
OWN = """def k_shot_split(labels, n_shot, seed):
    # first all places of each class
    wanted = {}
    for place, value in enumerate(labels.tolist()):
        wanted.setdefault(value, []).append(place)
    source = torch.Generator().manual_seed(seed)
    chosen = []
    for value in sorted(wanted):
        keys = torch.rand(len(wanted[value]), generator=source)
        chosen += [wanted[value][b] for b in keys.argsort()[:n_shot].tolist()]
    return torch.tensor(chosen), torch.tensor(sorted(set(range(len(labels))) - set(chosen)))
"""
COPY = OWN.replace("# first all places of each class\n", "# <b>groups</b>\n\n")
for _old, _new in {"wanted": "groups", "place": "i", "value": "c", "chosen": "out"}.items():
    COPY = COPY.replace(_old, _new)
TEXT = "A frozen backbone maps each picture to one point, so a cache can hold it for all epochs."
PAGE = "class Model:\n" + "\n".join(  # long enough, and no two passages alike
    f"    def step_{i}(self, x):\n        return x {sign} {i} {other} len(self.parts[{i}:])"
    for i, (sign, other) in enumerate(["+-", "*/", "-*", "/+", "@-", "%*"])
)


def cell(source, **metadata):
    make = (
        nbformat.v4.new_markdown_cell if metadata.pop("text", False) else nbformat.v4.new_code_cell
    )
    return make(source, metadata={"nbgrader": {"solution": True, **metadata}})


def notebook(code="", text="", own=()):
    cells = [cell(code or STUB), cell(text or "*Your answer.*", text=True)]
    cells += [nbformat.v4.new_code_cell(source, id=f"own-{i}") for i, source in enumerate(own)]
    return nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("check('x')")])


RELEASE = notebook()


def pairs(**notebooks):
    works = {student: written(one, RELEASE) for student, one in notebooks.items()}
    return [(p.first, p.second, p.kind) for p in similar(works, RELEASE)]


def test_a_copy_with_other_names_and_comments_is_found():
    (pair,) = similar(
        {"ann": written(notebook(OWN), RELEASE), "bo": written(notebook(COPY), RELEASE)}, RELEASE
    )
    assert (pair.first, pair.second, pair.kind) == ("ann", "bo", "code")
    assert pair.share > 0.9
    assert "<mark>" in pair.shared[0]
    assert "<b>" not in "".join(pair.shared)
    assert "&lt;b&gt;" in pair.shared[1]


@pytest.mark.parametrize(
    ("ann", "bo", "kinds"),
    [
        ({"own": [OWN]}, {"code": COPY}, ["code"]),
        ({"code": OWN + "\n" + PAGE}, {"code": PAGE + "\n" + COPY}, ["code"]),
        ({"code": PAGE}, {"code": OWN}, []),
        ({"text": TEXT}, {"text": "I think: " + TEXT.upper()}, ["text"]),
        ({"text": TEXT}, {"text": "Its features stay as they are, and need no second pass."}, []),
        ({}, {}, []),
        ({"code": "x"}, {"code": "x", "text": "y"}, []),
        ({"code": "'''" * 9 + "\0"}, {"code": "def (:"}, []),
    ],
)
def test_pairs(ann, bo, kinds):
    assert [kind for _, _, kind in pairs(ann=notebook(**ann), bo=notebook(**bo))] == kinds


def test_what_the_release_has_does_not_count():
    given = notebook(PAGE)
    ends = {"ann": "first = 1", "bo": "second = [2, 3]"}
    works = {who: written(notebook(f"{PAGE}\n\n{end}"), given) for who, end in ends.items()}
    assert similar(works, given) == []
    assert similar(works, RELEASE) != []


def test_what_several_have_does_not_count_but_a_pair_among_them_does():
    class_ = {f"s{i}": notebook(RIGHT + "\n\n" + PAGE) for i in range(8)}
    assert pairs(**class_) == []
    class_ |= {"ann": notebook(PAGE + "\n\n" + OWN), "bo": notebook(COPY + "\n\n" + PAGE)}
    assert pairs(**class_) == [("ann", "bo", "code")]


def test_right_answers_in_different_forms_are_not_alike():
    forms = {}
    for number, part in enumerate(
        FILES["paired_effect"].read_text("utf-8").split("\ndef right_")[1:]
    ):
        forms[f"s{number}"] = notebook("def " + part)
    assert len(forms) > 4
    assert pairs(**forms) == []
