"""Joining arrays in captured steps, where CuPy joins eight at most: for more it sends a list of addresses from the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

Array = Any

_MOST = 8


def overrides(gpu: Any, module: Any) -> dict[str, Callable[..., Array]]:
    """``concat`` and ``stack`` for the namespace of a backend, over those of a module."""
    return {"concat": partial(concat, gpu, module), "stack": partial(stack, gpu, module)}


def concat(gpu: Any, module: Any, arrays: Sequence[Array], /, *, axis: int | None = 0) -> Array:
    """Join arrays along an axis that they have, or flattened if it is None."""
    arrays = list(arrays)
    while gpu.capturing() and len(arrays) > _MOST:
        parts = [arrays[i : i + _MOST] for i in range(0, len(arrays), _MOST)]
        arrays = [module.concat(part, axis=axis) for part in parts]
    return module.concat(arrays, axis=axis)


def stack(gpu: Any, module: Any, arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
    """Join arrays of one shape along an axis that they do not have."""
    if not gpu.capturing() or len(arrays) <= _MOST:
        return module.stack(arrays, axis=axis)
    return concat(gpu, module, [module.expand_dims(x, axis=axis) for x in arrays], axis=axis)
