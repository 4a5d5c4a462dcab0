"""Bringing a gradient to the shape and dtype of the value it belongs to."""

from __future__ import annotations

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

    Raises
    ------
    ValueError
        If the gradient's shape has nothing to do with the value's.
    """
    extra = len(g.shape) - len(shape)
    if extra > 0 and g.shape[extra:] == shape:
        g = xp.sum(g, axis=tuple(range(extra)) if extra > 1 else 0)
    elif g.shape != shape:
        stretched = tuple(i for i, n in enumerate(g.shape) if i >= extra and shape[i - extra] == 1 and n != 1)
        axes = (*range(extra), *stretched)
        given = tuple(g.shape)
        if axes:
            g = xp.sum(g, axis=axes, keepdims=True, dtype=g.dtype)
        if g.shape != shape:
            if _trimmed(g.shape) == _trimmed(shape):
                g = xp.reshape(g, shape)
            elif not axes and _fits(given, shape):
                g = xp.broadcast_to(g, shape)
            else:
                raise ValueError(
                    f"a gradient rule returned shape {given} for a value of shape {tuple(shape)}; expected that shape, or one "
                    "to or from which it broadcasts (if the value's data was assigned since, run the forward pass again)"
                )
    if g.dtype != dtype:
        if xp.isdtype(g.dtype, "complex floating") and not xp.isdtype(dtype, "complex floating"):
            g = xp.real(g)
        g = xp.astype(g, dtype, copy=False)
    return g


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without leading axes of length one."""
    return tuple(shape[next((i for i, n in enumerate(shape) if n != 1), len(shape)) :])


def _fits(small: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether ``small`` broadcasts to ``shape``."""
    return len(small) <= len(shape) and all(n in (1, m) for n, m in zip(small[::-1], shape[::-1]))
