"""Pretrained weights: the course's own backbone and torchvision's ImageNet models."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.models.convnet import Backbone, Classifier, random_backbone

SHIPPED = Path(__file__).parent / "shipped" / "glyphs.safetensors"
SOURCES = ("photographs", "turned", "greek", "short", "glyphs")


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
    if path.parent == SHIPPED.parent:
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
        backbone = random_backbone(0)
        backbone.load_state_dict(state)
    except Exception as error:
        raise CourseError(f"The weights {path} do not fit this backbone: {remedy}.") from error
    return backbone.eval()


def load_source(name: str) -> Backbone:
    """Return one of the backbones that module 03 compares as sources.

    Parameters
    ----------
    name
        "glyphs" is `load_backbone`'s; "short", "greek", "turned" and "photographs" were trained by
        ``data_scripts/pretrain_sources.py`` (card: ``sources.md``); "random" is not trained.

    Raises
    ------
    ValueError
        Unknown name.
    CourseError
        As `load_backbone` does.
    """
    if name == "random":
        return random_backbone(0).eval()
    if name not in SOURCES:
        raise ValueError(f"There is no source {name!r}: use random, {', '.join(SOURCES)}.")
    return load_backbone(SHIPPED.with_name(f"{name}.safetensors"))


class ImageNetBackbone(nn.Module):
    """MobileNetV2 (Sandler et al. 2018) without its classifier: (N, 3, H, W) to (N, 1280).

    ``blocks`` are torchvision's 19 feature blocks; the mean over positions has no parameters.
    """

    feature_dim = 1280

    def __init__(self, blocks: nn.Sequential) -> None:
        super().__init__()
        self.blocks = blocks

    def forward(self, images: Tensor) -> Tensor:
        return self.blocks(images).mean((2, 3))


def imagenet(name: str = "mobilenet_v2") -> Classifier:
    """Return torchvision's MobileNetV2 trained on ImageNet, as backbone and head, in eval mode.

    It expects RGB images normalised per channel with mean (.485, .456, .406) and standard
    deviation (.229, .224, .225): that is the caller's business. The head gives 1000 logits.

    Raises
    ------
    ValueError
        Another name than ``"mobilenet_v2"``.
    CourseError
        The weights are missing or damaged; the sentence says how to get them.
    """
    if name != "mobilenet_v2":
        raise ValueError(f"There are no ImageNet weights for {name!r}: use 'mobilenet_v2'.")
    from torchvision.models import mobilenet_v2  # slow to import, and needed only here

    from course_lib.data.imagenet import load_state

    state = load_state(name)
    with torch.random.fork_rng(devices=[]):  # making layers draws random numbers
        full = mobilenet_v2()
        model = Classifier(ImageNetBackbone(full.features), n_classes=1000)
    full.load_state_dict(state)
    model.head = full.classifier[1]
    return model.eval()
