"""Losses that grow less than a square does, and so mind outliers less."""

from __future__ import annotations

from typing import Any

from framework.autograd.primitive import primitive
from framework.special.numbers import as_arrays

Array = Any


@primitive
def huber(xp: Any, delta: Array, r: Array, /) -> Array:
    """``r**2 / 2`` where ``abs(r) <= delta``, beyond it straight: ``delta * (abs(r) - delta / 2)``.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.huber(1.0, fw.asarray([0.5, 2.0]))
    Tensor([0.125, 1.5  ])
    """
    return xp.special.huber(*as_arrays(xp, delta, r))


def _huber_first(xp: Any, g: Array, delta: Array, r: Array) -> Array:
    delta, r = as_arrays(xp, delta, r)
    return g * xp.maximum(xp.abs(r) - delta, xp.zeros_like(r))


def _huber_second(xp: Any, g: Array, delta: Array, r: Array) -> Array:
    delta, r = as_arrays(xp, delta, r)
    return g * xp.maximum(xp.minimum(r, delta), -delta)


huber.defvjp(_huber_first, _huber_second)


@primitive
def pseudo_huber(xp: Any, delta: Array, r: Array, /) -> Array:
    """``delta**2 * (sqrt(1 + (r / delta)**2) - 1)``, a smooth :func:`huber`, for positive ``delta``."""
    return xp.special.pseudo_huber(*as_arrays(xp, delta, r))


def _pseudo_huber_first(xp: Any, g: Array, delta: Array, r: Array) -> Array:
    delta, r = as_arrays(xp, delta, r)
    root = xp.hypot(delta, r)
    return g * (root - delta) ** 2 / root


def _pseudo_huber_second(xp: Any, g: Array, delta: Array, r: Array) -> Array:
    delta, r = as_arrays(xp, delta, r)
    return g * delta * r / xp.hypot(delta, r)


pseudo_huber.defvjp(_pseudo_huber_first, _pseudo_huber_second)
