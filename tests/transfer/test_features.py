import copy

import pytest
import torch
from safetensors.torch import load_file
from torchvision.transforms.functional import convert_image_dtype, normalize

from course_lib.errors import CourseError
from course_lib.transfer import features as module
from course_lib.transfer.features import cached_features, extract_features, preprocess
from tests.transfer.nets import SmallNet, modes, same_state, scramble_modes, state


def images(seed: int, n: int = 11):
    return torch.rand(n, 2, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("container", [torch.tensor, list])
def test_preprocess_agrees_with_torchvision(channels, container):
    generator = torch.Generator().manual_seed(channels)
    pixels = torch.randint(256, (5, channels, 6, 4), generator=generator, dtype=torch.uint8)
    mean = torch.rand(channels, generator=generator).tolist()
    std = (0.1 + torch.rand(channels, generator=generator)).tolist()
    expected = normalize(convert_image_dtype(pixels), mean, std)
    result = preprocess(pixels, container(mean), container(std))
    assert result.dtype == torch.float32
    assert torch.allclose(result, expected, atol=1e-5)


def test_preprocess_refuses_floats_and_missing_channels():
    statistics = torch.rand(3), torch.rand(3) + 0.1
    with pytest.raises(ValueError, match="uint8"):
        preprocess(torch.rand(2, 3, 4, 4), *statistics)
    with pytest.raises(ValueError, match="1 channels, mean has 3"):
        preprocess(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), *statistics)


@pytest.mark.parametrize("batch_size", [1, 4, 11, 256])
def test_features_are_what_enters_the_head_in_eval(batch_size):
    model = SmallNet(batch_size).train()
    x, entered = images(0), []
    reference = copy.deepcopy(model).eval()
    reference.head.register_forward_hook(lambda _, inputs, __: entered.append(inputs[0].detach()))
    for image in x:
        reference(image[None])
    features = extract_features(model, x, batch_size)
    # Convolutions may sum in another order for another batch size.
    assert torch.allclose(features, torch.cat(entered), atol=1e-5)
    assert not features.requires_grad


def test_the_model_is_left_as_it_was():
    model = SmallNet(0)
    scramble_modes(model, 3)
    before, before_modes, random = state(model), modes(model), torch.get_rng_state()
    extract_features(model, images(0), 4)
    assert same_state(before, state(model))
    assert before_modes == modes(model)
    assert torch.equal(random, torch.get_rng_state())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache and a count of the extractions (which really run)."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    runs = []

    def counted(*arguments, **options):
        runs.append(arguments)
        return extract_features(*arguments, **options)

    monkeypatch.setattr(module, "extract_features", counted)
    return tmp_path, runs


def test_the_second_call_reads_what_the_first_computed(cache):
    _, runs = cache
    model, x = SmallNet(0), images(0)
    first = cached_features(model, x, transform="plain", split="train")
    # The head and the mode are no part of the key: they change no feature.
    torch.nn.init.zeros_(model.head.weight)
    second = cached_features(model.train(), x.clone(), transform="plain", split="train")
    assert len(runs) == 1
    assert torch.equal(first, second)
    assert torch.equal(first, extract_features(SmallNet(0), x))


def change_a_buffer(model, x):
    model.backbone[1].running_mean[0] += 1e-3


def change_a_weight(model, x):
    model.backbone[0].weight.data[0, 0, 0, 0] += 1e-3


def change_a_layer(model, x):
    model.backbone[2] = torch.nn.Tanh()


def change_a_pixel(model, x):
    x[-1, -1, -1, -1] += 1e-3


def swap_two_images(model, x):
    x[:2] = x[:2].flip(0).clone()


@pytest.mark.parametrize(
    "change", [change_a_buffer, change_a_weight, change_a_layer, change_a_pixel, swap_two_images]
)
def test_whatever_changes_the_features_is_in_the_key(cache, change):
    _, runs = cache
    model, x = SmallNet(0), images(0)
    cached_features(model, x, transform="plain", split="train")
    change(model, x)
    features = cached_features(model, x, transform="plain", split="train")
    assert len(runs) == 2
    assert torch.equal(features, extract_features(model, x))


def test_transform_and_split_are_in_the_key_also_with_odd_names(cache):
    folder, runs = cache
    names = [("plain", "train"), ("plain", "test"), ("../a/b", "x:y"), (". a b", "x:y")]
    for transform, split in names:
        cached_features(SmallNet(0), images(0), transform=transform, split=split)
    assert len(runs) == len(list((folder / "cache").iterdir())) == 4


def truncated(content):
    return content[: len(content) // 2]


def flipped(content):
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


@pytest.mark.parametrize("damage", [truncated, flipped, lambda _: b"", lambda _: b"x" * 99])
def test_a_damaged_file_is_computed_anew(cache, damage):
    folder, runs = cache
    model, x = SmallNet(0), images(0)
    truth = cached_features(model, x, transform="plain", split="train")
    (path,) = folder.rglob("*.safetensors")
    path.write_bytes(damage(path.read_bytes()))
    assert torch.equal(cached_features(model, x, transform="plain", split="train"), truth)
    assert len(runs) == 2
    assert torch.equal(load_file(path)["features"], truth)  # and the file is whole again


def test_a_cache_that_cannot_be_a_folder_is_said_in_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    with pytest.raises(CourseError, match="COURSE_HOME"):
        cached_features(SmallNet(0), images(0), transform="plain", split="train")
