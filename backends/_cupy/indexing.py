"""Indexing extensions on CuPy."""

from __future__ import annotations

from typing import Any

Array = Any


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
    import cupyx

    out = cupy.zeros(shape, dtype=values.dtype)
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, list) or (hasattr(part, "dtype") and part.dtype != bool) for part in parts):
        cupyx.scatter_add(out, key, values)
    else:
        out[key] = values
    return out
