"""The adaptation loop, AdaBN, the distance between domains and the label-free choice."""

import copy
import inspect

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Generator, nn

from course_lib.alignment.adabn import adapt_batchnorm
from course_lib.alignment.adapt import adapt
from course_lib.alignment.distance import domain_accuracy, proxy_a_distance
from course_lib.alignment.selection import information, select_model
from course_lib.alignment.terms import METHODS, term
from course_lib.errors import CourseError
from course_lib.evidence.evaluate import evaluate
from course_lib.models.convnet import Classifier, random_backbone
from course_lib.transfer.freeze import freeze
from tests.transfer.nets import SmallNet, modes, same_state, scramble_modes, state


def stripes(n: int, seed: int, shifted: bool = False):
    """Three classes of 16 x 16 images: where a bright bar stands; the target is dimmer, noisier."""
    generator = Generator().manual_seed(seed)
    labels = torch.randint(3, (n,), generator=generator)
    images = 0.1 * torch.rand(n, 1, 16, 16, generator=generator)
    for image, label in zip(images, labels, strict=True):
        image[0, :, 5 * label : 5 * label + 4] += 0.8
    if shifted:
        images = 0.5 * images + 0.4 + 0.05 * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1), labels


def small(seed: int = 0) -> Classifier:
    return Classifier(random_backbone(seed), 3, seed)


def run(model, align=None, steps=25, seed=0, **options):
    return adapt(
        model, *stripes(60, 1), stripes(50, 2, shifted=True)[0], align, steps=steps, batch_size=20,
        lr=3e-3, seed=seed, device="cpu", progress=False, **options,
    )  # fmt: skip


def test_there_is_no_way_to_hand_over_a_target_label():
    names = list(inspect.signature(adapt).parameters)
    assert names[1:5] == ["source_images", "source_labels", "target_images", "align"]
    assert [name for name in names if "label" in name] == ["source_labels"]


@pytest.mark.parametrize("method", METHODS)
def test_it_learns_the_source_and_reports_each_row(method):
    model, align = small(), term(method, 1.0)
    random = torch.get_rng_state()
    before = copy.deepcopy(align.state_dict()) if isinstance(align, nn.Module) else None
    history = run(model, align, log_every=10)
    assert [row["step"] for row in history] == [10, 20, 25]
    assert history[-1]["source_accuracy"] > 0.9
    assert history[-1]["source_loss"] < history[0]["source_loss"]
    assert (history[-1]["alignment"] != 0) == (method != "source only")
    for row in history:
        assert 0.2 <= row["domain_accuracy"] <= 1
        assert row["a_distance"] == pytest.approx(4 * row["domain_accuracy"] - 2)
    assert torch.equal(random, torch.get_rng_state())
    if before is not None:  # the discriminator trains along
        assert not torch.equal(before["layers.0.weight"], align.state_dict()["layers.0.weight"])
    # After 25 steps the running statistics have not quite arrived.
    assert evaluate(model, *stripes(60, 1), device="cpu") > 0.6


def test_the_same_seed_gives_the_same_weights_and_the_target_matters_only_to_a_term():
    results = {}
    for name, align, seed in (
        ("a", None, 0), ("b", None, 0), ("c", None, 1),
        ("d", term("MMD", 1.0), 0), ("e", term("MMD", 1.0), 0),
    ):  # fmt: skip
        model = small()
        run(model, align, steps=6, seed=seed)
        results[name] = state(model)
    assert same_state(results["a"], results["b"])
    assert same_state(results["d"], results["e"])
    assert not same_state(results["a"], results["c"])
    assert not same_state(results["a"], results["d"])
    other = small()
    adapt(other, *stripes(60, 1), torch.zeros(50, 1, 16, 16), None, steps=6, batch_size=20,
          lr=3e-3, seed=0, device="cpu", progress=False)  # fmt: skip
    assert same_state(results["a"], state(other))


def test_modes_frozen_parts_and_inputs_are_left_as_they_were():
    model = small()
    scramble_modes(model, 4)
    before = modes(model)
    source, target = stripes(60, 1), stripes(50, 2, shifted=True)[0]
    kept = [x.clone() for x in (*source, target)]
    adapt(model, *source, target, term("MCC"), steps=3, batch_size=20, device="cpu", progress=False)
    assert modes(model) == before
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(kept, (*source, target), strict=True))
    freeze(model.backbone)
    frozen, head = state(model.backbone), state(model.head)
    run(model, term("MCC"), steps=3)
    assert same_state(frozen, state(model.backbone))
    assert not same_state(head, state(model.head))


def test_the_progress_and_the_outputs_that_a_term_sees():
    seen = []

    def align(source, target, progress):
        seen.append((progress, source.features.shape, target.logits.shape))
        assert torch.allclose(model.head(source.features), source.logits)
        return 0 * target.features.sum()

    model = small()
    run(model, align, steps=4)
    assert [row[0] for row in seen] == [0.125, 0.375, 0.625, 0.875]
    assert {row[1:] for row in seen} == {((20, 128), (20, 3))}


def test_both_domains_are_augmented_and_only_by_the_given_generator():
    sizes = []

    def augment(images, generator):
        sizes.append(float(images.mean()))
        return images + 0.01 * torch.rand(images.shape, generator=generator)

    run(small(), term("MMD"), steps=3, augment=augment)
    assert len(sizes) == 6
    assert min(sizes[1::2]) > max(sizes[::2])  # source, target, source, ...


def test_what_makes_no_sense_is_refused():
    images, labels = stripes(20, 0)
    model = small()
    with pytest.raises(ValueError, match="one label for each"):
        adapt(model, images, labels[:-1], images, steps=1, progress=False)
    with pytest.raises(ValueError, match="there are none"):
        adapt(model, images, labels, images[:0], steps=1, progress=False)
    with pytest.raises(ValueError, match="one step"):
        adapt(model, images, labels, images, steps=0, progress=False)
    with pytest.raises(CourseError, match="became nan"):
        adapt(model, images, labels, images * float("nan"), term("MCC"), steps=2, device="cpu",
              progress=False)  # fmt: skip
    with pytest.raises(ValueError, match="frozen"):
        adapt(freeze(model), images, labels, images, steps=1, progress=False)


# --- AdaBN ---------------------------------------------------------------------------------------


def reference_statistics(model, images, batch_size):
    """Each layer's statistics over the batches, gathered by hand in a train-mode forward pass."""
    model = copy.deepcopy(model).eval()
    layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    gathered = {name: [] for name in layers}
    for name, layer in layers.items():
        layer.training = True

        def note(_, inputs, name=name):
            x = inputs[0].detach().double().permute(1, 0, 2, 3).flatten(1).numpy()
            gathered[name].append((x.mean(1), x.var(1, ddof=1)))

        layer.register_forward_pre_hook(note)
    for batch in images.split(batch_size):
        model(batch)
    return {name: np.mean(pairs, axis=0) for name, pairs in gathered.items()}


@pytest.mark.parametrize("batch_size", [4, 6, 24, 100])
def test_statistics_are_the_mean_over_batches_and_nothing_else_moves(batch_size):
    model = SmallNet(batch_size)
    scramble_modes(model, 1)
    images = 3 * torch.rand(24, 2, 8, 8)
    before, momenta = state(model), [m.momentum for m in model.modules() if hasattr(m, "momentum")]
    truth = reference_statistics(model, images, batch_size)
    random = torch.get_rng_state()
    assert adapt_batchnorm(model, images, batch_size, device="cpu") is model
    after = state(model)
    for name, (mean, variance) in truth.items():
        assert np.allclose(after[f"{name}.running_mean"], mean, atol=1e-4)
        assert np.allclose(after[f"{name}.running_var"], variance, rtol=1e-3)
    for name, value in before.items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(value, after[name])
    assert not any(modes(model).values())
    assert momenta == [m.momentum for m in model.modules() if hasattr(m, "momentum")]
    assert torch.equal(random, torch.get_rng_state())  # dropout stayed off


def test_a_ragged_rest_a_model_without_batchnorm_and_no_images():
    images = torch.rand(11, 2, 8, 8)
    whole, ragged = SmallNet(0), SmallNet(0)
    adapt_batchnorm(whole, images[:8], 4)
    adapt_batchnorm(ragged, images, 4)
    assert same_state(state(whole), state(ragged))
    plain = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).train()
    before = state(plain)
    assert not adapt_batchnorm(plain, torch.rand(3, 1, 2, 2), 2).training
    assert same_state(before, state(plain))
    with pytest.raises(ValueError, match="there are none"):
        adapt_batchnorm(SmallNet(0), images[:0], 4)


def test_a_frozen_backbone_is_adapted_too_and_stays_frozen():
    model = SmallNet(0)
    freeze(model.backbone)
    other = adapt_batchnorm(SmallNet(0), torch.ones(8, 2, 8, 8) + torch.rand(8, 2, 8, 8), 4)
    torch.manual_seed(0)
    images = torch.rand(8, 2, 8, 8)
    adapt_batchnorm(model, images, 4)
    assert same_state(state(model), state(adapt_batchnorm(other, images, 4)))
    assert not model.train().backbone.training


# --- Distance and choice -------------------------------------------------------------------------


def test_domains_that_are_one_and_domains_that_are_two():
    generator = Generator().manual_seed(0)
    x, y = torch.randn(2, 400, 6, generator=generator)
    assert abs(domain_accuracy(x, y) - 0.5) < 0.1
    assert domain_accuracy(x, y + 3) > 0.98
    assert proxy_a_distance(x, y + 3) == pytest.approx(4 * domain_accuracy(x, y + 3) - 2)
    # Unequal sizes are balanced: guessing the larger domain does not pay.
    assert abs(domain_accuracy(x, y[:60]) - 0.5) < 0.2
    assert domain_accuracy(1000 * x, 1000 * y) == pytest.approx(domain_accuracy(x, y), abs=0.02)
    with pytest.raises(ValueError, match="four rows"):
        domain_accuracy(x[:3], y)


def test_it_is_tested_on_images_it_was_not_fitted_to():
    """With more features than images, a classifier fits pure noise without an error."""
    x, y = torch.randn(2, 60, 80, generator=Generator().manual_seed(2))
    assert np.mean([domain_accuracy(x, y, seed) for seed in range(5)]) < 0.7


def test_the_domain_classifier_is_about_as_good_as_scikit_learns():
    generator = Generator().manual_seed(1)
    x, y = torch.randn(2, 500, 8, generator=generator)
    y = y + 0.3
    z = torch.cat([x, y]).numpy()
    labels = np.arange(2).repeat(500)
    order = np.random.default_rng(0).permutation(1000)
    fitted = LogisticRegression().fit(z[order[:500]], labels[order[:500]])
    theirs = fitted.score(z[order[500:]], labels[order[500:]])
    assert domain_accuracy(x, y) == pytest.approx(theirs, abs=0.06)


def runs_of(seed, labels=None):
    """Five runs whose confidence follows their accuracy, and two that are not sound."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(4, size=200)
    runs, accuracies = [], rng.permutation([0.5, 0.6, 0.7, 0.8, 0.9])
    for accuracy in accuracies:
        hit = rng.random(200) < accuracy
        predicted = np.where(hit, truth, (truth + rng.integers(1, 4, 200)) % 4)
        p = np.full((200, 4), (1 - accuracy) / 3)
        p[np.arange(200), predicted] = accuracy
        runs.append({"source_val_accuracy": 0.9 + 0.02 * rng.random(), "target_probs": p})
    lost = np.eye(4)[rng.integers(4, size=200)]
    runs.append({"source_val_accuracy": 0.7, "target_probs": lost})
    runs.append({"source_val_accuracy": 0.91, "target_probs": np.eye(4)[np.ones(200, int)]})
    for run in runs:
        run["target_probs"] = torch.tensor(run["target_probs"])
        run["target_labels"] = torch.tensor(rng.integers(4, size=200) if labels is None else labels)
    return runs, accuracies


@pytest.mark.parametrize("seed", range(5))
def test_the_choice_is_sound_good_and_blind_to_target_labels(seed):
    runs, accuracies = runs_of(seed)
    chosen = select_model(runs)
    assert accuracies[chosen] == 0.9
    for poison in (runs[0]["target_probs"].argmax(1), torch.zeros(200), None):
        poisoned = [{**run, "target_labels": poison} for run in runs]
        assert select_model(poisoned) == chosen
    without = [{k: v for k, v in run.items() if k != "target_labels"} for run in runs]
    assert select_model(without) == chosen
    order = np.random.default_rng(seed).permutation(len(runs))
    assert order[select_model([runs[i] for i in order])] == chosen
    with pytest.raises(ValueError, match="no run"):
        select_model([])


def test_a_single_class_is_passed_over_even_if_it_says_more():
    hesitant = torch.tensor([[0.51, 0.49], [0.49, 0.51]]).repeat(10, 1)
    one_class = torch.tensor([[0.99, 0.01], [0.55, 0.45]]).repeat(10, 1)
    assert information(one_class) > information(hesitant)
    runs = [{"source_val_accuracy": 0.9, "target_probs": p} for p in (one_class, hesitant)]
    assert select_model(runs) == 1
    assert select_model(runs[:1]) == 0  # there is nothing else


def test_information_is_that_of_a_joint_table():
    p = np.random.default_rng(0).dirichlet([0.5] * 3, size=20)
    joint = p / 20
    independent = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    truth = (joint * np.log(joint / independent)).sum()
    assert information(torch.tensor(p)) == pytest.approx(truth, rel=1e-9)
