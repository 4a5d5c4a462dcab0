"""Bringing a gradient to the shape and dtype of the value it belongs to."""

from __future__ import annotations

from math import prod
from typing import Any

Array = Any


def match(xp: Any, g: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Sum ``g`` over the axes that broadcasting added or stretched, and cast it to ``dtype``.

    Parameters
    ----------
    xp : namespace
        Of the gradient.
    g : array
        A gradient of a shape to which ``shape`` broadcasts; an assignment's may lack leading axes of length one.
    shape, dtype
        Those of the value; of a real value the gradient is the real part.
    """
    extra = len(g.shape) - len(shape)
    if extra > 0 and g.shape[extra:] == shape:
        g = xp.sum(g, axis=tuple(range(extra)) if extra > 1 else 0)
    elif g.shape != shape:
        stretched = tuple(i for i, n in enumerate(g.shape) if i >= extra and shape[i - extra] == 1 and n != 1)
        axes = (*range(extra), *stretched)
        if axes:
            g = xp.sum(g, axis=axes, keepdims=True, dtype=g.dtype)
        if g.shape != shape:
            g = xp.reshape(g, shape) if prod(g.shape) == prod(shape) else xp.broadcast_to(g, shape)
    if g.dtype != dtype:
        if xp.isdtype(g.dtype, "complex floating") and not xp.isdtype(dtype, "complex floating"):
            g = xp.real(g)
        g = xp.astype(g, dtype, copy=False)
    return g
