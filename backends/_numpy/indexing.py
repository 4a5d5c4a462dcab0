"""Indexing extensions on NumPy, which takes every key itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backends._numpy.embedding import scatter_rows

Array = Any

_SMALL = 2**12
_REST = (...,)
_ndarray = np.ndarray


def getitem(x: Array, key: Any) -> Array:
    """``x[key]``; of a single entry an array too, which shares memory as it does in other libraries."""
    part = x[key]
    if type(part) is _ndarray:
        return part
    return x[key + _REST] if isinstance(key, tuple) else x[key, ...]


def setitem(x: Array, key: Any, value: Any) -> Array:
    """Return a copy of ``x`` with ``copy[key] = value``."""
    out = np.array(x)
    try:
        out[key] = value
    except ValueError:
        _write_one(out, key, value)
    return out


def assign(x: Array, key: Any, value: Any) -> None:
    """``x[key] = value`` in place."""
    if not x.flags.writeable:
        raise ValueError("this array is read-only, as broadcast arrays and mapped files are; write into a clone()")
    try:
        x[key] = value
    except ValueError:
        _write_one(x, key, value)


def _write_one(x: Array, key: Any, value: Any) -> None:
    """What NumPy refused: to a single entry it writes an array of one value only through an array of that entry."""
    parts = key if isinstance(key, tuple) else (key,)
    if getattr(value, "size", 0) != 1 or any(part is ... for part in parts):
        raise
    x[parts + _REST] = value


def scatter(values: Array, key: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape`` with ``values`` added at ``key``; repeated positions add up."""
    parts = key if isinstance(key, tuple) else (key,)
    if not any(isinstance(part, list) or _is_index(part) for part in parts):
        out = np.zeros(shape, dtype=values.dtype)
        out[key] = values
        return out
    axis = _only_indexed_axis(parts)
    if axis is not None and values.size > _SMALL and values.size > parts[axis].size and values.dtype.kind in "fc":
        return _sum_slices(values, parts[axis], shape, axis)
    out = np.zeros(shape, dtype=values.dtype)
    if len(parts) == len(shape) and all(map(_is_index, parts)):
        # NumPy adds at positions in one dimension several times faster than in more.
        np.add.at(out.reshape(-1), np.ravel_multi_index(parts, shape, mode="wrap").ravel(), values.ravel())
    else:
        np.add.at(out, key, values)
    return out


def _is_index(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype.kind in "iu"


def _only_indexed_axis(parts: tuple[Any, ...]) -> int | None:
    """The axis that the last part indexes by an array, if all parts before it are whole slices."""
    axis = len(parts) - 1
    whole = all(isinstance(part, slice) and part == slice(None) for part in parts[:axis])
    return axis if parts and whole and _is_index(parts[axis]) else None


def _sum_slices(values: Array, ids: Array, shape: tuple[int, ...], axis: int) -> Array:
    """Add each slice of ``values`` at its place along one axis: a sparse product, much faster than ``np.add.at``."""
    slices = values.reshape(*shape[:axis], ids.size, *shape[axis + 1 :])
    moved = np.moveaxis(slices, axis, 0)
    rest = moved.shape[1:]
    rows = moved.reshape(ids.size, math.prod(rest))
    sums = scatter_rows(None, ids.ravel() % shape[axis], rows, shape[axis])  # type: ignore[arg-type]
    return np.moveaxis(sums.reshape(shape[axis], *rest), 0, axis)
