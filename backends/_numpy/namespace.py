"""What NumPy spells otherwise than the Array API standard, or where its function takes a detour to a method.

NumPy's main namespace follows the standard but for a few names. Its reductions and changes of shape are Python functions
that look at arguments we never pass and then call a method; the method itself takes a third of the time.
(``array_api_compat.numpy`` would do as well, but it imports much of NumPy that is rarely used, which makes ``import
framework`` three times slower.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.exceptions import AxisError

from backends._numpy import threads
from backends.reference import extensions

Array = Any

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "astype",
    "bincount",
    "clip",
    "cumulative_sum",
    "expand_dims",
    "interp",
    "linspace",
    "matmul",
    "matrix_transpose",
    "max",
    "mean",
    "min",
    "nonzero",
    "permute_dims",
    "pow",
    "prod",
    "reshape",
    "sigmoid",
    "sort",
    "squeeze",
    "stack",
    "std",
    "sum",
    "take",
    "trace",
    "unique_values",
    "var",
]

_SMALL = 2**12
_ALL = slice(None)
_matmul: Any = np.matmul
_add: Any = np.add
_multiply: Any = np.multiply
_maximum: Any = np.maximum
_minimum: Any = np.minimum
_and: Any = np.logical_and
_or: Any = np.logical_or
_power = np.power
_BOUNDS = {"f": (np.asarray(88, np.float32), np.asarray(1, np.float32)), "d": (np.asarray(709.0), np.asarray(1.0))}
"""Of what ``exp`` takes without overflow, and one: arrays, since to NumPy a number of Python's is a detour."""

_square = np.square


def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    """The values cast to another dtype."""
    return x.astype(dtype, copy=copy)


def bincount(x: Array, *, minlength: int) -> Array:
    """How often each of 0, 1, 2, ... occurs."""
    try:
        return np.bincount(x if x.dtype.kind != "u" else x.astype(np.int64), minlength=minlength)
    except ValueError:
        if x.min(initial=0) < 0:
            raise ValueError(f"expected values >= 0, got {x.min()}") from None
        raise


def interp(x: Array, points: Array, values: Array) -> Array:
    """Straight lines between points, and flat ones outside of all."""
    try:
        y, dtype = np.interp(x, points, values), values.dtype
    except ValueError:
        return extensions.interp(np, x, points, values)  # which tells in more words what is wrong
    if x.dtype is not dtype or points.dtype is not dtype:
        dtype = np.result_type(x, points, values)
    return y if dtype.kind in "biu" else y.astype(dtype)


def linspace(start: complex, stop: complex, /, num: int, *, dtype: Any, endpoint: bool) -> Array:
    """Evenly spaced values; of floating ones NumPy asks more of the dtype than casting them takes."""
    if dtype.kind not in "fc":
        return np.linspace(start, stop, num, endpoint, dtype=dtype)
    return np.linspace(start, stop, num, endpoint).astype(dtype)


def nonzero(x: Array, /) -> tuple[Array, ...]:
    """Positions of the entries that are not zero."""
    return x.nonzero()  # type: ignore[no-any-return]


def pow(x1: Array, x2: Array, /) -> Array:
    """Powers; squares, as those of ``x**2`` are, in a tenth of the time."""
    return _square(x1) if type(x2) is int and x2 == 2 and x1.dtype.kind != "b" else _power(x1, x2)


def reshape(x: Array, shape: tuple[int, ...], /, *, copy: bool | None = None) -> Array:
    """The same values in another shape."""
    return x.reshape(shape) if copy is None else x.reshape(shape, copy=copy)


def permute_dims(x: Array, axes: tuple[int, ...], /) -> Array:
    """The axes in another order."""
    return x.transpose(axes)


def matmul(x1: Array, x2: Array, /) -> Array:
    """Matrix product; a large one of two matrices is split over threads of ours, since OpenBLAS's spin on afterwards.

    A small one is a ``dot``, which gives the same in half the time.
    """
    if x1.ndim != 2 or x2.ndim != 2:
        return _matmul(x1, x2)
    if x1.size * x2.shape[1] <= threads.SMALL_PRODUCT:
        return x1.dot(x2)
    if x1.dtype != x2.dtype or x1.dtype.char not in "fd":
        return _matmul(x1, x2)
    out = np.empty((x1.shape[0], x2.shape[1]), x1.dtype)
    threads.matmul(x1, x2, out)
    return out


def matrix_transpose(x: Array, /) -> Array:
    """The last two axes exchanged."""
    return x.mT


def squeeze(x: Array, /, axis: Any) -> Array:
    """Without the given axes of length one, where NumPy would take an axis of none, and None."""
    if axis is None or (not x.ndim and axis != ()):
        raise IndexError(f"axis {axis} is out of range for {x.ndim} dimensions")
    return x.squeeze(axis)


def expand_dims(x: Array, /, *, axis: Any) -> Array:
    """With new axes of length one."""
    if type(axis) is not int:
        return np.expand_dims(x, axis)
    ndim = x.ndim
    if not -ndim - 2 < axis <= ndim:
        raise AxisError(axis, ndim + 1)
    return x[(_ALL,) * (axis if axis >= 0 else axis + ndim + 1) + (None,)]


def stack(arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
    """Arrays of one shape beside each other along a new axis."""
    shapes = {x.shape for x in arrays}
    if len(shapes) > 1:
        raise ValueError(f"all arrays must have the same shape, got {', '.join(map(str, sorted(shapes)))}")
    return np.concatenate([expand_dims(x, axis=axis) for x in arrays], axis)


def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
    """The entries at the indices along an axis."""
    return x.take(indices, axis)


def clip(x: Array, /, min: Any = None, max: Any = None) -> Array:
    """The values bounded below and above."""
    return x.clip(min, max)


def all(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Whether all values over axes are true."""
    return _and.reduce(x, axis, None, None, keepdims)


def any(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Whether any value over axes is true."""
    return _or.reduce(x, axis, None, None, keepdims)


def argmax(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Position of the largest value along an axis."""
    return x.argmax(axis, None, keepdims=keepdims)


def argmin(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Position of the smallest value along an axis."""
    return x.argmin(axis, None, keepdims=keepdims)


def max(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Largest value over axes."""
    return _maximum.reduce(x, axis, None, None, keepdims)


def min(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Smallest value over axes."""
    return _minimum.reduce(x, axis, None, None, keepdims)


def prod(x: Array, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """Product over axes."""
    return _multiply.reduce(x, axis, dtype, None, keepdims)


def var(x: Array, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Variance over axes."""
    if x.dtype.kind != "f" or x.itemsize < 4 or not x.size or not x.ndim:
        return x.var(axis, None, None, correction, keepdims)
    total = _add.reduce(x, axis, None, None, True)
    n = x.size // total.size
    if n <= correction:
        return x.var(axis, None, None, correction, keepdims)
    deviations = np.subtract(x, np.divide(total, n, total), None)
    return _add.reduce(np.square(deviations, deviations), axis, None, None, keepdims) / x.dtype.type(n - correction)


def std(x: Array, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Standard deviation over axes."""
    return np.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def cumulative_sum(x: Array, /, *, axis: int, dtype: Any = None, include_initial: bool = False) -> Array:
    """Running sums."""
    if include_initial:
        return np.cumulative_sum(x, axis=axis, dtype=dtype, include_initial=True)
    return x.cumsum(axis, dtype)


def argsort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Positions that sort ``x``; equal entries keep their order also when descending."""
    if not x.ndim:
        raise AxisError(axis, 0)
    if not descending:
        return np.argsort(x, axis=axis, stable=stable)
    backwards = np.argsort(np.flip(x, axis=axis), axis=axis, stable=stable)
    return np.flip(x.shape[axis] - 1 - backwards, axis=axis)


def sort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """The entries in order."""
    ordered = x.copy("K")
    ordered.sort(axis, stable=stable)
    return np.flip(ordered, axis=axis) if descending else ordered


def sum(x: Array, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """Sum over axes, without the detours that ``numpy.sum`` takes for arguments we never pass.

    Over the last axis but one a product with ones is two to three times as fast.
    """
    if (
        type(axis) is int
        and x.ndim > 2
        and axis % x.ndim == x.ndim - 2
        and x.size > _SMALL
        and _is_wide(x)
        and dtype is None
    ):
        total = np.matmul(np.ones((1, x.shape[-2]), x.dtype), x)
        return total if keepdims else total.reshape(*x.shape[:-2], x.shape[-1])
    return _add.reduce(x, axis, dtype, None, keepdims)


def mean(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Mean over axes."""
    if x.dtype.kind != "f" or x.itemsize < 4 or not x.size:
        return np.mean(x, axis=axis, keepdims=keepdims)
    total = sum(x, axis=axis, keepdims=keepdims)
    return np.divide(total, x.size // total.size, dtype=x.dtype)


def _is_wide(x: Array) -> bool:
    return x.dtype.char in "fd" and x.shape[-1] >= 16 and x.flags.c_contiguous


def sigmoid(x: Array) -> Array:
    """``exp(x) / (1 + exp(x))``, which keeps the digits of what is close to 0; where ``exp`` overflows it has long been 1."""
    bounds = _BOUNDS.get(x.dtype.char)
    if bounds is None:
        return extensions.sigmoid(np, x)
    most, one = bounds
    if x.size <= _SMALL or not x.max() <= most:
        x = _minimum(x, most)
    e = np.exp(x)
    return e / (e + one)


def trace(x: Array, *, offset: int, dtype: Any = None) -> Array:
    """Sums of the diagonals of matrices."""
    return x.trace(offset, -2, -1, dtype)


def unique_values(x: Array, /) -> Array:
    """The distinct values in ascending order, which NumPy's own ``unique_values`` does not promise."""
    return np.unique(x, equal_nan=False)
