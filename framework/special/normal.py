"""The error function, the normal distribution, and their inverses."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from framework.autograd.precision import precision
from framework.autograd.primitive import primitive

Array = Any

_ERF_SLOPE = 2 / sqrt(pi)
_NORMAL_PEAK = 1 / sqrt(2 * pi)


@primitive
def erf(xp: Any, x: Array, /) -> Array:
    """Error function: ``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to ``x``."""
    return xp.special.erf(x)


erf.defvjp(lambda xp, g, x: g * (_ERF_SLOPE * xp.exp(-x * x)))


@primitive
def erfc(xp: Any, x: Array, /) -> Array:
    """``1 - erf(x)``, exact for large ``x``."""
    return xp.special.erfc(x)


erfc.defvjp(lambda xp, g, x: g * (-_ERF_SLOPE * xp.exp(-x * x)))


@primitive
def erfcx(xp: Any, x: Array, /) -> Array:
    """``exp(x**2) * erfc(x)``, which stays away from 0 for large ``x``."""
    return xp.special.erfcx(x)


erfcx.defvjp(lambda xp, g, y, x: g * (2 * x * y - _ERF_SLOPE))


@precision("float32")
@primitive
def erfinv(xp: Any, x: Array, /) -> Array:
    """Inverse of :func:`erf`, for ``x`` from -1 to 1, where it is infinite and so is its gradient."""
    return xp.special.erfinv(x)


erfinv.defvjp(lambda xp, g, y: g * (xp.exp(y * y) / _ERF_SLOPE))


@primitive
def erfcinv(xp: Any, x: Array, /) -> Array:
    """Inverse of :func:`erfc`, for ``x`` from 0 to 2."""
    return xp.special.erfcinv(x)


erfcinv.defvjp(lambda xp, g, y: g * (xp.exp(y * y) / -_ERF_SLOPE))


@primitive
def ndtr(xp: Any, x: Array, /) -> Array:
    """Probability that a standard normal variable is below ``x``.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.ndtr(fw.asarray([0.0]))
    Tensor([0.5])
    """
    return xp.special.ndtr(x)


ndtr.defvjp(lambda xp, g, x: g * (_NORMAL_PEAK * xp.exp(-0.5 * x * x)))


@primitive
def ndtri(xp: Any, y: Array, /) -> Array:
    """Inverse of :func:`ndtr`, for probabilities from 0 to 1."""
    return xp.special.ndtri(y)


# A rule's ``y`` is the output: the quantile.
ndtri.defvjp(lambda xp, g, y: g * (xp.exp(0.5 * y * y) / _NORMAL_PEAK))


@primitive
def log_ndtr(xp: Any, x: Array, /) -> Array:
    """``log(ndtr(x))``, exact also where :func:`ndtr` underflows."""
    return xp.special.log_ndtr(x)


def _log_ndtr_rule(xp: Any, g: Array, y: Array, x: Array) -> Array:
    """Density over probability; below zero, where both underflow, by way of ``erfcx``."""
    below, zero = x < 0, xp.zeros_like(x)
    lower = 2 * _NORMAL_PEAK / xp.special.erfcx(xp.where(below, x, zero) / -sqrt(2))
    x, y = xp.where(below, zero, x), xp.where(below, zero, y)
    return g * xp.where(below, lower, _NORMAL_PEAK * xp.exp(-0.5 * x * x - y))


log_ndtr.defvjp(_log_ndtr_rule)
