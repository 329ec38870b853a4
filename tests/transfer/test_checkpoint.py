import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_lib.transfer.checkpoint import best_checkpoint
from tests.transfer.nets import SmallNet, same_state, state


def run(scores: list[float]):
    """Train for as many epochs as there are scores; each epoch moves every parameter and buffer."""
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    calls, states = [], []

    def train_one_epoch(given):
        calls.append(("train", given))
        for value in given.state_dict().values():
            value += 1
        states.append(state(given))

    def val_score(given):
        calls.append(("score", given))
        return scores[len(states) - 1]

    return model, calls, states, best_checkpoint(model, train_one_epoch, val_score, len(scores))


@given(st.lists(st.one_of(st.just(math.nan), st.sampled_from([-2.0, 0.0, 0.5, 3.0])), min_size=1))
def test_the_earliest_of_the_highest_scores_and_its_state(scores):
    if all(math.isnan(score) for score in scores):
        with pytest.raises(ValueError, match=f"None of {len(scores)} epochs has a score"):
            run(scores)
        return
    model, calls, states, (epoch, score, kept) = run(scores)
    # The oracle: sort by score, then by epoch.
    assert (-score, epoch) == min((-s, i) for i, s in enumerate(scores, 1) if s == s)
    assert same_state(kept, states[epoch - 1])
    assert same_state(state(model), states[-1])
    assert [what for what, _ in calls] == ["train", "score"] * len(scores)
    assert all(given is model for _, given in calls)


def test_later_training_does_not_reach_the_kept_state_and_it_can_be_put_back():
    model = SmallNet(0)
    images = torch.rand(4, 2, 8, 8, generator=torch.Generator().manual_seed(0))

    def train_one_epoch(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        model.train()(images).square().mean().backward()
        optimizer.step()

    outputs = []

    def val_score(model):
        outputs.append(model.eval()(images).detach())
        return -abs(len(outputs) - 2)  # the second epoch

    epoch, _, kept = best_checkpoint(model, train_one_epoch, val_score, 4)
    train_one_epoch(model)
    assert not torch.allclose(model.eval()(images), outputs[1], atol=1e-3)
    model.load_state_dict(kept)
    assert epoch == 2
    assert torch.allclose(model.eval()(images), outputs[1])


def test_no_epoch_has_no_best():
    with pytest.raises(ValueError, match="None of 0 epochs"):
        run([])
