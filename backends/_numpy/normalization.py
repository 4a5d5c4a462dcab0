"""Layer norm and RMS norm over the last axis, a band of rows at a time.

Sums over a row are products with a vector of ones: BLAS adds up short rows several times faster than
``numpy.sum``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backends._numpy.blocks import row_blocks

if TYPE_CHECKING:
    from backends._base import Backend

Array = Any


def layer_norm_forward(
    backend: Backend, x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, tuple[Any, ...]]:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` for ``x (M, D)``."""
    y, normal, scale = _outputs(x)
    for block in row_blocks(*x.shape):
        wide = x[block].astype(normal.dtype, copy=False)
        np.subtract(wide, _row_mean(wide), out=normal[block])
        _normalize(normal[block], scale[block], eps)
        _affine(normal[block], weight, bias, y[block])
    return y, (normal, scale, weight)


def layer_norm_backward(
    backend: Backend, saved: tuple[Any, ...], g: Array, needs: tuple[bool, bool, bool]
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients of ``sum(g * y)`` in ``x (M, D)``, ``weight (D,)`` and ``bias (D,)``."""
    normal, scale, weight = saved
    gx = _input_gradient(g, normal, scale, weight, centered=True) if needs[0] else None
    gweight = _column_sums(g, normal) if needs[1] else None
    gbias = _column_sums(g, None) if needs[2] else None
    return gx, gweight, gbias


def rms_norm_forward(backend: Backend, x: Array, weight: Array | None, eps: float) -> tuple[Array, tuple[Any, ...]]:
    """``x / sqrt(mean(x**2) + eps) * weight`` for ``x (M, D)``."""
    y, normal, scale = _outputs(x)
    for block in row_blocks(*x.shape):
        normal[block] = x[block]
        _normalize(normal[block], scale[block], eps)
        _affine(normal[block], weight, None, y[block])
    return y, (normal, scale, weight)


def rms_norm_backward(
    backend: Backend, saved: tuple[Any, ...], g: Array, needs: tuple[bool, bool]
) -> tuple[Array | None, Array | None]:
    """Gradients of ``sum(g * y)`` in ``x (M, D)`` and ``weight (D,)``."""
    normal, scale, weight = saved
    gx = _input_gradient(g, normal, scale, weight, centered=False) if needs[0] else None
    return gx, _column_sums(g, normal) if needs[1] else None


def _outputs(x: Array) -> tuple[Array, Array, Array]:
    """Room for ``y (M, D)``, the normalized rows ``(M, D)`` and the factor of each row ``(M, 1)``."""
    dtype = np.result_type(x.dtype, np.float32)
    return np.empty(x.shape, x.dtype), np.empty(x.shape, dtype), np.empty((len(x), 1), dtype)


def _row_mean(x: Array) -> Array:
    """``(M, 1)``."""
    return x @ np.full((x.shape[1], 1), 1 / x.shape[1], x.dtype)


def _normalize(rows: Array, scale: Array, eps: float) -> None:
    """Divide each of the ``rows (M, D)`` by its root mean square, and note the factor in ``scale (M, 1)``."""
    np.divide(np.vecdot(rows, rows)[:, None], rows.shape[1], out=scale)
    scale += eps
    np.sqrt(scale, out=scale)
    np.reciprocal(scale, out=scale)
    rows *= scale


def _affine(normal: Array, weight: Array | None, bias: Array | None, out: Array) -> None:
    if weight is None:
        out[...] = normal
    else:
        np.multiply(normal, weight, out=out, casting="same_kind")
    if bias is not None:
        np.add(out, bias, out=out, casting="same_kind")


def _input_gradient(g: Array, normal: Array, scale: Array, weight: Array | None, *, centered: bool) -> Array:
    """``scale * (slope - normal * mean(slope * normal))``, less its mean where the rows were centered."""
    gx = np.empty_like(g)
    for block in row_blocks(*g.shape):
        slope = g[block].astype(scale.dtype, copy=False)
        slope = slope if weight is None else slope * weight
        along = np.vecdot(slope, normal[block])[:, None] / g.shape[1]
        rows = slope - normal[block] * along
        if centered:
            rows -= _row_mean(slope)
        np.multiply(rows, scale[block], out=gx[block], casting="same_kind")
    return gx


def _column_sums(g: Array, factor: Array | None) -> Array:
    """``(D,)``: the sum over the rows of ``g``, or of ``g * factor``."""
    sums = np.zeros(g.shape[1], np.result_type(g.dtype, np.float32))
    for block in row_blocks(*g.shape):
        terms = g[block].astype(sums.dtype, copy=False) if factor is None else g[block] * factor[block]
        sums += np.ones(len(terms), sums.dtype) @ terms
    return sums.astype(g.dtype, copy=False)
