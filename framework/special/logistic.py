"""The logistic function, its inverse and its relatives over whole axes."""

from __future__ import annotations

from typing import Any

from framework.autograd.primitive import primitive
from framework.ops import elementwise, reduction
from framework.ops import softmax as plain
from framework.ops.manipulation import squeeze

Array = Any
Axis = int | tuple[int, ...] | None


@primitive
def expit(xp: Any, x: Array, /) -> Array:
    """``1 / (1 + exp(-x))``, exact for large negative ``x``.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.expit(fw.asarray([0.0]))
    Tensor([0.5])
    """
    return xp.special.expit(x)


expit.defvjp(lambda xp, g, y: g * (y * (1 - y)))


@primitive
def logit(xp: Any, x: Array, /) -> Array:
    """``log(x / (1 - x))``, the inverse of :func:`expit`, for ``x`` from 0 to 1."""
    return xp.special.logit(x)


logit.defvjp(lambda xp, g, x: g / (x * (1 - x)))


@primitive
def log_expit(xp: Any, x: Array, /) -> Array:
    """``log(expit(x))``, exact for any ``x``."""
    return xp.special.log_expit(x)


log_expit.defvjp(lambda xp, g, x: g * xp.special.expit(-x))


def logsumexp(a: Any, axis: Axis = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """``log(sum(b * exp(a)))`` over the given axes, or over all, without overflow.

    Parameters
    ----------
    a : Tensor
        Real floating.
    axis : int or tuple of int, optional
        Axes to sum over.
    b : Tensor or number, optional
        Weights, which broadcast; they may be zero or negative.
    keepdims : bool
        Whether to keep the summed axes, with length one.
    return_sign : bool
        Whether to return the sign of the sum too; without it a negative sum gives NaN.

    Returns
    -------
    Tensor, or two
        The logarithm (of the modulus of the sum, with ``return_sign``), and the sign.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.logsumexp(fw.asarray([1000.0, 1000.0]), b=fw.asarray([1.0, 0.0]))
    Tensor(1000.)
    """
    if b is None and not return_sign:
        return reduction.logsumexp(a, axis=axis, keepdims=keepdims)
    weighted, top = _scaled(a, axis, b)
    total = reduction.sum(weighted, axis=axis, keepdims=True)
    sign = elementwise.sign(total)
    result = elementwise.log(elementwise.abs(total) if return_sign else total) + top
    if not keepdims:
        axes = tuple(range(total.ndim)) if axis is None else axis
        result, sign = squeeze(result, axes), squeeze(sign, axes)
    return (result, sign) if return_sign else result


def _scaled(a: Any, axis: Axis, b: Any) -> tuple[Any, Any]:
    """``b * exp(a - top)`` and ``top``, a constant: the largest ``a`` that is finite and not weighted with zero."""
    if b is not None:
        a = elementwise.where(elementwise.not_equal(b, 0), a, -float("inf"))
    top = reduction.max(a.detach(), axis=axis, keepdims=True)
    top = elementwise.where(elementwise.isfinite(top), top, 0.0)
    scaled = elementwise.exp(a - top)
    return (scaled if b is None else scaled * b), top


def softmax(x: Any, axis: Axis = None) -> Any:
    """``exp(x) / sum(exp(x))`` over the given axes, or over all.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.softmax(fw.asarray([[0.0, 0.0], [0.0, 0.0]]))
    Tensor([[0.25, 0.25],
            [0.25, 0.25]])
    """
    return plain.softmax(x, axis=axis) if isinstance(axis, int) else elementwise.exp(log_softmax(x, axis))


def log_softmax(x: Any, axis: Axis = None) -> Any:
    """Logarithm of :func:`softmax`, exact where that underflows."""
    if isinstance(axis, int):
        return plain.log_softmax(x, axis=axis)
    return x - reduction.logsumexp(x, axis=axis, keepdims=True)
