"""ImageNet weights from the data folder, checked against torchvision's architecture."""

import torch
import torchvision
from torch import Tensor

from course_lib.data import files
from course_lib.errors import CourseError


def load_state(name: str = "mobilenet_v2") -> dict[str, Tensor]:
    """Return the state dict of a torchvision model trained on ImageNet.

    Raises
    ------
    CourseError
        The file is missing, damaged, or its names or shapes are not the model's.
    """
    path = files.find(name)
    with torch.device("meta"):
        expected = torchvision.models.get_model(name, weights=None).state_dict()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        shapes = {key: tensor.shape for key, tensor in state.items()}
    except Exception as error:  # torch.load raises whatever the damaged bytes make it raise
        raise CourseError(
            f"The weights {path} are damaged: delete them and run `course data fetch {name}`."
        ) from error
    if shapes != {key: tensor.shape for key, tensor in expected.items()}:
        raise CourseError(
            f"The weights {path} are not torchvision's {name}: delete them and run "
            f"`course data fetch {name}`."
        )
    return state
