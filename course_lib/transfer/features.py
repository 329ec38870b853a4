"""Feature extraction: run the frozen backbone once, keep what comes out.

A frozen backbone gives the same features in every epoch. Computing them once instead of once
per epoch is where nearly all the time of a linear probe is saved.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from course_lib.evidence.evaluate import forward_in_batches
from course_lib.home import folder, write_atomically


def preprocess(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Turn bytes into what a pretrained network was trained on.

    First to [0, 1], then each channel shifted and scaled by the statistics *of the source data*.
    Mean and standard deviation are stated for [0, 1], so the order matters.

    Parameters
    ----------
    images : Tensor (N, C, H, W), uint8
        Values 0…255; not resized.
    mean, std : Tensor (C,)
        Per channel, in units of [0, 1]; std above 0.

    Returns
    -------
    Tensor (N, C, H, W), float32

    Raises
    ------
    ValueError
        If the images are not uint8 (they may have been scaled already), or the channels differ.
    """
    if images.dtype != torch.uint8:
        raise ValueError(
            f"preprocess expects uint8 images (0…255), not {images.dtype}: "
            "scaled twice, they would be nearly black."
        )
    shape = (-1, 1, 1)
    mean = torch.as_tensor(mean, dtype=torch.float32, device=images.device).reshape(shape)
    std = torch.as_tensor(std, dtype=torch.float32, device=images.device).reshape(shape)
    if not len(mean) == len(std) == images.shape[1]:
        raise ValueError(
            f"One mean and one std per channel: the images have {images.shape[1]} channels, "
            f"mean has {len(mean)} and std has {len(std)}."
        )
    return (images.float() / 255 - mean) / std


def extract_features(
    model: nn.Module,
    images: Tensor,
    batch_size: int = 256,
    *,
    device: str | torch.device = "auto",
) -> Tensor:
    """Return what enters the head: the backbone's features, computed in eval mode.

    Parameters
    ----------
    model
        Has ``.backbone``; it is left as it was.
    images : Tensor (N, C, H, W)
    batch_size
        Changes memory and speed, not the result.

    Returns
    -------
    Tensor (N, D)
        In the order of the images and on their device, detached from the graph.
    """
    return forward_in_batches(model.backbone, images, batch_size, device=device)


def cached_features(
    model: nn.Module,
    images: Tensor,
    *,
    transform: str,
    split: str,
    batch_size: int = 256,
    device: str | torch.device = "auto",
) -> Tensor:
    """Return `extract_features`, computed only if this computer has not done so before.

    The key holds the backbone (its layers and all their weights), the two names and the images
    themselves: change any of them and the features are computed anew. A damaged file is, too.

    Parameters
    ----------
    transform, split
        Names for what the images are, such as "plain" and "train"; they also name the file.

    Raises
    ------
    CourseError
        If the cache folder cannot be written.
    """
    key = _digest(
        [repr(model.backbone), transform, split, str(images.shape), images],
        *([name, str(value.dtype), value] for name, value in model.backbone.state_dict().items()),
    )
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{split} {transform} {key.hex()[:24]}")
    path = folder("cache") / f"{name}.safetensors"
    features = _read(path)
    if features is None:
        features = extract_features(model, images, batch_size, device=device)
        kept = {"features": features.cpu().contiguous(), "check": _check(features)}
        write_atomically(path, save(kept))
    return features.to(images.device)


def _read(path: Path) -> Tensor | None:
    """Return the features in a file, or None if there is no whole and unchanged file."""
    try:
        kept = load(path.read_bytes())
        return kept["features"] if torch.equal(kept["check"], _check(kept["features"])) else None
    except (OSError, KeyError, SafetensorError):
        return None


def _check(features: Tensor) -> Tensor:
    return torch.tensor(list(_digest([str(features.shape), features])), dtype=torch.uint8)


def _digest(*groups: Iterable[str | Tensor]) -> bytes:
    """Return the SHA-256 of strings and tensors, each with its length before it."""
    digest = hashlib.sha256()
    for group in groups:
        for item in group:
            if isinstance(item, Tensor):
                item = item.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
            else:
                item = item.encode()
            digest.update(str(len(item)).encode() + b":")
            digest.update(item)
    return digest.digest()
