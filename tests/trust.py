"""Measure how far the checks can be trusted, and write the table ``tests/TRUST.md``.

    python -m tests.trust                     what has changed since the last time
    python -m tests.trust freeze              one exercise, all of it

The reference and every answer of the catalogue are judged with 200 seeds by the visible check, with
every tenth of them by the hidden tests, too (the same judge with more rounds), and every mutant of
the reference with two. ``trust.json`` keeps what was found, with a mark of the code it depends on,
so it can be interrupted, and only what changed is measured again: a new answer alone, all answers
when a probe or a judge is another. All cores are used.
"""

import ast
import copy
import hashlib
import json
import os
import re
import statistics
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import torch
import typer
from tqdm import tqdm

from course_lib.checks import run
from course_lib.checks.exercises import EXERCISES
from course_lib.checks.judges import m04, m06, probing
from course_lib.home import write_atomically
from tests.answers import FILES, FROM_TEXT, answers, expected
from tests.answers.hostile import hostile
from tests.mutants import defined, mutants, reference, survived
from tests.mutants.same import SAME

HERE = Path(__file__).resolve().parent
FOUND, TABLE = HERE / "trust.json", HERE / "TRUST.md"
CHECKS = HERE.parent / "course_lib" / "checks"
CHECKED = [row.id for row in EXERCISES.values() if row.solution]
Job = tuple[str, str, bool, range]


def main(
    exercises: Annotated[list[str] | None, typer.Argument(help="All by default.")] = None,
    seeds: Annotated[int, typer.Option(help="For each answer; a tenth of them hidden.")] = 200,
    jobs: Annotated[int, typer.Option(help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Measure the checks against the catalogue of answers and the mutants."""
    kept = json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.exists() else {}
    with get_context("fork").Pool(jobs, _start) as pool:
        for exercise in exercises or CHECKED:
            row = kept.get(exercise, {})
            current = row.get("mark") == mark(exercise)
            known = row if current and row["seeds"] >= seeds and not exercises else None
            found = measure(exercise, seeds, pool, known)
            for problem in found.pop("problems"):
                print(f"{exercise}: {problem}", file=sys.stderr)
            if current and row["seeds"] > seeds:
                continue
            kept[exercise] = found
            ordered = {name: kept[name] for name in CHECKED if name in kept}
            write_atomically(FOUND, (json.dumps(ordered, indent=1) + "\n").encode())
            write_atomically(TABLE, table(ordered).encode())


def measure(exercise: str, seeds: int, pool, known: dict | None) -> dict:
    """Return what is known of one exercise's checks; "problems" are sentences for a person.

    What `known`, an earlier row with the same code and seeds, says already is not measured again.
    """
    marks = answer_marks(exercise)
    work = [
        (exercise, name, hard, range(0, seeds, 10 if hard else 1))
        for name in marks
        for hard in (False, True)
        if known is None or marks[name] not in known["deserved"]
    ]
    bar = tqdm(pool.imap_unordered(_judge, work), exercise, len(work), leave=False)
    totals, problems, failed = Counter(), [], set()
    kinds = Counter(name.split("_")[0] for name in marks)
    for name, hard, outcomes, _ in bar:
        for outcome, times in outcomes.items():
            if outcome != "deserved":
                totals[outcome] += times
                failed.add(name)
                where = "hidden" if hard else "visible"
                problems.append(f"{name}, {where}: {outcome}, {times} of {outcomes.total()} seeds")
    made, same = mutants(exercise), SAME.get(exercise, {})
    if known is None:
        lives = pool.starmap(_lives, [(exercise, name) for name in made if name not in same])
        problems += [f"mutant: {name}" for name in lives if name]
        alive = sum(map(bool, lives))
        _quiet()  # and here, where nothing else runs beside it
        alone = [_judge((exercise, "reference", hard, range(5)))[-1] for hard in (False, True)]
        ms = [round(1000 * seconds) for seconds in alone]
    else:
        alive, ms = known["survived"], known["ms"]
    return {
        "mark": mark(exercise),
        "seeds": seeds,
        "wrong": kinds["wrong"],
        "hostile": kinds["hostile"],
        "right": kinds["right"],
        "escapes": totals["accepted"],
        "misnamed": totals["another message"],
        "false alarms": totals["refused"],
        "mutants": len(made),
        "same": len(same),
        "survived": alive,
        "ms": ms,
        "deserved": " ".join(marks[name] for name in marks if name not in failed),
        "problems": problems,
    }


def _start() -> None:
    _quiet()
    for module, slow in ((probing, "draw_case"), (m04, "_two_samples"), (m06, "_scenes_of_boxes")):
        setattr(module, slow, _remembered(getattr(module, slow)))


def _quiet() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")


def _remembered(draw: Callable) -> Callable:
    """Draw one case for all answers that are judged with the same seed."""
    known: dict = {}

    def again(rng: torch.Generator, *args: object) -> object:
        key = rng.get_state().numpy().tobytes(), repr(args)
        if key not in known:
            known[key] = draw(rng, *args), rng.get_state()
        case, state = known[key]
        rng.set_state(state)
        return copy.deepcopy(case)

    return again


def _judge(job: Job) -> tuple[str, bool, Counter, float]:
    """Return how often an answer met which outcome, and the median of the seconds it took."""
    exercise, name, hard, seeds = job
    kind, _, rest = name.partition("_")
    namespace, key, taken = {}, None, []
    outcomes: Counter = Counter()
    for seed in seeds:
        if kind == "hostile":  # a fresh one for each seed: some remember
            answer, key = hostile(exercise)[rest]
            namespace = {exercise: answer}
        elif not namespace and kind == "reference":
            namespace = defined(exercise)
        elif not namespace:
            namespace = {exercise: answers(exercise)[name]}
            key = expected(name, namespace[exercise])[1]
        start = time.perf_counter()
        verdict = run.judge(exercise, run.in_process(namespace), seed=seed, hard=hard)
        taken.append(time.perf_counter() - start)
        torch.set_grad_enabled(True)
        if kind in ("reference", "right"):
            outcomes["deserved" if verdict.correct else "refused"] += 1
        elif verdict.outcome not in ("not yet", "raised"):
            outcomes["accepted"] += 1
        else:
            outcomes["deserved" if key in (None, verdict.key) else "another message"] += 1
    return name, hard, outcomes, statistics.median(taken)


def _lives(exercise: str, name: str) -> str | None:
    return name if survived(exercise, mutants(exercise)[name], range(2), hard=True) else None


def mark(exercise: str) -> str:
    """Return a mark of all but the answers that decides the verdicts, to see whether it changed."""
    section = EXERCISES[exercise].section
    shared = [HERE / "mutants" / "__init__.py", CHECKS / "answer.py", CHECKS / "wire.py"]
    for side in ("probes", "judges"):
        files = sorted((CHECKS / side).glob("*.py"))
        shared += [path for path in files if not re.fullmatch(r"m\d\d", path.stem)]
    judge = _needed(CHECKS / "judges" / f"{section}.py", {exercise})
    probe = _needed(CHECKS / "probes" / f"{section}.py", {exercise, *re.findall(r"\w+", judge)})
    texts = [path.read_text(encoding="utf-8") for path in shared]
    parts = [*texts, judge, probe, reference(exercise)[1], json.dumps(SAME.get(exercise, {}))]
    return _mark(*(re.sub(r'(?s)""".*?"""', "", part) for part in parts))


def answer_marks(exercise: str) -> dict[str, str]:
    """Return a mark of the source of each answer, with all that it shares with the others."""
    marks = {"reference": _mark("reference")}
    for path in (FILES[exercise], FROM_TEXT[exercise]):
        parts = {name: source for name, (source, _) in _parts(path).items()}
        own = {name for name in parts if name.startswith(("wrong_", "right_"))}
        shared = [source for name, source in parts.items() if name not in own]
        marks |= {name: _mark(name, parts[name], *shared) for name in parts if name in own}
    by_machine = (HERE / "answers" / "hostile.py").read_text(encoding="utf-8")
    return marks | {f"hostile_{name}": _mark(name, by_machine) for name in hostile(exercise)}


def _parts(path: Path) -> dict[str, tuple[str, ast.AST]]:
    """Return what stands in a module, by the name it defines; imports and the like by number."""
    lines = path.read_text(encoding="utf-8").splitlines()
    parts = {}
    for number, node in enumerate(ast.parse("\n".join(lines)).body):
        named = node.targets[0] if isinstance(node, ast.Assign) else node
        named = node.target if isinstance(node, ast.AnnAssign) else named
        name = getattr(named, "name", None) or getattr(named, "id", str(number))
        first = min(part.lineno for part in (node, *getattr(node, "decorator_list", [])))
        parts[name] = "\n".join(lines[first - 1 : node.end_lineno]), node
    return parts


def _needed(path: Path, names: set[str]) -> str:
    """Return the source of what some definitions of a module need of it, and its imports."""
    parts = _parts(path)
    waiting, needed = [*names, *filter(str.isdigit, parts)], set()
    while waiting:
        name = waiting.pop()
        if name in parts and name not in needed:
            needed.add(name)
            inside = ast.walk(parts[name][1])
            waiting += [node.id for node in inside if isinstance(node, ast.Name)]
    return "\n".join(source for name, (source, _) in parts.items() if name in needed)


def _mark(*parts: str) -> str:
    code = re.sub(r"(?m)^\s*#.*\n", "", "\0".join(parts))  # a comment decides nothing
    return hashlib.sha256(code.encode()).hexdigest()[:8]


def table(found: dict) -> str:
    """Return the published table."""
    lines = [
        "# How far the checks can be trusted",
        "",
        "Written by `python -m tests.trust`; the answers are in [answers](answers), the mutants in",
        "[mutants](mutants). The reference and each answer were judged with the stated number of",
        "seeds by the visible check, and with every tenth of them by the hidden tests; mutants by",
        "the hidden tests, with two. A wrong answer must be rejected with the message of its own",
        "misconception, a hostile one with any. *Escapes* are verdicts that accepted such an",
        "answer, *misnamed* those with another message, *false alarms* those that rejected a right",
        "answer. *The same*: no input within the contract tells the mutant from the reference; the",
        "proofs are in [same.py](mutants/same.py), and there is why the survivors are not caught.",
        "Milliseconds are medians on the reference, visible and hidden, and say nothing about your",
        "machine.",
        "",
        "| exercise | seeds | wrong answers | hostile | escapes | misnamed "
        "| right answers | false alarms | mutants | caught | the same | survived | ms |",
        "|---|" + "---|" * 12,
    ]
    total: Counter = Counter()
    for exercise, row in found.items():
        caught = row["mutants"] - row["same"] - row["survived"]
        cells = {**row, "caught": caught}
        total.update({k: v for k, v in cells.items() if isinstance(v, int)})
        lines.append(_line(exercise, row["seeds"], cells, " / ".join(map(str, row["ms"]))))
    lines.append(_line(f"**all {len(found)}**", "", total, ""))
    return "\n".join(lines) + "\n"


def _line(name: str, seeds: object, row: dict, ms: str) -> str:
    keys = ("wrong", "hostile", "escapes", "misnamed", "right", "false alarms")
    keys += ("mutants", "caught", "same", "survived")
    cells = [name, seeds, *(row[key] for key in keys), ms]
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    typer.run(main)
