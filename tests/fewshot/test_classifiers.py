"""Each formula against NumPy loops in float64, its gradient, and what must not change it."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from course_lib.fewshot.contrastive import contrastive_loss
from course_lib.fewshot.cosine import baseline_plus_plus, cosine_logits, nearest_centroid
from course_lib.fewshot.matching import matching_logits
from course_lib.fewshot.prototypes import class_means, prototype_logits


def episode(seed, shots=(1, 3, 2, 4), n_query=7, d=5):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(len(shots)).repeat_interleave(torch.tensor(shots))
    y = y[torch.randperm(len(y), generator=generator)]
    draw = {"generator": generator, "dtype": torch.float64}
    return torch.randn(len(y), d, **draw), y, torch.randn(n_query, d, **draw)


def means(support, y):
    return np.stack([support.numpy()[y.numpy() == k].mean(0) for k in range(int(y.max()) + 1)])


def loop(function, rows, columns):
    return np.array([[function(r, c) for c in columns] for r in rows])


def angle(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b))


@pytest.mark.parametrize("seed", range(5))
def test_against_numpy(seed):
    support, y, query = episode(seed)
    centres, q, s = means(support, y), query.numpy(), support.numpy()
    np.testing.assert_allclose(class_means(support, y).numpy(), centres, rtol=1e-12)
    np.testing.assert_allclose(
        prototype_logits(support, y, query).numpy(),
        loop(lambda a, b: -((a - b) ** 2).sum(), q, centres),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        nearest_centroid(support, y, query).numpy(), loop(angle, q, centres), rtol=1e-9
    )
    np.testing.assert_allclose(
        cosine_logits(query, support, 7.5).numpy(), 7.5 * loop(angle, q, s), rtol=1e-9
    )
    weights = np.exp(3 * loop(angle, q, s))
    weights /= weights.sum(1, keepdims=True)
    of_class = np.stack([weights[:, y.numpy() == k].sum(1) for k in range(4)], 1)
    np.testing.assert_allclose(
        matching_logits(support, y, query, scale=3).numpy(), np.log(of_class), rtol=1e-9
    )


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.float32])
def test_contrastive_against_numpy(kind):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 40, 3, generator=generator, dtype=torch.float64)
    b[:3] = a[:3]
    same = torch.arange(40) % 2
    expected = 0.0
    for x, z, alike in zip(a.numpy(), b.numpy(), same.tolist(), strict=True):
        d = np.sqrt(((x - z) ** 2).sum())
        expected += d**2 if alike else max(0.0, 1.7 - d) ** 2
    loss = contrastive_loss(a, b, same.to(kind), 1.7)
    assert loss.ndim == 0
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(expected / 40, rel=1e-9)


def test_contrastive_gradient_is_finite_where_a_pair_is_equal():
    a = torch.randn(4, 3, requires_grad=True)
    b = a.detach().clone().requires_grad_()
    contrastive_loss(a, b, torch.tensor([1, 0, 1, 0]), 1.0).backward()
    assert a.grad.isfinite().all()
    assert b.grad.isfinite().all()


def test_gradients():
    support, y, query = (x.requires_grad_() if x.dtype.is_floating_point else x for x in episode(3))
    check = torch.autograd.gradcheck
    assert check(lambda s, q: prototype_logits(s, y, q), (support, query))
    assert check(lambda s, q: nearest_centroid(s, y, q), (support, query))
    assert check(lambda s, q: matching_logits(s, y, q), (support, query))
    assert check(lambda s, q: cosine_logits(q, s, 3.0), (support, query))
    a, b = (torch.randn(6, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert check(lambda a, b: contrastive_loss(a, b, torch.arange(6) % 2, 2.5), (a, b))


ALL = [prototype_logits, nearest_centroid, matching_logits, baseline_plus_plus]
each = pytest.mark.parametrize("classifier", ALL, ids=lambda c: c.__name__)


@each
def test_order_of_the_support_does_not_matter_and_queries_keep_to_themselves(classifier):
    support, y, query = episode(4)
    logits = classifier(support, y, query)
    order = torch.randperm(len(y))
    assert torch.allclose(classifier(support[order], y[order], query), logits, atol=1e-6)
    assert torch.allclose(classifier(support, y, query[2:3]), logits[2:3], atol=1e-9)
    # Renaming the classes moves the columns along.
    names = torch.tensor([2, 0, 3, 1])
    renamed = classifier(support, names[y], query)
    assert torch.allclose(renamed[:, names], logits, atol=1e-6)


@each
def test_support_and_query_are_left_alone(classifier):
    support, y, query = episode(5)
    copies = support.clone(), query.clone()
    classifier(support, y, query)
    assert torch.equal(support, copies[0])
    assert torch.equal(query, copies[1])


def test_prototypes_ignore_a_shift_and_a_rotation():
    support, y, query = episode(6)
    logits = prototype_logits(support, y, query)
    turn, _ = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))
    assert torch.allclose(prototype_logits(support @ turn, y, query @ turn), logits, atol=1e-9)
    far = prototype_logits((support + 300).float(), y, (query + 300).float())
    assert torch.allclose(far.double(), logits, atol=5e-3)  # float32 holds 300 to 3e-5
    assert torch.allclose(prototype_logits(3 * support, y, 3 * query), 9 * logits, atol=1e-9)


@pytest.mark.parametrize("classifier", ALL[1:], ids=lambda c: c.__name__)
def test_cosine_classifiers_ignore_the_length_of_a_query(classifier):
    support, y, query = episode(7)
    lengths = torch.rand(len(query), 1, dtype=torch.float64) * 10 + 0.1
    logits = classifier(support, y, query)
    assert torch.allclose(classifier(support, y, lengths * query), logits, atol=1e-6)
    assert torch.allclose(classifier(5 * support, y, query), logits, atol=1e-6)


def test_zeros_have_no_direction():
    x = torch.randn(3, 4)
    x[1] = 0
    for logits in (cosine_logits(x, x, 10.0), cosine_logits(x, x, 10.0).T):
        assert logits.isfinite().all()
        assert (logits[1] == 0).all()


def test_one_shot_matching_is_the_log_softmax_of_cosines():
    support, y, query = episode(8, shots=(1, 1, 1))
    by_class = support[y.argsort()]
    expected = cosine_logits(query, by_class, 10.0).log_softmax(1)
    assert torch.allclose(matching_logits(support, y, query), expected)
    assert torch.allclose(matching_logits(support, y, query).exp().sum(1), torch.ones(7).double())


def test_matching_stays_finite_when_a_class_gets_no_attention():
    support = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    logits = matching_logits(support, torch.tensor([0, 1]), support, scale=200.0)
    assert logits.isfinite().all()
    assert logits.argmax(1).tolist() == [0, 1]


def test_baseline_plus_plus_trains_on_the_support():
    support, y, query = episode(9, shots=(5, 5, 5))
    assert torch.allclose(
        baseline_plus_plus(support, y, query, steps=0, scale=1.0),
        nearest_centroid(F.normalize(support, dim=1), y, query),
    )

    def loss(steps):
        logits = baseline_plus_plus(support, y, support, steps=steps)
        return F.cross_entropy(logits, y)

    assert loss(200) < loss(20) < loss(0)
    with torch.no_grad():  # also where no gradients are kept
        assert loss(200) < loss(0)
