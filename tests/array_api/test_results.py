"""The standard's functions give array-api-strict's results: values, dtypes and shapes, on NumPy."""

from __future__ import annotations

from typing import Any

import array_api_strict as strict
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import framework as fw

BOOL = ["bool"]
INTEGER = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
REAL = ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]
ANY = BOOL + INTEGER + REAL + COMPLEX

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
NOT_0D = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)

few = settings(max_examples=15)


def elements(dtype: str) -> st.SearchStrategy[Any]:
    """Few different values, so that some are equal."""
    kind = np.dtype(dtype).kind
    whole = st.integers(0 if kind == "u" else -3, 3)
    if kind in "iu":
        return whole
    part = whole.map(lambda n: n / 2) | st.sampled_from([np.inf, -np.inf, np.nan])
    return {"b": st.booleans(), "f": part, "c": st.builds(complex, whole, whole)}[kind]


def arrays(dtypes: list[str], shapes: Any = SHAPES) -> st.SearchStrategy[np.ndarray]:
    return st.sampled_from(dtypes).flatmap(lambda dtype: hnp.arrays(dtype, shapes, elements=elements(dtype)))


def finite(dtypes: list[str], shapes: Any = SHAPES) -> st.SearchStrategy[np.ndarray]:
    return arrays(dtypes, shapes).map(lambda x: np.asarray(np.where(np.isfinite(x), x, 1), dtype=x.dtype))


def pairs(dtypes: list[str], nonzero: bool = False) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Two arrays of one dtype that broadcast."""
    shapes = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)

    def make(drawn: Any) -> Any:
        dtype, (first, second) = drawn[0], drawn[1].input_shapes
        one = elements(dtype)
        return st.tuples(
            hnp.arrays(dtype, first, elements=one),
            hnp.arrays(dtype, second, elements=one.filter(bool) if nonzero else one),
        )

    return st.tuples(st.sampled_from(dtypes), shapes).flatmap(make)


def same(call: Any, *inputs: Any) -> None:
    """Call with the framework's and with strict's namespace and arrays, and compare."""

    def convert(xp: Any, x: Any) -> Any:
        if isinstance(x, list):
            return [convert(xp, part) for part in x]
        return xp.asarray(x, copy=True) if isinstance(x, np.ndarray) else x

    with np.errstate(all="ignore"):
        ours = call(fw, *[convert(fw, x) for x in inputs])
        theirs = call(strict, *[convert(strict, x) for x in inputs])
    if not isinstance(ours, tuple):
        ours, theirs = (ours,), (theirs,)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        if not isinstance(a, fw.Tensor):
            assert a == b
            continue
        expected = np.asarray(b)
        assert (a.dtype, a.shape) == (expected.dtype, b.shape)
        if a.dtype.kind in "fc":
            np.testing.assert_allclose(a.numpy(), expected, rtol=4 * np.finfo(a.dtype).eps, atol=0)
        else:
            np.testing.assert_array_equal(a.numpy(), expected)


# ---------------------------------------------------------------- elementwise
UNARY = {
    "abs negative positive square sign": INTEGER + REAL + COMPLEX,
    "ceil floor round trunc": INTEGER + REAL,
    "isfinite isinf isnan": INTEGER + REAL + COMPLEX,
    "acos acosh asin asinh atan atanh cos cosh exp expm1 log log10 log1p log2": REAL + COMPLEX,
    "reciprocal sin sinh sqrt tan tanh": REAL + COMPLEX,
    "signbit": REAL,
    "conj real": INTEGER + REAL + COMPLEX,
    "imag": COMPLEX,
    "logical_not": BOOL,
    "bitwise_invert": BOOL + INTEGER,
}

BINARY = {
    "add subtract multiply": INTEGER + REAL + COMPLEX,
    "equal not_equal": ANY,
    "less less_equal greater greater_equal maximum minimum": INTEGER + REAL,
    "atan2 copysign hypot logaddexp nextafter": REAL,
    "logical_and logical_or logical_xor": BOOL,
    "bitwise_and bitwise_or bitwise_xor": BOOL + INTEGER,
}

NONZERO = {"divide": REAL + COMPLEX, "floor_divide remainder": INTEGER + REAL}
UNSIGNED = {"pow": ["uint8", "uint16", "int64"], "bitwise_left_shift bitwise_right_shift": ["uint8", "uint64"]}


def spread(table: dict[str, list[str]]) -> list[tuple[str, list[str]]]:
    return [(name, dtypes) for names, dtypes in table.items() for name in names.split()]


@pytest.mark.parametrize(("name", "dtypes"), spread(UNARY), ids=lambda x: x if isinstance(x, str) else "")
@given(data=st.data())
@few
def test_unary(name, dtypes, data):
    same(lambda xp, x: getattr(xp, name)(x), data.draw(arrays(dtypes)))


@pytest.mark.parametrize(
    ("name", "dtypes"), spread(BINARY | NONZERO | UNSIGNED), ids=lambda x: x if isinstance(x, str) else ""
)
@given(data=st.data())
@few
def test_binary(name, dtypes, data):
    x, y = data.draw(pairs(dtypes, nonzero=(name, dtypes) in spread(NONZERO)))
    if name in ("pow", "bitwise_left_shift", "bitwise_right_shift"):
        y = np.asarray(np.abs(y))
    same(lambda xp, x, y: getattr(xp, name)(x, y), x, y)


@pytest.mark.parametrize(("name", "dtypes"), spread(BINARY | NONZERO), ids=lambda x: x if isinstance(x, str) else "")
@given(data=st.data())
@few
def test_binary_with_a_number(name, dtypes, data):
    x = data.draw(finite(dtypes).filter(lambda x: name not in ("floor_divide", "remainder", "divide") or x.all()))
    number = {
        "b": st.booleans(),
        "c": st.complex_numbers(max_magnitude=2),
        "f": st.floats(1, 3),
        "i": st.integers(1, 3),
    }
    s = data.draw(number[x.dtype.kind.replace("u", "i")])
    same(lambda xp, x: getattr(xp, name)(x, s), x)
    same(lambda xp, x: getattr(xp, name)(s, x), x)


OPERATORS = {
    "__add__ __sub__ __mul__ __eq__ __ne__ __iadd__ __isub__ __imul__ __radd__ __rsub__ __rmul__": INTEGER
    + REAL
    + COMPLEX,
    "__truediv__ __itruediv__ __rtruediv__": REAL + COMPLEX,
    "__floordiv__ __mod__ __ifloordiv__ __imod__": INTEGER + REAL,
    "__lt__ __le__ __gt__ __ge__": INTEGER + REAL,
    "__and__ __or__ __xor__ __iand__ __ior__ __ixor__ __rand__ __ror__ __rxor__": BOOL + INTEGER,
    "__pow__ __ipow__ __lshift__ __rshift__ __ilshift__ __irshift__": ["uint8", "int64"],
}


@pytest.mark.parametrize(("name", "dtypes"), spread(OPERATORS), ids=lambda x: x if isinstance(x, str) else "")
@given(data=st.data())
@few
def test_operators(name, dtypes, data):
    dtype, shape = data.draw(st.sampled_from(dtypes)), data.draw(SHAPES)
    x = data.draw(hnp.arrays(dtype, shape, elements=elements(dtype)))
    y = np.asarray(np.abs(x)) if "shift" in name or "pow" in name else np.where(x == 0, np.ones_like(x), x)
    same(lambda xp, x, y: getattr(x, name)(y), x, y)


@pytest.mark.parametrize("name", ["__abs__", "__neg__", "__pos__"])
@given(x=arrays(INTEGER + REAL + COMPLEX))
@few
def test_unary_operators(name, x):
    same(lambda xp, x: getattr(x, name)(), x)


@given(first=arrays(INTEGER + REAL + COMPLEX), second=arrays(INTEGER + REAL + COMPLEX, st.just(())))
@settings(max_examples=60)
def test_promotion(first, second):
    def promote(xp: Any, x: Any, y: Any) -> Any:
        return x + y

    try:
        strict.result_type(strict.asarray(first), strict.asarray(second))
    except TypeError:
        return  # the standard leaves mixed kinds open
    same(promote, first, second)


# ---------------------------------------------------------------- reductions
REDUCTIONS = {
    "sum prod": INTEGER + REAL + COMPLEX,
    "max min": INTEGER + REAL,
    "mean": REAL + COMPLEX,
    "var std": REAL,
    "all any": ANY,
    "count_nonzero": ANY,
}


@pytest.mark.parametrize(("name", "dtypes"), spread(REDUCTIONS), ids=lambda x: x if isinstance(x, str) else "")
@given(data=st.data())
@few
def test_reductions(name, dtypes, data):
    x = data.draw(finite(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3)))
    axes = st.none() | hnp.valid_tuple_axes(x.ndim) | (st.integers(-x.ndim, x.ndim - 1) if x.ndim else st.none())
    axis, keepdims = data.draw(axes), data.draw(st.booleans())
    same(lambda xp, x: getattr(xp, name)(x, axis=axis, keepdims=keepdims), x)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@given(data=st.data())
@few
def test_arg_reductions(name, data):
    x = data.draw(arrays(INTEGER + REAL, NOT_0D))
    axis, keepdims = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1)), data.draw(st.booleans())
    same(lambda xp, x: getattr(xp, name)(x, axis=axis, keepdims=keepdims), x)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@given(data=st.data())
@few
def test_cumulative(name, data):
    x = data.draw(finite(INTEGER + REAL + COMPLEX, NOT_0D))
    axis, initial = data.draw(st.integers(-x.ndim, x.ndim - 1)), data.draw(st.booleans())
    same(lambda xp, x: getattr(xp, name)(x, axis=axis, include_initial=initial), x)


@given(data=st.data())
@few
def test_diff(data):
    x = data.draw(finite(INTEGER + REAL + COMPLEX, NOT_0D))
    axis, n, edge = data.draw(st.integers(-x.ndim, x.ndim - 1)), data.draw(st.integers(0, 3)), data.draw(st.booleans())
    same(lambda xp, x: xp.diff(x, axis=axis, n=n, prepend=x if edge else None, append=x if edge else None), x)


# ---------------------------------------------------------------- order, search and sets
@given(data=st.data())
@few
def test_sort(data):
    x = data.draw(finite(INTEGER + REAL, NOT_0D))
    axis, descending = data.draw(st.integers(-x.ndim, x.ndim - 1)), data.draw(st.booleans())
    same(lambda xp, x: xp.sort(x, axis=axis, descending=descending), x)
    same(lambda xp, x: xp.argsort(x, axis=axis, descending=descending), x)


@given(x=finite(ANY))
@few
def test_sets(x):
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        same(lambda xp, x, name=name: tuple(getattr(xp, name)(x)), x)
    same(lambda xp, x: xp.unique_values(x), x)


@given(x=finite(ANY, NOT_0D))
@few
def test_nonzero(x):
    same(lambda xp, x: xp.nonzero(x), x)


@given(x=finite(INTEGER))
@few
def test_isin(x):
    same(lambda xp, x, y: xp.isin(x, y), x, x.ravel()[::2])


def test_isin_inverted(device):
    x, y = fw.asarray([1, 2, 3], device=device), fw.asarray([2], device=device)
    assert fw.isin(x, y, invert=True).tolist() == [True, False, True]


@given(x=finite(REAL, hnp.array_shapes(max_dims=1, max_side=5)), side=st.sampled_from(["left", "right"]))
@few
def test_searchsorted(x, side):
    order = np.argsort(x)
    same(lambda xp, x, y: xp.searchsorted(x, y, side=side), x[order], x)
    same(lambda xp, x, y, sorter: xp.searchsorted(x, y, side=side, sorter=sorter), x, x, order)


@given(data=st.data())
@few
def test_where_and_clip(data):
    x, y = data.draw(pairs(REAL))
    same(lambda xp, x, y: xp.where(x > 0, x, y), x, y)
    same(lambda xp, x, y: xp.where(x > 0, 1.5, y), x, y)
    same(lambda xp, x: xp.clip(x, -1.0, 1.0), x)
    same(lambda xp, x: xp.clip(x, max=1), x)


# ---------------------------------------------------------------- shapes
@given(data=st.data())
@settings(max_examples=40)
def test_manipulation(data):
    x = data.draw(arrays(ANY, hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)))
    n = x.ndim
    axis = data.draw(st.integers(-n, n - 1))
    order = tuple(data.draw(st.permutations(range(n))))
    shift = data.draw(st.integers(-3, 3))
    same(lambda xp, x: xp.reshape(x, (-1,)), x)
    same(lambda xp, x: xp.permute_dims(x, order), x)
    same(lambda xp, x: xp.moveaxis(x, axis, 0), x)
    same(lambda xp, x: xp.flip(x, axis=axis), x)
    same(lambda xp, x: xp.roll(x, shift, axis=axis), x)
    same(lambda xp, x: xp.expand_dims(x, axis), x)
    same(lambda xp, x: xp.squeeze(xp.expand_dims(x, axis), axis), x)
    same(lambda xp, x: xp.concat([x, x], axis=axis), x)
    same(lambda xp, x: xp.stack([x, x], axis=axis), x)
    same(lambda xp, x: tuple(xp.unstack(x, axis=axis)), x)
    same(lambda xp, x: xp.tile(x, (2, *order)), x)
    same(lambda xp, x: xp.repeat(x, 2, axis=axis), x)
    same(lambda xp, x, r: xp.repeat(x, r, axis=axis), x, np.arange(x.shape[axis]))
    same(lambda xp, x: xp.broadcast_to(x, (2, *x.shape)), x)
    same(lambda xp, x, i: xp.take(x, i, axis=axis), x, np.zeros(2, dtype=np.int64))
    same(lambda xp, x, i: xp.take_along_axis(x, i, axis=axis), x, np.zeros_like(x, dtype=np.int64))


@given(data=st.data())
@few
def test_matrices(data):
    x = data.draw(finite(INTEGER + REAL + COMPLEX, hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=3)))
    k = data.draw(st.integers(-3, 3))
    same(lambda xp, x: xp.tril(x, k=k), x)
    same(lambda xp, x: xp.triu(x, k=k), x)
    same(lambda xp, x: xp.matrix_transpose(x), x)
    same(lambda xp, x: xp.matmul(x, xp.matrix_transpose(x)), x)
    same(lambda xp, x: xp.vecdot(x, x), x)
    same(lambda xp, x: xp.tensordot(x, x, axes=((0, -1), (0, -1))), x)


@given(data=st.data())
@few
def test_broadcasting(data):
    x, y = data.draw(pairs(REAL))
    same(lambda xp, x, y: tuple(xp.broadcast_arrays(x, y)), x, y)
    same(lambda xp, x, y: tuple(xp.broadcast_shapes(x.shape, y.shape)), x, y)
    same(lambda xp, x, y: tuple(xp.meshgrid(xp.reshape(x, (-1,)), xp.reshape(y, (-1,)))), x, y)


@given(data=st.data())
@settings(max_examples=40)
def test_indexing(data):
    x = data.draw(arrays(ANY, NOT_0D))
    key = data.draw(hnp.basic_indices(x.shape, allow_newaxis=True).filter(lambda key: _in_the_standard(key, x.ndim)))
    same(lambda xp, x: x[key], x)
    same(lambda xp, x, m: x[m], x, x.astype(bool))
    same(lambda xp, x, m: _assigned(xp, x, m), x, x.astype(bool))


def _in_the_standard(key: Any, ndim: int) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return ... in parts or sum(part is not None for part in parts) == ndim


def _assigned(xp: Any, x: Any, mask: Any) -> Any:
    x[mask] = xp.zeros((), dtype=x.dtype)
    return x


# ---------------------------------------------------------------- dtypes and creation
@given(first=st.sampled_from(ANY), second=st.sampled_from(ANY))
@settings(max_examples=60)
def test_dtype_functions(first, second):
    a, b = (getattr(fw, name) for name in (first, second))
    sa, sb = (getattr(strict, name) for name in (first, second))
    try:
        expected = str(strict.result_type(sa, sb)).rpartition(".")[2]
    except TypeError:
        expected = None
    assert expected is None or fw.result_type(a, b).name == expected
    for kind in (
        "bool",
        "signed integer",
        "unsigned integer",
        "integral",
        "real floating",
        "complex floating",
        "numeric",
    ):
        assert fw.isdtype(a, kind) == strict.isdtype(sa, kind)
    assert fw.isdtype(a, (b, "bool")) == strict.isdtype(sa, (sb, "bool"))


@pytest.mark.parametrize("name", ANY)
def test_a_dtype_equals_what_names_it_and_nothing_else(name):
    dtype = getattr(fw, name)
    x = fw.zeros(2, dtype=dtype)
    assert x.dtype == dtype == np.dtype(name)
    assert x.dtype == name
    assert dtype != None  # noqa: E711
    assert fw.can_cast(dtype, "complex128")
    assert fw.can_cast(x, dtype)
    assert fw.result_type(dtype, x, x.dtype) == dtype


@pytest.mark.parametrize("name", REAL + COMPLEX)
def test_finfo(name):
    ours, theirs = fw.finfo(getattr(fw, name)), strict.finfo(getattr(strict, name))
    for attribute in ("bits", "eps", "max", "min", "smallest_normal"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
        assert type(getattr(ours, attribute)) in (int, float)
    assert ours.dtype.name == str(theirs.dtype).rpartition(".")[2]


@pytest.mark.parametrize("name", INTEGER)
def test_iinfo(name):
    ours, theirs = fw.iinfo(getattr(fw, name)), strict.iinfo(getattr(strict, name))
    assert (ours.bits, ours.max, ours.min) == (theirs.bits, theirs.max, theirs.min)


@pytest.mark.parametrize(
    "call",
    [
        lambda xp: xp.arange(5),
        lambda xp: xp.arange(1, 8, 3, dtype=xp.uint8),
        lambda xp: xp.arange(0.0, 1.0, 0.3, dtype=xp.float64),
        lambda xp: xp.linspace(0, 1, 5, dtype=xp.float64, endpoint=False),
        lambda xp: xp.eye(3, 4, k=-1, dtype=xp.complex64),
        lambda xp: xp.full((2, 3), 7),
        lambda xp: xp.full((), True),
        lambda xp: xp.zeros((0, 2), dtype=xp.int8),
        lambda xp: xp.ones(3, dtype=xp.bool),
        lambda xp: xp.zeros_like(xp.asarray([1, 2])),
        lambda xp: xp.full_like(xp.asarray([1, 2], dtype=xp.float32), 3),
        lambda xp: xp.asarray([[1, 2], [3, 4]]),
        lambda xp: xp.astype(xp.asarray([0.5, 2.5], dtype=xp.float64), xp.int32),
    ],
)
def test_creation(call):
    same(call)


@pytest.mark.parametrize("arguments", [(0.0,), (0, 0.0), (0, 3, 1.0), (2, 0.0, -1)])
def test_one_float_makes_a_range_of_floats(arguments):
    x = fw.arange(*arguments)
    assert x.dtype == fw.float32
    assert x.tolist() == np.arange(*arguments).tolist()


@given(data=st.data())
@few
def test_fft(data):
    x = data.draw(finite(COMPLEX, hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=4)))
    same(lambda xp, x: xp.fft.fft(x, axis=0), x)
    same(lambda xp, x: xp.fft.rfft(xp.real(x), norm="ortho"), x)
    same(lambda xp, x: xp.fft.ifftn(x), x)
    same(lambda xp, x: xp.fft.fftshift(x), x)
    same(lambda xp: xp.fft.fftfreq(5, d=0.5, dtype=xp.float64))
