"""Judges of module 06: they know the truth and see only plain data.

Each asks all its questions first and works out the truth afterwards, from what it drew.
"""

import math
from collections.abc import Callable, Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from course_lib.checks.judges.reading import (
    completed,
    describe,
    explained,
    number,
    refused,
    returned,
    vector,
)
from course_lib.checks.judges.specs import draw
from course_lib.checks.probes.m06 import Chain
from course_lib.checks.probes.models import state_of
from course_lib.checks.run import Ask
from course_lib.checks.verdict import NotYet

# --- mean_iou ------------------------------------------------------------------------------------


def mean_iou(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # (images, height, width, classes): with classes that are nowhere, and with none such
    sizes = [(draw(rng, 3, 5), 12, 9, 7), (draw(rng, 2, 4), 8, 11, 5), (draw(rng, 70, 90), 5, 4, 3)]
    if hard:
        sizes += [(1, 10, 10, 6), (6, 5, 16, 12), (4, 20, 20, 3), (3, 9, 9, 2)]
    cases = [_label_maps(rng, *size, full=i % 2 == 1) for i, size in enumerate(sizes)]
    seen = []
    for pred, target, n_classes in cases:
        value = returned(ask({"pred": pred, "target": target, "n_classes": n_classes}))
        if isinstance(value, Tensor | list) and len(describe(value)) and _many(value):
            raise NotYet("per_class", expected="one number", seen=describe(value))
        if isinstance(value, float | Tensor) and not math.isfinite(float(value)):
            raise NotYet("absent_nan", expected="a number in [0, 1]", seen=f"{float(value)}")
        seen.append(number(value))
    formulas = [_iou_formulas(*case) for case in cases]
    explained(
        seen,
        [row["truth"] for row in formulas],
        [(key, [row[name] for row in formulas]) for name, key in _IOU_SLIPS.items()],
        tolerance=2e-5,  # counts are whole; sums of a dozen float32 quotients are off by 1e-6
        texts=[
            f"{row['truth']:.4f} ({len(p)} images, {k} classes, of which "
            f"{k - len(torch.cat([p, t]).unique())} are nowhere)"
            for row, (p, t, k) in zip(formulas, cases, strict=True)
        ],
    )
    _one_wrong_pixel(ask, rng)
    pred, target, n_classes = cases[0]
    others = [target[:1], target.transpose(1, 2)] + (
        [target[:, :1], target[..., None]] if hard else []
    )
    for other in others:
        refused(
            ask({"pred": pred, "target": other.contiguous(), "n_classes": n_classes}),
            "mismatch",
            expected=f"a ValueError: {tuple(pred.shape)} predicted, {tuple(other.shape)} true",
        )


def _one_wrong_pixel(ask: Ask, rng: torch.Generator) -> None:
    """A class of a single pixel that was missed, in maps whose rows are not contiguous."""
    target = torch.zeros(1, draw(rng, 4, 7), draw(rng, 8, 11), dtype=torch.int64)
    target[0, draw(rng, 0, 3), draw(rng, 0, 7)] = draw(rng, 1, 3)
    inputs = {"pred": torch.zeros_like(target), "target": target, "n_classes": 4}
    seen = number(returned(ask({**inputs, "strided": True})))
    truth = (1 - 1 / target.numel()) / 2
    if abs(seen - truth) > 2e-5:
        expected = f"{truth:.4f}: class 0 has an IoU near 1, and one of a single pixel has 0"
        raise NotYet("rare", expected=expected, seen=f"{seen:.4f}")


def _many(value: object) -> bool:
    return isinstance(value, list) or value.ndim > 0


_BATCHES = (8, 16, 32, 64)
_IOU_SLIPS = {
    "pixel accuracy": "pixel_accuracy",
    "absent 0": "absent_zero",
    "absent 1": "absent_one",
    "not in target": "false_class_left_out",
    "not hit": "false_class_left_out",
    "more than a pixel": "rare",
    "in a row": "in_a_row",
    "in a row, absent 0": "in_a_row",
    "per image": "per_image",
    "per image, absent 0": "per_image",
    "per image, absent 1": "per_image",
    **{f"per batch of {size}": "per_image" for size in _BATCHES},
    "without background": "background",
    "summed": "summed",
    "recall": "recall",
    "precision": "precision",
    "dice": "dice",
    "no overlap taken off": "union",
    "weighted": "weighted",
    "percent": "percent",
}


def _label_maps(
    rng: torch.Generator, n: int, height: int, width: int, n_classes: int, full: bool
) -> tuple[Tensor, Tensor, int]:
    """Draw maps of blocks in which every formula gives a number of its own.

    Class sizes differ, images differ in their classes, some class is predicted in error only and,
    unless `full`, two are on neither side.
    """
    while True:
        # Nowhere: the last class, and one in the middle.
        k = n_classes if full or n_classes < 4 else n_classes - 2
        hidden = {draw(rng, 1, n_classes - 3), n_classes - 1} if k < n_classes else set()
        names = torch.tensor([c for c in range(n_classes) if c not in hidden])
        weights = torch.linspace(4, 1, k)
        common = torch.multinomial(
            weights.repeat(n, 1), n_classes + 2, replacement=True, generator=rng
        )
        # Each image has a few of the classes, in blocks of pixels.
        of_image = torch.randint(
            common.shape[1], (n, height // 2 + 1, width // 2 + 1), generator=rng
        )
        target = common.gather(1, of_image.flatten(1)).view(of_image.shape)
        target = target.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, :height, :width]
        if k > 2:  # the last but one is predicted in error only
            target = torch.where(target == k - 2, 0, target)
        share = 0.1 + 0.3 * torch.rand(n, 1, 1, generator=rng)  # no image without a mistake
        slip = torch.rand(n, height, width, generator=rng) < share
        other = torch.randint(k, (n, height, width), generator=rng)
        pred = names[torch.where(slip, other, target)]
        target = names[target]
        values = _iou_formulas(pred, target, n_classes)
        names_apart = [name for name in _IOU_SLIPS if _tells(name, n, n_classes, full)]
        used = [values[name] for name in names_apart]
        apart = all(abs(a - b) > 1e-3 for i, a in enumerate(used) for b in used[:i])
        if apart and all(abs(a - values["truth"]) > 1e-3 for a in used):
            return pred.contiguous(), target.contiguous(), n_classes


def _tells(name: str, n: int, n_classes: int, full: bool) -> bool:
    """Whether a slip can differ from the truth, and from the other slips, in such a case."""
    if name.startswith("per batch"):
        return n > int(name.split()[-1])
    if name.startswith("per image"):
        return n > 1 and name == "per image"
    if name.startswith(("absent", "in a row")):
        return not full and n_classes > 3
    if name == "without background":
        return n_classes > 2
    if name in ("not hit", "more than a pixel"):  # nearly always "not in target", or the truth
        return False
    return n_classes > 2 or name in ("pixel accuracy", "dice", "union", "percent")


def _iou_formulas(pred: Tensor, target: Tensor, n_classes: int) -> dict[str, float]:
    def counts(p: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        one_hot = [side.flatten() == torch.arange(n_classes)[:, None] for side in (p, t)]
        both = (one_hot[0] & one_hot[1]).sum(1).double()
        return both, one_hot[0].sum(1).double(), one_hot[1].sum(1).double()

    both, predicted, true = counts(pred, target)
    union = predicted + true - both
    per_image = torch.stack([torch.stack(counts(p, t)) for p, t in zip(pred, target, strict=True)])
    image_iou = per_image[:, 0] / (per_image[:, 1] + per_image[:, 2] - per_image[:, 0])
    iou = both / union  # NaN where a class is nowhere
    batches = {size: per_image.split(size) for size in _BATCHES}
    there, n_present = true > 0, int((union > 0).sum())
    return {
        "truth": iou.nanmean().item(),
        "pixel accuracy": (both.sum() / true.sum()).item(),
        "absent 0": iou.nan_to_num(0).mean().item(),
        "absent 1": iou.nan_to_num(1).mean().item(),
        "not in target": iou[there].mean().item(),
        "not hit": iou[both > 0].mean().item(),
        "more than a pixel": iou[union > 1].mean().item(),
        "in a row": iou[:n_present].nanmean().item(),
        "in a row, absent 0": iou[:n_present].nan_to_num(0).mean().item(),
        "per image": image_iou.nanmean(1).mean().item(),
        **{
            f"per batch of {size}": sum(_iou_of(part).nanmean().item() for part in parts)
            / len(parts)
            for size, parts in batches.items()
        },
        "per image, absent 0": image_iou.nan_to_num(0).mean().item(),
        "per image, absent 1": image_iou.nan_to_num(1).mean().item(),
        "without background": iou[1:].nanmean().item(),
        "summed": (both.sum() / union.sum()).item(),
        "recall": (both / true).nanmean().item(),
        "precision": (both / predicted).nanmean().item(),
        "dice": (2 * both / (predicted + true)).nanmean().item(),
        "no overlap taken off": (both / (predicted + true)).nanmean().item(),
        "weighted": ((iou.nan_to_num(0) * true).sum() / true.sum()).item(),
        "percent": 100 * iou.nanmean().item(),
    }


def _iou_of(counts: Tensor) -> Tensor:
    """IoU by class from the counts of each image: in both, predicted, true."""
    both, predicted, true = counts.sum(0)
    return both / (predicted + true - both)


# --- transfer_encoder ----------------------------------------------------------------------------

_NAMES = ("stem", "early", "middle", "late", "deep")


def transfer_encoder(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # All layers of one shape: whoever goes by position or by shape is not stopped by an error.
    rounds = [{}, {"twin_decoder": True}]
    if hard:
        rounds += [{"twin_decoder": True, "n_parts": 5}, {"n_parts": 2}]
    for i, options in enumerate(rounds):
        dtype = torch.float64 if i % 2 else torch.float32
        inputs = {**_encoders(rng, dtype=dtype, **options), "training": i % 2 == 0}
        _read_transferred(ask(inputs), inputs)
    shapes = ("shape", "as_many", "buffer", "last")  # as many numbers, in another shape
    for odd in ("less", "more", "renamed", *shapes[: 4 if hard else 2]):
        inputs = _encoders(rng, odd=odd)
        answer = ask(inputs)
        key = "shape_mismatch" if odd in shapes else "mismatch"
        expected = {
            "less": "a ValueError: the segmenter's encoder has a layer more",
            "more": "a ValueError: the segmenter's encoder has a layer less",
            "renamed": "a ValueError: one layer has another name",
        }.get(odd, "a ValueError: one layer has another shape")
        refused(answer, key, expected=expected)
        for part in ("own_encoder", "decoder", "encoder"):
            now, before = answer[part], inputs[part]["state"]
            if _first_difference(now, before):
                raise NotYet(
                    "half_copied",
                    expected=f"{expected}, and nothing changed",
                    seen=f"the error, but {_first_difference(now, before)} has changed",
                )


def _encoders(
    rng: torch.Generator,
    n_parts: int = 3,
    twin_decoder: bool = False,
    odd: str = "",
    dtype: torch.dtype = torch.float32,
) -> dict:
    width = draw(rng, 3, 6)
    names = [_NAMES[i] for i in torch.randperm(len(_NAMES), generator=rng)[:n_parts].tolist()]
    layers = [["conv", width, width, 3, 1], ["bn", width], ["relu"]]
    parts = [[name, layers] for name in names]
    own = parts[1:] + parts[:1]  # registered in another order
    if odd == "less":
        parts, own = parts[:-1], own
    elif odd == "more":
        own = own[:-1]
    elif odd == "renamed":
        own = [*own[:-1], ["other", layers]]
    elif odd:
        wider = {
            "shape": [["conv", width, width, 1, 1], ["bn", width], ["relu"]],
            "as_many": [["conv", 9 * width, width, 1, 1], ["bn", width], ["relu"]],
            "buffer": [["conv", width, width, 3, 1], ["bn", width + 1], ["relu"]],
            "last": [["conv", width, width + 1, 3, 1], ["bn", width], ["relu"]],
        }[odd]
        own = [*own[:-1], [own[-1][0], wider]]
    decoder = [*(parts[:1] if twin_decoder else []), ["up", layers]]
    return {
        "encoder": _with_state(rng, parts, dtype),
        "own_encoder": _with_state(rng, own, dtype),
        "decoder": _with_state(rng, decoder, dtype),
        "training": True,
    }


def _with_state(rng: torch.Generator, parts: list, dtype: torch.dtype) -> dict:
    state = state_of(Chain(dict(parts)))
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(draw(rng, 5, 500_000))
        else:
            state[name] = 0.1 + torch.rand(value.shape, generator=rng, dtype=dtype)
    return {"parts": parts, "state": state}


def _first_difference(now: dict, then: dict) -> str | None:
    if now.keys() != then.keys():
        return sorted(now.keys() ^ then.keys())[0]
    return next((name for name in then if not torch.equal(now[name], then[name])), None)


def _read_transferred(answer: dict, inputs: dict) -> None:
    value = completed(answer)["returned"]
    source, before = inputs["encoder"]["state"], inputs["own_encoder"]["state"]
    if _first_difference(answer["encoder"], source):
        back = not _first_difference(answer["encoder"], before)
        raise NotYet(
            "direction" if back else "encoder_changed",
            expected="the pretrained encoder as it was",
            seen=f"another {_first_difference(answer['encoder'], source)} in it",
        )
    now = answer["own_encoder"]
    in_decoder = _first_difference(answer["decoder"], inputs["decoder"]["state"])
    if in_decoder:
        raise NotYet(
            "decoder", expected="the decoder as it was", seen=f"another {in_decoder} in it"
        )
    if now.keys() != source.keys():
        odd = sorted(now.keys() ^ source.keys())[0]
        raise NotYet(
            "layers", expected="the segmenter's own layers", seen=f"{odd} on one side only"
        )
    missed = [name for name in source if not torch.equal(now[name], source[name])]
    if missed:
        kinds = {name.rpartition(".")[2] for name in missed}
        untouched = all(torch.equal(now[name], before[name]) for name in missed)
        by_position = dict(zip(before, source.values(), strict=True))
        if len(missed) == len(source) and untouched:
            key = "nothing_loaded"
        elif any("num_" not in name for name in missed) and all(
            torch.equal(now[name], by_position[name]) for name in missed if "num_" not in name
        ):
            key = "by_position"
        elif untouched and kinds == {"num_batches_tracked"}:
            key = "counter"
        elif untouched and kinds <= {"running_mean", "running_var", "num_batches_tracked"}:
            key = "buffers_skipped"
        else:
            key = "values"
        raise NotYet(
            key,
            expected=f"all {len(source)} tensors of the pretrained encoder, each under its name",
            seen=f"{len(missed)} of them are others, such as {missed[0]}",
        )
    if _first_difference(answer["later"], now):
        name = _first_difference(answer["later"], now)
        raise NotYet(
            "aliased",
            expected="a copy that goes its own way",
            seen=f"{name} changed when the pretrained encoder was changed afterwards",
        )
    if not answer["trainable"]:
        seen = "at least one that does not ask for a gradient"
        raise NotYet("not_trainable", expected="parameters that can be trained", seen=seen)
    if not answer["same_modes"]:
        mode, other = ("train", "eval") if inputs["training"] else ("eval", "train")
        seen = f"a part that is in {other} mode now"
        raise NotYet("mode", expected=f"everything in {mode} mode, as before", seen=seen)
    _read_names(value, set(source))


def _read_names(value: object, names: set[str]) -> None:
    expected = f"a list of {len(names)} names, such as {min(names)}"
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise NotYet("type", expected=expected, seen=describe(value))
    got = set(value)
    if got == names and len(value) == len(names):
        return
    if got == {f"encoder.{name}" for name in names}:
        raise NotYet("prefix", expected=expected, seen=f"{min(got)}")
    missing = sorted(names - got)
    seen = f"{len(value)} names" + (f", without {missing[0]}" if missing else "")
    raise NotYet("names", expected=expected, seen=seen)


# --- match_boxes ---------------------------------------------------------------------------------


def match_boxes(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    thresholds = [None, 0.3, None, 0.7, None] + ([0.5, 0.4, None, 0.6, None] if hard else [])
    cases = _scenes_of_boxes(rng, thresholds)
    seen = []
    for boxes, scores, truth, threshold in cases:
        options = {} if threshold is None else {"threshold": threshold}
        value = returned(
            ask({"boxes": boxes, "scores": scores, "truth": truth, "options": options})
        )
        seen.append(_read_hits(value, len(boxes)))
    truths = [_hits(*case) for case in cases]
    if not all(torch.equal(a, b) for a, b in zip(seen, truths, strict=True)):
        pattern = torch.cat(seen).tolist()
        slips = [*_MATCH_SLIPS.items(), *_MORE_SLIPS]
        key = next((key for key, slip in slips if _pattern(slip, cases) == pattern), "value")
        if key == "value":
            _near_the_threshold(ask, rng)
        at = next(i for i, row in enumerate(truths) if not torch.equal(seen[i], row))
        boxes, scores, truth, threshold = cases[at]
        i = int((seen[at] != truths[at]).nonzero()[0])
        raise NotYet(
            key,
            expected=f"{bool(truths[at][i])} for prediction {i} of {len(boxes)} (score "
            f"{scores[i]:.2f}; {len(truth)} true boxes, threshold {threshold or 0.5})",
            seen=f"{bool(seen[at][i])}",
        )
    _near_the_threshold(ask, rng)
    for p, g in [(0, 2), (3, 0), (0, 0)]:
        boxes, truth = _boxes(rng, p), _boxes(rng, g)
        answer = ask(
            {"boxes": boxes, "scores": torch.rand(p, generator=rng), "truth": truth, "options": {}}
        )
        value = _read_hits(returned(answer), p)
        if value.any():
            raise NotYet("value", expected="no hit: there is no true box", seen="a hit")


def _read_hits(value: object, n: int) -> Tensor:
    expected = f"{n} values, True or False"
    hits = vector(value, expected=expected)
    if len(hits) != n:
        raise NotYet("shape", expected=expected, seen=describe(value))
    if hits.dtype != torch.bool and n:
        raise NotYet("dtype", expected=expected, seen=describe(value))
    return hits.bool()


def _near_the_threshold(ask: Ask, rng: torch.Generator) -> None:
    """Half of a box: an IoU of exactly one half, in whatever way it is computed; and a bit less."""
    side = 4 * draw(rng, 1, 4)
    left, top = draw(rng, 0, 20), draw(rng, 0, 20)
    truth = torch.tensor([[left, top, left + side, top + side]], dtype=torch.float32)
    for less, is_hit in ((0, True), (0.25, False)):
        boxes = truth.clone()
        boxes[0, 2] -= side / 2 + less
        answer = ask({"boxes": boxes, "scores": torch.tensor([0.9]), "truth": truth, "options": {}})
        if bool(_read_hits(returned(answer), 1)[0]) != is_hit:
            iou = "an IoU of exactly 0.5" if is_hit else f"an IoU of {0.5 - less / side:.3f}"
            key = "strict" if is_hit else "pixel"
            raise NotYet(key, expected=f"{is_hit} at {iou}", seen=f"{not is_hit}")


def _boxes(rng: torch.Generator, n: int) -> Tensor:
    corner = 40 * torch.rand(n, 2, generator=rng)
    return torch.cat([corner, corner + 8 + 16 * torch.rand(n, 2, generator=rng)], dim=1)


def _iou(a: Tensor, b: Tensor) -> Tensor:
    a, b = a[:, None], b[None]
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    overlap = sides.clamp(min=0).prod(-1)
    areas = [(x[..., 2:] - x[..., :2]).prod(-1) for x in (a, b)]
    return overlap / (areas[0] + areas[1] - overlap)


def _over_smaller(a: Tensor, b: Tensor) -> Tensor:
    a, b = a[:, None], b[None]
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    return sides.clamp(min=0).prod(-1) / (a[..., 2:] - a[..., :2]).prod(-1)


def _dice(a: Tensor, b: Tensor) -> Tensor:
    iou = _iou(a, b)
    return 2 * iou / (1 + iou)


def _greedy(
    iou: Tensor, order: Sequence[int], threshold: float, choose: Callable, stops: bool = False
) -> Tensor:
    hits, free = torch.zeros(len(iou), dtype=torch.bool), [True] * iou.shape[1]
    for i in order:
        j = choose(iou[i], free, threshold)
        if j is not None and iou[i, j] >= threshold and free[j]:
            hits[i], free[j] = True, False
        elif stops:
            break
    return hits


def _best_free(row: Tensor, free: list[bool], _: float) -> int | None:
    return max((j for j, is_free in enumerate(free) if is_free), key=row.__getitem__, default=None)


def _best(row: Tensor, _free: list[bool], _: float) -> int:
    return int(row.argmax())


def _first(row: Tensor, free: list[bool], threshold: float) -> int | None:
    return next((j for j, is_free in enumerate(free) if is_free and row[j] >= threshold), None)


def _hits(
    boxes: Tensor, scores: Tensor, truth: Tensor, threshold: float | None,
    *, iou: Callable = _iou, choose: Callable = _best_free, order: str = "score",
    stops: bool = False,
) -> Tensor:  # fmt: skip
    overlaps = iou(boxes, truth)
    by_score = scores.argsort(descending=True).tolist()
    orders = {
        "score": by_score,
        "lowest": by_score[::-1],
        "input": range(len(boxes)),
        "iou": overlaps.amax(1).argsort(descending=True).tolist(),
    }
    return _greedy(overlaps, orders[order], threshold or 0.5, choose, stops)


def _optimal(boxes: Tensor, scores: Tensor, truth: Tensor, threshold: float | None) -> Tensor:
    fits = (_iou(boxes, truth) >= (threshold or 0.5)).numpy()
    rows, columns = linear_sum_assignment(fits, maximize=True)
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    hits[rows[fits[rows, columns]]] = True
    return hits


def _largest_sum(boxes: Tensor, truth: Tensor, threshold: float, least: float) -> Tensor:
    """The pairs whose IoUs have the largest sum; an IoU below `least` counts as 0."""
    iou = _iou(boxes, truth)
    rows, columns = linear_sum_assignment((iou * (iou >= least)).numpy(), maximize=True)
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    hits[rows] = iou[rows, columns] >= threshold
    return hits


def _misses_take(
    boxes: Tensor, scores: Tensor, truth: Tensor, threshold: float, more_than: float
) -> Tensor:
    """A prediction occupies the best free box also if it overlaps too little to be a hit."""
    iou, hits = _iou(boxes, truth), torch.zeros(len(boxes), dtype=torch.bool)
    free = [True] * len(truth)
    for i in scores.argsort(descending=True).tolist():
        j = _best_free(iou[i], free, 0.0)
        if j is not None and iou[i, j] > more_than:
            hits[i], free[j] = iou[i, j] >= threshold, False
    return hits


def _truth_chooses(boxes: Tensor, _s: Tensor, truth: Tensor, threshold: float | None) -> Tensor:
    best = _iou(boxes, truth).max(0)
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    hits[best.indices[best.values >= (threshold or 0.5)]] = True
    return hits


def _sure_ones(boxes: Tensor, scores: Tensor, truth: Tensor, threshold: float) -> Tensor:
    sure = scores >= threshold
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    hits[sure] = _hits(boxes[sure], scores[sure], truth, threshold)
    return hits


def _as_corner_and_size(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)


_MATCH_SLIPS: dict[str, Callable[..., Tensor]] = {
    # First those that are hardest to tell apart, so that a useless draw is given up soon.
    "first_fit": lambda b, s, t, th: _hits(b, s, t, th, choose=_first),
    "input_order": lambda b, s, t, th: _hits(b, s, t, th, order="input"),
    "optimal": _optimal,
    "twice": lambda b, s, t, th: (_iou(b, t) >= (th or 0.5)).any(1),
    "lowest_first": lambda b, s, t, th: _hits(b, s, t, th, order="lowest"),
    "sorted_result": lambda b, s, t, th: _hits(b, s, t, th)[s.argsort(descending=True)],
    "taken_is_final": lambda b, s, t, th: _hits(b, s, t, th, choose=_best),
    "stops_early": lambda b, s, t, th: _hits(b, s, t, th, stops=True),
    "by_iou": lambda b, s, t, th: _hits(b, s, t, th, order="iou"),
    "threshold": lambda b, s, t, th: _hits(b, s, t, None),
    "score_threshold": lambda b, s, t, th: _sure_ones(b, s, t, th or 0.5),
    "overlap": lambda b, s, t, th: _hits(b, s, t, th, iou=_over_smaller),
    "xywh": lambda b, s, t, th: _hits(_as_corner_and_size(b), s, _as_corner_and_size(t), th),
    "truth_chooses": _truth_chooses,
    "inverted": lambda b, s, t, th: ~_hits(b, s, t, th),
}
# These may give no hit another value, or the same pattern as one another: then they are not named.
_MORE_SLIPS: list[tuple[str, Callable[..., Tensor]]] = [
    (
        "pixel",
        lambda b, s, t, th: _hits(b, s, t, th, iou=lambda b, t: _iou(b + _ONE_MORE, t + _ONE_MORE)),
    ),
    ("pixel", lambda b, s, t, th: _hits(b.round(), s, t.round(), th)),
    ("pixel", lambda b, s, t, th: _hits(b, s, t, th, iou=_dice)),
    ("optimal", lambda b, s, t, th: _largest_sum(b, t, th or 0.5, 0.0)),
    ("optimal", lambda b, s, t, th: _largest_sum(b, t, th or 0.5, th or 0.5)),
    ("misses_take", lambda b, s, t, th: _misses_take(b, s, t, th or 0.5, -1.0)),
    ("misses_take", lambda b, s, t, th: _misses_take(b, s, t, th or 0.5, 0.0)),
]
_ONE_MORE = torch.tensor([0, 0, 1, 1])


def _pattern(answer: Callable[..., Tensor], cases: list[tuple]) -> list[bool]:
    return torch.cat([answer(*case) for case in cases]).tolist()


def _scenes_of_boxes(rng: torch.Generator, thresholds: list) -> list[tuple]:
    """Draw crowded scenes until every slip gives a pattern of its own over all of them."""
    while True:
        cases = [(*_crowd(rng, threshold or 0.5), threshold) for threshold in thresholds]
        if _tell_apart(cases):
            return cases


def _tell_apart(cases: list[tuple]) -> bool:
    truth, patterns = _pattern(_hits, cases), []
    for slip in _MATCH_SLIPS.values():
        pattern = _pattern(slip, cases)
        if pattern == truth or pattern in patterns:
            return False
        patterns.append(pattern)
    return not any(_pattern(slip, cases) in patterns for _, slip in _MORE_SLIPS)


def _crowd(rng: torch.Generator, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of overlapping true boxes, several predictions on each, and one stray."""
    while True:
        truth = _boxes(rng, 2)
        shift = 3 * torch.randn(2, 2, generator=rng)
        truth = torch.cat([truth, truth + torch.cat([shift, shift], dim=1)])
        near = truth.repeat(2, 1)
        near = near + 2.5 * torch.randn(near.shape, generator=rng)
        boxes = torch.cat([near, _boxes(rng, 1)])
        boxes = boxes[torch.randperm(len(boxes), generator=rng)]
        scores = torch.randperm(len(boxes), generator=rng) / 10 + 0.05
        iou = _iou(boxes, truth)
        gaps = (iou[:, :, None] - iou[:, None]).abs() + torch.eye(len(truth))
        tied = (gaps < 0.004) & (iou > 0.05)[:, :, None]
        # No IoU so near the threshold, nor two so near each other, that rounding could decide.
        if (boxes[:, 2:] > boxes[:, :2] + 2).all() and not (
            ((iou - threshold).abs() < 0.004).any() or tied.any()
        ):
            return boxes, scores, truth


# --- average_precision ---------------------------------------------------------------------------


def average_precision(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    sizes = [draw(rng, 9, 14), draw(rng, 6, 9), draw(rng, 40, 60)]
    if hard:
        sizes += [1, 2, 60, 200, draw(rng, 5, 9)]
    # One object, found at once or after false alarms: a ranking may also be perfect.
    cases, seen = [*_rankings(rng, sizes), _one_object(rng, 1), _one_object(rng, 5)], []
    for is_tp, scores, n_truth in cases:
        value = returned(ask({"is_tp": is_tp, "scores": scores, "n_truth": n_truth}))
        if isinstance(value, list) or (isinstance(value, Tensor) and value.ndim):
            raise NotYet("curve", expected="one number", seen=describe(value))
        seen.append(number(value))
    formulas = [_ap_formulas(*case) for case in cases]
    explained(
        seen,
        [row["truth"] for row in formulas],
        [(key, [row[name] for row in formulas]) for name, key in _AP_SLIPS.items()],
        tolerance=2e-5,  # a sum of at most 200 float32 products
        texts=[
            f"{row['truth']:.4f} ({len(tp)} predictions, {int(tp.sum())} hits, {n} objects)"
            for row, (tp, _, n) in zip(formulas, cases, strict=True)
        ],
    )
    none = {"is_tp": torch.zeros(0, dtype=torch.bool), "scores": torch.zeros(0)}
    value = returned(ask({**none, "n_truth": draw(rng, 1, 9)}))
    if not _is(value, 0.0):
        raise NotYet("no_predictions", expected="0: nothing was found", seen=describe(value))
    false_alarms = {
        "is_tp": torch.zeros(3, dtype=torch.bool),
        "scores": torch.rand(3, generator=rng),
    }
    for inputs in (false_alarms, none):
        value = returned(ask({**inputs, "n_truth": 0}))
        if not _is(value, math.nan):
            raise NotYet(
                "no_truth", expected="nan: there was nothing to find", seen=describe(value)
            )


def _is(value: object, truth: float) -> bool:
    if isinstance(value, Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isnan(value) if math.isnan(truth) else value == truth


_AP_SLIPS = {
    "unsorted": "unsorted",
    "ascending": "ascending",
    "by predictions": "recall_by_predictions",
    "by hits": "recall_by_hits",
    "no envelope": "no_envelope",
    "forward envelope": "envelope_direction",
    "11 points": "sampled",
    "101 points": "sampled",
    "trapezoid": "trapezoid",
    "precision": "precision",
    "recall": "recall",
    "f1": "f1",
    "mean of precisions": "mean_of_precisions",
    "sure ones only": "sure_ones_only",
    "not negative only": "sure_ones_only",
    "interpolated, by hits": "recall_by_hits",
    "trapezoid under the envelope": "trapezoid",
    "percent": "percent",
}


def _rankings(rng: torch.Generator, sizes: list[int]) -> list[tuple[Tensor, Tensor, int]]:
    """Draw hits and scores for which, over all cases, every formula gives numbers of its own."""
    while True:
        cases = [_ranked(rng, n, logits=i % 2 == 1) for i, n in enumerate(sizes)]
        values = torch.tensor([list(_ap_formulas(*case).values()) for case in cases])
        apart = (values[:, :, None] - values[:, None]).abs().amax(0) > 2e-4
        if apart.fill_diagonal_(True).all():
            return cases


def _one_object(rng: torch.Generator, n: int) -> tuple[Tensor, Tensor, int]:
    scores = (torch.randperm(n, generator=rng) + 0.5) / n
    return scores == scores.min(), scores, 1


def _ranked(rng: torch.Generator, n: int, logits: bool) -> tuple[Tensor, Tensor, int]:
    """Draw n predictions, the better scored more often hits; some objects are not found.

    A score need not be a probability: `logits` lie on both sides of 0.
    """
    scores = (torch.randperm(n, generator=rng) + 0.5) / n
    is_tp = torch.rand(n, generator=rng) < 0.25 + 0.5 * scores
    is_tp[draw(rng, 0, n - 1)] = True
    scores = scores.logit() if logits else scores
    return is_tp, scores, int(is_tp.sum()) + draw(rng, 1, max(2, n // 3))


def _ap_formulas(is_tp: Tensor, scores: Tensor, n_truth: int) -> dict[str, float]:
    def curve(order: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hits = is_tp[order].double()
        found = hits.cumsum(0)
        return hits, found / torch.arange(1, len(hits) + 1), found / n_truth

    def area(order: Tensor) -> float:
        hits, precision, _ = curve(order)
        return float((_envelope(precision) * hits).sum() / n_truth)

    order = scores.argsort(descending=True)
    hits, precision, recall = curve(order)
    n_hits, best = hits.sum().clamp(min=1), _envelope(precision)

    def sampled(points: int) -> float:
        at = [best[recall >= r - 1e-9] for r in torch.linspace(0, 1, points, dtype=torch.float64)]
        return sum(float(b[0]) if len(b) else 0.0 for b in at) / points

    def trapezoid(heights: Tensor) -> float:
        return float(torch.trapezoid(heights, recall))

    last_precision, last_recall = float(precision[-1]), float(recall[-1])
    return {
        "truth": area(order),
        "unsorted": area(torch.arange(len(scores))),
        "ascending": area(order.flip(0)),
        "by predictions": area(order) * n_truth / len(scores),
        "by hits": float((precision * hits).sum() / n_hits),
        "no envelope": float((precision * hits).sum() / n_truth),
        "forward envelope": float((precision.cummax(0).values * hits).sum() / n_truth),
        "11 points": sampled(11),
        "101 points": sampled(101),
        "trapezoid": trapezoid(precision),
        "precision": last_precision,
        "recall": last_recall,
        "f1": 2 * last_precision * last_recall / max(last_precision + last_recall, 1e-9),
        "mean of precisions": float(precision.mean()),
        "sure ones only": area(order[scores[order] >= 0.5]),
        "not negative only": area(order[scores[order] >= 0]),
        "interpolated, by hits": area(order) * n_truth / float(n_hits),
        "trapezoid under the envelope": trapezoid(best),
        "percent": 100 * area(order),
    }


def _envelope(precision: Tensor) -> Tensor:
    return precision.flip(0).cummax(0).values.flip(0)
