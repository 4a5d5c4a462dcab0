"""The gamma function and what is made of it: its logarithm's derivatives, beta, binomials, Hurwitz's zeta."""

from __future__ import annotations

from math import factorial, log, pi
from operator import index
from typing import Any

from framework.autograd.primitive import primitive
from framework.special.numbers import as_arrays
from framework.special.parameters import no_gradient

Array = Any


@primitive
def gamma(xp: Any, z: Array, /) -> Array:
    """Gamma function.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.gamma(fw.asarray([5.0]))
    Tensor([24.])
    """
    return xp.special.gamma(z)


gamma.defvjp(lambda xp, g, y, z: g * y * xp.special.digamma(z))


@primitive
def gammaln(xp: Any, x: Array, /) -> Array:
    """Logarithm of the modulus of the gamma function."""
    return xp.special.gammaln(x)


gammaln.defvjp(lambda xp, g, x: g * xp.special.digamma(x))


@primitive
def loggamma(xp: Any, z: Array, /) -> Array:
    """Logarithm of the gamma function, real (for positive ``z``) or complex (its principal branch).

    The gradient of a complex one has itself none: :func:`digamma` has a derivative for real numbers only.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.loggamma(fw.asarray([3.0, 4.0]))
    Tensor([0.6931472, 1.7917595])
    """
    return xp.special.loggamma(z)


loggamma.defvjp(lambda xp, g, z: g * xp.special.digamma(z))


@primitive
def rgamma(xp: Any, z: Array, /) -> Array:
    """``1 / gamma(z)``; the gradient at 0, -1, -2, ... is NaN."""
    return xp.special.rgamma(z)


rgamma.defvjp(lambda xp, g, y, z: -g * y * xp.special.digamma(z))


def multigammaln(a: Any, d: int) -> Any:
    """Logarithm of the multivariate gamma function of dimension ``d``, for ``a > (d - 1) / 2``."""
    d = index(d)
    total = gammaln(a) + d * (d - 1) / 4 * log(pi)
    for j in range(1, d):
        total = total + gammaln(a - 0.5 * j)
    return total


@primitive
def digamma(xp: Any, z: Array, /) -> Array:
    """Derivative of :func:`gammaln`; ``psi`` is another name of it."""
    return xp.special.digamma(z)


digamma.defvjp(lambda xp, g, z: g * xp.special.zeta(2.0, z))

psi = digamma


@primitive
def _zeta(xp: Any, x: Array, q: Array, /) -> Array:
    return xp.special.zeta(*as_arrays(xp, x, q))


_zeta.defvjp(no_gradient("zeta", "x"), lambda xp, g, x, q: -g * x * xp.special.zeta(x + 1, q))


def zeta(x: Any, q: Any = None) -> Any:
    """Hurwitz's zeta function, the sum of ``(q + k)**-x`` over ``k = 0, 1, ...``; Riemann's without ``q``.

    NaN for ``x`` below 1, where the sum has no value. A gradient flows through ``q`` only.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.zeta(2.0, fw.asarray([1.0]))
    Tensor([1.644934])
    """
    return _zeta(x, 1.0 if q is None else q)


def polygamma(n: int, x: Any) -> Any:
    """The ``n``-th derivative of :func:`digamma`.

    Parameters
    ----------
    n : int
        At least 0.
    x : Tensor
        Real floating.

    Raises
    ------
    ValueError
        If ``n`` is negative.
    """
    n = index(n)
    if n < 0:
        raise ValueError(f"polygamma: n must be at least 0, got {n}")
    return digamma(x) if n == 0 else (-1.0) ** (n + 1) * factorial(n) * zeta(n + 1.0, x)


@primitive
def beta(xp: Any, a: Array, b: Array, /) -> Array:
    """``gamma(a) * gamma(b) / gamma(a + b)``."""
    return xp.special.beta(*as_arrays(xp, a, b))


def _beta_slope(xp: Any, a: Array, b: Array) -> Array:
    """Of the logarithm of beta, in its first argument."""
    a, b = as_arrays(xp, a, b)
    return xp.special.digamma(a) - xp.special.digamma(a + b)


beta.defvjp(
    lambda xp, g, y, a, b: g * y * _beta_slope(xp, a, b),
    lambda xp, g, y, a, b: g * y * _beta_slope(xp, b, a),
)


@primitive
def betaln(xp: Any, a: Array, b: Array, /) -> Array:
    """Logarithm of the modulus of :func:`beta`."""
    return xp.special.betaln(*as_arrays(xp, a, b))


betaln.defvjp(
    lambda xp, g, a, b: g * _beta_slope(xp, a, b),
    lambda xp, g, a, b: g * _beta_slope(xp, b, a),
)


@primitive
def poch(xp: Any, z: Array, m: Array, /) -> Array:
    """Pochhammer's symbol ``gamma(z + m) / gamma(z)``."""
    return xp.special.poch(*as_arrays(xp, z, m))


poch.defvjp(
    lambda xp, g, y, z, m: g * y * (xp.special.digamma(z + m) - xp.special.digamma(z)),
    lambda xp, g, y, z, m: g * y * xp.special.digamma(z + m),
)


@primitive
def binom(xp: Any, n: Array, k: Array, /) -> Array:
    """Binomial coefficient ``gamma(n + 1) / (gamma(k + 1) * gamma(n - k + 1))``.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.binom(fw.asarray([4.0]), 2.0)
    Tensor([6.])
    """
    return xp.special.binom(*as_arrays(xp, n, k))


def _binom_first(xp: Any, g: Array, y: Array, n: Array, k: Array) -> Array:
    n, k = as_arrays(xp, n, k)
    return g * y * (xp.special.digamma(n + 1) - xp.special.digamma(n - k + 1))


def _binom_second(xp: Any, g: Array, y: Array, n: Array, k: Array) -> Array:
    n, k = as_arrays(xp, n, k)
    return g * y * (xp.special.digamma(n - k + 1) - xp.special.digamma(k + 1))


binom.defvjp(_binom_first, _binom_second)
