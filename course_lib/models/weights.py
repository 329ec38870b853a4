"""Pretrained weights: the course's own backbone and torchvision's ImageNet models."""

import hashlib
import json
from pathlib import Path

from safetensors.torch import load
from torch import nn

from course_lib.errors import CourseError
from course_lib.models.convnet import Backbone

SHIPPED = Path(__file__).parent / "shipped" / "glyphs.safetensors"


def load_backbone(path: Path | None = None) -> Backbone:
    """Return the backbone pretrained on printed glyphs, float32, in eval mode.

    Parameters
    ----------
    path : Path, optional
        Weights written by ``data_scripts/pretrain_backbone.py``, with their hash in the ``.json``
        beside them; the shipped ones by default. What they were trained on and how well they do is
        in the model card, ``course_lib/models/shipped/glyphs.md``.

    Raises
    ------
    CourseError
        The file is missing, damaged, not the one that was recorded, or not of this backbone.
    """
    path = SHIPPED if path is None else Path(path)
    if path == SHIPPED:
        remedy = "restore it with `git checkout course_lib/models/shipped`"
    else:
        remedy = "write it again with data_scripts/pretrain_backbone.py"
    try:
        content = path.read_bytes()
        recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
    except OSError as error:
        raise CourseError(
            f"The weights {error.filename} cannot be read ({error.strerror}): {remedy}."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CourseError(
            f"{path.with_suffix('.json')} does not record the weights' sha256: {remedy}."
        ) from error
    if hashlib.sha256(content).hexdigest() != recorded:
        raise CourseError(
            f"The weights {path} are damaged or were replaced (their sha256 is not the recorded "
            f"one): {remedy}."
        )
    try:
        state = {name: tensor.float() for name, tensor in load(content).items()}
        backbone = Backbone()
        backbone.load_state_dict(state)
    except Exception as error:
        raise CourseError(f"The weights {path} do not fit this backbone: {remedy}.") from error
    return backbone.eval()
