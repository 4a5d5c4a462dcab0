"""Floats of 16 bits on CuPy, which adds them up in float32, but not everywhere, and does not know bfloat16 as a float."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from backends._numpy.narrow import clip, is_narrow, isdtype
from backends.reference import extensions

Array = Any
Function = Callable[..., Any]

_IN_FLOAT32 = ("mean", "std", "var", "cumulative_sum", "cumulative_prod")


def overrides(module: Any) -> dict[str, Function]:
    """What a namespace needs for them, around its own functions."""
    made = {name: _in_float32(getattr(module, name)) for name in _IN_FLOAT32}
    made |= {"sigmoid": _in_float32(partial(_sigmoid, module))}
    made |= {"clip": clip(module.clip, module.maximum, module.minimum)}
    return made | {"isdtype": isdtype(module.isdtype)}


def _sigmoid(xp: Any, x: Array) -> Array:
    """Half of the reference's passes: on a GPU what is too large for ``exp`` becomes infinite without a warning."""
    return extensions.sigmoid(xp, x) if x.dtype.kind == "c" else 1.0 / (1.0 + xp.exp(-x))


def _in_float32(function: Function) -> Function:
    """A function of one array, computed in float32 and rounded once."""

    def of_one(x: Array, /, *, dtype: Any = None, **options: Any) -> Array:
        if is_narrow(x.dtype) and (dtype is None or is_narrow(np.dtype(dtype))):
            return function(x.astype(np.float32), **options).astype(dtype or x.dtype)
        return function(x, **options) if dtype is None else function(x, dtype=dtype, **options)

    return of_one
