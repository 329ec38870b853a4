"""Scenes: handwritten digits and foreign letters on photographs, with masks and boxes.

Where are the digits, and which? A scene holds two real handwritten digits (to be found) and two
printed letters of scripts that the backbone never saw (to be passed over), at random sizes and
places, and a photograph behind them.
"""

from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torchvision.ops import masks_to_boxes

from course_lib.data import digits, glyphs, shifts

SIZE = 64  # pixels
DIGITS, LETTERS = 2, 2  # in each scene: four places
SIDES = (24, 33)  # pixels of the 32 x 32 frame after scaling, both included
INNER = 0.8  # share of a frame that no other object's comes into
INK = 0.4  # a pixel belongs to a digit from this share of full ink on
CLASSES = ("background", *"0123456789")
SCRIPTS = ("Armenian", "Georgian", "Hebrew", "Lao")


class Scenes(NamedTuple):
    """Images with everything that a person would have to draw and write to label them.

    Attributes
    ----------
    images : Tensor
        float32 (N, 1, 64, 64) in [0, 1].
    masks : Tensor
        int64 (N, 64, 64): 0 is background, 1 + d a pixel of digit d (see `CLASSES`).
    boxes : Tensor
        float32 (N, 2, 4): left, top, right, bottom of each digit, in pixels.
    labels : Tensor
        int64 (N, 2): the digit in each box, 0…9.
    """

    images: Tensor
    masks: Tensor
    boxes: Tensor
    labels: Tensor


def make(split: str, n: int, seed: int) -> Scenes:
    """Compose scenes; equal arguments give equal scenes.

    Parameters
    ----------
    split : {"train", "val", "test"}
        ``train`` and ``val`` take different digits of the pool, 800 and 200, and one half of the
        photographs; ``test`` takes the test digits and the other half.
    n
        Number of scenes.
    seed
        Decides digits, letters, sizes, places and backgrounds.

    Raises
    ------
    ValueError
        Unknown split.
    """
    if split not in ("train", "val", "test"):
        raise ValueError(f"There is no split {split!r} of the scenes: use train, val or test.")
    generator = Generator().manual_seed(seed)
    figures = digits.load("test" if split == "test" else "pool")
    chosen = torch.arange(len(figures.labels))
    if split != "test":
        chosen = chosen[(chosen % 5 == 0) == (split == "val")]
    letters = _letters()

    def draw(count: int, per_scene: int) -> Tensor:
        return torch.randint(count, (n, per_scene), generator=generator)

    which = chosen[draw(len(chosen), DIGITS)]
    foreign = letters[draw(len(letters), LETTERS).flatten()]
    # As soft and as irregular as handwriting, or the sharp edges would give the letters away.
    foreign = glyphs.augment(foreign, generator).view(n, LETTERS, *foreign.shape[1:])
    stamps = torch.cat([figures.images[which], foreign], dim=1)
    frames = _places(n, generator)
    strength = 0.8 + 0.2 * torch.rand(n, DIGITS + LETTERS, 1, 1, generator=generator)
    ink = _paste(stamps, frames)
    labels = figures.labels[which]
    inside = ink[:, :DIGITS] > INK
    masks = (inside * (1 + labels[:, :, None, None])).amax(dim=1)
    boxes = masks_to_boxes(inside.flatten(0, 1)).view(n, DIGITS, 4)
    boxes[..., 2:] += 1  # the right and lower edge of the last pixel
    images = shifts.photo_background(
        (ink * strength).amax(dim=1, keepdim=True),
        "test" if split == "test" else "train",
        generator,
    )
    return Scenes(images, masks, boxes, labels)


@cache
def _letters() -> Tensor:
    foreign = glyphs.load("held_out")
    wanted = [glyphs.script_of(name) in SCRIPTS for name in foreign.classes]
    return foreign.images[torch.tensor(wanted)[foreign.labels]]


def _places(n: int, generator: Generator) -> Tensor:
    """Draw four square frames for each scene, (n, 4, 4): two rows of two, or two columns of two."""
    side = torch.randint(SIDES[0], SIDES[1] + 1, (n, 2, 2), generator=generator)
    room = INNER * side  # the ink of a stamp is well within; a frame's rim may lie outside
    free = SIZE - room.sum(dim=2, keepdim=True)
    along = free * torch.rand(n, 2, 2, generator=generator).sort(dim=2).values
    along[..., 1] += room[..., 0]
    across = (SIZE / 2 - room) * torch.rand(n, 2, 2, generator=generator)
    across[:, 1] += SIZE / 2
    corner = torch.stack([along, across], dim=3).flatten(1, 2)
    turned = torch.rand(n, generator=generator) < 0.5
    corner[turned] = corner[turned].flip(2)
    corner -= (side - room).view(n, 4, 1) / 2
    frames = torch.cat([corner, corner + side.view(n, 4, 1)], dim=2)
    order = torch.rand(n, 4, generator=generator).argsort(dim=1)
    return frames.gather(1, order[..., None].expand(-1, -1, 4))


def _paste(stamps: Tensor, frames: Tensor) -> Tensor:
    """Scale each stamp (n, objects, 1, 32, 32) into its frame of an empty scene."""
    n, objects = frames.shape[:2]
    scale = SIZE / (frames[..., 2] - frames[..., 0])
    centre = (frames[..., :2] + frames[..., 2:]) / SIZE - 1
    theta = torch.zeros(n, objects, 2, 3)
    theta[..., 0, 0] = theta[..., 1, 1] = scale
    theta[..., 2] = -centre * scale[..., None]
    grid = F.affine_grid(theta.flatten(0, 1), [n * objects, 1, SIZE, SIZE], align_corners=False)
    pasted = F.grid_sample(stamps.flatten(0, 1), grid, align_corners=False)
    return pasted.view(n, objects, SIZE, SIZE)


def augment(scenes: Scenes, generator: Generator) -> Scenes:
    """Zoom, shift and change the contrast of labelled scenes; masks and boxes move along.

    No new scene is composed: what is in a scene stays together, and costs no new label.

    Parameters
    ----------
    scenes
        Not changed.
    generator : torch.Generator
        The only source of randomness.

    Returns
    -------
    Scenes
        Zoomed by .85 to 1.2 to each side, shifted by up to six pixels, the edge's pixels
        repeated outside; boxes cut at the edge.
    """
    images, masks, boxes, labels = scenes
    n, side = len(images), images.shape[-1]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator)

    zoom, shift = uniform(0.85, 1.2, 2), uniform(-6, 6, 2)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = 1 / zoom.T
    theta[:, :, 2] = -2 * shift / side / zoom
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    masks = F.grid_sample(masks[:, None].float(), grid, mode="nearest", align_corners=False)
    move = (side / 2 * (1 - zoom) + shift).repeat(1, 2)[:, None]
    boxes = (boxes * zoom.repeat(1, 2)[:, None] + move).clamp(0, side)
    gamma, gain = uniform(0.7, 1.4, 1, 1, 1), uniform(0.8, 1.1, 1, 1, 1)
    noise = torch.randn(images.shape, generator=generator) * uniform(0, 0.05, 1, 1, 1)
    images = (gain * images**gamma + noise).clamp(0, 1)
    return Scenes(images, masks[:, 0].long(), boxes, labels)
