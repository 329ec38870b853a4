"""``python -m tests.mutants [EXERCISE ...]`` prints the mutants that pass the hidden tests.

``--all`` also prints which were caught, and by which message.
"""

import sys
import time

from course_lib.checks.exercises import EXERCISES
from tests.mutants import mutants, survived, verdict
from tests.mutants.same import SAME


def main() -> None:
    """Print survivors and a summary for each exercise."""
    names = [word for word in sys.argv[1:] if not word.startswith("--")]
    for exercise in names or [row.id for row in EXERCISES.values() if row.solution]:
        start, passed, seen = time.perf_counter(), [], 0
        known = SAME.get(exercise, {})
        made = mutants(exercise)
        for name, source in made.items():
            if "--all" in sys.argv:
                print(f"    {'/'.join(verdict(exercise, source, 0, hard=False))}: {name}")
            visible = survived(exercise, source, range(2), hard=False)
            seen += not visible
            if survived(exercise, source, range(2), hard=True) and name not in known:
                passed.append(("  " if visible else "  [caught by the visible check] ") + name)
        taken = time.perf_counter() - start
        print(
            f"{exercise}: {len(made)} mutants, {seen} caught visibly, {len(known)} the same, "
            f"{len(passed)} survived ({taken:.0f} s)",
            *passed,
            sep="\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
