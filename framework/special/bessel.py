"""Bessel functions by families: ordinary ones, modified ones, and spherical ones with the sinc function.

The derivative of a Bessel function is a sum of those of neighbouring orders. The rules say it so, and do not
divide by ``x``: derivatives of every order are right at 0 too.
"""

from __future__ import annotations

from math import pi
from operator import index
from typing import Any

from framework.autograd.primitive import primitive

Array = Any

# ----------------------------------------------------------------------------------------------- ordinary


@primitive
def j0(xp: Any, x: Array, /) -> Array:
    """Bessel function of the first kind of order 0."""
    return xp.special.j0(x)


j0.defvjp(lambda xp, g, x: -g * xp.special.j1(x))


@primitive
def j1(xp: Any, x: Array, /) -> Array:
    """Bessel function of the first kind of order 1."""
    return xp.special.j1(x)


j1.defvjp(lambda xp, g, x: g * (0.5 * (xp.special.j0(x) - xp.special.jv(2.0, x))))


@primitive
def _jv(xp: Any, z: Array, /, *, v: float) -> Array:
    return xp.special.jv(v, z)


_jv.defvjp(lambda xp, g, z, v: g * (0.5 * (xp.special.jv(v - 1, z) - xp.special.jv(v + 1, z))))


def jv(v: float, z: Any) -> Any:
    """Bessel function of the first kind of order ``v``, a number.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.jv(2.0, fw.asarray([0.0]))
    Tensor([0.])
    """
    return _jv(z, v=float(v))


@primitive
def y0(xp: Any, x: Array, /) -> Array:
    """Bessel function of the second kind of order 0, for positive ``x``."""
    return xp.special.y0(x)


y0.defvjp(lambda xp, g, x: -g * xp.special.y1(x))


@primitive
def y1(xp: Any, x: Array, /) -> Array:
    """Bessel function of the second kind of order 1, for positive ``x``."""
    return xp.special.y1(x)


y1.defvjp(lambda xp, g, x: g * (0.5 * (xp.special.y0(x) - xp.special.yv(2.0, x))))


@primitive
def _yv(xp: Any, z: Array, /, *, v: float) -> Array:
    return xp.special.yv(v, z)


_yv.defvjp(lambda xp, g, z, v: g * (0.5 * (xp.special.yv(v - 1, z) - xp.special.yv(v + 1, z))))


def yv(v: float, z: Any) -> Any:
    """Bessel function of the second kind of order ``v``, a number, for positive ``z``."""
    return _yv(z, v=float(v))


# ----------------------------------------------------------------------------------------------- modified


@primitive
def i0(xp: Any, x: Array, /) -> Array:
    """Modified Bessel function of the first kind of order 0."""
    return xp.special.i0(x)


i0.defvjp(lambda xp, g, x: g * xp.special.i1(x))


@primitive
def i1(xp: Any, x: Array, /) -> Array:
    """Modified Bessel function of the first kind of order 1."""
    return xp.special.i1(x)


i1.defvjp(lambda xp, g, x: g * (0.5 * (xp.special.i0(x) + xp.special.iv(2.0, x))))


@primitive
def i0e(xp: Any, x: Array, /) -> Array:
    """``exp(-abs(x)) * i0(x)``; the gradient at 0 is 0."""
    return xp.special.i0e(x)


i0e.defvjp(lambda xp, g, y, x: g * (xp.special.i1e(x) - xp.sign(x) * y))


@primitive
def i1e(xp: Any, x: Array, /) -> Array:
    """``exp(-abs(x)) * i1(x)``."""
    return xp.special.i1e(x)


i1e.defvjp(lambda xp, g, y, x: g * (0.5 * (xp.special.i0e(x) + xp.special.ive(2.0, x)) - xp.sign(x) * y))


@primitive
def _iv(xp: Any, z: Array, /, *, v: float) -> Array:
    return xp.special.iv(v, z)


_iv.defvjp(lambda xp, g, z, v: g * (0.5 * (xp.special.iv(v - 1, z) + xp.special.iv(v + 1, z))))


def iv(v: float, z: Any) -> Any:
    """Modified Bessel function of the first kind of order ``v``, a number.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.iv(2.0, fw.asarray([0.0]))
    Tensor([0.])
    """
    return _iv(z, v=float(v))


@primitive
def _ive(xp: Any, z: Array, /, *, v: float) -> Array:
    return xp.special.ive(v, z)


_ive.defvjp(lambda xp, g, y, z, v: g * (0.5 * (xp.special.ive(v - 1, z) + xp.special.ive(v + 1, z)) - xp.sign(z) * y))


def ive(v: float, z: Any) -> Any:
    """``exp(-abs(z)) * iv(v, z)``."""
    return _ive(z, v=float(v))


@primitive
def k0(xp: Any, x: Array, /) -> Array:
    """Modified Bessel function of the second kind of order 0, for positive ``x``."""
    return xp.special.k0(x)


k0.defvjp(lambda xp, g, x: -g * xp.special.k1(x))


@primitive
def k1(xp: Any, x: Array, /) -> Array:
    """Modified Bessel function of the second kind of order 1, for positive ``x``."""
    return xp.special.k1(x)


k1.defvjp(lambda xp, g, x: g * (-0.5 * (xp.special.k0(x) + xp.special.kv(2.0, x))))


@primitive
def _kv(xp: Any, z: Array, /, *, v: float) -> Array:
    return xp.special.kv(v, z)


_kv.defvjp(lambda xp, g, z, v: g * (-0.5 * (xp.special.kv(v - 1, z) + xp.special.kv(v + 1, z))))


def kv(v: float, z: Any) -> Any:
    """Modified Bessel function of the second kind of order ``v``, a number, for positive ``z``."""
    return _kv(z, v=float(v))


@primitive
def k0e(xp: Any, x: Array, /) -> Array:
    """``exp(x) * k0(x)``."""
    return xp.special.k0e(x)


k0e.defvjp(lambda xp, g, y, x: g * (y - xp.special.k1e(x)))


@primitive
def k1e(xp: Any, x: Array, /) -> Array:
    """``exp(x) * k1(x)``."""
    return xp.special.k1e(x)


k1e.defvjp(lambda xp, g, y, x: g * (y - 0.5 * (xp.special.k0e(x) + xp.special.kve(2.0, x))))


@primitive
def _kve(xp: Any, z: Array, /, *, v: float) -> Array:
    return xp.special.kve(v, z)


_kve.defvjp(lambda xp, g, y, z, v: g * (y - 0.5 * (xp.special.kve(v - 1, z) + xp.special.kve(v + 1, z))))


def kve(v: float, z: Any) -> Any:
    """``exp(z) * kv(v, z)``."""
    return _kve(z, v=float(v))


# ---------------------------------------------------------------------------------------------- spherical


@primitive
def _spherical_jn(xp: Any, z: Array, /, *, n: int) -> Array:
    return xp.astype(xp.special.spherical_jn(n, z), z.dtype, copy=False)


def _spherical_jn_rule(xp: Any, g: Array, z: Array, n: int) -> Array:
    if n == 0:
        return -g * xp.special.spherical_jn(1, z)
    below, above = xp.special.spherical_jn(n - 1, z), xp.special.spherical_jn(n + 1, z)
    return g * ((n * below - (n + 1) * above) / (2 * n + 1))


_spherical_jn.defvjp(_spherical_jn_rule)


def spherical_jn(n: int, z: Any) -> Any:
    """Spherical Bessel function of the first kind of order ``n``, a whole number of at least 0."""
    n = index(n)
    if n < 0:
        raise ValueError(f"spherical_jn: n must be at least 0, got {n}")
    return _spherical_jn(z, n=n)


@primitive
def sinc(xp: Any, x: Array, /) -> Array:
    """``sin(pi * x) / (pi * x)``, and 1 at 0.

    Examples
    --------
    >>> import framework as fw
    >>> fw.special.sinc(fw.asarray([0.0]))
    Tensor([1.])
    """
    return xp.special.sinc(x)


sinc.defvjp(lambda xp, g, x: g * (-pi * xp.special.spherical_jn(1, pi * x)))
