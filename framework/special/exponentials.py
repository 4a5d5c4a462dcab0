"""Powers, exponentials and their integrals, exact where the plain formula is not."""

from __future__ import annotations

from math import log
from operator import index
from typing import Any

from framework.autograd.primitive import primitive
from framework.special.numbers import as_arrays
from framework.special.parameters import no_gradient

Array = Any


@primitive
def cbrt(xp: Any, x: Array, /) -> Array:
    """Cube root, real also for negative ``x``; the gradient at 0 is infinite.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.cbrt(fw.asarray([-8.0]))
    Tensor([-2.])
    """
    return xp.special.cbrt(x)


cbrt.defvjp(lambda xp, g, y: g / (3 * y * y))


@primitive
def exp2(xp: Any, x: Array, /) -> Array:
    """``2**x``."""
    return xp.special.exp2(x)


exp2.defvjp(lambda xp, g, y: g * y * log(2))


@primitive
def exp10(xp: Any, x: Array, /) -> Array:
    """``10**x``."""
    return xp.special.exp10(x)


exp10.defvjp(lambda xp, g, y: g * y * log(10))


@primitive
def cosm1(xp: Any, x: Array, /) -> Array:
    """``cos(x) - 1``, exact for small ``x``."""
    return xp.special.cosm1(x)


cosm1.defvjp(lambda xp, g, x: -g * xp.sin(x))


@primitive
def hyp1f1(xp: Any, a: Array, b: Array, x: Array, /) -> Array:
    """Confluent hypergeometric function. No gradient flows through ``a`` and ``b``."""
    return xp.special.hyp1f1(*as_arrays(xp, a, b, x))


hyp1f1.defvjp(
    no_gradient("hyp1f1", "a"),
    no_gradient("hyp1f1", "b"),
    lambda xp, g, a, b, x: g * (a / b * xp.special.hyp1f1(a + 1.0, b + 1.0, x)),
)


@primitive
def exprel(xp: Any, x: Array, /) -> Array:
    """``(exp(x) - 1) / x``, and 1 at 0."""
    return xp.special.exprel(x)


def _exprel_slope(xp: Any, x: Array) -> Array:
    """Its derivative, without a division by ``x``: ``exprel(x)`` is ``hyp1f1(1, 2, x)``."""
    return 0.5 * xp.special.hyp1f1(2.0, 3.0, x)


exprel.defvjp(lambda xp, g, x: g * _exprel_slope(xp, x))


@primitive
def exp1(xp: Any, x: Array, /) -> Array:
    """Exponential integral: ``exp(-t) / t`` from ``x`` to infinity, for positive ``x``."""
    return xp.special.exp1(x)


exp1.defvjp(lambda xp, g, x: -g * xp.exp(-x) / x)


@primitive
def expi(xp: Any, x: Array, /) -> Array:
    """Exponential integral: ``exp(t) / t`` from minus infinity to ``x``, its principal value."""
    return xp.special.expi(x)


expi.defvjp(lambda xp, g, x: g * xp.exp(x) / x)


@primitive
def _expn(xp: Any, x: Array, /, *, n: int) -> Array:
    return xp.special.expn(float(n), x)


def _expn_rule(xp: Any, g: Array, x: Array, n: int) -> Array:
    if n == 0:
        return -g * xp.exp(-x) * (1 + 1 / x) / x
    return -g * xp.special.expn(n - 1, x)


_expn.defvjp(_expn_rule)


def expn(n: int, x: Any) -> Any:
    """Exponential integral of order ``n``: ``exp(-x * t) / t**n`` for ``t`` from 1 to infinity.

    Parameters
    ----------
    n : int
        At least 0.
    x : Tensor
        Real floating, positive.

    Raises
    ------
    ValueError
        If ``n`` is negative.
    """
    n = index(n)
    if n < 0:
        raise ValueError(f"expn: n must be at least 0, got {n}")
    return _expn(x, n=n)


@primitive
def boxcox(xp: Any, x: Array, lmbda: Array, /) -> Array:
    """Box and Cox's transform ``(x**lmbda - 1) / lmbda`` of positive ``x``, and ``log(x)`` where ``lmbda`` is 0.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.boxcox(fw.asarray([3.0]), 2.0)
    Tensor([4.])
    """
    return xp.special.boxcox(*as_arrays(xp, x, lmbda))


def _boxcox_second(xp: Any, g: Array, x: Array, lmbda: Array) -> Array:
    """``boxcox`` is ``log(x) * exprel(lmbda * log(x))``."""
    log_x = xp.log(x) if hasattr(x, "dtype") else log(x)
    return g * log_x**2 * _exprel_slope(xp, lmbda * log_x)


boxcox.defvjp(lambda xp, g, x, lmbda: g * x ** (lmbda - 1.0), _boxcox_second)
