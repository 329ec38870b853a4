"""The capstone's situations are fair, and its methods are what their names say."""

import pytest
import torch
from torch.nn import functional as F

from course_lib import capstone
from course_lib.evidence.evaluate import evaluate, forward_in_batches
from course_lib.evidence.splits import k_shot_split
from course_lib.models.weights import load_backbone
from course_lib.transfer.probe import fit_logistic

RATES = {"scratch": 3e-3, "fine-tune": 1e-3, "LP-FT": 3e-4}


@pytest.fixture(scope="module", params=capstone.SITUATIONS)
def task(request):
    return capstone.SITUATIONS[request.param]()


@pytest.fixture(scope="module")
def few():
    return capstone.few_labels()


def support_of(task, seed=3):
    support, _ = k_shot_split(task.labels, task.n_shot, seed)
    return task.images[support], task.labels[support]


def test_a_situation_can_be_studied_fairly(task):
    n_classes = int(task.labels.max()) + 1
    assert task.labels.unique().tolist() == list(range(n_classes))
    assert task.test_labels.unique().tolist() == list(range(n_classes))
    # each seed must be able to draw a support set of its own
    assert task.labels.bincount().min() > task.n_shot
    for images in (task.images, task.test_images):
        assert 0 <= images.min() < images.max() <= 1
        assert images.shape[1:] == (1, 32, 32)
    distances = torch.cdist(task.test_images.flatten(1), task.images.flatten(1))
    if task.unlabelled is not None:
        unlabelled = torch.cdist(task.test_images.flatten(1), task.unlabelled.flatten(1))
        distances = torch.cat([distances, unlabelled], dim=1)
    assert distances.min() > 0.3, "a test image that is also in the pool"


def test_a_situation_is_the_same_each_time(task):
    (make,) = [make for make in capstone.SITUATIONS.values() if make().name == task.name]
    assert make().images.equal(task.images)
    assert make().test_images.equal(task.test_images)


def test_the_unlabelled_images_show_none_of_the_labelled_digits():
    task = capstone.no_target_label()
    # brighter than any background, so a digit keeps this much on whatever photograph it stands
    strokes = ((images > 0.75).flatten(1).float() for images in (task.unlabelled, task.images))
    assert torch.cdist(*strokes).min() > 0.5


def test_nearest_centroid_is_the_rule_of_module_00(few):
    x, y = support_of(few)
    model = capstone.methods(RATES, 1)["nearest centroid"](x, y, 0)
    with torch.no_grad():
        features, queries = load_backbone().eval()(x), load_backbone().eval()(few.test_images)
    means = torch.stack([features[y == k].mean(0) for k in range(10)])
    cosines = F.normalize(queries, dim=1) @ F.normalize(means, dim=1).T
    predicted = forward_in_batches(model, few.test_images).argmax(1)
    assert predicted.equal(cosines.argmax(1))


def test_the_probe_is_a_logistic_regression_on_features_that_stay(few):
    x, y = support_of(few)
    model = capstone.methods(RATES, 1)["freeze and probe"](x, y, 0).train()
    before = load_backbone()
    with torch.no_grad():
        features, queries = before.eval()(x), before(few.test_images[:50])
        scale = 10 / features.norm(dim=1).mean()
        weight, bias = fit_logistic(scale * features, y, 1.0)
        expected = (scale * queries) @ weight.T + bias
        assert torch.allclose(model(few.test_images[:50]), expected, atol=1e-3)
    for (name, value), kept in zip(
        model.backbone.state_dict().items(), before.state_dict().values(), strict=True
    ):
        assert value.equal(kept), name


@pytest.mark.parametrize("name", ["scratch", "fine-tune", "LP-FT"])
def test_what_trains_depends_on_seed_and_labels_and_moves_the_backbone(few, name):
    x, y = support_of(few)
    fit = capstone.methods(RATES, 2)[name]
    first, again, other = fit(x, y, 1), fit(x, y, 1), fit(x, y, 2)
    start = load_backbone()
    weight = {k: m.backbone.blocks[0][0].weight for k, m in
              dict(first=first, again=again, other=other).items()}  # fmt: skip
    assert weight["first"].equal(weight["again"])
    assert not weight["first"].equal(weight["other"])
    distance = (weight["first"] - start.blocks[0][0].weight).norm()
    assert (0 < distance < 0.5) == (name != "scratch"), distance
    statistics = first.backbone.blocks[0][1].running_mean
    assert statistics.equal(start.blocks[0][1].running_mean) == (name == "LP-FT")


def test_adaptation_needs_images_without_labels_and_uses_them():
    task = capstone.no_target_label()
    names = set(capstone.methods(RATES, 1))
    x, y = support_of(task)
    more = capstone.methods(RATES, 2, task.unlabelled)
    others = capstone.methods(RATES, 2, task.images)
    assert len(set(more) - names) == 2
    for name in set(more) - names:
        model, other = more[name](x, y, 0), others[name](x, y, 0)
        norms = [m.backbone.blocks[0][1].running_mean for m in (model, other)]
        assert not torch.allclose(*norms, atol=1e-3), name
        accuracies = [evaluate(m, task.test_images, task.test_labels) for m in (model, other)]
        assert accuracies[0] > accuracies[1], name


def test_the_methods_that_train_nothing_read_more_than_chance(task):
    for name in ("nearest centroid", "freeze and probe"):
        model = capstone.methods(RATES, 1)[name](*support_of(task), 0)
        n_classes = int(task.labels.max()) + 1
        assert evaluate(model, task.test_images, task.test_labels) > 3 / n_classes
