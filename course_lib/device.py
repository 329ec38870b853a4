"""One ``device`` argument for everything: CPU, CUDA or MPS (Apple)."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn

from course_lib.errors import CourseError


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device to compute on.

    Parameters
    ----------
    name
        "auto" (the fastest that is present: CUDA, then MPS, then the CPU), "cpu", "cuda",
        "cuda:1", "mps", or a `torch.device`.

    Raises
    ------
    CourseError
        If this computer has no such device.
    ValueError
        If the name means nothing to the course.
    """
    present = {
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    if name == "auto":
        return torch.device(next(kind for kind, count in present.items() if count))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in present:
        raise ValueError(f"device is 'auto', 'cpu', 'cuda' or 'mps', not {str(name)!r}.")
    if (device.index or 0) >= present[device.type]:
        raise CourseError(
            f"This computer has no device {str(device)!r} that PyTorch can use. "
            "Choose device='auto' or device='cpu'."
        )
    return device


@contextmanager
def placed(model: nn.Module, device: str | torch.device) -> Iterator[torch.device]:
    """Put a model on a device for the length of a ``with``, then take it back to where it was.

    So images and models stay on the CPU between two calls, whatever the calls computed on.
    """
    device = pick_device(device)
    before = next(chain(model.parameters(), model.buffers()), torch.empty(0)).device
    model.to(device)
    try:
        yield device
    finally:
        model.to(before)
