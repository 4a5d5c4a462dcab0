"""Indexing on CuPy, which wraps an index out of range around without a word: here it is noted, to be raised later."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

Array = Any

_ADDED_AS_THEY_ARE = frozenset(["float16", "float32", "float64", "int32", "uint32", "uint64"])


def overrides(gpu: Any) -> dict[str, Callable[..., Any]]:
    """The functions below by the names of a namespace, those that take indices with a look at them first."""

    def by_key(function: Callable[..., Any], op: str) -> Callable[..., Any]:
        @wraps(function)
        def checked(x: Array, key: Any, *value: Any) -> Any:
            _check(gpu, op, x.shape, key)
            return function(x, key, *value)

        return checked

    def along(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def checked(x: Array, indices: Array, /, *, axis: int = -1) -> Any:
            _check_axis(gpu, function.__name__, indices, x.shape[axis])
            return function(x, indices, axis=axis)

        return checked

    keyed = {"getitem": by_key(getitem, "getitem"), "setitem": by_key(setitem, "setitem")}
    keyed |= {"assign": by_key(assign, "setitem"), "scatter": scatter}
    return keyed | {"take": along(take), "take_along_axis": along(take_along_axis)}


def getitem(x: Array, key: Any) -> Array:
    """``x[key]``."""
    return x[key]


def setitem(x: Array, key: Any, value: Any) -> Array:
    """Return a copy of ``x`` with ``copy[key] = value``."""
    out = x.copy()
    out[key] = value
    return out


def writable(x: Array) -> bool:
    """Whether no two entries share their memory, as those of broadcast arrays do."""
    return not x.size or all(stride != 0 or length <= 1 for stride, length in zip(x.strides, x.shape))


def assign(x: Array, key: Any, value: Any) -> None:
    """``x[key] = value`` in place."""
    if not writable(x):
        raise ValueError("this array is read-only, as broadcast arrays are; write into a clone()")
    x[key] = value


def take(x: Array, indices: Array, /, *, axis: int) -> Array:
    """The entries at the indices along an axis."""
    return x.take(indices, axis)


def take_along_axis(x: Array, indices: Array, /, *, axis: int) -> Array:
    """The entries at the positions that the indices give along an axis."""
    import cupy

    return cupy.take_along_axis(x, indices, axis)


def scatter(values: Array, key: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape`` with ``values`` added at ``key``; repeated positions add up."""
    import cupy

    out = cupy.zeros(shape, dtype=values.dtype)
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, list) or (hasattr(part, "dtype") and part.dtype != bool) for part in parts):
        return _add_at(cupy, out, key, values)
    out[key] = values
    return out


def _add_at(cupy: Any, out: Array, key: Any, values: Array) -> Array:
    """``values`` added at arrays of indices. The GPU adds few types: others go by a type that gives the same sums."""
    dtype = out.dtype
    if dtype.kind == "c":
        out.real = _add_at(cupy, out.real.copy(), key, values.real.copy())
        out.imag = _add_at(cupy, out.imag.copy(), key, values.imag.copy())
    elif dtype == np.int64:
        cupy.add.at(out.view(np.uint64), key, values.view(np.uint64))
    elif dtype.name in _ADDED_AS_THEY_ARE:
        cupy.add.at(out, key, values)
    else:
        wide = np.float32 if dtype.name == "bfloat16" else np.int32
        return _add_at(cupy, out.astype(wide), key, values.astype(wide)).astype(dtype)
    return out


def _check(gpu: Any, op: str, shape: tuple[int, ...], key: Any) -> None:
    """Note the indices of a key that are outside an array of that shape."""
    parts = key if isinstance(key, tuple) else (key,)
    if op == "getitem" and any(_is_mask(gpu, part) for part in parts):
        gpu.refuse_in_capture(op, "the number of entries that a mask names")
    if not any(_is_index(gpu, part) for part in parts):
        return
    taken = sum(_axes(part) for part in parts)
    axis = 0
    for part in parts:
        if _is_index(gpu, part) and axis < len(shape):
            _check_axis(gpu, op, part, shape[axis])
        axis += len(shape) - taken if part is Ellipsis else _axes(part)


def _is_index(gpu: Any, part: Any) -> bool:
    return isinstance(part, gpu.array_type) and part.dtype.kind in "iu"


def _is_mask(gpu: Any, part: Any) -> bool:
    return isinstance(part, gpu.array_type) and part.dtype.kind == "b"


def _axes(part: Any) -> int:
    """How many axes a part of a key takes up; Ellipsis, which takes the others, none."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return int(part.ndim) if hasattr(part, "dtype") and part.dtype.kind == "b" else 1


def _check_axis(gpu: Any, op: str, ids: Array, length: int) -> None:
    gpu.check_indices(ids, length, op, -length)
