"""Pairs of submissions that a person should look at: fingerprints of what was written.

The fingerprints (Schleimer, Wilkerson and Aiken 2003) are those of the library copydetect, over the
tokens of code, in which names and comments do not count, and over the words of written answers.
What the release has counts for nothing, nor what several learners have: short right answers are
alike.
"""

import io
from collections import Counter
from itertools import combinations
from typing import NamedTuple

import numpy as np
from copydetect import CodeFingerprint, compare_files
from copydetect.utils import highlight_overlap
from nbformat import NotebookNode

from course_lib.grading.shown import tight

NOISE = 25  # signs of the shortest passage that can count
LONGEST = 30_000  # signs of one learner's that are read; a module's answers have 5,000
COMMON, COMMON_SHARE = 3, 0.05  # more learners than that have it: no sign of copying
SHARE, SIGNS = 0.5, 80  # a pair is shown if it shares so much of the smaller one, and so many signs


class Pair(NamedTuple):
    """Two submissions that share more than one would expect; `shared` has both in HTML."""

    first: str
    second: str
    kind: str
    share: float  # of what counts in the smaller one
    signs: int
    shared: tuple[str, str]


def written(notebook: dict, release: NotebookNode) -> dict[str, str]:
    """Return what a learner wrote: ``code`` (answers and own cells) and ``text`` (answers)."""
    given = {cell.source.strip() for cell in release.cells}
    parts: dict[str, list[str]] = {"code": [], "text": []}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])  # a file has a list of lines
        answer = cell["metadata"].get("nbgrader", {}).get("solution")
        own = str(cell.get("id", "")).startswith("own-") and cell["cell_type"] == "code"
        if (answer or own) and source.strip() not in given:
            parts["code" if cell["cell_type"] == "code" else "text"].append(source)
    return {kind: tight("\n\n".join(sources))[:LONGEST] for kind, sources in parts.items()}


def similar(works: dict[str, dict[str, str]], release: NotebookNode) -> list[Pair]:
    """Compare every two submissions of one module; the most similar pair comes first.

    Parameters
    ----------
    works
        Student -> what `written` returned.
    release
        What all were given.
    """
    pairs = []
    for kind, cell_type in (("code", "code"), ("text", "markdown")):
        given = "\n\n".join(cell.source for cell in release.cells if cell.cell_type == cell_type)
        texts = {student: work[kind] for student, work in works.items() if work[kind].strip()}
        pairs += _compared(texts, given, kind)
    return sorted(pairs, key=lambda pair: (-pair.share, -pair.signs, pair))


def _compared(texts: dict[str, str], given: str, kind: str) -> list[Pair]:
    prints = {student: _fingerprint(text, kind) for student, text in texts.items()}
    times = Counter(value for found in prints.values() for value in found.hashes)
    several = max(COMMON, COMMON_SHARE * len(texts))
    common = _fingerprint(given, kind).hashes
    common |= {value for value, learners in times.items() if learners > several}
    prints = {student: _fingerprint(text, kind, common) for student, text in texts.items()}
    pairs = []
    for first, second in combinations(sorted(prints), 2):
        if prints[first].hashes.isdisjoint(prints[second].hashes):
            continue
        signs, shares, passages = compare_files(prints[first], prints[second])
        share = min(1.0, float(max(shares)))
        if share >= SHARE and signs >= SIGNS:
            shown = [
                _marked(prints[student].raw_code, slices)
                for student, slices in zip((first, second), passages, strict=True)
            ]
            pairs.append(Pair(first, second, kind, share, int(signs), tuple(shown)))
    return pairs


def _fingerprint(text: str, kind: str, common: set[int] = frozenset()) -> CodeFingerprint:
    if kind == "text":
        text = " ".join(text.lower().split())
    # a window of one keeps every fingerprint: a class is small enough to compare them all
    return CodeFingerprint(
        "answers.py",
        NOISE,
        1,
        boilerplate=np.array(sorted(common), dtype=np.int64),
        filter=kind == "code",
        fp=io.StringIO(text),
    )


def _marked(text: str, slices: np.ndarray) -> str:
    html, _ = highlight_overlap(text, slices.astype(int), "<mark>", "</mark>", escape_html=True)
    return html
