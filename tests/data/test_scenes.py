import pytest
import torch
from torchvision.ops import box_iou

from course_lib.data import digits, scenes


@pytest.fixture(scope="module")
def some() -> scenes.Scenes:
    return scenes.make("train", 40, 7)


def test_masks_boxes_and_labels_tell_the_same_story(some):
    assert some.images.shape == (40, 1, 64, 64)
    assert some.masks.shape == (40, 64, 64)
    assert some.images.min() >= 0
    assert some.images.max() <= 1
    for mask, boxes, labels in zip(some.masks, some.boxes, some.labels, strict=True):
        assert set(mask.unique().tolist()) == {0, *(1 + labels).tolist()}
        inside = torch.zeros(64, 64, dtype=torch.bool)
        for box, label in zip(boxes.int().tolist(), labels.tolist(), strict=True):
            left, top, right, bottom = box
            patch = mask[top:bottom, left:right] == 1 + label
            # the box is tight: ink of its digit at each of its four sides
            assert patch[0].any()
            assert patch[-1].any()
            assert patch[:, 0].any()
            assert patch[:, -1].any()
            inside[top:bottom, left:right] = True
        assert not mask[~inside].any()
        assert box_iou(boxes, boxes)[0, 1] < 0.1


def test_ink_is_brighter_than_what_lies_around_it(some):
    ink, rest = some.images[:, 0][some.masks > 0], some.images[:, 0][some.masks == 0]
    assert ink.mean() > rest.mean() + 0.2
    letters = (rest > 0.7).float().mean()
    assert letters > 0.005  # foreign letters are there, and belong to no mask


def test_scenes_repeat_with_their_seed_and_keep_the_global_one(some):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    again = scenes.make("train", 40, 7)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(some, again, strict=True))
    assert not torch.equal(some.images, scenes.make("train", 40, 8).images)


def test_each_split_takes_digits_of_its_own(monkeypatch):
    paste, used = scenes._paste, []

    def noted(stamps, frames):
        used.append({digit.numpy().tobytes() for digit in stamps[:, : scenes.DIGITS].flatten(0, 1)})
        return paste(stamps, frames)

    monkeypatch.setattr(scenes, "_paste", noted)
    for split in ("train", "val", "test"):
        scenes.make(split, 300, 0)
    train, val, test = used
    assert len(train) > 350
    assert len(val) > 150
    assert not train & val
    assert not (train | val) & test
    pool = {digit.numpy().tobytes() for digit in digits.load("pool").images}
    assert train | val <= pool


def test_augmentation_moves_masks_and_boxes_with_the_image(some):
    out = scenes.augment(some, torch.Generator().manual_seed(0))
    assert not torch.equal(out.masks, some.masks)
    assert torch.equal(out.labels, some.labels)
    overlaps = []
    for mask, boxes, labels in zip(out.masks, out.boxes, out.labels, strict=True):
        if labels[0] == labels[1]:
            continue
        for box, label in zip(boxes, labels, strict=True):
            rows, columns = (mask == 1 + label).nonzero(as_tuple=True)
            if len(rows) > 20:
                ends = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                overlaps.append(box_iou(box[None], torch.stack(ends)[None].float()).item())
    assert len(overlaps) > 40
    assert min(overlaps) > 0.7  # half a pixel at each side of a box of some ten
    assert sum(overlaps) / len(overlaps) > 0.88
    ink = out.images[:, 0][out.masks > 0].mean()
    assert ink > out.images[:, 0][out.masks == 0].mean() + 0.2


def test_augmentation_moves_a_box_to_within_a_pixel():
    n, (left, top, right, bottom) = 200, (22, 26, 45, 40)
    masks = torch.zeros(n, 64, 64, dtype=torch.int64)
    masks[:, top:bottom, left:right] = 1
    box = torch.tensor([left, top, right, bottom]).float().repeat(n, 1, 1)
    images = masks[:, None].float()
    labels = torch.zeros(n, 1, dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    out = scenes.augment(scenes.Scenes(images, masks, box, labels), generator)
    for mask, (moved,) in zip(out.masks, out.boxes, strict=True):
        rows, columns = mask.nonzero(as_tuple=True)
        ends = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert (ends - moved).abs().max() < 0.75  # a pixel's middle decides, so half a pixel


def test_augmentation_changes_nothing_it_was_given_and_repeats(some):
    kept = [part.clone() for part in some]
    first, second = (scenes.augment(some, torch.Generator().manual_seed(4)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(some, kept, strict=True))


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="train, val or test"):
        scenes.make("pool", 3, 0)
