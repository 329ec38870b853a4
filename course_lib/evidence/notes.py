"""The learner's own numbers: small JSON files in the course folder, and tables of them."""

import json
import math
from html import escape
from typing import Any

from course_lib.errors import CourseError
from course_lib.home import folder, write_atomically


def load(name: str) -> dict[str, dict]:
    """Return the entries kept under a name; none if nothing was kept.

    A file that cannot be read is not overwritten but set aside, and a sentence says so.
    """
    path = folder("notes") / f"{name}.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(entries, dict) and all(isinstance(e, dict) for e in entries.values())):
            raise ValueError
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError:  # also what broken JSON and broken UTF-8 raise
        aside = path.with_suffix(".damaged.json")
        path.replace(aside)
        print(f"Your {name} file was damaged; it is now {aside}, and a new one begins.")
        return {}
    return entries


def save(name: str, entries: dict[str, dict]) -> None:
    """Keep the entries, whole or not at all."""
    content = json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(folder("notes") / f"{name}.json", content.encode())


def number(value: Any, what: str) -> float:
    """Return a finite float (also from a NumPy or torch scalar), or say what is wrong."""
    try:
        result = math.nan if isinstance(value, str) else float(value)
    except (TypeError, ValueError, RuntimeError):
        result = math.nan
    if not math.isfinite(result):
        raise ValueError(f"The {what} must be a finite number, not {value!r}.")
    return result


class Table(list):
    """Rows (dicts with the same keys) that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        left = 'style="text-align:left"'  # notebooks align to the right, which suits no sentence
        head = "".join(f'<th scope="col" {left}>{escape(key)}</th>' for key in (self or [{}])[0])
        body = "".join(
            f"<tr>{''.join(f'<td {left}>{escape(_text(cell))}</td>' for cell in row.values())}</tr>"
            for row in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        lines = [list(row) for row in self[:1]]
        lines += [[_text(cell) for cell in row.values()] for row in self]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )


def _text(cell: Any) -> str:
    """Return what a person reads: nothing for nothing, three digits for a measured number."""
    return "" if cell is None else f"{cell:.3g}" if isinstance(cell, float) else str(cell)
