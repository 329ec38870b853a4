"""Hidden inputs: different for each submission, the same again for a regrade or an appeal.

A submission's own code is part of its seeds: a notebook that was changed is asked anew, so inputs
that a learner's code wrote down are of no use at the next hand-in.
"""

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from nbformat import NotebookNode

from course_lib.errors import CourseError

NAME = ".grading_secret"


def secret(root: Path) -> bytes:
    """Return the instructor's secret of this course folder, made on first use, never committed.

    Keep the file: with it every mark can be replayed, and only with it.
    """
    path = root / NAME
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii"))
            if len(key) != 32:
                raise ValueError
        except (ValueError, OSError):
            raise CourseError(
                f"{path} cannot be read or is damaged (64 hexadecimal digits expected): restore it "
                "from a backup, or delete it for a new one; old marks cannot be replayed then."
            ) from None
        return key
    except OSError as error:
        raise CourseError(f"{path} cannot be made: {error.strerror}.") from error
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write((key := secrets.token_bytes(32)).hex() + "\n")
    return key


def code_of(notebook: NotebookNode) -> str:
    """Digest the code of a rebuilt notebook; what else is in it no judge asks."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


def seed(key: bytes, assignment: str, student: str, exercise: str, code: str) -> int:
    """Derive the seed (48 bits) of one exercise of one submission; `code` as from `code_of`."""
    text = "\0".join((assignment, student, exercise, code)).encode()
    return int.from_bytes(hmac.digest(key, text, hashlib.sha256)[:6], "big")
