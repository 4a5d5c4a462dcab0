"""The affine map of a linear layer, as one node."""

from __future__ import annotations

from math import prod
from typing import Any

from framework.autograd.precision import precision
from framework.autograd.primitive import primitive

Array = Any


@precision("low")
@primitive
def affine(xp: Any, x: Array, weight: Array, bias: Array | None, /) -> Array:
    """``x @ weight.T + bias``, for x (..., D), weight (H, D) and bias (H,) or None."""
    product = _rows_times(xp, x, weight.T)
    if bias is None:
        return product
    if product.dtype != bias.dtype:
        return product + bias
    product += bias
    return product


def _rows_times(xp: Any, x: Array, matrix: Array) -> Array:
    """``x @ matrix`` as one product over all rows of x, where matmul may do one for each leading index."""
    if x.ndim <= 2:
        return xp.matmul(x, matrix)
    leading = x.shape[:-1]
    return xp.reshape(xp.matmul(xp.reshape(x, (prod(leading), x.shape[-1])), matrix), (*leading, matrix.shape[1]))


def _weight_rule(xp: Any, g: Array, x: Array) -> Array:
    if g.ndim != 2:
        rows = prod(g.shape[:-1])
        g, x = xp.reshape(g, (rows, g.shape[-1])), xp.reshape(x, (rows, x.shape[-1]))
    return xp.matmul(g.T, x)


affine.defvjp(lambda xp, g, weight: _rows_times(xp, g, weight), _weight_rule, lambda xp, g: g)
