"""Printed glyphs of many scripts: the source task, rendered from the fonts matplotlib ships.

A class is one character; its images are that character in several fonts, each scaled to a 24-pixel
box in a 32 x 32 frame, white on black. Never among the source classes: digits and numbers of any
script (the target task is handwritten digits), six whole scripts (the few-shot task), accented
characters, and characters that look like another class in the same font.
"""

import hashlib
import io
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageFont, features
from torch import Generator, Tensor
from tqdm import tqdm

from course_lib.data.imageset import ImageSet
from course_lib.home import folder, write_atomically

FRAME, BOX = 32, 24  # pixels
RENDERING = 1  # raise it whenever a change below changes a pixel or a class

TRAIN_FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique"),
    *("DejaVuSansMono-BoldOblique", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic"),
    *("DejaVuSerif-BoldItalic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralBolIta"),
)
VAL_FONTS = ("DejaVuSans-Oblique", "STIXGeneralItalic")
# What looks alike is decided in these; the first has every class.
REFERENCE_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "STIXGeneral")

# What Unicode's character names begin with -> the script.
SOURCE_SCRIPTS = {
    "LATIN": "Latin",
    "GREEK": "Greek",
    "CYRILLIC": "Cyrillic",
    "COPTIC": "Coptic",
    "ARABIC": "Arabic",
    "OGHAM": "Ogham",
    "LISU": "Lisu",
    "CANADIAN SYLLABICS": "Canadian syllabics",
    "OLD ITALIC": "Old Italic",
}
HELD_OUT_SCRIPTS = {
    "GEORGIAN": "Georgian",
    "HEBREW": "Hebrew",
    "ARMENIAN": "Armenian",
    "TIFINAGH": "Tifinagh",
    "NKO": "N'Ko",
    "LAO": "Lao",
}
SYMBOL = "symbol"
DIGITS = tuple("0123456789")
MAX_CORRELATION = 0.93  # of two classes in one font, on 16 x 16 pixels
MAX_CORRELATION_IN_CLASS = 0.98  # of one class in two fonts


def load(split: str, scripts: Iterable[str] | None = None) -> ImageSet:
    """Return one split of the printed glyphs.

    Parameters
    ----------
    split : {"train", "val", "held_out"}
        ``train``: the source classes in fourteen fonts. ``val``: the same classes, so the same
        labels, in two other fonts (a class without a shape of its own there is absent).
        ``held_out``: six scripts of which no character is a source class, in all sixteen fonts.
    scripts : iterable of str, optional
        Only the classes of these scripts, such as ``("Georgian", "Lao")``, labelled from 0.
        Rendered on the spot, without the cache.

    Returns
    -------
    ImageSet
        Images (N, 1, 32, 32). The images of a class differ in their font, and visibly: a font
        that repeats another's shape (correlation above .98) adds none.

    Raises
    ------
    ValueError
        Unknown split or script.
    CourseError
        The cache folder cannot be written.
    """
    if split not in ("train", "val", "held_out"):
        raise ValueError(f"There is no split {split!r} of the glyphs: use train, val or held_out.")
    characters = class_characters()[split == "held_out"]
    if scripts is None:
        pixels, labels, fonts = _cached(characters)
    else:
        scripts = (scripts,) if isinstance(scripts, str) else tuple(scripts)
        known = {script_of(unicodedata.name(c)): None for c in characters}
        if not scripts or set(scripts) - set(known):
            raise ValueError(f"scripts must be among {', '.join(known)}; got {scripts!r}.")
        characters = [c for c in characters if script_of(unicodedata.name(c)) in scripts]
        pixels, labels, fonts = _render_all(characters)
    if split != "held_out":
        chosen = (fonts >= len(TRAIN_FONTS)) == (split == "val")
        pixels, labels = pixels[chosen], labels[chosen]
    return _image_set(pixels, labels, tuple(map(unicodedata.name, characters)))


def printed_digits() -> ImageSet:
    """Return the printed digits in all sixteen fonts, a source task for handwritten ones.

    They are in no split of `load`. Some 150 images (N, 1, 32, 32), classes ``"0"`` … ``"9"``.
    """
    pixels, labels, _ = _render_all(DIGITS)
    return _image_set(pixels, labels, DIGITS)


def _image_set(pixels: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> ImageSet:
    images = torch.from_numpy(pixels).unsqueeze(1).float().div_(255)
    return ImageSet(images, torch.from_numpy(labels), classes)


def script_of(name: str) -> str:
    """Return the script of a class from its name: ``"GEORGIAN LETTER AN"`` → ``"Georgian"``."""
    for prefix, script in (SOURCE_SCRIPTS | HELD_OUT_SCRIPTS).items():
        if name.startswith(prefix + " "):
            return script
    return SYMBOL


@cache
def class_characters() -> tuple[list[str], list[str]]:
    """Return the characters of the source classes and of the held-out classes, in label order.

    A character is kept when its shape is new: in none of five fonts does it correlate by more than
    .93 (on 16 x 16 pixels) with a digit or with a character kept before it. The held-out scripts
    come last, so nothing in them looks like a source class in the same font.
    """
    digits, source, symbols, held_out = list(DIGITS), [], [], []
    for character in map(chr, sorted(_font(REFERENCE_FONTS[0])[1])):
        name, category = unicodedata.name(character, ""), unicodedata.category(character)
        # A decomposition means an accent, or a variant of another character.
        if " WITH " in name or unicodedata.decomposition(character):
            continue
        script = script_of(name)
        if category in ("Lu", "Ll", "Lt", "Lo") and script != SYMBOL:
            (held_out if script in HELD_OUT_SCRIPTS.values() else source).append(character)
        elif category in ("Sm", "Sc", "So") and _is_common(character) and "BOX" not in name:
            symbols.append(character)
    candidates = [*digits, *source, *symbols, *held_out]
    kept: list[str] = []
    shapes = np.zeros((len(REFERENCE_FONTS), len(candidates), 256), np.float32)
    for character in candidates:
        images = [_render(font, character) for font in REFERENCE_FONTS]
        if images[0] is None:
            continue
        # A font without the character keeps a shape of zeros, which correlates with nothing.
        new = np.stack([np.zeros(256, np.float32) if i is None else _shape(i) for i in images])
        alike = (shapes[:, : len(kept)] @ new[..., None]).max(initial=-1)
        if character in digits or alike <= MAX_CORRELATION:
            shapes[:, len(kept)] = new
            kept.append(character)
    unseen = set(held_out)
    return (
        [c for c in kept if c not in unseen and c not in digits],
        [c for c in kept if c in unseen],
    )


def _is_common(character: str) -> bool:
    """Tell whether most fonts have it: this leaves out braille, game pieces and the like."""
    return sum(ord(character) in _font(name)[1] for name in TRAIN_FONTS) >= 10


def _path(font: str) -> str:
    return f"{matplotlib.get_data_path()}/fonts/ttf/{font}.ttf"


@cache
def _font(name: str) -> tuple[ImageFont.FreeTypeFont, frozenset[int]]:
    """Return a font and the code points it has."""
    # Basic layout: the other engine is not there on every machine and would shape Arabic.
    font = ImageFont.truetype(_path(name), 64, layout_engine=ImageFont.Layout.BASIC)
    return font, frozenset(FT2Font(_path(name)).get_charmap())


def _render(name: str, character: str) -> np.ndarray | None:
    """Draw a character, its longer side 24 pixels, centred; None if the font has no ink for it."""
    font, code_points = _font(name)
    if ord(character) not in code_points:
        return None
    mask = font.getmask(character)
    if mask.getbbox() is None:
        return None
    glyph = Image.frombytes("L", mask.size, bytes(mask)).crop(mask.getbbox())
    scale = BOX / max(glyph.size)
    width, height = (max(1, round(side * scale)) for side in glyph.size)
    glyph = glyph.resize((width, height), Image.Resampling.BOX)
    frame = Image.new("L", (FRAME, FRAME))
    frame.paste(glyph, ((FRAME - width) // 2, (FRAME - height) // 2))
    return np.asarray(frame)


def _shape(image: np.ndarray) -> np.ndarray:
    """Return 16 x 16 pixels, flat, of mean 0 and length 1: their dot products are correlations."""
    shape = image.reshape(16, 2, 16, 2).mean((1, 3), dtype=np.float32).ravel()
    shape -= shape.mean()
    return shape / max(np.linalg.norm(shape), 1e-6)


def _render_all(characters: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render each character in each font: uint8 (N, 32, 32), labels (N,), fonts (N,)."""
    rows = []
    # The bar appears only when the work lasts.
    bar = tqdm(characters, "rendering glyphs", leave=False, delay=3, file=sys.stdout)
    for label, character in enumerate(bar):
        shapes = np.empty((0, 256), np.float32)
        for font, name in enumerate(TRAIN_FONTS + VAL_FONTS):
            image = _render(name, character)
            if image is None:
                continue
            shape = _shape(image)
            if (shapes @ shape).max(initial=-1) <= MAX_CORRELATION_IN_CLASS:
                shapes = np.vstack([shapes, shape])
                rows.append((image, label, font))
    images, labels, fonts = zip(*rows, strict=True)
    return np.stack(images), np.array(labels, np.int64), np.array(fonts)


def _cached(characters: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    key = hashlib.sha256(f"{RENDERING} {features.version('freetype2')} {characters}".encode())
    for name in TRAIN_FONTS + VAL_FONTS:
        key.update(Path(_path(name)).read_bytes())
    file = folder("cache") / f"glyphs-{key.hexdigest()[:16]}.npz"
    try:
        with np.load(file) as arrays:
            return arrays["pixels"], arrays["labels"], arrays["fonts"]
    except Exception:  # missing or damaged in whatever way: it is simply made again
        pixels, labels, fonts = _render_all(characters)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, pixels=pixels, labels=labels, fonts=fonts)
    write_atomically(file, buffer.getvalue())
    return pixels, labels, fonts


def augment(images: Tensor, generator: Generator) -> Tensor:
    """Distort glyphs as a hand would: a new random version of each image.

    Rotation by up to 15°, scale .8-1.15, shear, shift, a smooth elastic field, thinner or thicker
    strokes, blur, contrast and noise, drawn independently for each image.

    Parameters
    ----------
    images : Tensor
        (N, 1, H, W) in [0, 1], white on black; not changed.
    generator : torch.Generator
        The only source of randomness; on the images' device.

    Returns
    -------
    Tensor
        Same shape, in [0, 1].
    """
    n, _, height, width = images.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        draws = torch.rand(n, *shape, generator=generator, device=images.device)
        return low + (high - low) * draws

    angle, shear = uniform(-torch.pi / 12, torch.pi / 12), uniform(-0.2, 0.2)
    scale = uniform(0.8, 1.15, 1, 1) * uniform(0.9, 1.1, 2, 1)
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack([cos, sin, -sin, cos], 1).view(n, 2, 2)
    slant = torch.stack([one, shear, zero, one], 1).view(n, 2, 2)
    shift = uniform(-0.125, 0.125, 2, 1)  # of the frame's half: two pixels
    grid = F.affine_grid(
        torch.cat([turn @ slant / scale, shift], 2), list(images.shape), align_corners=False
    )
    field = uniform(-1, 1, 2, 5, 5) * uniform(0, 0.16, 1, 1, 1)
    field = F.interpolate(field, (height, width), mode="bicubic", align_corners=True)
    out = F.grid_sample(images, grid + field.permute(0, 2, 3, 1), align_corners=False)

    thick = F.max_pool2d(out, 3, 1, 1)
    thin = -F.max_pool2d(-out, 3, 1, 1)
    width_change = uniform(-0.5, 1, 1, 1, 1)
    out = out + width_change.clamp(min=0) * (thick - out) + width_change.clamp(max=0) * (out - thin)

    sigma = uniform(0.1, 1.6, 1, 1)
    tap = torch.exp(-(torch.arange(-3, 4, device=images.device) ** 2) / (2 * sigma**2))
    tap = tap / tap.sum(2, keepdim=True)
    # One kernel per image: the images become the channels of a grouped convolution.
    kernel = (tap.transpose(1, 2) * tap).unsqueeze(1)
    out = F.conv2d(out.transpose(0, 1), kernel, padding=3, groups=n).transpose(0, 1)

    noise = torch.randn(out.shape, generator=generator, device=images.device)
    out = out * uniform(0.6, 1.2, 1, 1, 1) + noise * uniform(0, 0.1, 1, 1, 1)
    return out.clamp(0, 1)
