"""Judges of module 07: they know the truth and see only plain data."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from course_lib.checks.judges.reading import completed, describe, is_stub, refused, tensor
from course_lib.checks.judges.specs import draw
from course_lib.checks.probes import m07 as probes
from course_lib.checks.run import Ask
from course_lib.checks.verdict import NotYet
from course_lib.peft import lora

# --- LoRALinear ----------------------------------------------------------------------------------


def LoRALinear(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    rounds = [
        (5, 8, 3, True, torch.float32),
        (9, 4, 4, False, torch.float64),  # the rank as large as it may be
        (6, 7, 1, True, torch.float32),
    ]
    if hard:
        rounds += [
            (draw(rng, 10, 14), draw(rng, 15, 20), 7, True, torch.float64),
            (3, 12, 1, True, torch.float32),
            (12, 3, 2, False, torch.float32),
            (4, 6, 4, True, torch.float32),
        ]
    for n_in, n_out, rank, bias, dtype in rounds:
        answer = ask(inputs := _lora_inputs(rng, n_in, n_out, rank, bias, dtype))
        _require_accepted(answer, f"rank {rank} for a layer from {n_in} to {n_out} features")
        _read_lora(answer, inputs)
    # Many features in half precision: there a start that is far too wide overflows. Not every way
    # of drawing numbers exists for it, so who stops with an error is not judged by that.
    answer = ask(_lora_inputs(rng, 4096, 6, 2, True, torch.float16))
    if not answer["raised"] and not all(
        isinstance(y, Tensor) and y.isfinite().all() for y in answer["start"]
    ):
        seen = "NaN or infinity for 4096 features in float16"
        raise NotYet("start", expected="the given linear's output, also then", seen=seen)
    inputs = _lora_inputs(rng, 6, 9, 2, True, torch.float32)
    answer = ask({**inputs, "device": "meta"})
    if answer["raised"] or answer.get("devices") != ["meta"]:
        seen = (answer["raised"] or {}).get("message") or f"factors on {answer.get('devices')}"
        expected = "factors on the device of the weight, whichever it is"
        raise NotYet("device", expected=expected, seen=seen[:150])
    for rank in (0, -1, 7, 9) if hard else (0, 7):
        refused(
            ask({**inputs, "rank": rank}),
            "rank",
            expected=f"a ValueError: rank {rank} for a layer from 6 to 9 features",
        )


def _lora_inputs(
    rng: torch.Generator, n_in: int, n_out: int, rank: int, bias: bool, dtype: torch.dtype
) -> dict:
    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64).to(dtype)

    # alpha / rank is far from alpha, 1, 1 / rank, alpha · rank, alpha / √rank and alpha // rank.
    alpha = float(rank * (2.4 + 0.3 * torch.rand((), generator=rng)))
    if rank == 1:
        alpha = 3.3
    return {
        "A": _either_way(normal(rank, n_in)),
        "B": _either_way(normal(n_out, rank)),
        "weight": normal(n_out, n_in),
        "bias": normal(n_out) if bias else None,
        "rank": rank,
        "alpha": alpha,
        "x": [normal(4, n_in), normal(n_in), normal(2, 3, n_in)],
        "cotangent": normal(4, n_out),
        "device": "cpu",
    }


def _either_way(factor: Tensor) -> Tensor:
    """Make a square factor symmetric: stored either way round, it says the same."""
    return factor + factor.T if factor.shape[0] == factor.shape[1] else factor


def _require_accepted(answer: dict, what: str) -> None:
    raised = answer.get("raised")
    if raised and raised["is_value_error"]:
        seen = f"ValueError: {raised['message'][:200]}"
        raise NotYet("rank_refused", expected=f"no error for {what}", seen=seen)


def _read_lora(answer: dict, inputs: dict) -> None:
    completed(answer)
    truth = probes.LoRALinear(lora.LoRALinear, inputs)
    if not answer["module"]:
        seen = describe(answer["returned"])
        raise NotYet("module", expected="an object that is an `nn.Module`", seen=seen)
    weight, rank = inputs["weight"], inputs["rank"]
    n_out, n_in = weight.shape
    for name, value in answer["base"].items():
        if not _close(value, inputs[name]):
            raise NotYet("base_changed", expected=f"{name} as it came", seen=f"another {name}")

    # What trains.
    sizes = sorted(int(torch.tensor(shape).prod()) for shape in answer["shapes"])
    wanted = sorted((rank * n_in, rank * n_out))
    expected = f"two factors that train, of {rank * n_in} and {rank * n_out} numbers"
    seen = f"tensors of shape {_list(answer['shapes'])} that train" if sizes else "nothing trains"
    if not sizes:
        raise NotYet("nothing_trains", expected=expected, seen=seen)
    if answer["base_trains"]:
        raise NotYet("base_trains", expected=expected, seen="the given linear trains as well")
    if len(sizes) == 1 and sizes[0] in wanted:
        raise NotYet("one_factor", expected=expected, seen=seen)
    if sizes != wanted:
        raise NotYet("factors", expected=expected, seen=seen)
    dtype = str(weight.dtype)
    if answer["dtypes"] != [dtype]:
        seen = _list(name.removeprefix("torch.") for name in answer["dtypes"])
        raise NotYet("dtype", expected=dtype.removeprefix("torch."), seen=seen)

    # How they start.
    zero = [not factor.any() for factor in answer["factors"]]
    if all(zero):
        raise NotYet("both_zero", expected="one factor zero, the other random", seen="both zero")
    if not any(zero):
        seen = "none of them is zero"
        raise NotYet("none_zero", expected="one factor zero, the other random", seen=seen)
    scale = inputs["alpha"] / rank
    slips = [
        ("no_base", _outputs(inputs, 0, 0, 0)),
        ("no_bias", _outputs(inputs, 1, 0, 0)),
        ("everything_scaled", _outputs(inputs, scale, scale, 0)),
    ]
    expected = f"the given linear's output, {_first(truth['start'][0])}"
    _read_outputs(answer["start"], truth["start"], slips, "start", expected)
    random = answer["factors"][zero.index(False)].double()
    # No luck: three random numbers, the fewest here, hold two equal ones once in a million times,
    # and a random matrix whose rank is too low to 16 digits does not happen.
    distinct = random.unique().numel() / random.numel()
    if torch.linalg.matrix_rank(random) < rank or distinct < 0.9:
        seen = f"{random.unique().numel()} different numbers among {random.numel()}"
        raise NotYet("not_random", expected="a random factor of full rank", seen=seen)

    # What they do.
    alpha = inputs["alpha"]
    others = (1 / rank, alpha * rank, 1 / scale, alpha / rank**0.5, scale**2, alpha // rank)
    slips = [
        ("no_update", _outputs(inputs, 1, 1, 0)),
        ("alpha", _outputs(inputs, 1, 1, alpha)),
        ("unscaled", _outputs(inputs, 1, 1, 1)),
        *(("scale", _outputs(inputs, 1, 1, other)) for other in others),
        ("subtracted", _outputs(inputs, 1, 1, -scale)),
        ("activation", _outputs(inputs, 1, 1, scale, torch.relu)),
    ]
    expected = f"alpha / rank = {alpha:.3g} / {rank}: {_first(truth['filled'][0])}"
    _read_outputs(answer["filled"], truth["filled"], slips, "value", expected)
    if not all(answer["moved"]):
        seen = "no factor moved" if not any(answer["moved"]) else "one of the two did not move"
        expected = "both factors move in three steps of training"
        raise NotYet("no_gradient", expected=expected, seen=seen)
    if not _close(answer["trained"], truth["trained"]):
        expected = f"{_first(truth['trained'])} after three steps of training"
        raise NotYet("training", expected=expected, seen=_first(answer["trained"]))
    if not _close(answer["input_gradient"], truth["input_gradient"]):
        expected = f"{_first(truth['input_gradient'])} as the gradient with respect to x"
        raise NotYet("input_gradient", expected=expected, seen=_first(answer["input_gradient"]))


def _outputs(
    inputs: dict, base: float, shift: float, scale: float, between: Callable = torch.clone
) -> list[Tensor]:
    """Return base · W x + shift · b + scale · B A x for each x; `between` comes after A."""
    bias = 0 if inputs["bias"] is None else inputs["bias"]
    update = [scale * between(x @ inputs["A"].T) @ inputs["B"].T for x in inputs["x"]]
    return [
        base * x @ inputs["weight"].T + shift * bias + added
        for x, added in zip(inputs["x"], update, strict=True)
    ]


def _read_outputs(
    seen: list, truth: list[Tensor], slips: list[tuple], otherwise: str, expected: str
) -> None:
    for got, right in zip(seen, truth, strict=True):
        tensor(got, tuple(right.shape))
    if not _all_close(seen, truth):
        key = next((key for key, values in slips if _all_close(seen, values)), otherwise)
        raise NotYet(key, expected=expected, seen=_first(seen[0]))


# --- merge ---------------------------------------------------------------------------------------


def merge(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # Square first: there a transposed update fits without an error, and can be named.
    rounds = [(6, 6, 3, True), (5, 8, 3, False), (7, 4, 2, True), (5, 3, 0, True)]
    if hard:
        rounds += [
            (4, 4, 0, False),
            (9, 9, 4, False),
            (draw(rng, 20, 30), 12, 1, True),
            (3, 6, 3, True),
        ]
    for n_in, n_out, rank, bias in rounds:
        dtype = torch.float64 if (n_in + n_out) % 2 else torch.float32
        inputs = _lora_inputs(rng, n_in, n_out, max(rank, 1), bias, dtype)
        inputs["rank"] = rank
        _read_merged(ask({**inputs, "x": inputs["x"][0]}), inputs)


def _read_merged(answer: dict, inputs: dict) -> None:
    rank, weight, bias = inputs["rank"], inputs["weight"], inputs["bias"]
    scale = inputs["alpha"] / rank if rank else 0.0
    update = inputs["B"] @ inputs["A"]
    truth = weight + scale * update
    raised = answer.get("raised")
    if raised and not is_stub(raised) and (answer["merged"] or not rank):
        seen = f"{raised['type']}: {raised['message'][:150]}"
        raise NotYet("plain", expected="a plain Linear comes back as it is", seen=seen)
    completed(answer)
    for time, merged in enumerate(answer["merged"]):
        if not merged["exactly"]:
            key = "still_lora" if merged["type"] == "LoRALinear" else "not_linear"
            if time or not rank:
                key = "plain"
            seen = f"an object of type {merged['type']}"
            raise NotYet(key, expected="exactly an `nn.Linear`", seen=seen)
        if not merged["trains_as_before"]:
            seen = "other values of `requires_grad`"
            raise NotYet("plain", expected="a plain Linear comes back as it is", seen=seen)
        _read_weight(merged["weight"], truth, inputs, "again" if time else "" if rank else "plain")
        got = merged["bias"]
        if (got is None) != (bias is None):
            key = "bias_lost" if got is None else "bias_made"
            expected = "a bias of None, as before" if bias is None else "the bias, as before"
            raise NotYet(key, expected=expected, seen=describe(got))
        if bias is not None and not _close(got, bias):
            raise NotYet("bias", expected=_first(bias), seen=_first(got))
        right = inputs["x"][0] @ truth.T + (0 if bias is None else bias)
        if not _close(merged["output"], right):
            seen = merged["fails"] or _first(merged["output"])
            raise NotYet("output", expected=_first(right), seen=seen[:150])


def _read_weight(got: Tensor, truth: Tensor, inputs: dict, key: str) -> None:
    weight, update = inputs["weight"], inputs["B"] @ inputs["A"]
    scale = inputs["alpha"] / max(inputs["rank"], 1)
    if got.dtype != weight.dtype:
        raise NotYet("dtype", expected=str(weight.dtype), seen=str(got.dtype))
    if _close(got, truth):
        return
    slips = [
        ("dropped", weight),
        ("merged_twice", weight + 2 * scale * update),
        ("unscaled", weight + update),
        ("alpha", weight + inputs["alpha"] * update),
        ("scale", weight + update * scale**2),
        ("scale", weight + update * scale / max(inputs["rank"], 1)),
        ("subtracted", weight - scale * update),
        ("update_only", scale * update),
        ("everything_scaled", scale * (weight + update)),
    ]
    if truth.shape == update.T.shape:
        slips += [
            ("transposed", weight + scale * update.T),
            ("transposed", weight.T + scale * update),
            ("transposed", truth.T),
        ]
    key = key or next((key for key, value in slips if _close(got, value)), "value")
    seen = _first(got) if got.shape == truth.shape else describe(got)
    raise NotYet(key, expected=_first(truth), seen=seen)


# --- apply_lora ----------------------------------------------------------------------------------

_UP, _DOWN, _POOL = "backbone.blocks.{}.up", "backbone.blocks.{}.down", "backbone.blocks.1.2"


def apply_lora(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    rounds = [
        # In two of three a gradient must pass one of the new layers to reach the other; that it is
        # cut made less than 1e-4 of a difference in 1 of 200 draws of one, where few units are on.
        {"names": [_UP.format(2), _DOWN.format(3)], "tied": _UP.format(2), "head_first": True},
        {"names": [_POOL, _DOWN.format(2)], "tied": _UP.format(3), "training": True},
        {"names": [_POOL], "rank": 4},  # as large as it may be
    ]
    if hard:
        rounds += [
            {"names": [_UP.format(3), _POOL], "tied": _UP.format(2), "head_first": True},
            {"names": [_UP.format(2), _DOWN.format(2)], "tied": _UP.format(2)},
            {"names": [_POOL], "head_first": True, "training": True},
            {"names": [_DOWN.format(11)], "n_blocks": 10},
        ]
    for case in rounds:
        answer = ask(inputs := _applying(rng, **case))
        _require_accepted(answer, f"rank {inputs['rank']} at {_list(inputs['names'])}")
        _read_applied(answer, inputs)

    good = _UP.format(2)
    mistakes = [
        ("unknown", [good, "backbone.blocks.9.up"], 2),
        ("not_linear", [good, "backbone.blocks.2.up_norm"], 2),
        ("rank", [good, _POOL], 5),  # 5 to 10 features, and 4 to 5
    ]
    if hard:
        mistakes += [
            ("unknown", ["up"], 2),
            ("not_linear", [good, _DOWN.format(2), "backbone.blocks.0.0"], 2),
            ("not_linear", ["backbone.blocks.2"], 2),
            ("rank", [_DOWN.format(2)], 6),
        ]
    for key, names, rank in mistakes:
        spec = _applying(rng, names=[good], training=True)
        answer = ask({**spec, "names": names, "rank": rank, "values": {}})
        what = f"rank {rank}" if key == "rank" else f"the name {names[-1]!r}"
        refused(answer, key, expected=f"a ValueError about {what}")
        if answer["changed"]:
            seen = f"{answer['changed'][0]} had changed"
            expected = f"nothing changed before the ValueError about {what}"
            raise NotYet("half_done", expected=expected, seen=seen)


def _applying(
    rng: torch.Generator,
    names: Sequence[str],
    n_blocks: int = 2,
    tied: str = "",
    head_first: bool = False,
    training: bool = False,
    rank: int = 0,
) -> dict:
    width, rank = 5, rank or draw(rng, 2, 3)
    sizes = {"width": width, "n_blocks": n_blocks, "tied": tied, "head_first": head_first}
    spec = {"sizes": sizes, "training": training}
    model = probes.build(spec)
    state = {}
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(draw(rng, 5, 500))
        elif name.endswith("running_var"):
            state[name] = 0.5 + 2 * torch.rand(value.shape, generator=rng)
        else:
            state[name] = 0.4 * torch.randn(value.shape, generator=rng)
    if tied:
        state[f"{tied}.weight"] = state["head.weight"]
    values = {}
    for name in names:
        n_out, n_in = model.get_submodule(name).weight.shape
        values[name] = [
            _either_way(torch.randn(shape, generator=rng))
            for shape in ((rank, n_in), (n_out, rank))
        ]
    return {
        "model": {**spec, "state": state},
        "rank": rank,
        "alpha": float(2 * rank + 1),
        "names": list(names),
        "values": values,
        "images": [torch.rand(8, 1, 8, 8, generator=rng) for _ in range(3)],
        "labels": [torch.randint(2 * width, (8,), generator=rng) for _ in range(3)],
    }


def _read_applied(answer: dict, inputs: dict) -> None:
    completed(answer)
    truth = probes.apply_lora(lora.apply_lora, inputs)
    if not answer["pair"]:
        expected = "a pair: the model, and how many numbers train"
        raise NotYet("pair", expected=expected, seen=describe(answer["returned"]))
    if not answer["same"]:
        expected = "the very model that was given, changed in place"
        raise NotYet("copy", expected=expected, seen="another object")
    _read_layers(answer, inputs)
    _read_trainable(answer, truth, inputs)
    _read_count(answer, truth, inputs)
    if answer.get("unusable"):
        raised = answer["unusable"]
        seen = f"{raised['type']}: {raised['message'][:150]}"
        raise NotYet("unusable", expected="a model that trains as usual", seen=seen)
    if not _close(answer["in_eval"], truth["in_eval"]):
        expected = "the pretrained model's output before any training"
        raise NotYet("start", expected=expected, seen=_off(answer["in_eval"], truth["in_eval"]))
    if not _close(answer["in_train"], truth["in_train"]):
        expected = "the same output after `model.train()` as in eval mode"
        seen = _off(answer["in_train"], truth["in_train"])
        raise NotYet("batchnorm", expected=expected, seen=seen)
    if not _close(answer["filled"], truth["filled"]):
        alpha, rank = inputs["alpha"], inputs["rank"]
        larger = probes.apply_lora(lora.apply_lora, {**inputs, "alpha": alpha * rank})
        key = "alpha" if _close(answer["filled"], larger["filled"]) else "value"
        expected = f"updates of alpha / rank = {alpha:.3g} / {rank} times B A"
        raise NotYet(key, expected=expected, seen=_off(answer["filled"], truth["filled"]))
    held = [name for name in answer["moved"] if name not in truth["moved"]]
    if held:
        expected = "only the factors and the head move in training"
        is_buffer = held[0].endswith(("running_mean", "running_var", "num_batches_tracked"))
        key = "batchnorm" if is_buffer else "old_gradient"
        raise NotYet(key, expected=expected, seen=f"{held[0]} moved")
    if not _close(answer["trained"], truth["trained"]):
        expected = "factors and head that learn in three steps of training"
        raise NotYet("training", expected=expected, seen=_off(answer["trained"], truth["trained"]))


def _read_layers(answer: dict, inputs: dict) -> None:
    missed = [name for name in inputs["names"] if name not in answer["replaced"]]
    if missed:
        expected = f"another layer at {missed[0]!r}"
        raise NotYet("not_replaced", expected=expected, seen="the same layer as before")
    model = probes.build(inputs["model"])
    more = [
        name
        for name in answer["replaced"]
        if name not in inputs["names"]
        and not isinstance(model.get_submodule(name), torch.nn.modules.batchnorm._BatchNorm)
    ]
    if more:
        expected = f"new layers at {_list(inputs['names'])} only"
        raise NotYet("too_many", expected=expected, seen=f"one at {more[0]!r} too")


def _read_trainable(answer: dict, truth: dict, inputs: dict) -> None:
    expected = "the factors and the head train, nothing else"
    trains, should = set(answer["old_that_train"]), set(truth["old_that_train"])
    if trains - should:
        name = sorted(trains - should)[0]
        raise NotYet("rest_trains", expected=expected, seen=f"{name} trains")
    if should - trains:
        tied = inputs["model"]["sizes"]["tied"] and "head.bias" in trains
        seen = f"{sorted(should - trains)[0]} does not train"
        raise NotYet("tied_frozen" if tied else "head_frozen", expected=expected, seen=seen)
    for name, shapes in answer["factors"].items():
        if not shapes:
            raise NotYet("factors_frozen", expected=expected, seen=f"nothing trains at {name!r}")
        sizes = sorted(int(torch.tensor(shape).prod()) for shape in shapes)
        wanted = sorted(value.numel() for value in inputs["values"][name])
        if sizes != wanted:
            expected = f"two factors of {wanted[0]} and {wanted[1]} numbers at {name!r}"
            raise NotYet("factors", expected=expected, seen=f"tensors of shape {_list(shapes)}")


def _read_count(answer: dict, truth: dict, inputs: dict) -> None:
    value, right = answer["count"], truth["count"]
    if isinstance(value, Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotYet("type", expected="a whole number", seen=describe(answer["count"]))
    if value == right:
        return
    model = probes.build(inputs["model"])
    head = sum(p.numel() for p in model.head.parameters())
    tied = model.head.weight.numel() if inputs["model"]["sizes"]["tied"] else 0
    factors = truth["new_that_train"]
    everything = sum(p.numel() for p in model.parameters()) + factors
    key = {
        factors: "count_without_head",
        everything: "count_everything",
        everything + tied: "count_everything",
        right - tied: "count_without_tied",
        right + tied: "count_twice",
        2 * len(inputs["names"]) + 2: "count_tensors",
    }.get(value, "count")
    text = f"{right}: {factors} in factors, {head} in the head"
    raise NotYet(key, expected=text, seen=f"{value}")


# --- What they share -----------------------------------------------------------------------------


def _close(seen: object, truth: Tensor) -> bool:
    """Equal but for sums in another order: some 1e-6 relative in float32, less in float64."""
    if not isinstance(seen, Tensor) or seen.shape != truth.shape:
        return False
    scale = float(truth.abs().max())
    return torch.allclose(seen.double(), truth.double(), rtol=1e-4, atol=1e-5 * scale + 1e-7)


def _all_close(seen: list, truth: list[Tensor]) -> bool:
    return all(map(_close, seen, truth))


def _first(value: object) -> str:
    """A few numbers of a tensor."""
    if not isinstance(value, Tensor):
        return describe(value)
    numbers = ", ".join(f"{v:.4g}" for v in value.flatten()[:3].tolist())
    return f"{numbers}{', …' if value.numel() > 3 else ''}"


def _off(seen: object, truth: Tensor) -> str:
    if not isinstance(seen, Tensor) or seen.shape != truth.shape:
        return describe(seen)
    return f"another output, off by up to {float((seen - truth).abs().max()):.2g}"


def _list(items: object) -> str:
    return ", ".join(str(tuple(i) if isinstance(i, list) else i) for i in items)
