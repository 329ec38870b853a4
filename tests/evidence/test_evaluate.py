import copy

import pytest
import torch

from course_lib.evidence.evaluate import evaluate, forward_in_batches, n_correct
from tests.transfer.nets import SmallNet, modes, same_state, scramble_modes, state


def data(seed: int, n: int, classes: int = 3):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, 2, 8, 8, generator=generator)
    return images, torch.randint(classes, (n,), generator=generator)


def one_by_one(model, images):
    """The oracle: a deep copy in eval mode, asked about one image at a time."""
    model = copy.deepcopy(model).eval()
    return torch.cat([model(image[None]).detach() for image in images])


@pytest.mark.parametrize("seed", range(3))
def test_n_correct_counts_rows_whose_best_score_is_the_label(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(50, 4, generator=generator)
    labels = torch.randint(4, (50,), generator=generator)
    expected = sum(
        all(row[label] >= other for other in row) for row, label in zip(logits, labels, strict=True)
    )
    assert n_correct(logits, labels) == expected
    assert isinstance(n_correct(logits, labels), int)


@pytest.mark.parametrize("batch_size", [1, 7, 10, 23, 256])
def test_accuracy_counts_every_image_once_whatever_the_batch(batch_size):
    model = SmallNet(batch_size).train()
    images, labels = data(batch_size, 23)
    right = int((one_by_one(model, images).argmax(1) == labels).sum())
    assert evaluate(model, images, labels, batch_size) == right / 23


def test_a_ragged_last_batch_weighs_what_it_holds():
    images = torch.eye(5)
    labels = torch.tensor([0, 1, 2, 3, 0])  # the identity is right on the first four
    assert evaluate(torch.nn.Identity(), images, labels, 4) == pytest.approx(4 / 5)


@pytest.mark.parametrize("seed", range(3))
def test_the_model_and_the_random_state_are_left_as_they_were(seed):
    model = SmallNet(seed)
    scramble_modes(model, seed)
    images, labels = data(seed, 20)
    before, before_modes, random = state(model), modes(model), torch.get_rng_state()
    evaluate(model, images, labels, 8)
    assert same_state(before, state(model))
    assert before_modes == modes(model)
    assert torch.equal(random, torch.get_rng_state())


@pytest.mark.parametrize("enabled", [True, False])
def test_forward_keeps_no_graph_and_gives_the_gradient_mode_back(enabled):
    model, seen = SmallNet(0), []
    model.head.register_forward_hook(lambda *hook: seen.append(hook[-1].requires_grad))
    with torch.set_grad_enabled(enabled):
        output = forward_in_batches(model, data(0, 9)[0], 4)
        assert torch.is_grad_enabled() is enabled
    assert seen == [False, False, False]
    assert not output.requires_grad


def test_outputs_can_train_a_head():
    features = forward_in_batches(SmallNet(0).backbone, data(0, 9)[0])
    head = torch.nn.Linear(6, 3)
    head(features).sum().backward()  # tensors made in inference mode would refuse
    assert head.weight.grad.abs().sum() > 0


def test_a_model_that_raises_is_given_back_in_its_modes():
    model = SmallNet(0)
    scramble_modes(model, 1)
    before = modes(model)
    with pytest.raises(RuntimeError):
        evaluate(model, torch.rand(4, 5, 8, 8), torch.zeros(4, dtype=torch.long))
    assert modes(model) == before


@pytest.mark.parametrize(("n_images", "n_labels"), [(0, 0), (4, 3), (3, 4)])
def test_images_and_labels_must_belong_together(n_images, n_labels):
    with pytest.raises(ValueError, match=f"{n_images} images and {n_labels} labels"):
        evaluate(SmallNet(0), data(0, n_images)[0], data(0, n_labels)[1])
