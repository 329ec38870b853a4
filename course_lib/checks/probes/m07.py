"""Probes of module 07: each calls the learner's function, or class, and returns plain data."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.answer import watched
from course_lib.checks.probes.models import modes_of, state_of
from course_lib.checks.wire import plain


def LoRALinear(function: Callable, inputs: dict) -> dict:
    """Make one, look at what trains, put known numbers into its factors, and train it."""
    linear = _linear(inputs["weight"], inputs["bias"], inputs["device"])
    given = dict(linear.named_parameters())
    make = partial(function, linear, inputs["rank"], inputs["alpha"])
    module, record = _built("LoRALinear", make)
    answer = {**record, "returned": plain(module), "module": isinstance(module, nn.Module)}
    if record["raised"] or not answer["module"]:
        return answer
    trainable = _trainable(module)
    answer |= {
        "base_trains": any(p is q or _same(p, q) for p in trainable for q in given.values()),
        "devices": sorted({p.device.type for p in trainable}),
        "dtypes": sorted({str(p.dtype) for p in trainable}),
        "shapes": [list(p.shape) for p in trainable],
    }
    if inputs["device"] == "meta":  # a device that has shapes, and no numbers
        return answer
    answer["base"] = {name: plain(p) for name, p in given.items()}
    if answer["dtypes"] != [str(inputs["weight"].dtype)]:
        return answer
    answer["factors"] = [plain(p) for p in trainable]
    fits = _fits(trainable, inputs["A"], inputs["B"])

    def forward() -> None:
        answer["start"] = [plain(module(x)) for x in inputs["x"]]
        if fits:
            _fill(trainable, inputs["A"], inputs["B"])
            filled = [p.detach().clone() for p in trainable]
            answer["filled"] = [plain(module(x)) for x in inputs["x"]]
            optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
            for _ in range(3):
                module.train()
                output = module(inputs["x"][0])
                if output.requires_grad:
                    (output * inputs["cotangent"]).sum().backward()
                optimizer.step()
            answer["moved"] = [
                not torch.equal(p, before) for p, before in zip(trainable, filled, strict=True)
            ]
            answer["trained"] = plain(module(inputs["x"][0]))
            x = inputs["x"][0].clone().requires_grad_()
            (module(x) * inputs["cotangent"]).sum().backward()
            answer["input_gradient"] = plain(x.grad)
        answer["base_trains"] |= any(p.grad is not None for p in given.values())
        answer["base"] = {name: plain(p) for name, p in given.items()}

    before = [x.clone() for x in inputs["x"]]
    _, then = _built("LoRALinear", forward)
    if not all(map(torch.equal, before, inputs["x"])):  # what it raises then is but a consequence
        then = {"raised": None, "effects": ["inputs"]}
    return {**answer, "raised": then["raised"], "effects": record["effects"] + then["effects"]}


def merge(function: Callable, inputs: dict) -> dict:
    """Merge the course's own LoRALinear or a plain Linear, and merge the result once more."""
    from course_lib.peft.lora import LoRALinear as OfTheCourse

    module: nn.Module = _linear(inputs["weight"], inputs["bias"])
    if inputs["rank"]:
        module = OfTheCourse(module, inputs["rank"], inputs["alpha"])
        module.A.data.copy_(inputs["A"])
        module.B.data.copy_(inputs["B"])
    answer: dict = {"merged": []}
    for _ in range(2):
        is_plain = type(module) is nn.Linear
        trains = [p.requires_grad for p in module.parameters()]
        module, record = _built("merge", partial(function, module))
        answer |= record
        if record["raised"]:
            break
        exactly = type(module) is nn.Linear
        seen = {"type": "None" if module is None else type(module).__name__, "exactly": exactly}
        answer["merged"].append(seen)
        if not exactly:
            break
        output, then = watched("merge", module, inputs["x"])
        seen |= {"weight": plain(module.weight), "bias": plain(module.bias)}
        seen |= {"output": plain(output), "fails": (then["raised"] or {}).get("message")}
        now = [p.requires_grad for p in module.parameters()]
        seen |= {"trains_as_before": now == trains or not is_plain}
    return answer


def apply_lora(function: Callable, inputs: dict) -> dict:
    """Apply LoRA to a model, look at what trains, and train it with a loop that spares nothing."""
    model = build(inputs["model"])
    parts, modes, names = dict(model.named_modules()), modes_of(model), inputs["names"]
    for parameter in model.parameters():  # as an earlier backward pass leaves it
        parameter.grad = torch.ones_like(parameter)
    state = state_of(model)
    # Tensors keep their identity, whatever is built around them. A tied one has the head's name.
    old = {
        id(tensor): name
        for tensors in (model.named_buffers(), model.named_parameters(remove_duplicate=False))
        for name, tensor in sorted(tensors, key=lambda item: item[0].startswith("head"))
    }
    tensors = {old[id(t)]: t for t in [*model.parameters(), *model.buffers()]}

    apply = partial(function, model, inputs["rank"], inputs["alpha"], list(names))
    result, record = _built("apply_lora", apply)
    after, now = dict(model.named_modules()), state_of(model)
    pair = isinstance(result, tuple | list) and len(result) == 2
    same_names = state.keys() == now.keys()
    answer = {
        **record,
        "returned": plain(result),
        "changed": [
            what
            for what, kept in {
                "a layer": all(after.get(name) is part for name, part in parts.items()),
                "requires_grad": all(p.requires_grad for p in model.parameters()),
                "a value": same_names and all(torch.equal(state[k], now[k]) for k in state),
                "train or eval mode": modes_of(model) == modes,
            }.items()
            if not kept
        ],
        "pair": pair,
        "same": pair and result[0] is model,
        "count": plain(result[1]) if pair else None,
    }
    if record["raised"] or not answer["same"] or not inputs["values"]:
        return answer
    trainable = _trainable(model)
    new = {
        name: [p for p in _trainable(after[name]) if id(p) not in old] if name in after else []
        for name in names
    }
    answer |= {
        "replaced": [name for name, part in parts.items() if after.get(name) is not part],
        "old_that_train": sorted(old[id(p)] for p in trainable if id(p) in old),
        "new_that_train": sum(p.numel() for p in trainable if id(p) not in old),
        "factors": {name: [list(p.shape) for p in factors] for name, factors in new.items()},
    }
    if not all(_fits(new[name], *inputs["values"][name]) for name in names):
        return answer

    def train() -> None:
        images = inputs["images"][0]
        for mode in ("eval", "train"):
            model.train(mode == "train")
            with torch.no_grad():
                answer[f"in_{mode}"] = plain(model(images))
        for name in names:
            _fill(new[name], *inputs["values"][name])
        model.eval()
        answer["filled"] = plain(model(images))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=0.1)
        for batch, labels in zip(inputs["images"], inputs["labels"], strict=True):
            model.train()
            optimizer.zero_grad(set_to_none=False)
            F.cross_entropy(model(batch), labels).backward()
            optimizer.step()
        model.eval()
        answer["trained"] = plain(model(images))
        answer["moved"] = [
            name for name, t in tensors.items() if not torch.equal(t.data, state[name])
        ]

    _, then = _built("apply_lora", train)
    return {**answer, "unusable": then["raised"]}


# --- A model with linear layers inside -----------------------------------------------------------


class Block(nn.Module):
    """``x + down(relu(norm(up(x))))``, as in a transformer; the names are its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.up_norm = nn.BatchNorm1d(2 * width)
        self.down = nn.Linear(2 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(self.up_norm(self.up(x)).relu())


class Model(nn.Module):
    """A convolution, blocks of linear layers, and a head that may share its weight with one.

    The head has 2 · width classes, so that its weight fits ``up``.
    """

    def __init__(self, width: int, n_blocks: int, tied: str, head_first: bool) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, width))
        backbone = nn.Sequential()
        backbone.blocks = nn.Sequential(stem, pool, *(Block(width) for _ in range(n_blocks)))
        parts = {"backbone": backbone, "head": nn.Linear(width, 2 * width)}
        for name in sorted(parts, reverse=head_first):
            self.add_module(name, parts[name])
        if tied:
            self.get_submodule(tied).weight = self.head.weight

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))


def build(spec: dict) -> Model:
    """Build a model from ``{"sizes": {...}, "state": {name: tensor}, "training": bool}``."""
    model = Model(**spec["sizes"])
    if "state" in spec:
        model.load_state_dict(spec["state"])
    return model.train(spec["training"])


# --- What they share -----------------------------------------------------------------------------


def _built(exercise: str, make: Callable) -> tuple[object, dict]:
    """`watched`, but new layers may draw their weights from the global random state.

    A module that is given may change, its class included: so it is no argument here.
    """
    result, record = watched(exercise, make)
    return result, {**record, "effects": [e for e in record["effects"] if e != "random state"]}


def _linear(weight: Tensor, bias: Tensor | None, device: str = "cpu") -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    state = {"weight": weight} | ({} if bias is None else {"bias": bias})
    linear.load_state_dict(state)
    return linear.to(device)


def _trainable(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and not one.is_meta and torch.equal(one, other)


def _by_size(tensors: list[Tensor]) -> list[Tensor]:
    return sorted(tensors, key=torch.numel)


def _fits(parameters: list[Tensor], *values: Tensor) -> bool:
    """Tell whether the parameters are factors of these sizes, either way round."""
    return sorted(map(torch.numel, parameters)) == sorted(map(torch.numel, values))


def _fill(parameters: list[Tensor], *values: Tensor) -> None:
    """Give the factors their values; A and B differ in size, and each may be stored transposed."""
    for parameter, value in zip(_by_size(parameters), _by_size(list(values)), strict=True):
        fits = value if parameter.shape == value.shape else value.T
        parameter.data.copy_(fits.reshape(parameter.shape))
