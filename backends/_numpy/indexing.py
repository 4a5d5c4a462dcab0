"""Indexing extensions on NumPy, which takes every key itself."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def getitem(x: Array, key: Any) -> Array:
    """``x[key]``."""
    return x[key]


def setitem(x: Array, key: Any, value: Any) -> Array:
    """Return a copy of ``x`` with ``copy[key] = value``."""
    out = np.array(x)
    out[key] = value
    return out


def assign(x: Array, key: Any, value: Any) -> None:
    """``x[key] = value`` in place."""
    x[key] = value


def scatter(values: Array, key: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape`` with ``values`` added at ``key``; repeated positions add up."""
    out = np.zeros(shape, dtype=values.dtype)
    if _repeats_nothing(key):
        out[key] = values
    else:
        np.add.at(out, key, values)
    return out


def _repeats_nothing(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return not any(isinstance(part, list) or (isinstance(part, np.ndarray) and part.dtype != bool) for part in parts)
