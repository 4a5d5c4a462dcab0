"""Layer norm and RMS norm over the last axis: a launch forward, one back to the input, one to the weights."""

from __future__ import annotations

from typing import Any

from backends._cupy.launching import blocks, dense, dense_or_none, over_rows, supported, wide
from backends.reference import normalization as reference

Array = Any

_BAND = 128


def layer_norm_forward(
    backend: Any, x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, tuple[Any, ...]]:
    """Rows ``(M, D)`` with mean 0 and variance 1, scaled and shifted; `saved` refers to `x`, which must not change."""
    if not supported(x):
        y, saved = reference.layer_norm_forward(backend, x, weight, bias, eps)
        return y, (None, saved)
    return _forward(backend, x, weight, bias, eps, centered=True)


def layer_norm_backward(
    backend: Any, saved: tuple[Any, ...], g: Array, needs: tuple[bool, bool, bool]
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients of ``sum(g * y)`` in ``x (M, D)``, ``weight (D,)`` and ``bias (D,)``."""
    if saved[0] is None:
        return reference.layer_norm_backward(backend, saved[1], g, needs)
    return _backward(backend, saved, g, needs, centered=True)


def rms_norm_forward(backend: Any, x: Array, weight: Array | None, eps: float) -> tuple[Array, tuple[Any, ...]]:
    """Rows ``(M, D)`` with mean square 1, scaled; `saved` refers to `x`, which must not change."""
    if not supported(x):
        y, saved = reference.rms_norm_forward(backend, x, weight, eps)
        return y, (None, saved)
    return _forward(backend, x, weight, None, eps, centered=False)


def rms_norm_backward(
    backend: Any, saved: tuple[Any, ...], g: Array, needs: tuple[bool, bool]
) -> tuple[Array | None, Array | None]:
    """Gradients of ``sum(g * y)`` in ``x (M, D)`` and ``weight (D,)``."""
    if saved[0] is None:
        return reference.rms_norm_backward(backend, saved[1], g, needs)
    return _backward(backend, saved, g, (*needs, False), centered=False)[:2]


def _forward(
    backend: Any, x: Array, weight: Array | None, bias: Array | None, eps: float, *, centered: bool
) -> tuple[Array, tuple[Any, ...]]:
    xp, (rows, width) = backend.xp, x.shape
    x = dense(x)
    weight, bias = (dense_or_none(None if p is None else xp.astype(p, x.dtype, copy=False)) for p in (weight, bias))
    y = xp.empty((rows, width), dtype=x.dtype)
    means, scales = (xp.empty((rows,), dtype=wide(x)) for _ in range(2))
    arguments = (x, weight, bias, y, means, scales, rows, width, int(centered), float(eps))
    backend.launch("normalization.norm_forward", x.dtype.name, *over_rows(rows, width), arguments)
    return y, (x, weight, means, scales)


def _backward(
    backend: Any, saved: tuple[Any, ...], g: Array, needs: tuple[bool, bool, bool], *, centered: bool
) -> tuple[Array | None, Array | None, Array | None]:
    xp, (x, weight, means, scales) = backend.xp, saved
    rows, width = x.shape
    g = dense(xp.astype(g, x.dtype, copy=False))
    gx = gweight = gbias = None
    if needs[0]:
        gx = xp.empty((rows, width), dtype=x.dtype)
        arguments = (x, weight, means, scales, g, gx, rows, width, int(centered))
        backend.launch("normalization.norm_backward", x.dtype.name, *over_rows(rows, width), arguments)
    if needs[1] or needs[2]:
        bands = blocks(rows, _BAND)
        sums = [xp.empty((bands, width), dtype=wide(x)) if need else None for need in needs[1:]]
        grid = (blocks(width, 32), bands, 1)
        arguments = (x, means, scales, g, *sums, rows, width, _BAND)
        backend.launch("normalization.norm_backward_weights", x.dtype.name, grid, (32, 8, 1), arguments)
        gweight, gbias = (None if s is None else xp.astype(xp.sum(s, axis=0), x.dtype, copy=False) for s in sums)
    return gx, gweight, gbias
