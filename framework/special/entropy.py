"""Products with logarithms that are 0 where the factor is: entropies and divergences."""

from __future__ import annotations

from typing import Any

from framework.autograd.primitive import primitive
from framework.special.numbers import as_arrays

Array = Any


def _where_not(xp: Any, condition: Array, x: Array) -> Array:
    """``x``, with 1 where the condition holds."""
    return xp.where(condition, xp.ones_like(x), x)


def _quotient(xp: Any, x1: Array, x2: Array) -> Array:
    """``x1 / x2``, and 0 where both are 0."""
    return x1 / _where_not(xp, xp.logical_and(x1 == 0, x2 == 0), x2)


@primitive
def xlogy(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1 * log(x2)``, and 0 where ``x1`` is 0, with a gradient of 0 there if ``x2`` is not positive.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.xlogy(fw.asarray([0.0, 2.0]), fw.asarray([0.0, 1.0]))
    Tensor([0., 0.])
    """
    return xp.special.xlogy(*as_arrays(xp, x1, x2))


def _xlogy_first(xp: Any, g: Array, x1: Array, x2: Array) -> Array:
    _, x1, x2 = as_arrays(xp, g, x1, x2)
    return g * xp.log(_where_not(xp, xp.logical_and(x1 == 0, x2 <= 0), x2))


def _xlogy_second(xp: Any, g: Array, x1: Array, x2: Array) -> Array:
    _, x1, x2 = as_arrays(xp, g, x1, x2)
    return g * _quotient(xp, x1, x2)


xlogy.defvjp(_xlogy_first, _xlogy_second)


@primitive
def xlog1py(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1 * log1p(x2)``, and 0 where ``x1`` is 0, with a gradient of 0 there if ``x2`` is not above -1."""
    return xp.special.xlog1py(*as_arrays(xp, x1, x2))


def _xlog1py_first(xp: Any, g: Array, x1: Array, x2: Array) -> Array:
    _, x1, x2 = as_arrays(xp, g, x1, x2)
    return g * xp.log1p(xp.where(xp.logical_and(x1 == 0, x2 <= -1), xp.zeros_like(x2), x2))


def _xlog1py_second(xp: Any, g: Array, x1: Array, x2: Array) -> Array:
    _, x1, x2 = as_arrays(xp, g, x1, x2)
    return g * _quotient(xp, x1, 1 + x2)


xlog1py.defvjp(_xlog1py_first, _xlog1py_second)


@primitive
def entr(xp: Any, x: Array, /) -> Array:
    """``-x * log(x)``, 0 at 0, where the gradient is infinite, and -inf below."""
    return xp.special.entr(x)


entr.defvjp(lambda xp, g, x: -g * (xp.log(x) + 1))


def _log_ratio(xp: Any, x1: Array, x2: Array) -> Array:
    """``log(x1 / x2)``, and 0 where both are 0."""
    empty = xp.logical_and(x1 == 0, x2 == 0)
    return xp.log(_where_not(xp, empty, x1)) - xp.log(_where_not(xp, empty, x2))


@primitive
def rel_entr(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1 * log(x1 / x2)``, 0 where ``x1`` is 0, and inf where an argument is negative or ``x2`` is 0."""
    return xp.special.rel_entr(*as_arrays(xp, x1, x2))


def _rel_entr_first(xp: Any, g: Array, x1: Array, x2: Array) -> Array:
    _, x1, x2 = as_arrays(xp, g, x1, x2)
    return g * (_log_ratio(xp, x1, x2) + 1)


def _rel_entr_second(xp: Any, g: Array, x1: Array, x2: Array) -> Array:
    _, x1, x2 = as_arrays(xp, g, x1, x2)
    return -g * _quotient(xp, x1, x2)


rel_entr.defvjp(_rel_entr_first, _rel_entr_second)


@primitive
def kl_div(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1 * log(x1 / x2) - x1 + x2``, ``x2`` where ``x1`` is 0, and inf as :func:`rel_entr` is."""
    return xp.special.kl_div(*as_arrays(xp, x1, x2))


def _kl_div_first(xp: Any, g: Array, x1: Array, x2: Array) -> Array:
    _, x1, x2 = as_arrays(xp, g, x1, x2)
    return g * _log_ratio(xp, x1, x2)


def _kl_div_second(xp: Any, g: Array, x1: Array, x2: Array) -> Array:
    _, x1, x2 = as_arrays(xp, g, x1, x2)
    return g * (1 - _quotient(xp, x1, x2))


kl_div.defvjp(_kl_div_first, _kl_div_second)
