"""Indexing takes every key that NumPy takes, with NumPy's results; gradients of reading and of writing follow."""

import enum
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import framework as fw

SHAPES = [(4,), (3, 4), (2, 3, 4), (2, 1, 3, 2), (0, 3), ()]


@st.composite
def keys(draw, shape):
    """Integers, slices, None, Ellipsis, masks over one or two axes, lists and index arrays, in any order."""
    parts, axis, places = [], 0, draw(st.sampled_from([(), (2,), (1, 2), (2, 1), (0,)]))
    while axis < len(shape) and draw(st.integers(0, 5)):
        n = shape[axis]
        index = st.integers(-n, n - 1) if n else st.nothing()
        choices = [
            st.none(),
            st.just(...) if ... not in map(type_or_value, parts) else st.none(),
            st.slices(n),
            st.builds(slice, *[st.none() | st.integers(-n - 1, n + 1)] * 2, st.sampled_from([None, 2, -1, -2])),
            index,
            index.map(np.int64),
            hnp.arrays(np.bool_, n),
            hnp.arrays(np.bool_, n).map(np.ndarray.tolist),
            hnp.arrays(st.sampled_from([np.int64, np.int8]), places, elements=index) if n else st.nothing(),
            hnp.arrays(np.bool_, shape[axis : axis + 2]) if axis + 1 < len(shape) else st.nothing(),
            st.booleans(),
        ]
        part = draw(st.one_of(choices))
        parts.append(part)
        axis += axes_taken(part)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def type_or_value(part):
    return ... if part is ... else type(part)


def axes_taken(part):
    if part is None or part is ... or isinstance(part, bool):
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1


def on_device(key, device):
    """The key with its arrays as tensors."""
    parts = key if isinstance(key, tuple) else (key,)
    moved = [fw.asarray(part, device=device) if isinstance(part, np.ndarray) else part for part in parts]
    return tuple(moved) if isinstance(key, tuple) else moved[0]


@st.composite
def cases(draw):
    shape = draw(st.sampled_from(SHAPES))
    return shape, draw(keys(shape))


def numbers(shape, start=0):
    return np.arange(start + 0.5, start + np.prod(shape, dtype=int)).reshape(shape)


@given(case=cases())
@settings(max_examples=100)
def test_reading_and_its_gradient(device, case):
    shape, key = case
    whole = numbers(shape)
    x = fw.Tensor(whole, requires_grad=True, device=device)
    try:
        expected = whole[key]
    except IndexError:
        with pytest.raises(IndexError, match="getitem: "):
            x[on_device(key, device)]
        return
    part = x[on_device(key, device)]
    assert part.shape == np.shape(expected)
    np.testing.assert_array_equal(part.detach().cpu().numpy(), expected)
    g = numbers(part.shape, 3)
    part.backward(g)
    gradient = np.zeros(shape)
    np.add.at(gradient, key, g)
    np.testing.assert_array_equal(x.grad.cpu().numpy(), gradient)


@given(case=cases())
@settings(max_examples=100)
def test_writing_and_its_gradients(device, case):
    shape, key = case
    whole, g = numbers(shape), numbers(shape, 7)
    try:
        values = numbers(np.shape(whole[key]), 100)
    except IndexError:
        return
    x, v = (fw.Tensor(a, requires_grad=True, device=device) for a in (whole, values))
    written = x * 1
    written[on_device(key, device)] = v
    written.backward(g)
    whole[key], places, rest = values, np.full(shape, -1), g.copy()
    places[key] = np.arange(values.size).reshape(values.shape)
    rest[key] = 0
    np.testing.assert_array_equal(written.detach().cpu().numpy(), whole)
    np.testing.assert_array_equal(x.grad.cpu().numpy(), rest)
    stayed = places[key] == np.arange(values.size).reshape(values.shape)
    np.testing.assert_array_equal(v.grad.cpu().numpy(), np.where(stayed, g[key], 0))


def test_a_single_entry_shares_memory(device):
    x = fw.zeros(3, device=device)
    entry = x[1]
    entry += 2
    assert x.tolist() == [0.0, 2.0, 0.0]


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint16", "float64", "complex64"])
def test_repeated_positions_add_up_in_every_dtype(device, dtype):
    values = np.array([1, 2, 3], dtype=dtype) * (1 if dtype == "uint16" else -1)
    added = fw.scatter(fw.asarray(values, device=device), fw.asarray([0, 2, 0], device=device), (4,))
    assert added.dtype == values.dtype
    assert added.tolist() == [values[0] + values[2], 0, values[1], 0]


@pytest.mark.parametrize(
    ("op", "read"),
    [
        ("getitem", lambda x, i: x[i]),
        ("getitem", lambda x, i: x[None, ..., i]),
        ("setitem", lambda x, i: fw.setitem(x, (slice(None), i), 1.0)),
        ("take", lambda x, i: fw.take(x, i, axis=1)),
        ("take_along_axis", lambda x, i: fw.take_along_axis(x, i[None], axis=1)),
    ],
)
def test_an_index_out_of_range_is_an_error(op, read, device, raises):
    x = fw.zeros((3, 3), device=device)
    read(x, fw.asarray([0, 2, -3], device=device))
    for bad in (3, -4):
        with raises(IndexError, match=f"{op}: index {bad} "):
            read(x, fw.asarray([0, bad, 1], device=device))


@pytest.mark.parametrize("key", [np.array([2, 0]), np.array([True, False, True]), np.array(1), [0, 2]], ids=repr)
@pytest.mark.parametrize("wrap", [lambda key: key, lambda key: (key, slice(None)), lambda key: (..., key)])
def test_indices_of_the_host_go_where_the_array_is(key, wrap, device):
    values, key = np.arange(9.0).reshape(3, 3), wrap(key)
    x = fw.asarray(values, device=device, copy=True)
    np.testing.assert_array_equal(x[key].cpu().numpy(), values[key])
    x[key], values[key] = -1.0, -1.0
    np.testing.assert_array_equal(x.cpu().numpy(), values)


def test_a_value_may_have_more_axes_of_length_one_than_its_place(device):
    x, v = fw.ones((3, 2), device=device), fw.ones((1, 3), device=device).requires_grad_()
    x[:, -1] = v
    (x * fw.reshape(fw.arange(6, dtype="float32", device=device), (3, 2))).sum().backward()
    assert v.grad.tolist() == [[1.0, 3.0, 5.0]]


class Number(enum.IntEnum):
    ONE = 1


class Place(NamedTuple):
    rows: slice
    column: int


@pytest.mark.parametrize("key", [Number.ONE, (slice(None), Number.ONE), Place(slice(0, 2), 1)], ids=repr)
def test_a_part_named_by_a_subclass_of_int_or_tuple_is_a_view_in_the_graph_too(key):
    plain = (
        tuple([int(part) if isinstance(part, int) else part for part in key]) if isinstance(key, tuple) else int(key)
    )
    gradients = []
    for name in (key, plain):
        x = fw.ones((3, 2)).requires_grad_()
        y = x * 2
        part = y[name]
        part *= 3
        y.sum().backward()
        gradients.append(x.grad.tolist())
    assert gradients[0] == gradients[1] != fw.full((3, 2), 2.0).tolist()


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("ids", [[0, 2, -1, 0], [], [1], [[0, 1], [2, 2]], 1, [True, False, True]], ids=str)
def test_one_array_after_whole_slices(before, ids, device):
    """Which is taken along its axis if it is a row of whole numbers."""
    rng = np.random.default_rng(0)
    array = rng.normal(size=(3, 3, 3))
    ids = np.asarray(ids, dtype=None if ids else np.int64)
    x = fw.Tensor(array, requires_grad=True, device=device)
    y = x[(slice(None),) * before + (fw.asarray(ids, device=device),)]
    key = (slice(None),) * before + (ids,)
    np.testing.assert_array_equal(y.detach().cpu().numpy(), array[key])
    weights, expected = rng.normal(size=y.shape), np.zeros_like(array)
    np.add.at(expected, key, weights)
    (y * fw.asarray(weights, device=device)).sum().backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), expected, atol=1e-12)
