"""Functions beyond the standard give NumPy's, SciPy's or PyTorch's results, and refuse what they cannot do."""

from __future__ import annotations

import warnings

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

import framework as fw

HALVES = st.integers(-8, 8).map(lambda n: n / 2)
MATRICES = hnp.arrays("float64", hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), elements=HALVES)

few = settings(max_examples=25)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def close(actual, expected):
    expected = np.asarray(expected)
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- einsum
EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ba", (2, 3)),
    ("ii", (3, 3)),
    ("iij->ji", (2, 2, 3)),
    ("ijij->", (2, 3, 2, 3)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)),
    ("...i,i...->...", (2, 3), (3, 2)),
    ("i...->...", (2, 3, 4)),
    ("a...b,b", (2, 5, 3), (3,)),
    (" i , j -> j i ", (2,), (3,)),
    (",ij,", (), (2, 3), ()),
    ("ab,bc,cd,de->ae", (2, 3), (3, 2), (2, 3), (3, 2)),
    ("ij,ij->i", (2, 1), (2, 3)),
    ("ij->", (0, 3)),
]


@pytest.mark.parametrize(
    ("equation", "shapes"), [(e, s) for e, *s in EQUATIONS], ids=lambda x: x if isinstance(x, str) else ""
)
def test_einsum(equation, shapes, device, rng):
    operands = [rng.normal(size=shape) for shape in shapes]
    tensors = [fw.asarray(x, device=device) for x in operands]
    close(fw.einsum(equation, *tensors).cpu(), np.einsum(equation, *operands))


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("ij,jk->ik", [(2, 3)], "2 terms, but there are 1 operands"),
        ("ijk->i", [(2, 3)], "does not fit operands"),
        ("ij->k", [(2, 3)], "each letter of the output"),
        ("ij->ii", [(2, 3)], "each letter of the output"),
        ("ii->i", [(2, 3)], "'i' stands for axes of lengths 2 and 3"),
        ("i1->i", [(2, 3)], "does not fit operands"),
    ],
)
def test_einsum_refuses(equation, shapes, message):
    with pytest.raises(ValueError, match=message):
        fw.einsum(equation, *[fw.zeros(shape) for shape in shapes])


# ---------------------------------------------------------------- padding
@given(x=MATRICES, width=st.integers(0, 3), mode=st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]))
@few
def test_pad(x, width, mode):
    close(fw.pad(fw.asarray(x), width, mode), np.pad(x, width, mode))
    close(fw.pad(fw.asarray(x), (width, 1), mode), np.pad(x, (width, 1), mode))
    pairs = [(i, width) for i in range(x.ndim)]
    close(fw.pad(fw.asarray(x), pairs, mode), np.pad(x, pairs, mode))


@pytest.mark.parametrize("values", [(1.0, 2.0), ((1.0, 2.0), (3.0, 4.0)), ((5.0,), (6.0,)), [7.0]])
@pytest.mark.parametrize("widths", [1, (2, 1), ((0, 1), (2, 0))])
def test_pad_with_a_value_for_each_end(values, widths):
    x = np.arange(6.0).reshape(2, 3)
    close(fw.pad(fw.asarray(x), widths, constant_values=values), np.pad(x, widths, constant_values=values))


def test_pad_refuses():
    x = fw.zeros((2, 3))
    with pytest.raises(ValueError, match="expected mode to be one of 'constant'"):
        fw.pad(x, 1, "median")
    with pytest.raises(ValueError, match=">= 0 in pad_width, got -1"):
        fw.pad(x, -1)
    with pytest.raises(ValueError, match="2 pairs, one for each axis"):
        fw.pad(x, ((1, 1), (1, 1), (1, 1)))
    with pytest.raises(ValueError, match="expected constant_values to be a number, a pair, or 2 pairs"):
        fw.pad(x, 1, constant_values=(1, 2, 3))


# ---------------------------------------------------------------- statistics
METHODS = [
    *(
        "linear",
        "lower",
        "higher",
        "nearest",
        "midpoint",
        "inverted_cdf",
        "averaged_inverted_cdf",
        "closest_observation",
    ),
    *("interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased", "normal_unbiased"),
]


@given(data=st.data(), x=MATRICES, method=st.sampled_from(METHODS), keepdims=st.booleans())
@few
def test_quantile(data, x, method, keepdims):
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1) | hnp.valid_tuple_axes(x.ndim, min_size=1))
    q = data.draw(
        st.floats(0, 1) | hnp.arrays("float64", hnp.array_shapes(max_dims=2, max_side=2), elements=st.floats(0, 1))
    )
    ours = fw.quantile(fw.asarray(x), q, axis, keepdims=keepdims, method=method)
    close(ours, np.quantile(x, q, axis, keepdims=keepdims, method=method))
    close(fw.median(fw.asarray(x), axis, keepdims=keepdims), np.median(x, axis, keepdims=keepdims))


@pytest.mark.parametrize("method", METHODS)
def test_quantile_at_and_between_entries(method):
    for n in range(1, 9):
        x = np.arange(float(n))
        for q in {k / (2 * n) for k in range(2 * n + 1)} | {k / 10 for k in range(11)}:
            assert fw.quantile(fw.asarray(x), q, method=method).item() == pytest.approx(
                np.quantile(x, q, method=method)
            )


def test_quantile_of_nan_and_integers():
    assert np.isnan(fw.median(fw.asarray([1.0, np.nan, 2.0])).item())
    assert fw.median(fw.asarray([[1.0, np.nan], [2.0, 4.0]]), axis=1).tolist()[1] == 3.0
    close(fw.median(fw.asarray([1, 2])), np.median([1, 2]))
    assert fw.median(fw.asarray([1.0, 2.0])).dtype == fw.float32


def test_quantile_refuses():
    x = fw.asarray([1.0, 2.0])
    with pytest.raises(ValueError, match=r"q from 0 to 1, got 1.5"):
        fw.quantile(x, 1.5)
    with pytest.raises(ValueError, match="q from 0 to 1"):
        fw.quantile(x, np.nan)
    with pytest.raises(ValueError, match="expected method to be one of linear"):
        fw.quantile(x, 0.5, method="cubic")
    with pytest.raises(ValueError, match="at least one entry"):
        fw.median(fw.zeros((2, 0)), axis=1)


@pytest.mark.parametrize("kwargs", [{}, {"rowvar": False}, {"bias": True}, {"ddof": 0}, {"ddof": 2, "rowvar": False}])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int64"])
def test_cov(kwargs, dtype, rng):
    x = rng.integers(-9, 9, (4, 4)).astype(dtype) * (1 + 1j if dtype == "complex128" else 1)
    expected = np.cov(x, **kwargs)
    ours = fw.cov(fw.asarray(x), **kwargs)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-6 if dtype == "float32" else 1e-12)
    assert ours.dtype == (x.dtype if dtype != "int64" else np.float64)


F, A = [1, 2, 0, 3], [0.1, 0.2, 0.5, 1.0]


@pytest.mark.parametrize(
    "kwargs",
    [
        {"fweights": F},
        {"aweights": A},
        {"fweights": F, "aweights": A},
        {"aweights": A, "ddof": 0},
        {"fweights": F, "ddof": 2},
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int64"])
def test_cov_with_weights(kwargs, dtype, rng):
    x = rng.integers(-9, 9, (3, 4)).astype(dtype) * (1 + 1j if dtype == "complex128" else 1)
    ours = fw.cov(fw.asarray(x), **{k: fw.asarray(v) if isinstance(v, list) else v for k, v in kwargs.items()})
    np.testing.assert_allclose(ours.numpy(), np.cov(x, **kwargs), rtol=1e-5 if dtype == "float32" else 1e-7)
    assert ours.dtype == (x.dtype if dtype != "int64" else np.float64)


def test_cov_refuses_weights():
    x = fw.ones((2, 3))
    with pytest.raises(TypeError, match="fweights to be whole numbers, got float32"):
        fw.cov(x, fweights=fw.ones(3))
    with pytest.raises(ValueError, match=r"aweights of shape \(3,\).*got \(2,\)"):
        fw.cov(x, aweights=fw.ones(2))
    with pytest.raises(ValueError, match="fweights of at least 0"):
        fw.cov(x, fweights=fw.asarray([1, -1, 2]))


def test_cov_of_vectors(rng):
    x, y = rng.normal(size=(2, 6))
    close(fw.cov(fw.asarray(x)), np.cov(x))
    close(fw.cov(fw.asarray(x), fw.asarray(y)), np.cov(x, y))
    with pytest.raises(ValueError, match="at most two dimensions"):
        fw.cov(fw.zeros((2, 2, 2)))


@given(x=hnp.arrays("int64", st.integers(0, 6), elements=st.integers(0, 5)), minlength=st.integers(0, 8))
@few
def test_bincount(x, minlength):
    weights = np.arange(len(x)) * 0.5
    close(fw.bincount(fw.asarray(x), minlength=minlength), np.bincount(x, minlength=minlength))
    if len(x):
        close(fw.bincount(fw.asarray(x), fw.asarray(weights), minlength), np.bincount(x, weights, minlength))


def test_bincount_refuses(device):
    assert fw.bincount(fw.asarray([2, 0, 2], device=device)).tolist() == [1, 0, 2]
    with pytest.raises(ValueError, match="expected values >= 0, got -1"):
        fw.bincount(fw.asarray([1, -1], device=device))
    with pytest.raises(ValueError, match="expected one dimension, got shape \\(1, 1\\)"):
        fw.bincount(fw.asarray([[1]], device=device))


# ---------------------------------------------------------------- matrices
@given(x=MATRICES.filter(lambda x: x.ndim > 1), offset=st.integers(-4, 4), data=st.data())
@few
def test_diagonal_and_trace(x, offset, data):
    axis1, axis2 = data.draw(st.permutations(range(-x.ndim, 0)))[:2]
    close(fw.diagonal(fw.asarray(x), offset, axis1, axis2), np.diagonal(x, offset, axis1, axis2))
    close(fw.trace(fw.asarray(x), offset, axis1, axis2), np.trace(x, offset, axis1, axis2))


@given(x=MATRICES, y=MATRICES)
@few
def test_outer_and_kron(x, y):
    close(fw.outer(fw.asarray(x), fw.asarray(y)), np.outer(x, y))
    close(fw.kron(fw.asarray(x), fw.asarray(y)), np.kron(x, y))
    close(fw.inner(fw.asarray(x), fw.asarray(x)), np.inner(x, x))


def test_diagonal_refuses():
    with pytest.raises(ValueError, match="at least two dimensions, got shape \\(3,\\)"):
        fw.diagonal(fw.zeros(3))


# ---------------------------------------------------------------- order
@given(x=MATRICES, data=st.data(), largest=st.booleans())
@few
def test_topk(x, data, largest):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    k = data.draw(st.integers(0, x.shape[axis]))
    values, indices = fw.topk(fw.asarray(x), k, axis=axis, largest=largest)
    ordered = np.sort(x, axis=axis)
    close(values, np.take(np.flip(ordered, axis) if largest else ordered, np.arange(k), axis=axis))
    np.testing.assert_array_equal(np.take_along_axis(x, indices.numpy(), axis), values.numpy())


def test_topk_refuses():
    with pytest.raises(ValueError, match="0 <= k <= 3, the length of axis 1, got k=4"):
        fw.topk(fw.zeros((2, 3)), 4, axis=1)


# ---------------------------------------------------------------- softmax
@given(x=MATRICES, data=st.data())
@few
def test_softmax_family(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    close(fw.softmax(fw.asarray(x), axis=axis), scipy.special.softmax(x, axis=axis))
    close(fw.log_softmax(fw.asarray(x), axis=axis), scipy.special.log_softmax(x, axis=axis))
    close(fw.logsumexp(fw.asarray(x), axis=axis), scipy.special.logsumexp(x, axis=axis))
    close(fw.logsumexp(fw.asarray(x)), scipy.special.logsumexp(x))


def test_softmax_of_large_and_infinite_values():
    x = fw.asarray([[1e30, 0.0], [-np.inf, 3.0]])
    assert fw.softmax(x, axis=1).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert fw.logsumexp(x, axis=1).tolist() == [np.float32(1e30), 3.0]
    assert fw.logsumexp(fw.asarray([np.inf, 1.0])).item() == np.inf


# ---------------------------------------------------------------- writing along an axis
def test_put_along_axis(arrays, rng):
    if arrays.read_only:
        pytest.skip("writes in place")
    x, values = rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    indices = np.array([[0, 3], [1, 2], [3, 0]])
    ours = arrays.make(x)
    assert fw.put_along_axis(ours, arrays.make(indices), arrays.make(values), 1) is None
    np.put_along_axis(x, indices, values, 1)
    close(ours.cpu(), x)


def test_put_along_axis_carries_gradients():
    leaf, values = fw.ones((2, 3)).requires_grad_(), fw.asarray([[2.0], [3.0]], copy=True).requires_grad_()
    x = leaf * 5
    fw.put_along_axis(x, fw.asarray([[1], [2]]), values, axis=-1)
    fw.sum(x * x).backward()
    assert leaf.grad.tolist() == [[50.0, 0.0, 50.0], [50.0, 50.0, 0.0]]
    assert values.grad.tolist() == [[4.0], [6.0]]


def test_scatter_add_leaves_its_argument_alone(arrays):
    x = arrays.make(np.zeros((2, 3)))
    y = fw.scatter_add(x, arrays.make([[0, 0], [2, 1]]), arrays.make([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    assert y.tolist() == [[3.0, 0.0, 0.0], [0.0, 4.0, 3.0]]
    assert not x.numpy().any()


def test_full_of_a_tensor_has_its_gradient(device):
    value = fw.asarray(2.0, device=device).requires_grad_()
    x = fw.full((2, 3), value, device=device)
    assert x.shape == (2, 3)
    x.sum().backward()
    assert value.grad.item() == 6.0
    assert fw.full(2, fw.asarray(True, device=device), device=device).cpu().tolist() == [True, True]


# ---------------------------------------------------------------- NumPy's helpers
VALUES = st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 1.1, -2.0, np.inf, -np.inf, np.nan])
SAME_SHAPE = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3)


@given(data=st.data(), shapes=SAME_SHAPE, equal_nan=st.booleans())
@few
def test_isclose(data, shapes, equal_nan):
    x, y = (data.draw(hnp.arrays("float64", shape, elements=VALUES)) for shape in shapes.input_shapes)
    close(fw.isclose(fw.asarray(x), fw.asarray(y), equal_nan=equal_nan), np.isclose(x, y, equal_nan=equal_nan))
    assert fw.allclose(fw.asarray(x), fw.asarray(y)) == np.allclose(x, y)


def test_isclose_of_numbers_and_whole_and_complex_ones(device):
    x = fw.asarray([1, 2, 3], device=device)
    assert fw.isclose(x, 2.0000001).tolist() == [False, True, False]
    assert fw.isclose(2, x).tolist() == [False, True, False]
    z = fw.asarray([1 + 1e-9j, 2j, 3], dtype="complex128", device=device)
    assert fw.isclose(fw.astype(x, "float64"), z).tolist() == [True, False, True]
    assert fw.allclose(x, x + 1, atol=1.5)
    assert not fw.allclose(x, x + 1)


@given(x=hnp.arrays("float64", hnp.array_shapes(max_dims=2, max_side=3), elements=VALUES), keepdims=st.booleans())
@few
def test_what_is_missing(x, keepdims):
    t = fw.asarray(x)
    close(fw.nan_to_num(t), np.nan_to_num(x))
    z = np.array(x, dtype="complex128")
    z.imag = np.flip(x)
    close(fw.nan_to_num(fw.asarray(z), 1.0, 2.0, 3.0), np.nan_to_num(z, nan=1.0, posinf=2.0, neginf=3.0))
    finite = np.where(np.isinf(x), 1.0, x)
    close(fw.nansum(fw.asarray(finite), 0, keepdims=keepdims), np.nansum(finite, 0, keepdims=keepdims))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nanmean(finite, -1, keepdims=keepdims)
    close(fw.nanmean(fw.asarray(finite), -1, keepdims=keepdims), expected)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0,)])
@pytest.mark.parametrize("ends", [{}, {"left": -9.0}, {"right": 9.0}])
def test_interp(shape, ends, rng):
    x, p, f = 3 * rng.normal(size=shape), np.sort(rng.normal(size=6)), rng.normal(size=6)
    close(fw.interp(*map(fw.asarray, (x, p, f)), **ends), np.interp(x, p, f, **ends))
    close(fw.interp(*map(fw.asarray, (p, p, f)), **ends), np.interp(p, p, f, **ends))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 2), (5, 3), (2, 5), (4, 4), (1, 6)])
def test_convolve(mode, n, m, device, rng):
    a, v = rng.normal(size=n), rng.normal(size=m)
    close(fw.convolve(fw.asarray(a, device=device), fw.asarray(v, device=device), mode).cpu(), np.convolve(a, v, mode))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: fw.convolve(fw.ones(3), fw.ones(0)), r"\(3,\) and \(0,\)"),
        (lambda: fw.convolve(fw.ones((3, 1)), fw.ones(2)), r"\(3, 1\)"),
        (lambda: fw.convolve(fw.ones(3), fw.ones(2), "all"), "'full', 'same' or 'valid', got 'all'"),
        (lambda: fw.interp(fw.ones(1), fw.ones(3), fw.ones(2)), r"\(3,\) and \(2,\)"),
        (lambda: fw.interp(fw.ones(1), fw.ones(0), fw.ones(0)), "n >= 1"),
    ],
)
def test_helpers_refuse(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_the_median_of_infinities_is_one():
    assert fw.median(fw.asarray([1.0, np.inf, np.inf])).item() == np.inf
