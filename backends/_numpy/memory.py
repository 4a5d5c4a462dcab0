"""Large arrays that begin where a line of memory does, so that a row of whole lines reaches into no other line.

Otherwise rows of 512 bytes lie in nine lines instead of eight, and vectors across two: reading or changing them takes 10 to 20%
longer, or not, by chance.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from sys import getrefcount
from typing import Any

import numpy as np

Array = Any

LARGE = 1 << 20
"""Bytes from which on it matters: smaller arrays stay in a core's cache."""

_LINE = 64


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array whose values are not set."""
    return _aligned(np.empty, shape, np.dtype(dtype))


def zeros_like(x: Array, /, *, dtype: Any = None) -> Array:
    """Zeros in the shape of ``x``."""
    if not x.flags.c_contiguous:
        return np.zeros_like(x, dtype)
    return _aligned(np.zeros, x.shape, x.dtype if dtype is None else np.dtype(dtype))


def asarray(obj: Any, dtype: Any, copy: bool | None) -> Array:
    """``numpy.asarray``, whose copies of large arrays are aligned."""
    if not (copy and isinstance(obj, np.ndarray) and obj.nbytes >= LARGE and obj.flags.c_contiguous):
        return np.asarray(obj, dtype=dtype, copy=copy)
    fresh = empty(obj.shape, obj.dtype if dtype is None else dtype)
    fresh[...] = obj
    return fresh


def is_all(x: Array) -> bool:
    """Whether no other array has a part of the memory of ``x``, unless it was made from ``x`` itself."""
    if x.flags.owndata:
        return True
    return type(x.base) is np.ndarray and bool(x.base.flags.owndata) and getrefcount(x.base) == _ALONE


_ALONE = 2
"""References to what one object has, and that is being counted."""


def _aligned(make: Callable[..., Array], shape: tuple[int, ...], dtype: Any) -> Array:
    size = prod(shape) * dtype.itemsize
    if size < LARGE:
        return make(shape, dtype)
    memory = make(size + _LINE, np.uint8)
    start = -memory.__array_interface__["data"][0] % _LINE
    return memory[start : start + size].view(dtype).reshape(shape)
