import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.errors import CourseError
from course_lib.transfer.features import extract_features
from course_lib.transfer.freeze import freeze
from course_lib.transfer.train import fit, schedule
from tests.transfer.nets import SmallNet, modes, same_state, scramble_modes, state


def stripes(seed: int, n: int):
    """Three classes one can learn: bright rows, bright columns, a bright corner, in noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (n,), generator=generator)
    images = 0.3 * torch.rand(n, 2, 8, 8, generator=generator)
    for image, label in zip(images, labels, strict=True):
        k = int(torch.randint(6, (1,), generator=generator))
        place = [(slice(None), slice(k, k + 2)), (slice(k, k + 2),), (slice(4), slice(4))][label]
        image[(slice(None), *place)] += 0.7
    return images, labels


def test_it_learns_what_can_be_learned_and_says_how_it_went():
    model, val = SmallNet(0), stripes(1, 60)
    seen, losses = [], []

    def loss(logits, labels):
        value = F.cross_entropy(logits, labels)
        losses.append(value.item())
        return value

    history = fit(
        model, *stripes(0, 120), steps=150, batch_size=40, lr=0.02, val=val, log_every=40,
        loss=loss, on_row=lambda rows: seen.append(len(rows)),
    )  # fmt: skip
    assert [row["step"] for row in history] == [40, 80, 120, 150]
    assert [row["epoch"] for row in history] == pytest.approx([40 / 3, 80 / 3, 40, 50])
    assert seen == [1, 2, 3, 4]
    assert history[-1]["val_accuracy"] > 0.8  # chance is 1/3
    right = (copy.deepcopy(model).eval()(val[0]).argmax(1) == val[1]).sum().item()
    assert history[-1]["val_accuracy"] == right / 60
    parts = [losses[:40], losses[40:80], losses[80:120], losses[120:]]
    assert [row["loss"] for row in history] == pytest.approx([sum(p) / len(p) for p in parts])
    assert history[-1]["loss"] < history[0]["loss"]
    # In train mode: batch-norm saw every batch once.
    assert model.backbone[1].num_batches_tracked == 150
    seconds = [row["seconds"] for row in history]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_the_rows_are_means_over_the_steps_since_the_last_one():
    """A rate of 0 leaves the model alone, so a whole epoch is the whole set, in any order."""
    model = SmallNet(0)
    freeze(model.backbone)
    images, labels = stripes(0, 60)
    logits = model(images)
    history = fit(model, images, labels, steps=6, batch_size=20, lr=0.0, log_every=3)
    for row in history:
        assert row["loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
        assert row["train_accuracy"] == (logits.argmax(1) == labels).sum().item() / 60
        assert math.isnan(row["val_accuracy"])


@pytest.mark.parametrize(("steps", "share"), [(1, 1.0), (4, 1.0), (20, 0.25)])
def test_the_first_step_is_adamws_on_the_ramp_with_exempt_biases(steps, share):
    """The oracle is written out: AdamW moves every weight by the rate at first, after decay."""
    head, lr, decay, states = nn.Linear(4, 3), 0.01, 0.5, []
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    y = torch.arange(9) % 3
    twin, before = copy.deepcopy(head), state(head)
    F.cross_entropy(twin(x), y).backward()
    fit(
        head, x, y, steps=steps, lr=lr, weight_decay=decay, log_every=1,
        on_row=lambda history: states.append(state(head)),
    )  # fmt: skip
    rate = lr * share * (1 + math.cos(math.pi * 0.5 / steps)) / 2
    for name, kept in (("weight", 1 - rate * decay), ("bias", 1)):
        expected = kept * before[name] - rate * getattr(twin, name).grad.sign()
        assert torch.allclose(states[0][name], expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(2))
def test_frozen_parts_and_surroundings_are_left_alone(seed):
    model = SmallNet(seed)
    scramble_modes(model, seed)
    freeze(model.backbone)
    torch.rand(1)  # a state that no seed alone leads to
    before, before_modes, random = state(model), modes(model), torch.get_rng_state()
    images, labels = stripes(seed, 30)
    copies = images.clone(), labels.clone()
    fit(model, images, labels, steps=5, lr=0.1, weight_decay=0.5)
    after = state(model)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"head.weight", "head.bias"}
    assert modes(model) == before_modes
    assert torch.equal(random, torch.get_rng_state())
    assert torch.equal(images, copies[0])
    assert torch.equal(labels, copies[1])
    assert all(p.grad is None and p.is_contiguous() for p in model.parameters())


def test_the_seed_decides_order_augmentation_and_dropout():
    images, labels = stripes(0, 50)

    def trained(seed):
        model = SmallNet(0)
        fit(
            model, images, labels, steps=4, batch_size=16, seed=seed,
            augment=lambda x, g: x + 0.1 * torch.rand(x.shape, generator=g),
        )  # fmt: skip
        return state(model)

    first = trained(3)
    torch.rand(7)  # whatever the global state is
    assert same_state(first, trained(3))
    assert not same_state(first, trained(4))


def test_an_epoch_shows_every_image_once_and_its_own_label():
    """Images that say who they are: augment writes down what the loop looks at."""
    n, batch_size, seen = 23, 5, []
    images = torch.arange(n).float()[:, None]

    def spy(x, generator):
        seen.append(x.flatten().tolist())
        return x

    pairs = []

    def loss(logits, labels):
        pairs.extend(zip(seen[-1], labels.tolist(), strict=True))
        return logits.sum() * 0

    fit(
        nn.Linear(1, n), images, torch.arange(n), steps=8, batch_size=batch_size,
        augment=spy, loss=loss,
    )  # fmt: skip
    assert all(image == label for image, label in pairs)
    for epoch in (seen[:4], seen[4:]):
        shown = [image for batch in epoch for image in batch]
        assert len(shown) == len(set(shown)) == 20  # four full batches, the ragged one left out
    assert seen[:4] != seen[4:]


def test_a_head_on_features_is_the_same_loop():
    model = SmallNet(0)
    images, labels = stripes(0, 90)
    features = extract_features(model, images)
    freeze(model.backbone)
    head = copy.deepcopy(model.head)
    options = {"steps": 30, "batch_size": 30, "lr": 0.05, "seed": 5}
    fit(model, images, labels, **options)
    fit(head, features, labels, **options)
    assert torch.allclose(head.weight, model.head.weight, atol=1e-3)


def test_an_optimiser_of_ones_own_each_group_at_its_own_rate():
    """SGD without momentum on a linear loss: the rates of all steps add up."""
    head, rates = nn.Linear(4, 3), {"weight": 0.2, "bias": 0.05}
    before = state(head)
    optimizer = torch.optim.SGD(
        [{"params": [p], "lr": rates[name]} for name, p in head.named_parameters()], lr=9.0
    )
    x, y = torch.ones(6, 4), torch.arange(6) % 3
    fit(head, x, y, steps=7, lr=5.0, optimizer=optimizer, loss=lambda logits, _: logits.sum() / 6)
    total = sum(schedule(step, 7) for step in range(1, 8))
    for name, rate in rates.items():
        assert torch.allclose(before[name] - rate * total, head.state_dict()[name], atol=1e-5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.2, 0.05]  # as they came


def test_what_the_optimiser_does_not_hold_stays_and_keeps_no_gradient():
    model = SmallNet(0)
    before = state(model)
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.5)
    fit(model, *stripes(0, 30), steps=3, optimizer=optimizer, hold_batchnorm=True)
    after = state(model)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"head.weight", "head.bias"}
    assert all(p.grad is None for p in model.parameters())


def test_held_batchnorm_keeps_its_statistics_and_trains_its_scale():
    model = SmallNet(0)
    scramble_modes(model, 1)
    before, before_modes = state(model), modes(model)
    fit(model, *stripes(0, 30), steps=3, lr=0.1, hold_batchnorm=True)
    after = state(model)
    parameters = dict(model.named_parameters())
    for name in before:
        assert torch.equal(before[name], after[name]) == (name not in parameters), name
    assert modes(model) == before_modes


def test_a_diverged_run_says_so_in_a_sentence_and_gives_the_modes_back():
    model = SmallNet(0).eval()
    images, labels = stripes(0, 30)
    with pytest.raises(CourseError, match=r"The loss became nan at step 1.*NaN in the images"):
        fit(model, images / 0, labels, steps=3)
    assert not any(modes(model).values())
    with pytest.raises(CourseError, match=r"smaller lr than 1e\+30"):
        fit(nn.Linear(128, 3), images.flatten(1), labels, steps=30, lr=1e30)


@pytest.mark.parametrize(
    ("n_labels", "steps", "frozen", "sentence"),
    [(9, 1, False, "9 labels"), (0, 1, False, "0 labels"), (10, 0, False, "0 steps"),
     (10, 1, True, "frozen")],
)  # fmt: skip
def test_bad_arguments_are_refused(n_labels, steps, frozen, sentence):
    model = SmallNet(0)
    if frozen:
        freeze(model)
    images, labels = stripes(0, 10)
    with pytest.raises(ValueError, match=sentence):
        fit(model, images, labels[:n_labels], steps=steps)
