"""Your own photographs: a folder with one folder of images for each class."""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from tqdm import tqdm

from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
UNREADABLE = (".heic", ".heif", ".avif", ".raw", ".dng")  # photographs that Pillow cannot open


def load(path: str | Path, size: int = 224, channels: int = 3) -> ImageSet:
    """Read images in the size and colours that a backbone wants.

    Parameters
    ----------
    path
        A folder whose subfolders are the classes, named after them::

            my_photos/cat/1.jpg, my_photos/cat/2.jpg, my_photos/dog/a.png, ...

        Hidden files and what is no image are passed over.
    size
        Side in pixels. Each image is cropped to its central square, upright as it was taken.
    channels
        3 for colour (ImageNet's networks: 224 pixels), 1 for grey (the course's backbone: 32
        pixels, and white on black).

    Returns
    -------
    ImageSet
        Images (N, channels, size, size) in [0, 1], not normalised; classes in alphabetical order,
        images in the order of their names. What is transparent becomes white.

    Raises
    ------
    ValueError
        Not 1 or 3 channels, or a size below 1.
    CourseError
        There is no such folder; it has no class, only one, an empty or a nested one; an image
        cannot be read.
    """
    if channels not in (1, 3) or size < 1:
        raise ValueError(f"Images have 1 or 3 channels and a size above 0, not {channels}, {size}.")
    files = {folder.name: _images(folder) for folder in _classes(Path(path).expanduser())}
    pixels, labels = [], []
    bar = tqdm(
        total=sum(map(len, files.values())), desc="images", leave=False, delay=3, file=sys.stdout
    )
    for label, of_class in enumerate(files.values()):
        for file in of_class:
            pixels.append(_decode(file, size, "L" if channels == 1 else "RGB"))
            labels.append(label)
            bar.update()
    bar.close()
    images = torch.from_numpy(np.stack(pixels)).view(-1, size, size, channels)
    return ImageSet(
        images.permute(0, 3, 1, 2).float().div_(255).contiguous(),
        torch.tensor(labels),
        tuple(files),
    )


def _classes(root: Path) -> list[Path]:
    try:
        inside = [entry for entry in root.iterdir() if not entry.name.startswith((".", "__"))]
    except OSError as error:
        raise CourseError(
            f"The folder {root} cannot be opened ({error.strerror}): give the path of a folder "
            "that has one folder of images for each class."
        ) from error
    folders = sorted((entry for entry in inside if entry.is_dir()), key=lambda entry: entry.name)
    if len(folders) < 2:
        loose = any(entry.suffix.lower() in IMAGES for entry in inside)
        found = f"one class only, {folders[0].name}" if folders else "no folder in it"
        raise CourseError(
            f"{root} has {found}{', and loose images' if loose else ''}: put the images of each "
            "class into a folder of its own, at least two of them."
        )
    return folders


def _images(folder: Path) -> list[Path]:
    try:
        inside = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise CourseError(f"The folder {folder} cannot be opened ({error.strerror}).") from error
    inside = [entry for entry in inside if not entry.name.startswith((".", "__"))]
    if nested := [entry for entry in inside if entry.is_dir()]:
        raise CourseError(
            f"The class {folder.name} holds the folder {nested[0].name}: images lie directly in "
            f"the folder of their class; perhaps {folder} itself is the folder to give."
        )
    if foreign := [entry for entry in inside if entry.suffix.lower() in UNREADABLE]:
        raise CourseError(
            f"{foreign[0]} is of a kind that cannot be read here: save it as JPEG or PNG."
        )
    found = [entry for entry in inside if entry.suffix.lower() in IMAGES]
    if not found:
        raise CourseError(
            f"The class folder {folder} holds no image: put some in ({', '.join(IMAGES[:4])}), or "
            "delete the folder."
        )
    return found


def _decode(file: Path, size: int, mode: str) -> np.ndarray:
    try:
        with Image.open(file) as image:
            image.draft(mode, (size, size))  # lets a JPEG be decoded at a smaller scale
            upright = ImageOps.exif_transpose(image)  # phones store how they were held
            if upright.has_transparency_data:
                upright = upright.convert("RGBA")
                white = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(white, upright)
            return np.asarray(ImageOps.fit(upright.convert(mode), (size, size)))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CourseError(
            f"The image {file} cannot be read: delete it, or save it again as JPEG or PNG."
        ) from error
