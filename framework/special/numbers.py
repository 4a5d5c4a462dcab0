"""Python numbers among the arguments, which SciPy would let promote the arrays."""

from __future__ import annotations

from typing import Any


def as_arrays(xp: Any, *values: Any) -> list[Any]:
    """The values with Python numbers made arrays of the dtype and device of the first floating array."""
    like = next((x for x in values if hasattr(x, "dtype") and not xp.isdtype(x.dtype, ("integral", "bool"))), None)
    if like is None:
        return list(values)
    return [x if hasattr(x, "dtype") else xp.asarray(x, dtype=like.dtype, device=like.device) for x in values]
