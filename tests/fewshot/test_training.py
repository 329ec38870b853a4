"""Episodic training: it learns, leaves the rest alone, and can be repeated."""

from functools import partial

import pytest
import torch

from course_lib.data import glyphs
from course_lib.errors import CourseError
from course_lib.evidence.evaluate import forward_in_batches
from course_lib.fewshot import training
from course_lib.fewshot.cosine import nearest_centroid
from course_lib.fewshot.episodes import episode_accuracies
from course_lib.fewshot.training import fit_episodes
from course_lib.models.convnet import random_backbone
from course_lib.transfer.freeze import freeze

OBJECTIVES = {
    "prototypical": training.prototypical,
    "matching": training.matching,
    "siamese": partial(training.siamese, margin=10.0),
}


@pytest.fixture(scope="module")
def greek():
    data = glyphs.load("train", scripts=["Greek"])
    unseen = glyphs.load("held_out", scripts=["Georgian"])
    return data, unseen


def one_shot(backbone, data):
    images = glyphs.augment(data.images, torch.Generator().manual_seed(1))
    features = forward_in_batches(backbone, images)
    return episode_accuracies(
        features, data.labels, nearest_centroid,
        n_way=10, n_shot=1, n_query=1, n_episodes=300, rng=torch.Generator().manual_seed(2),
    ).mean()  # fmt: skip


@pytest.mark.parametrize("name", OBJECTIVES)
def test_learns_to_tell_letters_apart_that_it_never_saw(name, greek):
    data, unseen = greek
    backbone = random_backbone(0)
    before = one_shot(backbone, unseen)
    history = fit_episodes(
        backbone, data.images, data.labels, steps=40, objective=OBJECTIVES[name], n_way=10,
        n_query=3, lr=4e-3, augment=glyphs.augment, device="cpu", progress=False,
    )  # fmt: skip
    assert history[-1]["loss"] < history[0]["loss"]
    assert one_shot(backbone, unseen) > before + 0.04
    assert [row["step"] for row in history] == list(range(4, 41, 4))


def run(greek, seed, backbone=None, **changed):
    data, _ = greek
    backbone = backbone or random_backbone(0)
    arguments = dict(steps=3, n_way=5, n_query=2, augment=glyphs.augment, progress=False) | changed
    fit_episodes(backbone, data.images, data.labels, seed=seed, device="cpu", **arguments)
    return backbone.state_dict()


def test_the_seed_says_it_all(greek):
    torch.manual_seed(0)
    one = run(greek, 1)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    again, other = run(greek, 1), run(greek, 2)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_modes_and_frozen_blocks_stay(greek):
    backbone = random_backbone(0).eval()
    backbone.blocks[2].train()
    freeze(backbone.blocks[0])
    modes = [part.training for part in backbone.modules()]
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    after = run(greek, 0, backbone)
    assert [part.training for part in backbone.modules()] == modes
    for name in before:
        frozen = name.startswith("blocks.0")
        assert torch.equal(before[name], after[name]) == frozen, name


def test_what_cannot_be_trained_is_refused(greek):
    data, _ = greek
    with pytest.raises(ValueError, match="trainable"):
        run(greek, 0, freeze(random_backbone(0)))
    with pytest.raises(ValueError, match="at least one step"):
        run(greek, 0, steps=0)
    with pytest.raises(ValueError, match="1000-way"):
        run(greek, 0, n_way=1000)
    poisoned = data._replace(images=data.images * float("nan"))
    with pytest.raises(CourseError, match="NaN in the images"):
        run((poisoned, None), 0, augment=None)


def test_siamese_weighs_alike_and_unlike_pairs_equally():
    # Two classes, everything at one point: alike pairs cost nothing, unlike ones the margin.
    x, y = torch.zeros(4, 3), torch.tensor([0, 1, 2, 3])
    assert training.siamese(x, y, x, y, margin=2.0).item() == pytest.approx(4.0 / 2)
    far = 10 * torch.eye(4)
    assert training.siamese(far, y, far, y, margin=2.0).item() == 0
    assert training.siamese(far, y, far[[1, 0, 3, 2]], y, margin=2.0).item() > 50
