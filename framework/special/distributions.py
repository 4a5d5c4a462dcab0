"""Incomplete gamma and beta functions, and the distributions that they make: chi-squared, Poisson's, Student's t, F.

A gradient flows through the last argument only, the one that the integral runs up to; degrees of freedom and
other parameters that require one raise RuntimeError in the backward pass.
"""

from __future__ import annotations

import math
from typing import Any

from framework.autograd.graph import Variable
from framework.autograd.primitive import primitive
from framework.ops import elementwise
from framework.special.numbers import as_arrays
from framework.special.parameters import no_gradient

Array = Any


@primitive
def gammainc(xp: Any, a: Array, x: Array, /) -> Array:
    """Regularized lower incomplete gamma function. No gradient flows through ``a``."""
    return xp.special.gammainc(*as_arrays(xp, a, x))


def _gamma_density(xp: Any, a: Array, x: Array) -> Array:
    a, x = as_arrays(xp, a, x)
    return xp.exp(xp.special.xlogy(a - 1, x) - x - xp.special.gammaln(a))


gammainc.defvjp(no_gradient("gammainc", "a"), lambda xp, g, a, x: g * _gamma_density(xp, a, x))


@primitive
def gammaincc(xp: Any, a: Array, x: Array, /) -> Array:
    """``1 - gammainc(a, x)``, exact where it is small. No gradient flows through ``a``."""
    return xp.special.gammaincc(*as_arrays(xp, a, x))


gammaincc.defvjp(no_gradient("gammaincc", "a"), lambda xp, g, a, x: -g * _gamma_density(xp, a, x))


@primitive
def gammaincinv(xp: Any, a: Array, y: Array, /) -> Array:
    """The ``x`` for which ``gammainc(a, x)`` is ``y``. No gradient flows through ``a``."""
    return xp.special.gammaincinv(*as_arrays(xp, a, y))


@primitive
def gammainccinv(xp: Any, a: Array, y: Array, /) -> Array:
    """The ``x`` for which ``gammaincc(a, x)`` is ``y``. No gradient flows through ``a``."""
    return xp.special.gammainccinv(*as_arrays(xp, a, y))


# A rule's ``y`` is the output: the bound of the integral.
gammaincinv.defvjp(no_gradient("gammaincinv", "a"), lambda xp, g, y, a: g / _gamma_density(xp, a, y))
gammainccinv.defvjp(no_gradient("gammainccinv", "a"), lambda xp, g, y, a: -g / _gamma_density(xp, a, y))


@primitive
def betainc(xp: Any, a: Array, b: Array, x: Array, /) -> Array:
    """Regularized incomplete beta function. No gradient flows through ``a`` and ``b``."""
    return xp.special.betainc(*as_arrays(xp, a, b, x))


def _beta_density(xp: Any, a: Array, b: Array, x: Array) -> Array:
    a, b, x = as_arrays(xp, a, b, x)
    return xp.exp(xp.special.xlogy(a - 1, x) + xp.special.xlog1py(b - 1, -x) - xp.special.betaln(a, b))


betainc.defvjp(
    no_gradient("betainc", "a"), no_gradient("betainc", "b"), lambda xp, g, a, b, x: g * _beta_density(xp, a, b, x)
)


@primitive
def betaincc(xp: Any, a: Array, b: Array, x: Array, /) -> Array:
    """``1 - betainc(a, b, x)``, exact where it is small. No gradient flows through ``a`` and ``b``."""
    return xp.special.betaincc(*as_arrays(xp, a, b, x))


betaincc.defvjp(
    no_gradient("betaincc", "a"), no_gradient("betaincc", "b"), lambda xp, g, a, b, x: -g * _beta_density(xp, a, b, x)
)


@primitive
def stdtr(xp: Any, df: Array, t: Array, /) -> Array:
    """Probability that Student's t with ``df`` degrees of freedom is below ``t``. No gradient flows through ``df``."""
    return xp.special.stdtr(*as_arrays(xp, df, t))


def _student_density(xp: Any, df: Array, t: Array) -> Array:
    df, t = as_arrays(xp, df, t)
    half = xp.full_like(df, 0.5)
    return xp.exp(-0.5 * (df + 1) * xp.log1p(t * t / df) - xp.special.betaln(0.5 * df, half)) / xp.sqrt(df)


stdtr.defvjp(no_gradient("stdtr", "df"), lambda xp, g, df, t: g * _student_density(xp, df, t))


def chdtr(v: Any, x: Any) -> Any:
    """Probability that chi-squared with ``v`` degrees of freedom is below ``x``. No gradient flows through ``v``."""
    return gammainc(0.5 * v, 0.5 * x)


def chdtrc(v: Any, x: Any) -> Any:
    """Probability that chi-squared with ``v`` degrees of freedom is above ``x``. No gradient flows through ``v``."""
    return gammaincc(0.5 * v, 0.5 * x)


def chdtri(v: Any, p: Any) -> Any:
    """The ``x`` for which ``chdtrc(v, x)`` is ``p``. No gradient flows through ``v``."""
    return 2 * gammainccinv(0.5 * v, p)


def _floor(k: Any) -> Any:
    return elementwise.floor(k) if isinstance(k, Variable) else math.floor(k)


def pdtr(k: Any, m: Any) -> Any:
    """Probability of at most ``k`` events where ``m`` are expected (Poisson). No gradient flows through ``k``."""
    return gammaincc(_floor(k) + 1.0, m)


def pdtrc(k: Any, m: Any) -> Any:
    """Probability of more than ``k`` events where ``m`` are expected (Poisson). No gradient flows through ``k``."""
    return gammainc(_floor(k) + 1.0, m)


def fdtr(dfn: Any, dfd: Any, x: Any) -> Any:
    """Probability that F with ``dfn`` and ``dfd`` degrees of freedom is below ``x``.

    No gradient flows through ``dfn`` and ``dfd``.
    """
    return betainc(0.5 * dfn, 0.5 * dfd, dfn * x / (dfd + dfn * x))


def fdtrc(dfn: Any, dfd: Any, x: Any) -> Any:
    """Probability that F with ``dfn`` and ``dfd`` degrees of freedom is above ``x``.

    No gradient flows through ``dfn`` and ``dfd``.
    """
    return betainc(0.5 * dfd, 0.5 * dfn, dfd / (dfd + dfn * x))
