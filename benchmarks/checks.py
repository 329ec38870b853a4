"""Milliseconds that each check takes on its reference solution: visible, and hidden.

python benchmarks/checks.py
"""

import inspect
import statistics
import time
from importlib import import_module

from course_lib.checks.exercises import EXERCISES
from course_lib.checks.run import in_process, judge

ROUNDS = 5


def main() -> None:
    """Print one line an exercise, as a Markdown table (medians, after one run to warm up)."""
    print("| exercise | visible, ms | hidden, ms |\n|---|---|---|")
    for row in EXERCISES.values():
        if row.solution:
            module, name = row.solution.split(":")
            # made again from its source: the judges notice calls of the library's own
            namespace = dict(vars(import_module(module)))
            exec(inspect.getsource(namespace[name]), namespace)
            own = namespace[name]
            times = [milliseconds(row.id, own, hard) for hard in (False, True)]
            print(f"| {row.id} | {times[0]:.0f} | {times[1]:.0f} |", flush=True)


def milliseconds(exercise: str, function: object, hard: bool) -> float:
    """Return the median time of one check."""
    taken = []
    for seed in range(ROUNDS + 1):
        start = time.perf_counter()
        verdict = judge(exercise, in_process({exercise: function}), seed=seed, hard=hard)
        taken.append(1000 * (time.perf_counter() - start))
        assert verdict.correct, verdict.as_text()
    return statistics.median(taken[1:])


if __name__ == "__main__":
    main()
