"""The codec between a learner's code and a judge: everything plain passes, nothing else does."""

import contextlib
import json
import math
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.checks import wire

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats()
    | st.text(max_size=30)
)
tensors = st.builds(
    lambda shape, dtype, seed: (
        torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 100
    ).to(dtype),
    st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from(
        [torch.float32, torch.float64, torch.float16, torch.int64, torch.uint8, torch.bool]
    ),
    st.integers(0, 1000),
)
plain_data = st.recursive(
    scalars | tensors,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return a == b


@given(plain_data)
@settings(max_examples=200, deadline=None)
def test_plain_data_comes_back_the_same(value):
    assert same(wire.decode(wire.encode(value)), value)


@given(plain_data)
@settings(max_examples=50, deadline=None)
def test_plain_leaves_plain_data_alone(value):
    assert same(wire.plain(value), value)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_are_refused_or_plain(data):
    try:
        value = wire.decode(data)
    except wire.NotPlain:
        return
    assert same(wire.decode(wire.encode(value)), value)


@given(plain_data, st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_messages_are_refused_or_plain(value, data):
    message = bytearray(wire.encode(value))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(message)))
    for damaged in (bytes(message), bytes(message[:cut])):
        with contextlib.suppress(wire.NotPlain):
            wire.encode(wire.decode(damaged))


def frame(tree: str) -> bytes:
    return struct.pack("<Q", len(tree)) + tree.encode()


@pytest.mark.parametrize(
    "tree",
    [
        "[" * 5000 + "]" * 5000,
        "NaN",
        '{"tensor": "0"}',
        '{"tensor": {}}',
        '{"float": "1"}',
        '{"pickle": "x"}',
        '{"dict": [], "float": "nan"}',
        "9" * 30,
        "9" * 10_000,
        json.dumps("a" * (wire.MAX_TEXT + 1)),
        json.dumps([0] * (wire.MAX_NODES + 1)),
    ],
    ids=lambda tree: tree[:20],
)
def test_what_encode_cannot_make_is_refused(tree):
    with pytest.raises(wire.NotPlain):
        wire.decode(frame(tree))


class Liar(float):
    def __eq__(self, other):
        return True

    __hash__ = float.__hash__


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Liar(1),
        (1, 2),
        {1: 2},
        2**63,
        torch.nn.Parameter(torch.ones(1)),
        torch.ones(2, 2).to_sparse(),
        torch.ones(2, dtype=torch.complex64),
        np.ones(2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_live_objects_never_travel(value):
    with pytest.raises(wire.NotPlain):
        wire.encode(value)


def test_a_message_too_large_is_refused_before_it_is_read(monkeypatch):
    message = wire.encode(torch.zeros(1000))
    monkeypatch.setattr(wire, "MAX_BYTES", len(message) - 1)
    with pytest.raises(wire.NotPlain, match="MiB"):
        wire.encode(torch.zeros(1000))
    with pytest.raises(wire.NotPlain, match="MiB"):
        wire.decode(message)


def test_plain_reads_what_learners_return():
    value = wire.plain(
        (
            np.float32(1.5),
            np.arange(3),
            np.arange(3, dtype=">i4"),
            torch.nn.Parameter(torch.ones(2)),
            {1: range(2)},
            Liar(2.5),
            np.bool_(True),
            np.array(["a"]),
        )
    )
    assert same(wire.decode(wire.encode(value)), value)
    assert value[0] == 1.5
    assert value[1].tolist() == value[2].tolist() == [0, 1, 2]
    assert type(value[3]) is torch.Tensor
    assert value[4] == {"1": [0, 1]}
    assert type(value[5]) is float
    assert value[6] is True
    assert value[7] == {"object of type": "ndarray"}


def test_plain_does_not_share_memory_with_the_learners_tensor():
    theirs = torch.zeros(3)
    ours = wire.plain(theirs)
    theirs += 1
    assert ours.tolist() == [0, 0, 0]
