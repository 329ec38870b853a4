import pytest
import torch
from torch.nn import functional as F

from course_lib.models.convnet import Classifier, random_backbone
from course_lib.transfer.features import extract_features
from course_lib.transfer.freeze import freeze
from course_lib.transfer.lp_ft import lp_ft
from course_lib.transfer.probe import fit_logistic
from tests.transfer.nets import modes, same_state, state

QUIET = {"device": "cpu", "progress": False}


def task(seed: int, n: int = 60):
    """Three classes: a bright bar at the left, in the middle or at the right, in noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    images = 0.5 * torch.rand(n, 1, 32, 32, generator=generator)
    for image, label in zip(images, labels, strict=True):
        image[:, :, 3 + 10 * label : 9 + 10 * label] += 0.4
    return images, labels


def pretrained(seed: int, classes: int = 5) -> Classifier:
    """A model with batch-norm statistics of its own and a head of another task."""
    model = Classifier(random_backbone(seed), classes, seed).train()
    with torch.no_grad():
        model(torch.rand(16, 1, 32, 32, generator=torch.Generator().manual_seed(seed)))
    return model.eval()


@pytest.mark.parametrize("seed", range(2))
def test_phase_one_alone_is_the_logistic_regression_on_untouched_features(seed):
    images, labels = task(seed)
    model = pretrained(seed)
    before, features = state(model.backbone), extract_features(model, images)
    assert lp_ft(model, images, labels, 500, 0, 0.1, **QUIET) is model
    assert same_state(before, state(model.backbone))
    weight, bias = fit_logistic(features, labels, strength=1.0)  # scikit-learn's solver
    with torch.no_grad():
        seen = model.head(features).softmax(1)
    # Two solvers of one convex problem, the one in float32.
    assert torch.allclose(seen, (features @ weight.T + bias).softmax(1), atol=5e-3)
    assert model.head.out_features == 3
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("training", [True, False])
def test_phase_two_moves_every_parameter_and_no_statistic(training):
    images, labels = task(0)
    model = pretrained(1).train(training)
    freeze(model.backbone)  # it is opened again
    before = state(model.backbone)
    probe = lp_ft(pretrained(1), images, labels, 100, 0, 1e-3, **QUIET)
    lp_ft(model, images, labels, 100, 8, 1e-3, **QUIET)
    parameters = dict(model.backbone.named_parameters())
    for name, value in state(model.backbone).items():
        assert torch.equal(before[name], value) == (name not in parameters), name
    assert not torch.equal(probe.head.weight, model.head.weight)
    losses = [F.cross_entropy(m.eval()(images), labels).item() for m in (probe, model)]
    assert losses[1] < losses[0]
    assert all(p.requires_grad for p in model.parameters())


def test_phase_two_begins_at_the_probe():
    images, labels = task(1)
    probe = lp_ft(pretrained(2), images, labels, 100, 0, 0.0, **QUIET)
    both = lp_ft(pretrained(2), images, labels, 100, 5, 1e-12, **QUIET)
    for name, value in state(probe).items():
        assert torch.allclose(state(both)[name], value, atol=1e-8), name


def test_the_seed_decides_and_nothing_around_changes():
    images, labels = task(2)
    copies = images.clone(), labels.clone()
    torch.rand(1)
    random = torch.get_rng_state()

    def trained(seed):
        model, drawn_from = pretrained(3), set()
        arrived = modes(model)

        def augment(x, generator):
            drawn_from.add(generator.initial_seed())
            return x + 0.1 * torch.rand(x.shape, generator=generator)

        lp_ft(model, images, labels, 20, 3, 1e-2, seed=seed, augment=augment, **QUIET)
        assert drawn_from == {seed}
        assert modes(model) == arrived
        return state(model)

    first = trained(5)
    assert same_state(first, trained(5))
    assert not same_state(first, trained(6))
    assert torch.equal(images, copies[0])
    assert torch.equal(labels, copies[1])
    assert torch.equal(random, torch.get_rng_state())
