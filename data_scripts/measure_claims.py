"""Measure every number that the notebooks' prose states, and write them to one results file.

    python data_scripts/measure_claims.py --help

The file (``course_lib/evidence/results.json``) keeps the value of every seed; the build puts means
and intervals into the prose, so a number can neither be typed nor grow old. What is measured stands
in ``claims/``, one file for each module. An interrupted run goes on where it stopped, and several
may run at once.
"""

import importlib
import json
import pkgutil
import sys
import time
from pathlib import Path
from statistics import stdev
from types import ModuleType
from typing import Annotated

import claims
import typer
from filelock import FileLock
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from course_lib.errors import CourseError
from course_lib.evidence import results
from course_lib.evidence.intervals import mean_interval, paired_effect
from course_lib.home import write_atomically
from course_lib.models.weights import SHIPPED

FILES: dict[str, ModuleType] = {
    name: importlib.import_module(f"claims.{name}")
    for _, name, _ in pkgutil.iter_modules(claims.__path__)
    if name != "common"
}
FILE_OF = {claim: name for name, file in FILES.items() for claim in file.CLAIMS}


def main(
    only: Annotated[
        list[str] | None,
        typer.Option(help="A claim, or a file of claims; may be repeated. All by default."),
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Forget what was measured; and the settings, if a whole file is named."
        ),
    ] = False,
    seeds: Annotated[int, typer.Option(help="Seeds of each claim; 0: as many as it asks for.")] = 0,
    out: Annotated[Path, typer.Option(help="The results file.")] = results.SHIPPED,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two seeds, short runs: to see that all of it works.")
    ] = False,
) -> None:
    """Measure the claims, seed by seed; the results file is written after each of them."""
    if quick and out == results.SHIPPED:
        raise typer.BadParameter("--quick does not replace the shipped results: give --out.")
    unknown = [name for name in only or [] if name not in FILES and name not in FILE_OF]
    if unknown:
        raise typer.BadParameter(
            f"There is no claim {unknown[0]!r}; there are {', '.join(FILE_OF)}."
        )
    todo = [c for c, name in FILE_OF.items() if not only or c in only or name in only]
    if again:
        record = read(out)
        for claim in todo:
            record["runs"].pop(claim, None)
        for name in only or FILES:
            record["settings"].pop(name, None)
        write(out, record)
    for name in dict.fromkeys(FILE_OF[claim] for claim in todo):
        record = read(out)
        known = record["settings"].get(name)
        if known is None or known.get("quick", False) != quick:
            chosen = FILES[name].choose(quick) | ({"quick": True} if quick else {})
            record = read(out)
            record["settings"][name] = chosen
            for claim in FILES[name].CLAIMS:
                record["runs"].pop(claim, None)
            write(out, record)

    def n_seeds(claim: str) -> int:
        return 2 if quick else seeds or getattr(FILES[FILE_OF[claim]], "SEEDS", {}).get(claim, 10)

    done = read(out)["runs"]
    runs = [
        (claim, seed)
        for claim in todo
        for seed in range(n_seeds(claim))
        if str(seed) not in done.get(claim, {})
    ]
    missing = {}
    for claim, seed in (bar := tqdm(runs, desc="measuring", unit="run")):
        bar.set_postfix_str(f"{claim} {seed}")
        if claim in missing:
            continue
        settings, start = read(out)["settings"][FILE_OF[claim]], time.process_time()
        try:
            values = FILES[FILE_OF[claim]].CLAIMS[claim](seed, settings)
        except CourseError as error:  # data that is not here: the other claims do without
            missing[claim] = error
            continue
        bar.write(f"{claim} {seed}: {time.process_time() - start:.1f} CPU-seconds")
        with FileLock(f"{out}.lock"):  # others may measure other claims meanwhile
            record = read(out)
            record["runs"].setdefault(claim, {})[str(seed)] = values
            write(out, record)
    record = read(out)
    kept = record.get("numbers", {}) if only else {}  # of files that were added meanwhile
    record["numbers"] = kept | numbers(record["runs"])
    write(out, record)
    for claim, error in missing.items():
        print(f"{claim} was not measured. {error}")


def read(path: Path) -> dict:
    """Return what is recorded so far."""
    record = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return {"settings": {}, "runs": {}} | record


def write(path: Path, record: dict) -> None:
    """Replace the file by a record in a fixed order, so that a difference shows what is new."""
    order = {claim: at for at, claim in enumerate(FILE_OF)}
    record["runs"] = {
        claim: {seed: by_seed[seed] for seed in sorted(by_seed, key=int)}
        for claim, by_seed in sorted(
            record["runs"].items(), key=lambda item: order.get(item[0], len(order))
        )
    }
    record["settings"] = {name: record["settings"][name] for name in sorted(record["settings"])}
    write_atomically(path, (json.dumps(record, indent=1) + "\n").encode())


# --- From values to texts ------------------------------------------------------------------------

SHORT_VERDICTS = ("above zero", "below zero", "not told apart from zero")


def numbers(runs: dict) -> dict[str, dict]:
    """Turn the values of all seeds into the numbers that the prose may name."""
    values: dict[str, dict[str, float]] = {}
    for claim in FILE_OF:
        for seed, by_key in runs.get(claim, {}).items():
            for key, value in by_key.items():
                values.setdefault(key, {})[seed] = value
    units = {
        beginning: unit
        for file in FILES.values()
        for beginning, unit in getattr(file, "UNITS", {}).items()
    }
    found = {}
    for key, by_seed in values.items():
        unit = next((unit for start, unit in units.items() if key.startswith(start)), "%")
        of_seeds = list(by_seed.values())
        if len(of_seeds) < 2:
            continue
        found |= _entries(key, mean_interval(of_seeds), of_seeds, unit)
    for file in FILES.values():
        for key in getattr(file, "SPREADS", ()):
            if len(values.get(key, {})) > 1:
                found[f"{key}.sd"] = {"text": f"{100 * stdev(values[key].values()):.1f} points"}
        for key, (a, b) in getattr(file, "PAIRS", {}).items():
            common = sorted(values.get(a, {}).keys() & values.get(b, {}).keys(), key=int)
            if len(common) > 1:
                pair = [values[a][seed] for seed in common], [values[b][seed] for seed in common]
                gains = [x - y for x, y in zip(*pair, strict=True)]
                effect = paired_effect(*pair)
                found |= _entries(key, effect, gains, "points")
                above, below, neither = SHORT_VERDICTS
                text = above if effect[1] > 0 else below if effect[2] < 0 else neither
                found[f"{key}.verdict"] = {"text": text}
    card = json.loads(SHIPPED.with_suffix(".json").read_text("utf-8"))
    for name, title in (("pretrained", "backbone"), ("pixels", "pixels"), ("random", "random")):
        key = f"one_shot.held_out.{title}"
        found |= _entries(key, card[name]["one_shot"], [], "%", n=card["n_episodes"])
    return found


def _entries(
    key: str, interval: tuple[float, float, float], values: list[float], unit: str, n: int = 0
) -> dict[str, dict]:
    mean, low, high = interval
    if unit in ("times", "epochs", "number"):
        places = next(n for n, least in enumerate((100, 1, 0.1, 0)) if abs(mean) >= least)
        short = f"{mean:,.{places}f}" + (f" {unit}" if unit != "number" else "")
        ends = f"[{low:,.{places}f}, {high:,.{places}f}]"
    else:
        sign = "+" if unit == "points" else ""
        # one decimal, but an end that is nearly 0 keeps its sign in a second one
        places = 2 if 0 < min(abs(low), abs(high)) < 0.0005 else 1
        short = f"{100 * mean:{sign}.{places}f} {unit}"
        ends = f"[{100 * low:{sign}.{places}f}, {100 * high:{sign}.{places}f}]"
    entry = {
        "text": short if low == high else f"{short} {ends}",
        "mean": mean,
        "low": low,
        "high": high,
        "unit": unit,
        "n": n or len(values),
        "values": values,
    }
    return {key: entry, f"{key}.mean": {"text": short}}


if __name__ == "__main__":
    threadpool_limits(1)  # layers this small gain nothing from more, and lose when they wait
    try:
        typer.run(main)
    except CourseError as error:
        sys.exit(str(error))
