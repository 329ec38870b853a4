"""Seconds that each notebook and its slowest cell take, run with solutions as a learner would.

    python benchmarks/notebooks.py

Seconds depend on the machine and on what else it does: read them, do not test against them.
"""

import tempfile
from datetime import datetime

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from course_lib.notebooks.build import course_root, modules, read_source


def main() -> None:
    """Print one line a module, as a Markdown table."""
    root = course_root()
    print("| module | seconds | slowest cell | its first line |\n|---|---|---|---|")
    for module in modules(root):
        notebook = nbformat.from_dict(read_source(root / f"{module}.py"))
        with tempfile.TemporaryDirectory() as folder:
            where = {"metadata": {"path": folder}}
            NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
        cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source]
        slowest = max(cells, key=seconds)
        line = slowest.source.splitlines()[0].replace("|", "\\|")
        total = sum(map(seconds, cells))
        print(f"| {module} | {total:.0f} | {seconds(slowest):.0f} | `{line}` |", flush=True)


def seconds(cell: NotebookNode) -> float:
    """Return how long the kernel worked on a cell."""
    times = cell.metadata["execution"]
    start, end = (
        datetime.fromisoformat(times[name])
        for name in ("iopub.execute_input", "shell.execute_reply")
    )
    return (end - start).total_seconds()


if __name__ == "__main__":
    main()
