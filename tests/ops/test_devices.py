"""One meaning on every library: what the standard leaves to each is NumPy's way on all, or refused by all."""

from __future__ import annotations

import numpy as np
import pytest

import framework as fw

DEVICES = ["cpu", "strict", "torch"]


@pytest.fixture(params=DEVICES)
def asarray(request):
    """Makes tensors on each device in turn, of NumPy's arrays and of Python's numbers."""
    if request.param == "torch":
        pytest.importorskip("torch")
    return lambda values, dtype=None: fw.asarray(np.asarray(values, dtype=dtype), device=request.param)


def assert_same(y, expected, dtype=None):
    np.testing.assert_array_equal(y.detach().numpy(), expected)
    assert dtype is None or y.dtype == dtype


# ---------------------------------------------------------------- truth values and whole numbers
def test_truth_values_are_counted(asarray):
    hits = asarray([[1, 2], [3, 4]]) == asarray([[1, 0], [3, 4]])
    assert_same(hits.sum(), 3, "int64")
    assert_same(fw.sum(hits, axis=0), [2, 1], "int64")
    assert_same(fw.prod(hits), 0, "int64")
    assert_same(fw.cumulative_sum(hits, axis=1), [[1, 1], [1, 2]], "int64")
    assert_same(hits.mean(), 0.75, "float64")
    assert_same(fw.trace(hits), 2, "int64")


def test_statistics_of_whole_numbers_are_float64(asarray):
    x = asarray([1, 2, 3, 6])
    assert_same(x.mean(), 3.0, "float64")
    assert_same(x.var(), 3.5, "float64")
    assert_same(x.std(), np.sqrt(3.5), "float64")


def test_a_deviation_takes_a_correction_that_is_not_whole(asarray):
    assert_same(fw.std(asarray([0.0, 1.0, 2.0]), correction=1.5), np.sqrt(2 / 1.5))


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1), ()])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", ["bool", "int32", "float64", "complex64"])
def test_counts_go_over_any_axes(asarray, axis, keepdims, dtype):
    host = np.asarray([[0, 1, 3], [0, 0, 2]], dtype)
    expected = np.sum(host != 0, axis=axis, keepdims=keepdims, dtype="int64")
    assert_same(fw.count_nonzero(asarray(host), axis=axis, keepdims=keepdims), expected, "int64")


def test_a_condition_may_be_a_number(asarray):
    assert_same(fw.where(asarray([0, 2]), asarray([1.0, 2.0]), 5.0), [5.0, 2.0])


@pytest.mark.parametrize(
    ("dtype", "number", "below"),
    [("uint8", -1, False), ("uint8", 256, True), ("int8", -129, False), ("int8", 300, True)],
)
def test_comparisons_with_numbers_beyond_the_dtype(asarray, dtype, number, below):
    x = asarray([0, 100], dtype)
    for y in (x < number, x <= number, number > x, number >= x):
        assert_same(y, [below] * 2, "bool")
    for y in (x > number, x >= number, number < x, number <= x):
        assert_same(y, [not below] * 2, "bool")
    assert_same(x == number, [False] * 2, "bool")
    assert_same(x != number, [True] * 2, "bool")


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x + 300,
        lambda x: 300 - x,
        lambda x: x & -1,
        lambda x: fw.maximum(x, 256),
        lambda x: x.__imul__(300),
        lambda x: fw.full_like(x, -1),
    ],
)
def test_numbers_beyond_the_dtype_are_refused_where_a_result_would_hold_them(asarray, call):
    with pytest.raises(OverflowError, match="out of bounds for"):
        call(asarray([1, 2], "uint8"))


def test_full_takes_numbers_of_numpy(asarray):
    device = asarray(0).device
    assert_same(fw.full(2, np.int8(3), device=device), [3, 3], "int8")
    assert_same(fw.full((), np.float64(0.5), dtype=fw.float32, device=device), 0.5, "float32")


def test_full_takes_no_complex_number_for_a_real_dtype(asarray):
    with pytest.raises(TypeError, match=r"full: expected a real number for a tensor of float32, got 1j"):
        fw.full(2, 1j, dtype=fw.float32, device=asarray(0).device)


# ---------------------------------------------------------------- axes
@pytest.mark.parametrize(
    "call",
    [
        lambda x: fw.squeeze(x, 0),
        lambda x: fw.squeeze(x, -1),
        lambda x: x.squeeze(0),
        lambda x: fw.sort(x),
        lambda x: fw.argsort(x, axis=0),
        lambda x: fw.cumulative_sum(x, axis=0),
        lambda x: fw.cumulative_prod(x, axis=0),
        lambda x: fw.tril(x),
        lambda x: fw.triu(x),
        lambda x: fw.linalg.matrix_rank(x),
    ],
)
def test_no_dimensions_have_no_axis(asarray, call):
    with pytest.raises((IndexError, ValueError, RuntimeError), match="dimension"):
        call(asarray(1.0))


def test_squeeze_of_no_axes_is_everything(asarray):
    assert_same(fw.squeeze(asarray(1.0), ()), 1.0)
    assert_same(asarray([[1.0]]).squeeze(), 1.0)


def test_squeeze_asks_for_its_axes(asarray):
    with pytest.raises((IndexError, ValueError, TypeError), match="squeeze"):
        fw.squeeze(asarray([[1.0]]), None)


@pytest.mark.parametrize("call", [fw.tril, fw.triu, fw.linalg.matrix_rank])
def test_matrices_have_two_dimensions(asarray, call):
    with pytest.raises((ValueError, RuntimeError), match="at least"):
        call(asarray([1.0, 2.0]))


def test_vecdot_counts_its_axis_from_either_end(asarray):
    x = asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).requires_grad_()
    y = fw.vecdot(x, asarray(np.ones((2, 3))), axis=0)
    assert_same(y, [5.0, 7.0, 9.0])
    y.sum().backward()
    assert_same(x.grad, np.ones((2, 3)))


def test_roll_takes_one_shift_for_several_axes(asarray):
    host = np.arange(6).reshape(2, 3)
    assert_same(fw.roll(asarray(host), 1, axis=(0, -1)), np.roll(host, 1, axis=(0, -1)))


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_differences_of_nothing(asarray, shape):
    x = asarray(np.zeros(shape)).requires_grad_()
    assert fw.diff(x, n=2).shape == shape
    y = fw.trapezoid(x)
    assert_same(y, np.zeros(shape[:-1]))
    fw.sum(y).backward()
    assert x.grad.shape == shape


@pytest.mark.parametrize("call", [fw.fft.irfft, fw.fft.hfft])
def test_a_spectrum_of_nothing_is_filled_up_with_zeros(asarray, call):
    assert_same(call(asarray(np.zeros(0), "complex64"), n=3), np.zeros(3), "float32")


# ---------------------------------------------------------------- indices
BACKWARDS = [
    np.s_[::-1],
    np.s_[:, ::-2],
    np.s_[::-1, 1, ::-1],
    np.s_[..., ::-1],
    np.s_[::-1, ..., None, 3:0:-2],
    np.s_[None, ::-1, None, ::-1],
    np.s_[5:1:-1],
    np.s_[-1:-9:-2],
]


@pytest.mark.parametrize("key", BACKWARDS, ids=str)
def test_slices_run_backwards(asarray, key):
    host = np.arange(24.0).reshape(2, 3, 4)
    x = asarray(host).requires_grad_()
    part = x[key]
    assert_same(part, host[key])
    weights = np.arange(1.0, host[key].size + 1).reshape(host[key].shape)
    fw.sum(part * asarray(weights)).backward()
    expected = np.zeros_like(host)
    expected[key] = weights
    assert_same(x.grad, expected)
    written = asarray(host)
    written[key] = asarray(-weights)
    host[key] = -weights
    assert_same(written, host)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_indices_of_every_integer_dtype(asarray, dtype):
    x, indices = asarray([1.0, 2.0, 3.0]), asarray([2, 0], dtype)
    for call in (lambda x: fw.take(x, indices), lambda x: fw.take_along_axis(x, indices), lambda x: x[indices]):
        leaf = x.clone().requires_grad_()
        y = call(leaf)
        assert_same(y, [3.0, 1.0])
        y.sum().backward()
        assert_same(leaf.grad, [1.0, 0.0, 1.0])


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_out_of_range_is_refused(asarray, index):
    with pytest.raises(IndexError, match=r"take_along_axis: index .* out of bounds"):
        fw.take_along_axis(asarray([1.0, 2.0, 3.0]), asarray([0, index]))


def test_two_ellipses_are_refused(asarray):
    with pytest.raises(IndexError, match="single ellipsis"):
        asarray([[1.0]])[..., ...]


@pytest.mark.parametrize("key", [(0, 1), (-1, np.int64(0)), ([0, 1], [1, 1])], ids=str)
@pytest.mark.parametrize("ndim", [1, 3])
def test_an_array_of_one_value_is_written_to_entries(asarray, key, ndim):
    host = np.zeros((2, 2))
    host[key] = 9.0
    for requires_grad in (False, True):
        value = asarray(np.full((1,) * ndim, 9.0)).requires_grad_(requires_grad)
        x = asarray(np.zeros((2, 2)))
        x[key] = value
        assert_same(x, host)
        if requires_grad:
            x.sum().backward()
            assert_same(value.grad, np.full((1,) * ndim, np.count_nonzero(host)))


def test_scattered_values_are_broadcast(asarray):
    places = asarray([0, 2, 2])
    assert_same(fw.scatter(asarray([1.5]), (places,), (4,)), [1.5, 0.0, 3.0, 0.0])
    assert_same(fw.scatter(asarray(1.5), np.s_[1:3], (4,)), [0.0, 1.5, 1.5, 0.0])
    with pytest.raises((ValueError, RuntimeError), match=r"scatter|expand"):
        fw.scatter(asarray(np.ones((2, 3))), (places,), (4,))


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_each_value_counted_has_its_weight(asarray, shape):
    with pytest.raises(ValueError, match=r"bincount: expected a weight for each value, shape \(3,\)"):
        fw.bincount(asarray([0, 1, 1]), weights=asarray(np.ones(shape)))
