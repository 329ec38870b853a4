"""Downloaded files, all optional: photographs and ImageNet weights in the data folder.

``COURSE_DATA`` names the folder; the default is ``data`` in the course's home.
"""

import zipfile
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError

from course_lib.errors import CourseError
from course_lib.home import place


class Source(NamedTuple):
    """Where a download comes from and what is known about it before it is there."""

    url: str
    megabytes: int
    licence: str
    what: str
    accepted: tuple[str, ...]  # patterns of files or folders that will do, best first


SOURCES = {
    "photos": Source(
        "https://download.pytorch.org/tutorial/hymenoptera_data.zip",
        47,
        "unstated: for your own use, do not redistribute",
        "ants and bees, 244 + 153 photographs (PyTorch's transfer learning tutorial)",
        ("hymenoptera_data.zip", "hymenoptera_data"),
    ),
    "mobilenet_v2": Source(
        # torchvision's MobileNet_V2_Weights.IMAGENET1K_V1; the name carries the hash.
        "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
        14,
        "BSD-3-Clause; trained on ImageNet, whose terms allow research and teaching",
        "MobileNetV2 trained on ImageNet (torchvision)",
        ("mobilenet_v2-b0353104.pth", "mobilenet_v2*.pth", "*/mobilenet_v2*.pth"),
    ),
    "pneumonia": Source(
        "https://zenodo.org/records/10519652/files/pneumoniamnist.npz",
        5,
        "CC BY 4.0",
        "PneumoniaMNIST, 5,856 chest X-rays of children at 28 x 28 pixels (MedMNIST)",
        ("pneumoniamnist.npz", "*/pneumoniamnist.npz"),
    ),
    "nuclei": Source(
        "https://data.broadinstitute.org/bbbc/BBBC038/stage1_train.zip",
        83,
        "CC0",
        "670 microscope images with a mask for each nucleus (2018 Data Science Bowl, BBBC038)",
        ("stage1_train.zip", "dsb2018_nuclei*.zip", "*/dsb2018_nuclei*.zip"),
    ),
    **{
        f"omniglot_{part}": Source(
            f"https://github.com/brendenlake/omniglot/raw/master/python/{path}.zip",
            megabytes,
            "MIT",
            what,
            (f"{Path(path).name}.zip", f"*/{Path(path).name}.zip"),
        )
        for part, path, megabytes, what in (
            (
                "runs",
                "one-shot-classification/all_runs",
                1,
                "the Omniglot challenge: 20 runs of 20 characters, one drawing each to learn from",
            ),
            (
                "background",
                "images_background",
                10,
                "Omniglot, 964 handwritten characters of 30 alphabets, 20 drawings each",
            ),
            (
                "evaluation",
                "images_evaluation",
                7,
                "Omniglot, 659 handwritten characters of 20 other alphabets, 20 drawings each",
            ),
        )
    },
}


def data_folder() -> Path:
    """Return the folder for downloads (it may not exist yet)."""
    return place("data")


def find(name: str) -> Path:
    """Return where a download lies; `CourseError` with the way to get it if it is not there."""
    for pattern in _source(name).accepted:
        for path in sorted(data_folder().glob(pattern)):
            return path
    raise CourseError(
        f"There is no download {name!r} in {data_folder()} yet: run `course data fetch {name}` "
        f"({_source(name).megabytes} MB), or set COURSE_DATA to the folder that has them."
    )


def available(name: str) -> bool:
    """Tell whether a download is there (not whether it is sound: `catalogue.verify` does)."""
    try:
        return bool(find(name))
    except CourseError:
        return False


def fetch(name: str) -> Path:
    """Download into the data folder, whole or not at all, and return the path.

    What is there already is kept.

    Raises
    ------
    CourseError
        No network, a refused or damaged download, no rights, a full disk.
    """
    source = _source(name)
    if available(name):
        return find(name)
    from torch.hub import download_url_to_file  # slow to import, seldom needed

    target = data_folder() / source.url.rsplit("/", 1)[1]
    part = target.with_name(target.name + ".part")
    hash_prefix = target.stem.rpartition("-")[2] if "-" in target.stem else None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CourseError(
            f"The folder {data_folder()} cannot be made ({error.strerror}): set COURSE_DATA to a "
            "folder you may write to."
        ) from error
    try:
        download_url_to_file(source.url, str(part), hash_prefix)
        if target.suffix in (".zip", ".npz") and not zipfile.is_zipfile(part):
            raise RuntimeError("it is not a zip file")
        part.replace(target)
    except PermissionError as error:
        raise CourseError(
            f"{data_folder()} is not writable: set COURSE_DATA to a folder you may write to."
        ) from error
    except HTTPError as error:
        raise CourseError(
            f"{source.url} was refused ({error}): try later, or fetch it with a browser into "
            f"{data_folder()}."
        ) from error
    except OSError as error:
        raise CourseError(
            f"{source.url} could not be downloaded ({getattr(error, 'reason', error)}): check the "
            f"network and the disk, then run `course data fetch {name}` again."
        ) from error
    except RuntimeError as error:
        raise CourseError(
            f"What came from {source.url} is damaged ({error}): run `course data fetch {name}` "
            "again."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise ValueError(f"There is no download {name!r}: use {' or '.join(SOURCES)}.")
    return SOURCES[name]
