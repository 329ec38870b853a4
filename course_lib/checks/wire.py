"""The plain-data codec: the only thing that crosses between a learner's code and a judge.

Plain data is None, bool, int, float, str, list, dict with string keys, and dense tensors.
Structure travels as JSON, tensors as safetensors; nothing that arrives can run code.
Limits on size, depth and count hold on both sides, so a hostile answer costs a bounded effort.
"""

import json
import math
import struct
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 16
MAX_NODES = 100_000
MAX_TEXT = 100_000
MAX_INT = 2**63

Plain = None | bool | int | float | str | list | dict | torch.Tensor


class NotPlain(ValueError):
    """The value, or the bytes, are not plain data within the limits."""


def encode(value: Plain) -> bytes:
    """Turn plain data into bytes; raises `NotPlain` for anything else."""
    tensors: dict[str, torch.Tensor] = {}
    tree = _Walk(tensors).pack(value, 0)
    blob = save(tensors) if tensors else b""
    text = json.dumps(tree, allow_nan=False, separators=(",", ":")).encode()
    size = 8 + len(text) + len(blob)
    if size > MAX_BYTES:
        raise NotPlain(f"{size / 2**20:.0f} MiB; at most {MAX_BYTES // 2**20} MiB can travel")
    return struct.pack("<Q", len(text)) + text + blob


def decode(data: bytes) -> Plain:
    """Turn bytes back into plain data; raises `NotPlain` for anything else."""
    if len(data) > MAX_BYTES:
        raise NotPlain(f"more than {MAX_BYTES // 2**20} MiB")
    if len(data) < 8:
        raise NotPlain("the message is cut short")
    (length,) = struct.unpack_from("<Q", data)
    if length > len(data) - 8:
        raise NotPlain("the message is cut short")
    try:
        tree = json.loads(data[8 : 8 + length], parse_constant=_no_constant)
        blob = data[8 + length :]
        tensors = load(blob) if blob else {}
    except NotPlain:
        raise
    except Exception as error:  # whatever a parser says of hostile bytes
        raise NotPlain(f"the message cannot be read ({type(error).__name__})") from None
    return _Walk(tensors).unpack(tree, 0)


def _no_constant(name: str) -> None:
    raise NotPlain(f"{name} must travel by name")


class _Walk:
    """One walk over one message: counts the nodes, numbers the tensors."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self.tensors = tensors
        self.nodes = 0

    def _step(self, depth: int) -> None:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise NotPlain(f"nested more than {MAX_DEPTH} deep")
        if self.nodes > MAX_NODES:
            raise NotPlain(f"more than {MAX_NODES:,} values")

    def pack(self, value: Any, depth: int) -> Any:
        self._step(depth)
        kind = type(value)  # exact types: a subclass may lie about itself
        if value is None or kind is bool:
            return value
        if kind is str:
            if len(value) > MAX_TEXT:
                raise NotPlain(f"a text of more than {MAX_TEXT:,} characters")
            return value
        if kind is int:
            if abs(value) >= MAX_INT:
                raise NotPlain("an integer of more than 64 bits")
            return value
        if kind is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if kind is list:
            return [self.pack(item, depth + 1) for item in value]
        if kind is dict:
            if not all(type(key) is str for key in value):
                raise NotPlain("a dict whose keys are not all strings")
            return {"dict": {key: self.pack(item, depth + 1) for key, item in value.items()}}
        if kind is torch.Tensor:
            if value.layout is not torch.strided or value.is_complex() or value.is_quantized:
                raise NotPlain(f"a tensor of layout {value.layout} and dtype {value.dtype}")
            name = str(len(self.tensors))
            # clone: safetensors refuses tensors that share memory
            self.tensors[name] = value.detach().cpu().contiguous().clone()
            return {"tensor": name}
        raise NotPlain(f"an object of type {kind.__name__}")

    def _text(self, text: str) -> str:
        if len(text) > MAX_TEXT:
            raise NotPlain(f"a text of more than {MAX_TEXT:,} characters")
        return text.encode("utf-8", "replace").decode()  # JSON can hold half a surrogate pair

    def unpack(self, tree: Any, depth: int) -> Any:
        self._step(depth)
        if tree is None or isinstance(tree, bool | int | float | str):
            if isinstance(tree, int) and abs(tree) >= MAX_INT:
                raise NotPlain("an integer of more than 64 bits")
            return self._text(tree) if isinstance(tree, str) else tree
        if isinstance(tree, list):
            return [self.unpack(item, depth + 1) for item in tree]
        if len(tree) != 1:
            raise NotPlain("a node of an unknown kind")
        ((kind, body),) = tree.items()
        if kind == "dict" and isinstance(body, dict):
            return {self._text(key): self.unpack(item, depth + 1) for key, item in body.items()}
        if kind == "float" and body in ("nan", "inf", "-inf"):
            return float(body)
        if kind == "tensor" and isinstance(body, str) and body in self.tensors:
            return self.tensors[body]
        raise NotPlain("a node of an unknown kind")


def plain(value: Any) -> Plain:
    """Turn what a learner's function returned into plain data, as far as it has a plain form.

    NumPy arrays and scalars, tensors (detached, on the CPU), tuples, sets, dicts with any keys that
    have a text. What has no plain form becomes ``{"object of type": name}``, which no judge takes
    for an answer.
    """
    return _plain(value, 0)


def _plain(value: Any, depth: int) -> Plain:
    unknown = {"object of type": type(value).__name__}
    if depth > MAX_DEPTH:
        return unknown
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, int | np.integer):
        return int(value) if abs(int(value)) < MAX_INT else unknown
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, str):
        return str(value)[:MAX_TEXT]
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.is_complex() or value.is_quantized:
            return unknown
        if value.numel() * value.element_size() > MAX_BYTES:  # an expanded view may pretend to be
            return unknown
        return value.detach().cpu().as_subclass(torch.Tensor).clone()
    if isinstance(value, np.ndarray):
        try:
            return torch.from_numpy(value.astype(value.dtype.newbyteorder("="), copy=True))
        except TypeError:  # texts, objects, extended precision
            return unknown
    if isinstance(value, list | tuple | set | frozenset | range):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    return unknown
