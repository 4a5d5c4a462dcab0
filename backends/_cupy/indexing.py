"""Indexing extensions on CuPy."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any

_ADDED_AS_THEY_ARE = frozenset("float16 float32 float64 int32 uint32 uint64".split())


def getitem(x: Array, key: Any) -> Array:
    """``x[key]``."""
    return x[key]


def setitem(x: Array, key: Any, value: Any) -> Array:
    """Return a copy of ``x`` with ``copy[key] = value``."""
    out = x.copy()
    out[key] = value
    return out


def assign(x: Array, key: Any, value: Any) -> None:
    """``x[key] = value`` in place."""
    x[key] = value


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
