"""A learner's own copies: made from the release, brought up to date without losing an answer."""

import time
from pathlib import Path

import nbformat

from course_lib.errors import CourseError
from course_lib.home import write_atomically
from course_lib.notebooks.rebuild import read_notebook, rebuild


def prepare(root: Path) -> tuple[list[Path], list[str]]:
    """Make or update ``work/<module>/<module>.ipynb`` for every released module.

    A copy of an older release gets the new text around the learner's answers and own cells; what
    it was before stays beside it. A copy that cannot be read is set aside, never overwritten.

    Returns
    -------
    paths
        The learner's notebooks, in order.
    notes
        One sentence for each notebook that was updated or set aside.
    """
    releases = sorted((root / "release").glob("*/*.ipynb"))
    if not releases:
        raise CourseError(f"There are no released notebooks in {root / 'release'}.")
    paths, notes = [], []
    for release in releases:
        mine = root / "work" / release.parent.name / release.name
        paths.append(mine)
        try:
            mine.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CourseError(f"{mine.parent} cannot be made: {error.strerror}.") from error
        if not mine.exists():
            write_atomically(mine, release.read_bytes())
            continue
        new, backup = read_notebook(release), _backup(mine)
        try:
            old = read_notebook(mine)
        except CourseError as problem:
            mine.replace(backup)
            write_atomically(mine, release.read_bytes())
            notes.append(f"{problem} It is kept as {backup.name}; a fresh copy takes its place.")
            continue
        if old.metadata.get("course") == new.metadata["course"]:
            continue
        rebuilt, _ = rebuild(new, old)
        write_atomically(backup, mine.read_bytes())
        write_atomically(mine, (nbformat.writes(rebuilt) + "\n").encode())
        notes.append(
            f"{mine.stem} is now the newer release with your answers in it; "
            f"your former copy is {backup.name}."
        )
    return paths, notes


def _backup(mine: Path) -> Path:
    return mine.with_name(f"{mine.stem}.before-{time.strftime('%Y%m%d-%H%M%S')}.ipynb")
