"""Write the README's table of claims, from the results file.

    python data_scripts/readme_table.py

`measure_claims.py` measures; a test fails when the README says something else.
"""

from pathlib import Path

from course_lib.evidence import results
from course_lib.home import write_atomically
from course_lib.notebooks.build import fill_in

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- claims -->", "<!-- /claims -->"

TABLE = Path(__file__).parent / "claims" / "table.md"


def filled() -> str:
    """Return the table with its numbers."""
    return "\n" + fill_in(TABLE.read_text(encoding="utf-8"), results.numbers())


def main() -> None:
    """Replace what stands between the two marks of the README."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    write_atomically(README, (before + BEGIN + filled() + END + after).encode())


if __name__ == "__main__":
    main()
