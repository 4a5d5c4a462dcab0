"""The affine map of a linear layer, as one node."""

from __future__ import annotations

from typing import Any

from framework.autograd.primitive import primitive

Array = Any


@primitive
def affine(xp: Any, x: Array, weight: Array, bias: Array | None, /) -> Array:
    """``x @ weight.T + bias``, for x (..., D), weight (H, D) and bias (H,) or None."""
    product = xp.matmul(x, weight.T)
    return product if bias is None else product + bias


def _weight_rule(xp: Any, g: Array, x: Array) -> Array:
    if g.ndim == 2:
        return xp.matmul(g.T, x)
    batch = tuple(range(g.ndim - 1))
    return xp.tensordot(g, x, axes=(batch, batch))


affine.defvjp(lambda xp, g, weight: xp.matmul(g, weight), _weight_rule, lambda xp, g: g)
