"""A folder of one's own images, with everything that people have in one."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data import folder
from course_lib.errors import CourseError


def picture(colour, size=(40, 30), kind="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, tuple(colour)).save(buffer, kind, **options)
    return buffer.getvalue()


def write(root, members):
    for name, content in members.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@pytest.mark.parametrize(("size", "channels"), [(32, 1), (56, 3)])
def test_each_image_has_its_colour_its_class_and_its_place(tmp_path, size, channels):
    colours = np.random.default_rng().integers(0, 256, (4, 3)).tolist()
    names = ("cat/b.PNG", "cat/a.png", "dög/z.bmp", "dög/1.webp")
    kinds = ("PNG", "PNG", "BMP", "WEBP")
    members = {
        name: picture(colour, kind=kind, **({"lossless": True} if kind == "WEBP" else {}))
        for name, colour, kind in zip(names, colours, kinds, strict=True)
    }
    litter = {".DS_Store": b"x", "cat/.hidden.jpg": b"x", "cat/Thumbs.db": b"x", "notes.txt": b"x",
              "__MACOSX/cat.jpg": b"x", ".ipynb_checkpoints/1.png": b"x"}  # fmt: skip
    found = folder.load(write(tmp_path, members | litter), size, channels)
    assert found.classes == ("cat", "dög")
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.images.shape == (4, channels, size, size)
    assert (found.images.dtype, found.labels.dtype) == (torch.float32, torch.int64)
    in_order = torch.tensor([colours[i] for i in (1, 0, 3, 2)]) / 255
    if channels == 1:  # ITU-R 601, as Pillow states it, rounded to a byte
        in_order = (in_order @ torch.tensor([0.299, 0.587, 0.114]))[:, None]
    seen = found.images.flatten(2)
    assert torch.allclose(seen, in_order[:, :, None].expand_as(seen), atol=1.01 / 255)


def test_the_middle_is_kept_and_phones_may_be_turned(tmp_path):
    pixels = np.zeros((30, 60, 3), np.uint8)
    pixels[:, 15:30] = 255  # left half of the central square: white
    turned = Image.Exif()
    turned[0x0112] = 6  # "turn by 90 degrees clockwise to see it upright"
    for name, exif in (("as_is/1.png", None), ("turned/1.png", turned)):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", **({"exif": exif} if exif else {}))
        write(tmp_path, {name: buffer.getvalue()})
    flat, upright = folder.load(tmp_path, size=30, channels=1).images[:, 0]
    assert flat[:, :14].min() > 0.99 > 0.01 > flat[:, 16:].max()
    assert upright[:14].min() > 0.99 > 0.01 > upright[16:].max()


def test_what_is_transparent_becomes_white(tmp_path):
    for name, mode in (("a/1.png", "RGBA"), ("b/1.png", "LA"), ("c/1.png", "P")):
        image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
        image.putpixel((1, 1), (0, 0, 0, 255))
        buffer = io.BytesIO()
        image.convert(mode).save(buffer, "PNG")
        write(tmp_path, {name: buffer.getvalue()})
    images = folder.load(tmp_path, size=8, channels=1).images[:, 0]
    assert (images[:, 4:, 4:] == 1).all()
    assert (images[:, 1, 1] == 0).all()


GOOD = {"cat/1.jpg": picture((9, 9, 9), kind="JPEG"), "dog/1.jpg": picture((0, 0, 0), kind="JPEG")}


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"cat/1.jpg": GOOD["cat/1.jpg"]}, "one class only, cat"),
        ({"1.jpg": GOOD["cat/1.jpg"]}, "no folder in it, and loose images"),
        ({"readme.txt": b"hello"}, "no folder in it:"),
        (GOOD | {"bird/readme.txt": b"soon"}, "bird holds no image"),
        (GOOD | {"val/cat/1.jpg": GOOD["cat/1.jpg"]}, "holds the folder cat"),
        (GOOD | {"cat/2.jpg": GOOD["cat/1.jpg"][:100]}, "2.jpg cannot be read"),
        (GOOD | {"cat/2.png": b""}, "2.png cannot be read"),
        (GOOD | {"cat/2.png": picture((1, 1, 1), (90, 90))[:60]}, "2.png cannot be read"),
        (GOOD | {"cat/2.HEIC": b"phone"}, "save it as JPEG"),
    ],
    ids=["one class", "loose", "none", "empty", "nested", "cut", "zero bytes", "half", "heic"],
)
def test_what_is_no_such_folder_gets_one_sentence(tmp_path, members, says):
    with pytest.raises(CourseError, match=r"[.]$") as stop:
        folder.load(write(tmp_path, members))
    assert says in str(stop.value)
    assert "\n" not in str(stop.value)


def test_a_missing_folder_and_a_file_get_one_sentence(tmp_path):
    write(tmp_path, {"photo.jpg": GOOD["cat/1.jpg"]})
    for path in (tmp_path / "none", tmp_path / "photo.jpg"):
        with pytest.raises(CourseError, match="cannot be opened"):
            folder.load(path)


@pytest.mark.parametrize("arguments", [(32, 2), (0, 3), (-5, 1)])
def test_impossible_sizes_are_refused(tmp_path, arguments):
    with pytest.raises(ValueError, match="channels and a size"):
        folder.load(write(tmp_path, GOOD), *arguments)
