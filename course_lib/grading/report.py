"""What an instructor reads of a class: one page with figures, and the same numbers as CSV files."""

import csv
import io
import json
from collections import Counter
from html import escape
from pathlib import Path
from statistics import median
from string import Template
from typing import NamedTuple

from tqdm import tqdm

from course_lib.checks.exercises import EXERCISES
from course_lib.checks.verdict import Message, messages_of
from course_lib.errors import CourseError
from course_lib.grading import figures
from course_lib.grading.grade import all_rows, safe_cell
from course_lib.grading.outcomes import graded_notebook, outcome
from course_lib.grading.similar import Pair, similar, written
from course_lib.home import write_atomically
from course_lib.notebooks.rebuild import read_notebook
from course_lib.plots.show import as_html

FOLDER = "class_report"


class Module(NamedTuple):
    """One module of a class: a row for each submission, verdicts by student, similar pairs."""

    name: str
    rows: list[dict]
    verdicts: dict[str, dict[str, dict]]
    pairs: list[Pair]

    @property
    def graded(self) -> list[dict]:
        return [row for row in self.rows if row["score"] is not None]


def write_class_report(root: Path, *, progress: bool = True) -> Path:
    """Write ``class_report/`` in the course folder, and return the path of its page.

    Raises
    ------
    CourseError
        If nothing was graded yet, or the files cannot be written.
    """
    modules = _modules(root, progress)
    if not modules:
        raise CourseError("Nothing was graded yet: run `course grade` with the submissions first.")
    folder = root / FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise CourseError(f"{folder} cannot be made: {error.strerror}.") from error
    tables = {
        "verdicts": [row for module in modules for row in _verdicts(module)],
        "exercises": [row for module in modules for row in _exercises(module)],
        "misconceptions": [row for module in modules for row in _misconceptions(module)],
        "by_hand": [row for module in modules for row in _by_hand(module)],
        "similar": [row for module in modules for row in _similar(module)],
    }
    for name, rows in tables.items():
        write_atomically(folder / f"{name}.csv", _csv(rows))
    page = folder / "report.html"
    write_atomically(page, _page(modules).encode())
    return page


def _modules(root: Path, progress: bool) -> list[Module]:
    rows = all_rows(root, [])
    names = sorted({row["module"] for row in rows}, key=lambda name: (not name, name))
    bar = tqdm(total=len(rows), desc="reading", unit="submission", disable=not progress)
    modules = []
    for name in names:
        verdicts, works, of_module = {}, {}, [row for row in rows if row["module"] == name]
        release = root / "release" / name / f"{name}.ipynb"
        given = read_notebook(release) if release.is_file() else None
        for row in of_module:
            bar.update()
            if row["score"] is None:
                continue
            try:
                # nbformat would check every cell: too slow for a class
                notebook = json.loads(graded_notebook(root, row["student"], name).read_bytes())
            except (OSError, ValueError):
                continue  # its marks are there, and that is all that is left
            verdicts[row["student"]] = outcome(notebook).verdicts
            if given:
                works[row["student"]] = written(notebook, given)
        modules.append(Module(name, of_module, verdicts, similar(works, given) if given else []))
    bar.close()
    return modules


# --- Tables --------------------------------------------------------------------------------------


def _verdicts(module: Module) -> list[dict]:
    return [
        {
            "student": row["student"],
            "module": module.name,
            "exercise": exercise,
            "points": row["exercises"].get(exercise),
            "outcome": verdict["outcome"],
            "key": verdict["key"],
        }
        for row in module.graded
        for exercise, verdict in module.verdicts.get(row["student"], {}).items()
    ]


def _exercises(module: Module) -> list[dict]:
    rows = []
    for exercise in dict.fromkeys(name for row in module.graded for name in row["exercises"]):
        marks = [
            row["exercises"][exercise] for row in module.graded if exercise in row["exercises"]
        ]
        given = [mark for mark in marks if mark is not None]
        found = Counter(
            verdicts[exercise]["outcome"]
            for verdicts in module.verdicts.values()
            if exercise in verdicts
        )
        known = EXERCISES.get(exercise)
        rows.append(
            {
                "module": module.name,
                "exercise": exercise,
                "points": known.points if known else None,
                "mean points": round(sum(given) / len(given), 2) if given else None,
                "learners": len(marks),
                **{name: found[name] if found else None for name in figures.OUTCOMES},
                "not read yet": len(marks) - len(given),
            }
        )
    return rows


def _misconceptions(module: Module) -> list[dict]:
    keys: dict[tuple[str, str], list[str]] = {}
    for row in _verdicts(module):
        if row["outcome"] == "not yet" and row["key"] != "no answer":
            keys.setdefault((row["exercise"], row["key"]), []).append(row["student"])
    return [
        {
            "module": module.name,
            "exercise": exercise,
            "key": key,
            "learners": len(students),
            "what should hold": _message(exercise, key).holds,
            "what may be believed": _message(exercise, key).misconception,
            "who": " ".join(students),
        }
        for (exercise, key), students in sorted(keys.items(), key=lambda item: -len(item[1]))
    ]


def _message(exercise: str, key: str) -> Message:
    try:
        return messages_of(exercise)[key]
    except KeyError:  # graded by another version of the course
        return Message("This version of the course has no message of that name.", "", "")


def _by_hand(module: Module) -> list[dict]:
    """What a person should look at, the most urgent first."""
    order = ("not gradable", "no answer", "note", "marked before", "to mark")
    rows = []
    for row in module.rows:
        reasons = [("note", note) for note in row["notes"]]
        if row["score"] is None:
            reasons = [("not gradable", row["status"].partition(": ")[2]), *reasons]
        waits = [name for name, mark in row["exercises"].items() if mark is None]
        if waits:
            reasons.append(("to mark", ", ".join(waits)))
        elif row["needs_manual_grade"]:
            again = "Marked by hand before it was graded again; formgrader shows which answers."
            reasons.append(("marked before", again))
        silent: dict[str, list[str]] = {}
        for exercise, verdict in module.verdicts.get(row["student"], {}).items():
            if verdict["key"] == "no answer":
                silent.setdefault(verdict["seen"], []).append(exercise)
        reasons += [("no answer", f"{', '.join(names)}: {seen}") for seen, names in silent.items()]
        who = {"student": row["student"], "module": module.name}
        rows += [{**who, "reason": kind, "detail": detail} for kind, detail in reasons]
    return sorted(rows, key=lambda row: (order.index(row["reason"]), row["student"]))


def _similar(module: Module) -> list[dict]:
    return [
        {
            "module": module.name,
            "first": pair.first,
            "second": pair.second,
            "what": pair.kind,
            "shared": f"{pair.share:.0%}",
        }
        for pair in module.pairs
    ]


def _csv(rows: list[dict]) -> bytes:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: safe_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


# --- The page ------------------------------------------------------------------------------------


def _page(modules: list[Module]) -> str:
    template = Template(Path(__file__).with_name("report.html").read_text(encoding="utf-8"))
    contents = " · ".join(
        f'<a href="#{escape(module.name)}">{escape(module.name or "no module")}</a>'
        for module in modules
    )
    return template.substitute(contents=contents, modules="".join(map(_section, modules)))


def _section(module: Module) -> str:
    kinds = Counter(row["status"].partition(":")[0] for row in module.rows)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in _STATUSES if kinds[kind])
    title = escape(module.name or "Without a module")
    parts = [f'<h2 id="{escape(module.name)}">{title}</h2>', f"<p>Submissions: {counts}.</p>"]
    if module.graded:
        parts += [_points(module), _per_exercise(module), _beliefs(module)]
    parts += [_to_look_at(module), _pairs(module)]
    return f"<section>{''.join(parts)}</section>"


_STATUSES = ("graded", "graded with notes", "not gradable")


def _points(module: Module) -> str:
    points = [row["score"] for row in module.graded]
    maximum = max(row["max_score"] for row in module.graded)
    waiting = sum(None in row["exercises"].values() for row in module.graded)
    caption = (
        f"Points of {len(points)} learners: median {median(points):g} of {maximum:g}, from "
        f"{min(points):g} to {max(points):g}."
    )
    if waiting:
        caption += f" {waiting} have an answer that nobody has read yet, which counts as 0 so far."
    alt = "Bar chart. Learners by points: " + ", ".join(
        f"{count} with {value}" for value, count in sorted(Counter(map(round, points)).items())
    )
    return "<h3>Points</h3>" + as_html(figures.distribution(points, maximum), caption, alt)


def _per_exercise(module: Module) -> str:
    rows = _exercises(module)
    judged = {
        row["exercise"]: {name: row[name] for name in figures.OUTCOMES}
        for row in rows
        if row["correct"] is not None
    }
    figure = ""
    if judged:
        caption = "How each exercise ended, in the order of the notebook."
        alt = "Stacked bars. " + "; ".join(
            f"{name}: " + ", ".join(f"{count} {outcome}" for outcome, count in found.items())
            for name, found in judged.items()
        )
        figure = as_html(figures.outcomes(judged), caption, alt)
    return "<h3>Exercises</h3>" + figure + _table(rows, without=("module",))


def _beliefs(module: Module) -> str:
    rows = _misconceptions(module)
    if not rows:
        return ""
    most = {f"{row['exercise']}: {row['key']}": row["learners"] for row in rows[:12]}
    caption = "What the checks named, most frequent first" + (
        f" (the first 12 of {len(rows)})." if len(rows) > 12 else "."
    )
    alt = "Bars. " + "; ".join(f"{name}: {count}" for name, count in most.items())
    return (
        "<h3>Misconceptions</h3>"
        + as_html(figures.frequencies(most), caption, alt)
        + _table(rows, without=("module",))
    )


def _to_look_at(module: Module) -> str:
    who: dict[tuple[str, str], list[str]] = {}
    for row in _by_hand(module):
        who.setdefault((row["reason"], row["detail"]), []).append(row["student"])
    rows = [
        {"reason": reason, "learners": ", ".join(dict.fromkeys(students)), "detail": detail}
        for (reason, detail), students in who.items()
    ]
    return f"<h3>To look at by hand</h3>{_table(rows) if rows else '<p>Nothing.</p>'}"


def _pairs(module: Module) -> str:
    if not module.graded:
        return ""
    if not module.pairs:
        return "<h3>Similar submissions</h3><p>None beyond what right answers have in common.</p>"
    items = []
    for pair in module.pairs:
        sides = "".join(
            f"<div><b>{escape(student)}</b><pre>{shown}</pre></div>"
            for student, shown in zip((pair.first, pair.second), pair.shared, strict=True)
        )
        items.append(
            f"<details><summary>{escape(pair.first)} and {escape(pair.second)}: {pair.share:.0%} "
            f"of the {pair.kind} of one is in the other</summary>"
            f'<div class="pair">{sides}</div></details>'
        )
    return (
        "<h3>Similar submissions</h3><p>For a person to read, and no proof: two may have learned "
        "from the same page or worked as a pair. Names of variables, comments, what the release "
        "has, and passages that several learners have do not count.</p>" + "".join(items)
    )


def _table(rows: list[dict], without: tuple[str, ...] = ()) -> str:
    names = [name for name in rows[0] if name not in without]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(row[name])}</td>" for name in names) + "</tr>" for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _text(value: object) -> str:
    if value is None:
        return ""
    parts = escape(f"{value:g}" if isinstance(value, float) else str(value)).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
