"""Softmax and its logarithm."""

from __future__ import annotations

from typing import Any

from framework.autograd.precision import precision
from framework.autograd.primitive import primitive
from framework.ops.reduction import count

Array = Any


def _shifted(xp: Any, x: Array, axis: int) -> Array:
    """``x`` less its largest entry, so that exp cannot overflow; NaN where that is infinite."""
    return x - xp.max(x, axis=axis, keepdims=True) if count(x.shape, axis) else xp.positive(x)


@precision("float32")
@primitive
def softmax(xp: Any, x: Array, /, *, axis: int = -1) -> Array:
    """``exp(x) / sum(exp(x))`` along an axis, without overflow.

    Examples
    --------
    >>> import framework as fw
    >>> fw.softmax(fw.asarray([0.0, 0.0, 1000.0, 1000.0]))
    Tensor([0. , 0. , 0.5, 0.5])
    """
    e = xp.exp(_shifted(xp, x, axis))
    return e / xp.sum(e, axis=axis, keepdims=True)


softmax.defvjp(lambda xp, g, y, axis: y * (g - xp.sum(g * y, axis=axis, keepdims=True)))


@precision("float32")
@primitive
def log_softmax(xp: Any, x: Array, /, *, axis: int = -1) -> Array:
    """Logarithm of the softmax along an axis, exact where the softmax underflows.

    Examples
    --------
    >>> import framework as fw
    >>> fw.log_softmax(fw.asarray([0.0, 1000.0]))
    Tensor([-1000.,     0.])
    """
    shifted = _shifted(xp, x, axis)
    if 0 in x.shape:
        return shifted
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))


log_softmax.defvjp(lambda xp, g, y, axis: g - xp.exp(y) * xp.sum(g, axis=axis, keepdims=True))
