"""What NumPy spells otherwise than the Array API standard.

NumPy's main namespace follows the standard but for these. (``array_api_compat.numpy`` would do as well, but it
imports much of NumPy that is rarely used, which makes ``import framework`` three times slower.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any

_SMALL = 2**12
_add: Any = np.add


def argsort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Positions that sort ``x``; equal entries keep their order also when descending."""
    if not descending:
        return np.argsort(x, axis=axis, stable=stable)
    backwards = np.argsort(np.flip(x, axis=axis), axis=axis, stable=stable)
    return np.flip(x.shape[axis] - 1 - backwards, axis=axis)


def sort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """The entries in order."""
    ordered = np.sort(x, axis=axis, stable=stable)
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


def unique_values(x: Array, /) -> Array:
    """The distinct values in ascending order, which NumPy's own ``unique_values`` does not promise."""
    return np.unique(x, equal_nan=False)


def einsum(equation: str, *operands: Array) -> Array:
    """Einstein summation, through matrix products where the operands are large enough to gain by it."""
    return np.einsum(equation, *operands, optimize=max(x.size for x in operands) > _SMALL)
