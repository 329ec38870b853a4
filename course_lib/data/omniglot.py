"""Omniglot (Lake, Salakhutdinov & Tenenbaum 2015): 1,623 characters of 50 alphabets, each drawn by
20 people; and the 20 official 20-way one-shot runs of the Omniglot challenge.

Read from the authors' own zip files in the data folder. The drawings (105 x 105, black on white)
come out as the course's glyphs do: cropped, centred, thickened, white on black.
"""

import hashlib
import io
import re
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from course_lib.data import files
from course_lib.data.drawings import STROKE, framed
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.home import folder, write_atomically

SPLITS = {
    "background": "omniglot_background",
    "evaluation": "omniglot_evaluation",
    "runs": "omniglot_runs",
}

# Alphabets with letters of scripts that the shipped backbone was pretrained on, in print. "Without
# overlap" leaves them out.
SOURCE_SCRIPTS = frozenset(
    (
        *("Latin", "Greek", "Cyrillic", "Malay_(Jawi_-_Arabic)"),
        "Blackfoot_(Canadian_Aboriginal_Syllabics)",
        "Inuktitut_(Canadian_Aboriginal_Syllabics)",
        "Ojibwe_(Canadian_Aboriginal_Syllabics)",
        "Old_Church_Slavonic_(Cyrillic)",
    )
)
RUNS_IN_SOURCE_SCRIPTS = (14, 15)  # positions in `runs()`: run15 and run16 are Old Church Slavonic


class Run(NamedTuple):
    """One official run: twenty characters of one alphabet, drawn once, and once by someone else.

    Attributes
    ----------
    support, query : Tensor (20, 1, 32, 32)
        Image k of the support is class k.
    answers : Tensor (20,)
        The class of each query.
    """

    support: Tensor
    query: Tensor
    answers: Tensor


def runs() -> list[Run]:
    """Return the 20 official runs, in their order.

    The challenge: name the class of each query from the one drawing of each class, within the run.
    People make 4.5 % errors (Lake et al. 2015).

    Raises
    ------
    CourseError
        The download is missing, damaged or incomplete.
    """
    path = files.find("omniglot_runs")
    with _open(path, "omniglot_runs") as archive:
        try:
            return [_run(archive, f"run{number:02d}") for number in range(1, 21)]
        except (KeyError, ValueError) as error:
            raise _damaged(path, "omniglot_runs") from error


def load(split: str) -> ImageSet:
    """Return every drawing of one split.

    Parameters
    ----------
    split : {"background", "evaluation"}
        964 or 659 characters, 20 drawings each. The first time this takes a minute; the result is
        kept in the course's cache.

    Returns
    -------
    ImageSet
        Images (N, 1, 32, 32), classes such as ``"Greek/character01"``.

    Raises
    ------
    ValueError
        Unknown split.
    CourseError
        The download is missing or damaged, or the cache cannot be written.
    """
    if split not in ("background", "evaluation"):
        raise ValueError(
            f"There is no split {split!r} of Omniglot: use background or evaluation, or runs()."
        )
    name = SPLITS[split]
    path = files.find(name)
    with _open(path, name) as archive:
        drawings: dict[str, list[str]] = {}
        for member in sorted(archive.namelist()):
            if found := re.search(r"([^/]+/character\d+)/[^/]+\.png$", member):
                drawings.setdefault(found[1], []).append(member)
        if not drawings:
            raise _damaged(path, name)
        pixels = _cached(path, archive, [m for of_class in drawings.values() for m in of_class])
    labels = torch.arange(len(drawings)).repeat_interleave(
        torch.tensor([len(of_class) for of_class in drawings.values()])
    )
    return ImageSet(
        torch.from_numpy(pixels).unsqueeze(1).float().div_(255), labels, tuple(drawings)
    )


def _run(archive: zipfile.ZipFile, name: str) -> Run:
    # Each line: "run01/test/item01.png run01/training/class08.png"
    lines = archive.read(f"{name}/class_labels.txt").decode().split("\n")
    pairs = sorted(tuple(line.split()) for line in lines if line.strip())
    support = [f"{name}/training/class{k:02d}.png" for k in range(1, 21)]
    if len(pairs) != 20:
        raise ValueError(f"{name} has {len(pairs)} queries")
    images = [
        torch.from_numpy(np.stack([_drawing(archive, member) for member in members]))[:, None]
        for members in (support, [item for item, _ in pairs])
    ]
    return Run(*images, torch.tensor([support.index(of_class) for _, of_class in pairs]))


def _drawing(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(archive.read(member))) as picture:
            return framed(np.asarray(picture.convert("L")) < 128)
    except (OSError, SyntaxError, zipfile.BadZipFile) as error:
        raise ValueError(f"{member} is damaged") from error


def _cached(path: Path, archive: zipfile.ZipFile, members: list[str]) -> np.ndarray:
    """Return uint8 (N, 32, 32), made anew if the zip file or the way to frame it is another."""
    sums = [f"{member} {archive.getinfo(member).CRC}" for member in members]
    key = hashlib.sha256("\n".join([f"2 {STROKE}", *sums]).encode()).hexdigest()[:16]
    file = folder("cache") / f"omniglot-{key}.npz"
    try:
        with np.load(file) as arrays:
            return arrays["pixels"]
    except Exception:  # missing or damaged in whatever way: it is simply made again
        pass
    bar = tqdm(members, "framing drawings", leave=False, delay=3, file=sys.stdout)
    try:
        pixels = np.stack([np.uint8(255 * _drawing(archive, member) + 0.5) for member in bar])
    except ValueError as error:
        raise CourseError(
            f"{path} is damaged ({error}): delete it, and get it again with `course data fetch`."
        ) from error
    buffer = io.BytesIO()
    np.savez_compressed(buffer, pixels=pixels)
    write_atomically(file, buffer.getvalue())
    return pixels


def _open(path: Path, name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise _damaged(path, name) from error


def _damaged(path: Path, name: str) -> CourseError:
    return CourseError(
        f"{path} is damaged or not Omniglot's own: delete it and run `course data fetch {name}`."
    )
