"""Each formula against NumPy in float64, a gradient check, and what must not change it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck

from course_lib.alignment.adversarial import Adversary, dann_schedule, grad_reverse
from course_lib.alignment.coral import coral_loss
from course_lib.alignment.mcc import mcc_loss
from course_lib.alignment.mmd import median_bandwidths, mmd_loss, squared_distances
from course_lib.alignment.terms import METHODS, standardised, term

sizes = st.tuples(st.integers(2, 9), st.integers(2, 9), st.integers(2, 6), st.integers(0, 10_000))


def clouds(n: int, m: int, d: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    source = rng.normal(rng.normal(0, 2, d), rng.uniform(0.5, 2, d), (n, d))
    target = rng.normal(rng.normal(0, 2, d), rng.uniform(0.5, 2, d), (m, d))
    return torch.tensor(source), torch.tensor(target)


def by_hand_mmd(source, target, bandwidths, unbiased):
    def mean(x, y, leave_out):
        total, pairs = 0.0, 0
        for i, a in enumerate(x):
            for j, b in enumerate(y):
                if not (leave_out and i == j):
                    squared = float(((a - b) ** 2).sum())
                    total += np.mean([math.exp(-squared / (2 * s * s)) for s in bandwidths])
                    pairs += 1
        return total / pairs

    x, y = source.numpy(), target.numpy()
    return mean(x, x, unbiased) + mean(y, y, unbiased) - 2 * mean(x, y, False)


@settings(max_examples=25, deadline=None)
@given(sizes)
def test_coral_is_numpys_covariances(size):
    source, target = clouds(*size)
    gap = np.cov(source.numpy(), rowvar=False) - np.cov(target.numpy(), rowvar=False)
    truth = (gap**2).sum() / (4 * size[2] ** 2)
    assert float(coral_loss(source, target)) == pytest.approx(truth, rel=1e-9)
    # A shift of the mean and another order of the images are not seen; a scale is, squared.
    moved = source[torch.randperm(len(source))] + torch.randn(size[2]).double()
    assert float(coral_loss(moved, target)) == pytest.approx(truth, rel=1e-9)
    assert float(coral_loss(3 * source, 3 * target)) == pytest.approx(81 * truth, rel=1e-9)
    assert float(coral_loss(target, source)) == pytest.approx(truth, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(sizes, st.booleans())
def test_mmd_is_the_sum_over_all_pairs(size, unbiased):
    source, target = clouds(*size)
    bandwidths = np.random.default_rng(size[3]).uniform(0.5, 5, 3).tolist()
    truth = by_hand_mmd(source, target, bandwidths, unbiased)
    seen = mmd_loss(source, target, bandwidths, unbiased)
    assert float(seen) == pytest.approx(truth, abs=1e-9)
    assert float(mmd_loss(source.float(), target.float(), bandwidths, unbiased)) == pytest.approx(
        truth, abs=1e-5
    )
    swapped = mmd_loss(target, source[torch.randperm(len(source))], torch.tensor(bandwidths))
    assert float(swapped) == pytest.approx(by_hand_mmd(source, target, bandwidths, True), abs=1e-6)
    # In the unit of the features: both scaled, nothing changes; nor does a shift of both.
    far = [7 * x + 100 for x in (source, target)]
    seen = mmd_loss(*far, [7 * b for b in bandwidths], unbiased)
    assert float(seen) == pytest.approx(truth, abs=1e-7)
    if not unbiased:
        assert truth > -1e-12


def test_the_unbiased_estimate_is_right_on_average_and_the_biased_one_is_not():
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(400, 2, 16, 3, generator=generator)
    seen = torch.tensor(
        [[float(mmd_loss(a, b, [1.0], unbiased)) for unbiased in (True, False)] for a, b in draws]
    )
    error = seen[:, 0].std() / 20
    assert abs(seen[:, 0].mean()) < 4 * error
    assert 0.3 < (seen[:, 0] < 0).float().mean() < 0.8
    assert seen[:, 1].mean() > 10 * error


def test_far_from_the_origin_distances_stay_exact_and_identical_rows_have_a_gradient():
    x = torch.randn(40, 20) + 300
    truth = torch.cdist(x.double(), x.double()).square()
    assert torch.allclose(squared_distances(x).double(), truth, rtol=1e-3, atol=1e-3)
    source = torch.randn(5, 3)
    source[1] = source[0]
    source.requires_grad_()
    mmd_loss(source, source.detach().clone(), [1.0]).backward()
    assert source.grad.isfinite().all()


def test_bandwidths_follow_the_scale_and_carry_no_gradient():
    source, target = (x.float() for x in clouds(8, 9, 4, 0))
    widths = median_bandwidths(source.requires_grad_(), target)
    assert not widths.requires_grad
    both = torch.cat([source, target]).detach()
    median = torch.pdist(both).square().median().sqrt()
    assert float(widths[2]) == pytest.approx(float(median), rel=1e-3)
    assert torch.allclose(median_bandwidths(5 * source, 5 * target), 5 * widths)


def test_mcc_is_the_papers_table_and_its_weights_are_no_way_out():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, (11, 4))
    p = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum(1, keepdims=True)
    weights = 1 + np.exp((p * np.log(p)).sum(1))
    weights = 11 * weights / weights.sum()
    table = np.zeros((4, 4))
    for w, row in zip(weights, p, strict=True):
        table += w * np.outer(row, row)
    table /= table.sum(1, keepdims=True)
    truth = (table.sum() - np.trace(table)) / 4
    x = torch.tensor(logits, requires_grad=True)
    loss = mcc_loss(x)
    assert loss.item() == pytest.approx(truth, rel=1e-9)
    (gradient,) = torch.autograd.grad(loss, x)

    def with_fixed_weights(z):
        q = (z / 2.5).softmax(1)
        c = (torch.tensor(weights)[:, None] * q).T @ q
        c = c / c.sum(1, keepdim=True)
        return (c.sum() - c.trace()) / 4

    (fixed,) = torch.autograd.grad(with_fixed_weights(x), x)
    assert torch.allclose(gradient, fixed)
    order = torch.randperm(11), torch.randperm(4)
    assert mcc_loss(x[order[0]][:, order[1]]).item() == pytest.approx(truth, rel=1e-9)
    sure = 1000.0 * torch.eye(4)
    assert float(mcc_loss(sure)) == pytest.approx(0, abs=1e-6)
    assert float(mcc_loss(torch.zeros(6, 4))) == pytest.approx(0.75)


def test_gradients_agree_with_finite_differences():
    source, target = (x.requires_grad_() for x in clouds(5, 4, 3, 1))
    assert gradcheck(coral_loss, (source, target))
    assert gradcheck(lambda a, b: mmd_loss(a, b, [0.7, 2.0]), (source, target))
    assert gradcheck(lambda a, b: mmd_loss(a, b, [0.7, 2.0], False), (source, target))


@pytest.mark.parametrize("lam", [0.0, 0.3, 2.0])
def test_reversal_is_the_identity_with_another_derivative(lam):
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    y = grad_reverse(x, lam)
    upstream = torch.randn(3, 4, dtype=torch.float64)
    assert torch.equal(y, x)
    assert torch.allclose(torch.autograd.grad(y, x, upstream)[0], -lam * upstream)
    both = grad_reverse(x, 1.5).sum() + grad_reverse(x, lam).sum() + x.sum()
    assert torch.allclose(torch.autograd.grad(both, x)[0], torch.full_like(x, 1 - 1.5 - lam))


def test_the_schedule_is_the_papers():
    seen = [dann_schedule(p) for p in (0, 0.1, 0.25, 0.5, 1)]
    assert np.allclose(seen, [0, 0.462, 0.848, 0.987, 1.0], atol=1e-3)
    assert dann_schedule(0.1, gamma=3.0) < dann_schedule(0.1)


class Out(tuple):
    def __init__(self, pair):
        self.features, self.logits = pair


def outputs(seed, n=20):
    generator = torch.Generator().manual_seed(seed)
    pair = (
        torch.randn(n, 128, generator=generator).requires_grad_(),
        torch.randn(n, 10, generator=generator),
    )
    return Out(pair)


def test_the_adversary_learns_and_the_features_get_the_opposite():
    random = torch.get_rng_state()
    adversary = Adversary(seed=1)
    source, target = outputs(0), outputs(1)
    loss = adversary(source, target, 1.0)
    reversed_ = torch.autograd.grad(loss, source.features)[0]
    plain = Adversary(seed=1, strength=-1.0)
    helped = torch.autograd.grad(plain(source, target, 1.0), source.features)[0]
    assert reversed_.abs().sum() > 0
    assert torch.allclose(reversed_, -helped, rtol=1e-4, atol=1e-8)
    own = [torch.autograd.grad(a(source, target, 1.0), a.layers[0].weight)[0]
           for a in (adversary, plain)]  # fmt: skip
    assert torch.allclose(*own)
    # Scale and place of the features are taken out before the discriminator sees them.
    scaled = Out((100 * source.features + 7, None)), Out((100 * target.features + 7, None))
    assert float(adversary(*scaled, 1.0)) == pytest.approx(float(loss), rel=1e-2)
    assert torch.equal(random, torch.get_rng_state())


@pytest.mark.parametrize("method", METHODS)
def test_every_term_grows_from_nothing_and_pulls_at_the_target(method):
    align = term(method, weight=2.0)
    if method == "source only":
        assert align is None
        return
    source, leaf = outputs(0), outputs(1).features

    def pull(progress):
        target = Out((3 * leaf, leaf[:, :10]))
        return torch.autograd.grad(align(source, target, progress), leaf)[0]

    early, late = pull(1e-6), pull(1.0)
    assert late.abs().max() > 1e-6
    assert early.abs().max() < 1e-3 * late.abs().max()


def test_shrinking_all_features_does_not_help():
    source, target = outputs(0).features, outputs(1).features + 0.5
    big = coral_loss(*standardised(source, target))
    small = coral_loss(*standardised(source * 10, target * 10))
    assert float(small) == pytest.approx(float(big), rel=0.02)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: coral_loss(torch.zeros(1, 3), torch.zeros(4, 3)), "two rows"),
        (lambda: coral_loss(torch.zeros(4, 3), torch.zeros(4, 2)), "equal d"),
        (lambda: mmd_loss(torch.zeros(1, 3), torch.zeros(4, 3), [1.0]), "more rows"),
        (lambda: mmd_loss(torch.zeros(0, 3), torch.zeros(4, 3), [1.0], False), "more rows"),
        (lambda: mmd_loss(torch.zeros(4, 3), torch.zeros(4, 2), [1.0]), "equal d"),
        (lambda: mmd_loss(torch.zeros(4, 3), torch.zeros(4, 3), []), "at least one bandwidth"),
        (lambda: mmd_loss(torch.zeros(4, 3), torch.zeros(4, 3), [0.0]), "above 0"),
        (lambda: term("DAN"), "no method"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_one_row_is_enough_for_the_biased_form():
    one = torch.zeros(1, 3)
    assert float(mmd_loss(one, one, [1.0], False)) == pytest.approx(0)


def test_a_network_learns_through_each_loss_to_bring_two_clouds_together():
    """The losses do what they are for: gradient steps on a linear map lower them."""
    source, target = (x.float() for x in clouds(60, 60, 4, 5))
    for loss in (coral_loss, lambda a, b: mmd_loss(a, b, [1.0, 3.0])):
        torch.manual_seed(0)
        layer = nn.Linear(4, 4)
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
        values = []
        for _ in range(60):
            value = loss(source, layer(target))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            values.append(float(value))
        assert values[-1] < 0.3 * values[0]
