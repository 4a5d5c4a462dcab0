"""Layer norm and RMS norm over the last axis of a matrix.

Half-precision inputs are computed in float32 and rounded once, at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backends._library import Library

Array = Any


def layer_norm_forward(
    backend: Library, x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, tuple[Any, ...]]:
    """Rows with mean 0 and variance 1, then scaled and shifted.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias`` with the biased variance (Ba, Kiros, Hinton: Layer
    normalization, 2016).

    Parameters
    ----------
    x : Array
        ``(M, D)``.
    weight, bias : Array or None
        ``(D,)``.
    eps : float
        Added to the variance.

    Returns
    -------
    y : Array
        ``(M, D)``.
    saved : tuple
        For :func:`layer_norm_backward`.
    """
    xp = backend.xp
    wide = _widen(xp, x)
    centered = wide - xp.mean(wide, axis=1, keepdims=True)
    scale = 1 / xp.sqrt(xp.mean(centered * centered, axis=1, keepdims=True) + eps)
    normal = centered * scale
    y = normal if weight is None else normal * weight
    y = y if bias is None else y + bias
    return xp.astype(y, x.dtype), (normal, scale, weight)


def layer_norm_backward(
    backend: Library, saved: tuple[Any, ...], g: Array, needs: tuple[bool, bool, bool]
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients of ``sum(g * y)`` in ``x (M, D)``, ``weight (D,)`` and ``bias (D,)``."""
    xp = backend.xp
    normal, scale, weight = saved
    wide = _widen(xp, g)
    gx = gweight = gbias = None
    if needs[0]:
        slope = wide if weight is None else wide * weight
        along = xp.mean(slope * normal, axis=1, keepdims=True)
        gx = xp.astype(scale * (slope - xp.mean(slope, axis=1, keepdims=True) - normal * along), g.dtype, copy=False)
    if needs[1]:
        gweight = xp.astype(xp.sum(wide * normal, axis=0), g.dtype, copy=False)
    if needs[2]:
        gbias = xp.astype(xp.sum(wide, axis=0), g.dtype, copy=False)
    return gx, gweight, gbias


def rms_norm_forward(backend: Library, x: Array, weight: Array | None, eps: float) -> tuple[Array, tuple[Any, ...]]:
    """Rows with mean square 1, then scaled.

    ``y = x / sqrt(mean(x**2) + eps) * weight`` (Zhang, Sennrich: Root mean square layer normalization, 2019).

    Parameters
    ----------
    x : Array
        ``(M, D)``.
    weight : Array or None
        ``(D,)``.
    eps : float
        Added to the mean square.

    Returns
    -------
    y : Array
        ``(M, D)``.
    saved : tuple
        For :func:`rms_norm_backward`.
    """
    xp = backend.xp
    wide = _widen(xp, x)
    scale = 1 / xp.sqrt(xp.mean(wide * wide, axis=1, keepdims=True) + eps)
    normal = wide * scale
    return xp.astype(normal if weight is None else normal * weight, x.dtype), (normal, scale, weight)


def rms_norm_backward(
    backend: Library, saved: tuple[Any, ...], g: Array, needs: tuple[bool, bool]
) -> tuple[Array | None, Array | None]:
    """Gradients of ``sum(g * y)`` in ``x (M, D)`` and ``weight (D,)``."""
    xp = backend.xp
    normal, scale, weight = saved
    wide = _widen(xp, g)
    gx = gweight = None
    if needs[0]:
        slope = wide if weight is None else wide * weight
        along = xp.mean(slope * normal, axis=1, keepdims=True)
        gx = xp.astype(scale * (slope - normal * along), g.dtype, copy=False)
    if needs[1]:
        gweight = xp.astype(xp.sum(wide * normal, axis=0), g.dtype, copy=False)
    return gx, gweight


def _widen(xp: Any, x: Array) -> Array:
    return xp.astype(x, xp.result_type(x.dtype, xp.float32), copy=False)
