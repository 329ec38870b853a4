"""A course of one small module, to test what is done to notebooks in seconds instead of minutes."""

import shutil
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
MODULE = "00_mini"
RIGHT = "def n_correct(logits, labels):\n    return int((logits.argmax(dim=1) == labels).sum())"
SHARE = "def n_correct(logits, labels):\n    return (logits.argmax(dim=1) == labels).float().mean()"

TEXT = '''# %% [markdown]
# # A small module

# %%
import torch
from course_lib import check, hint, use

# %% [markdown]
# ## Exercise: {{exercise n_correct}}

# %% nbgrader={"grade_id": "n_correct", "solution": true}
def n_correct(logits, labels):
    """Count the rows whose largest logit is at the label."""
    ### BEGIN SOLUTION
    return int((logits.argmax(dim=1) == labels).sum())
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-n_correct"}
check("n_correct")

# %%
count = use("n_correct")
print("counted", count(torch.eye(3), torch.arange(3)))

# %% [markdown] nbgrader={"grade_id": "why_frozen_features", "solution": true}
# Because they are frozen.
'''


def write_course(folder: Path, text: str = TEXT) -> Path:
    """Write the text and nbgrader's configuration of a one-module course; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "notebooks" / "nbgrader_config.py", folder)
    (folder / f"{MODULE}.py").write_text(text, encoding="utf-8")
    return folder


def cell_of(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    """Return the cell with this grade id."""
    return next(
        cell
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )


def answered(release: NotebookNode, **answers: str) -> NotebookNode:
    """Return a copy of a release with answers (grade id = source) filled in."""
    notebook = deepcopy(release)
    for grade_id, source in answers.items():
        cell_of(notebook, grade_id).source = source
    return notebook


def save(notebook: NotebookNode, path: Path) -> Path:
    """Write a notebook, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path
