from functools import partial

import pytest
import torch

from course_lib.data import scenes
from course_lib.dense.detection import Detector, detect, detection_loss, score_detections
from course_lib.dense.encoder import Encoder
from course_lib.dense.scores import mean_iou
from course_lib.dense.segmentation import Segmenter, segment, segmentation_loss
from course_lib.dense.training import fit_scenes
from course_lib.errors import CourseError
from course_lib.models.weights import load_backbone
from course_lib.transfer.freeze import freeze

TASKS = {"segmentation": (Segmenter, segmentation_loss), "detection": (Detector, detection_loss)}


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.slow
def test_a_few_scenes_are_learned_by_heart():
    few = scenes.make("train", 4, 0)
    for task, (network, loss) in TASKS.items():
        model = network(Encoder(load_backbone()))
        history = fit_scenes(model, few, loss, steps=120, lr=3e-3, progress=False)
        assert history[-1]["loss"] < history[0]["loss"] / 2, task
        if task == "segmentation":
            assert mean_iou(segment(model, few.images), few.masks, 11) > 0.5
        else:
            assert score_detections(detect(model, few.images), few, 0.3)["ap"] > 0.7


@pytest.mark.parametrize("task", TASKS)
def test_training_repeats_with_its_seed_and_leaves_the_rest_alone(task):
    network, loss = TASKS[task]
    few = scenes.make("train", 5, 0)
    kept = [part.clone() for part in few]
    ends = []
    for seed, noise in [(0, 1), (0, 2), (3, 1)]:
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        model = network(Encoder(load_backbone()))
        modes = [part.training for part in model.modules()]
        fit_scenes(model, few, loss, steps=2, lr=1e-3, batch_size=4, seed=seed, progress=False)
        assert torch.equal(torch.get_rng_state(), before)
        assert [part.training for part in model.modules()] == modes
        ends.append(state(model))
    same = [all(torch.equal(ends[0][n], other[n]) for n in ends[0]) for other in ends[1:]]
    assert same == [True, False]
    assert all(torch.equal(a, b) for a, b in zip(few, kept, strict=True))


def test_gradients_of_the_losses():
    few = scenes.make("train", 2, 0)
    few = few._replace(boxes=few.boxes.double())
    check = partial(torch.autograd.gradcheck, fast_mode=True)
    logits = torch.randn(2, 11, *few.masks.shape[-2:], dtype=torch.float64, requires_grad=True)
    assert check(lambda x: segmentation_loss(x, few), logits)
    n_places = [side // 4 for side in few.masks.shape[-2:]]
    out = torch.randn(2, 14, *n_places, dtype=torch.float64)
    out[:, -4:] = 2 + 8 * torch.rand(2, 4, *n_places, dtype=torch.float64)
    assert check(lambda x: detection_loss(x, few), out.requires_grad_())


def test_a_frozen_encoder_does_not_move_and_the_rest_does():
    model = Segmenter(Encoder(load_backbone()))
    few = scenes.make("train", 4, 0)
    segmentation_loss(model(few.images), few).backward()  # gradients lie about
    freeze(model.encoder)
    before = state(model)
    fit_scenes(model, few, segmentation_loss, steps=2, lr=1e-2, progress=False)
    moved = {name for name, value in state(model).items() if not torch.equal(value, before[name])}
    assert moved
    assert not [name for name in moved if name.startswith("encoder.")]


def test_a_loss_that_is_no_number_says_what_to_do():
    few = scenes.make("train", 4, 0)
    broken = few._replace(images=few.images * float("nan"))
    with pytest.raises(CourseError, match="smaller lr"):
        fit_scenes(
            Segmenter(Encoder(load_backbone())), broken, segmentation_loss,
            steps=2, lr=1e-3, progress=False,
        )  # fmt: skip
