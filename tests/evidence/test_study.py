"""A study under its protocol, on classifiers that note what they are given."""

import math
from datetime import datetime

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from course_lib.evidence import study
from course_lib.evidence.splits import k_shot_split


@pytest.fixture(autouse=True)
def course_home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return tmp_path


class Nearest(nn.Module):
    """Nearest labelled image; in train mode it answers at random. Notes each image it is asked."""

    def __init__(self, images, labels, log):
        super().__init__()
        self.images, self.labels, self.log = images.flatten(1), labels, log

    def forward(self, x):
        self.log.append(("test", x[:, 0, 0, 0].tolist()))
        if self.training:
            return torch.rand(len(x), 3)
        nearest = torch.cdist(x.flatten(1), self.images).argmin(dim=1)
        return nn.functional.one_hot(self.labels[nearest], 3).float()


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(int(torch.randint(10**6, ())))
    labels = torch.arange(3).repeat(60)
    images = torch.rand(180, 1, 2, 2, generator=generator) + labels.view(-1, 1, 1, 1) / 4
    return images[:90], labels[:90], images[90:], labels[90:]


def methods(log):
    """Nearest image, and the same with fewer pixels."""

    def whole(images, labels, seed):
        log.append(("fit a", seed, images[:, 0, 0, 0].tolist(), labels.tolist()))
        return Nearest(images, labels, log)

    def corner(images, labels, seed):
        log.append(("fit b", seed, images[:, 0, 0, 0].tolist(), labels.tolist()))
        model = Nearest(images[:, :, :1, :1], labels, log)
        return nn.Sequential(Crop(), model)

    return whole, corner


class Crop(nn.Module):
    def forward(self, x):
        return x[:, :, :1, :1]


def test_each_seed_gives_both_methods_its_split_and_the_test_set_is_seen_once(data):
    log, seeds = [], [31, 7, 19]
    study.run_study(*methods(log), *data, n_shot=4, seeds=seeds)
    pixel = data[0][:, 0, 0, 0]
    expected = []
    for seed in seeds:
        support = k_shot_split(data[1], 4, seed)[0]
        for name in ("fit a", "fit b"):
            expected += [(name, seed, pixel[support].tolist(), data[1][support].tolist())]
            expected += [("test", data[2][:, 0, 0, 0].tolist())]
    assert log == expected


def test_accuracies_effect_and_verdict_are_those_of_an_independent_count(data):
    fits = methods([])
    found = study.run_study(*fits, *data, n_shot=5, seeds=range(6))
    for name, fit in zip("ab", fits, strict=True):
        for seed in range(6):
            support = k_shot_split(data[1], 5, seed)[0]
            model = fit(data[0][support], data[1][support], seed).eval()
            right = sum(
                int(model(x[None]).argmax()) == int(y) for x, y in zip(*data[2:], strict=True)
            )
            assert found[name][seed] == right / 90
    difference = np.subtract(found["a"], found["b"])
    low, high = stats.t.interval(0.95, 5, difference.mean(), stats.sem(difference))
    assert found["mean"] == pytest.approx(difference.mean())
    assert (found["low"], found["high"]) == pytest.approx((low, high))
    verdict = "helps" if low > 0 else "hurts" if high < 0 else "undecided"
    assert found["verdict"] == verdict
    swapped = study.run_study(*reversed(fits), *data, n_shot=5, seeds=range(6))
    assert swapped["mean"] == pytest.approx(-found["mean"])
    opposite = {"helps": "hurts", "hurts": "helps", "undecided": "undecided"}
    assert swapped["verdict"] == opposite[verdict]


@pytest.mark.parametrize(
    ("n_shot", "seeds", "says"),
    [(4, [1], "two seeds"), (4, [], "two seeds"), (4, [1, 2, 1], "different"),
     (31, [1, 2], "fewer than n_shot")],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_before_any_fit(data, n_shot, seeds, says):
    log = []
    with pytest.raises(ValueError, match=says):
        study.run_study(*methods(log), *data, n_shot=n_shot, seeds=seeds)
    assert log == []


def predicted(**changes):
    arguments = dict(situation="signs", method="a - b", gain=0.1, low=-0.1, high=0.2)
    return study.write_prediction(**arguments | changes)


def test_a_prediction_holds_what_was_said_and_when():
    before = datetime.now().astimezone()
    found = predicted()
    assert before <= datetime.fromisoformat(found.pop("time")) <= datetime.now().astimezone()
    assert found == dict(situation="signs", method="a - b", gain=0.1, low=-0.1, high=0.2)
    assert predicted(low=0.1, high=0.1)["high"] == 0.1


@pytest.mark.parametrize(
    "numbers",
    [dict(low=0.15), dict(high=0.05), dict(low=0.3, high=-0.1)]
    + [{key: bad} for key in ("gain", "low", "high") for bad in (math.nan, math.inf, -math.inf)],
)
def test_a_prediction_that_says_nothing_is_refused(numbers):
    with pytest.raises(ValueError, match=r"\.$"):
        predicted(**numbers)


RESULT = dict(a=[0.9, 0.8], b=[0.7, 0.75], mean=0.125, low=-0.3, high=0.6, verdict="undecided")


def test_a_prediction_can_be_revised_until_its_study_is_concluded(capsys):
    study.preregister(predicted())
    study.preregister(predicted(gain=0.15))
    study.preregister(predicted(situation="letters"))
    study.conclude(predicted(gain=0.19), RESULT)  # whatever is said now, the kept one counts
    study.preregister(predicted(gain=0.12))
    assert "has been run already" in capsys.readouterr().out
    first, second = study.studies()
    assert first["prediction"]["gain"] == 0.15
    assert first["result"] == RESULT
    assert second["prediction"]["situation"] == "letters"
    assert "result" not in second


def test_numbers_of_any_kind_can_be_kept():
    study.preregister(predicted() | {"gain": torch.tensor(0.125), "time": datetime.now()})
    study.conclude(predicted(), RESULT | {"a": torch.tensor([0.5, 0.25]), "low": np.float32(0.5)})
    (kept,) = study.studies()
    assert kept["prediction"]["gain"] == 0.125
    assert (kept["result"]["a"], kept["result"]["low"]) == ([0.5, 0.25], 0.5)


def test_a_result_without_a_prediction_is_refused():
    with pytest.raises(ValueError, match="preregister first"):
        study.conclude(predicted(), RESULT)
    assert study.studies() == []
