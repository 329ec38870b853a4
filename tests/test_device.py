import copy

import pytest
import torch

from course_lib.device import pick_device, placed
from course_lib.errors import CourseError
from course_lib.evidence.evaluate import evaluate
from course_lib.transfer.features import extract_features
from course_lib.transfer.train import fit
from tests.transfer.nets import SmallNet, state

GPU = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None


def test_auto_is_a_device_that_works():
    assert torch.ones(2, device=pick_device()).sum().item() == 2
    assert pick_device().type == (GPU or "cpu")
    assert pick_device("cpu") == pick_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:63", "mps:9", "cpu:1"])
def test_a_device_that_is_not_there_is_named_in_a_sentence(name):
    with pytest.raises(CourseError, match=f"no device '{name}'"):
        pick_device(name)


@pytest.mark.parametrize("name", ["gpu", "", "cuda0", "xla"])
def test_a_word_that_is_no_device_is_refused(name):
    with pytest.raises(ValueError, match="'auto', 'cpu', 'cuda' or 'mps'"):
        pick_device(name)


def test_a_model_comes_back_also_after_an_error():
    model, seen = SmallNet(0), []

    def work_that_fails():
        with placed(model, "auto") as device:
            seen.extend({p.device.type for p in model.parameters()} ^ {device.type})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work_that_fails()
    assert seen == []
    assert {value.device.type for value in model.state_dict().values()} == {"cpu"}


@pytest.mark.skipif(GPU is None, reason="no CUDA or MPS device on this computer")
def test_the_accelerator_agrees_with_the_cpu():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(64, 2, 8, 8, generator=generator)
    labels = torch.randint(3, (64,), generator=generator)
    here, there = SmallNet(0), SmallNet(0)
    # TF32 convolutions keep 10 bits of the mantissa: 1e-3 relative.
    features = extract_features(here, images, 24, device="cpu")
    assert torch.allclose(features, extract_features(there, images, 24, device=GPU), atol=5e-3)
    for model in (here, there):  # dropout draws from each device's own generator
        model.backbone[4].p = 0.0
    options = {"steps": 20, "batch_size": 16, "lr": 1e-3}
    curves = [
        fit(copy.deepcopy(model), images, labels, device=device, **options)
        for model, device in ((here, "cpu"), (there, GPU))
    ]
    for cpu, gpu in zip(*curves, strict=True):
        assert cpu["loss"] == pytest.approx(gpu["loss"], abs=2e-2)
    accuracies = [evaluate(m, images, labels, device=d) for m, d in ((here, "cpu"), (there, GPU))]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=2 / 64)
    assert {value.device.type for value in state(there).values()} == {"cpu"}
