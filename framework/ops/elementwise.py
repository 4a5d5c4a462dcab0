"""Elementwise operations.

Each takes tensors or numbers (at least one tensor), broadcasts them, promotes their dtypes as the Array API
standard says (numbers never promote a tensor but to complex), and gives a new tensor. A docstring says where
a gradient is defined by choice, and where there is none.

>>> import framework as fw
>>> fw.maximum(fw.asarray([[1], [3]]), fw.asarray([2, 4]))
Tensor([[2, 4],
        [3, 4]])
"""

from __future__ import annotations

import cmath
import math
from typing import Any

from framework.autograd.precision import precision
from framework.autograd.primitive import primitive

Array = Any

# ------------------------------------------------------------------------------------------- arithmetic


@primitive
def add(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1 + x2``, broadcast."""
    return xp.add(x1, x2)


add.defvjp(lambda xp, g: g, lambda xp, g: g)


@primitive
def subtract(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1 - x2``, broadcast."""
    return xp.subtract(x1, x2)


subtract.defvjp(lambda xp, g: g, lambda xp, g: -g)


@primitive
def multiply(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1 * x2``, broadcast."""
    return xp.multiply(x1, x2)


multiply.defvjp(lambda xp, g, x2: g * x2, lambda xp, g, x1: g * x1)


@primitive
def divide(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1 / x2``, broadcast."""
    return xp.divide(x1, x2)


divide.defvjp(lambda xp, g, x2: g / x2, lambda xp, g, y, x2: -g * y / x2)


@primitive
def floor_divide(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1 // x2``, rounded towards minus infinity; its gradient is zero almost everywhere, so it has none."""
    return xp.floor_divide(x1, x2)


@primitive
def remainder(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1 % x2``, with the sign of ``x2``."""
    return xp.remainder(x1, x2)


remainder.defvjp(lambda xp, g: g, lambda xp, g, x1, x2: -g * xp.floor_divide(x1, x2))


@precision("float32")
@primitive
def pow(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1 ** x2``, broadcast."""
    return xp.pow(x1, x2)


def _pow_base(xp: Any, g: Array, x1: Array, x2: Any) -> Array:
    if isinstance(x2, int | float | complex):
        return xp.zeros_like(g) if x2 == 0 else g * x2 * x1 ** (x2 - 1)
    # x1**-1 is infinite at 0 and NaN at NaN, 0 times it must be 0. Elsewhere it stays: its derivative in x2 counts.
    zero = xp.logical_and(x2 == 0, xp.logical_not(xp.abs(x1) > 0))
    return g * x2 * xp.pow(x1, xp.where(zero, xp.ones_like(x2), x2) - 1)


def _pow_exponent(xp: Any, g: Array, y: Array, x1: Any, x2: Array) -> Array:
    if isinstance(x1, int | float | complex):
        return g * y * _log_of_number(x1, xp.isdtype(y.dtype, "complex floating"))
    zero = xp.logical_and(x1 == 0, xp.isfinite(y))
    return g * xp.where(zero, xp.zeros_like(y), y * xp.log(xp.where(zero, xp.ones_like(x1), x1)))


def _log_of_number(x: complex, complex_result: bool) -> complex:
    """log(x), but 0 for 0, whose powers do not change, and NaN where the result is not real but must be."""
    if x == 0:
        return 0.0
    if complex_result:
        return cmath.log(x)
    return math.log(x) if isinstance(x, int | float) and x > 0 else math.nan


pow.defvjp(_pow_base, _pow_exponent)


@primitive
def negative(xp: Any, x: Array, /) -> Array:
    """``-x``."""
    return xp.negative(x)


negative.defvjp(lambda xp, g: -g)


@primitive
def positive(xp: Any, x: Array, /) -> Array:
    """``+x``, a copy."""
    return xp.positive(x)


positive.defvjp(lambda xp, g: g)


@precision("float32")
@primitive
def reciprocal(xp: Any, x: Array, /) -> Array:
    """``1 / x``."""
    return xp.reciprocal(x)


reciprocal.defvjp(lambda xp, g, y: -g * y * y)


@precision("float32")
@primitive
def square(xp: Any, x: Array, /) -> Array:
    """``x * x``."""
    return xp.square(x)


square.defvjp(lambda xp, g, x: 2 * g * x)


@primitive
def sqrt(xp: Any, x: Array, /) -> Array:
    """Square root; the gradient at 0 is infinite."""
    return xp.sqrt(x)


sqrt.defvjp(lambda xp, g, y: g / (2 * y))


@primitive(holomorphic=False)
def abs(xp: Any, x: Array, /) -> Array:
    """Absolute value; the gradient at 0 is 0."""
    return xp.abs(x)


abs.defvjp(lambda xp, g, x: g * xp.sign(x))


@primitive(holomorphic=False)
def sign(xp: Any, x: Array, /) -> Array:
    """-1, 0 or 1; ``x / abs(x)`` for complex ``x``. The gradient of the real function is zero."""
    return xp.sign(x)


def _sign_rule(xp: Any, g: Array, y: Array, x: Array) -> Array:
    """Of a complex sign only the turn counts: the part of g at right angles to y, over abs(x)."""
    if not xp.isdtype(x.dtype, "complex floating"):
        return xp.zeros_like(g)
    size = xp.abs(x)
    inverse = xp.where(size == 0, xp.zeros_like(size), 1 / xp.where(size == 0, xp.ones_like(size), size))
    return (g - y * xp.real(xp.conj(y) * g)) * inverse


sign.defvjp(_sign_rule)

# ------------------------------------------------------------------------------ exponents and logarithms


@precision("float32")
@primitive
def exp(xp: Any, x: Array, /) -> Array:
    """Exponential, e to the power ``x``."""
    return xp.exp(x)


exp.defvjp(lambda xp, g, y: g * y)


@precision("float32")
@primitive
def expm1(xp: Any, x: Array, /) -> Array:
    """``exp(x) - 1``, exact for small ``x``."""
    return xp.expm1(x)


expm1.defvjp(lambda xp, g, y: g * (y + 1))


@precision("float32")
@primitive
def log(xp: Any, x: Array, /) -> Array:
    """Natural logarithm."""
    return xp.log(x)


log.defvjp(lambda xp, g, x: g / x)


@precision("float32")
@primitive
def log1p(xp: Any, x: Array, /) -> Array:
    """``log(1 + x)``, exact for small ``x``."""
    return xp.log1p(x)


log1p.defvjp(lambda xp, g, x: g / (1 + x))


@precision("float32")
@primitive
def log2(xp: Any, x: Array, /) -> Array:
    """Logarithm to base 2."""
    return xp.log2(x)


log2.defvjp(lambda xp, g, x: g / (x * math.log(2)))


@precision("float32")
@primitive
def log10(xp: Any, x: Array, /) -> Array:
    """Logarithm to base 10."""
    return xp.log10(x)


log10.defvjp(lambda xp, g, x: g / (x * math.log(10)))


@precision("float32")
@primitive
def logaddexp(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``log(exp(x1) + exp(x2))`` without overflow."""
    return xp.logaddexp(x1, x2)


def _share_of_sum(xp: Any, g: Array, y: Array, x: Any, other: Any) -> Array:
    """``exp(x - y)``; where both are infinite it is the whole, or a half if the other is so too."""
    whole, zero = x == y, xp.zeros_like(y)
    less = xp.where(whole, xp.where(other == y, zero + math.log(2), zero), y)
    return g * xp.exp(xp.where(whole, zero, x) - less)


logaddexp.defvjp(
    lambda xp, g, y, x1, x2: _share_of_sum(xp, g, y, x1, x2),
    lambda xp, g, y, x1, x2: _share_of_sum(xp, g, y, x2, x1),
)

# ------------------------------------------------------------------------------------------ trigonometry


@primitive
def sin(xp: Any, x: Array, /) -> Array:
    """Sine, of radians."""
    return xp.sin(x)


sin.defvjp(lambda xp, g, x: g * xp.cos(x))


@primitive
def cos(xp: Any, x: Array, /) -> Array:
    """Cosine, of radians."""
    return xp.cos(x)


cos.defvjp(lambda xp, g, x: -g * xp.sin(x))


@precision("float32")
@primitive
def tan(xp: Any, x: Array, /) -> Array:
    """Tangent, of radians."""
    return xp.tan(x)


tan.defvjp(lambda xp, g, y: g * (1 + y * y))


@precision("float32")
@primitive
def asin(xp: Any, x: Array, /) -> Array:
    """Arc sine, in radians."""
    return xp.asin(x)


asin.defvjp(lambda xp, g, x: g / xp.sqrt(1 - x * x))


@precision("float32")
@primitive
def acos(xp: Any, x: Array, /) -> Array:
    """Arc cosine, in radians."""
    return xp.acos(x)


acos.defvjp(lambda xp, g, x: -g / xp.sqrt(1 - x * x))


@primitive
def atan(xp: Any, x: Array, /) -> Array:
    """Arc tangent, in radians."""
    return xp.atan(x)


atan.defvjp(lambda xp, g, x: g / (1 + x * x))


@primitive
def atan2(xp: Any, x1: Array, x2: Array, /) -> Array:
    """Angle of the point ``(x2, x1)``, in radians; the gradient at the origin is 0."""
    return xp.atan2(x1, x2)


def _nonzero_square(xp: Any, x1: Any, x2: Any) -> Array:
    """The squared distance from the origin, 1 at the origin."""
    square = x1 * x1 + x2 * x2
    return xp.where(square == 0, xp.ones_like(square), square)


atan2.defvjp(
    lambda xp, g, x1, x2: g * x2 / _nonzero_square(xp, x1, x2),
    lambda xp, g, x1, x2: -g * x1 / _nonzero_square(xp, x1, x2),
)


@primitive
def hypot(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``sqrt(x1**2 + x2**2)`` without overflow; the gradient at the origin is 0."""
    return xp.hypot(x1, x2)


hypot.defvjp(
    lambda xp, g, y, x1: g * x1 / xp.where(y == 0, xp.ones_like(y), y),
    lambda xp, g, y, x2: g * x2 / xp.where(y == 0, xp.ones_like(y), y),
)


@precision("float32")
@primitive
def sinh(xp: Any, x: Array, /) -> Array:
    """Hyperbolic sine."""
    return xp.sinh(x)


sinh.defvjp(lambda xp, g, x: g * xp.cosh(x))


@precision("float32")
@primitive
def cosh(xp: Any, x: Array, /) -> Array:
    """Hyperbolic cosine."""
    return xp.cosh(x)


cosh.defvjp(lambda xp, g, x: g * xp.sinh(x))


@primitive
def tanh(xp: Any, x: Array, /) -> Array:
    """Hyperbolic tangent."""
    return xp.tanh(x)


tanh.defvjp(lambda xp, g, y: g * (1 - y * y))


@primitive
def asinh(xp: Any, x: Array, /) -> Array:
    """Inverse hyperbolic sine."""
    return xp.asinh(x)


asinh.defvjp(lambda xp, g, x: g / xp.sqrt(x * x + 1))


@primitive
def acosh(xp: Any, x: Array, /) -> Array:
    """Inverse hyperbolic cosine."""
    return xp.acosh(x)


acosh.defvjp(lambda xp, g, x: g / (xp.sqrt(x - 1) * xp.sqrt(x + 1)))


@primitive
def atanh(xp: Any, x: Array, /) -> Array:
    """Inverse hyperbolic tangent."""
    return xp.atanh(x)


atanh.defvjp(lambda xp, g, x: g / (1 - x * x))

# ----------------------------------------------------------------------- choosing, bounding and rounding


def _share(xp: Any, g: Array, x1: Any, x2: Any, other: Array) -> Array:
    """The gradient where not the other was chosen (so with a NaN, too), half of it where both are equal."""
    return g * (1 - xp.astype(other, g.dtype) - 0.5 * xp.astype(xp.equal(x1, x2), g.dtype))


@primitive
def maximum(xp: Any, x1: Array, x2: Array, /) -> Array:
    """The larger of two, elementwise; equal arguments share the gradient in halves."""
    return xp.maximum(x1, x2)


maximum.defvjp(
    lambda xp, g, x1, x2: _share(xp, g, x1, x2, xp.less(x1, x2)),
    lambda xp, g, x1, x2: _share(xp, g, x1, x2, xp.less(x2, x1)),
)


@primitive
def minimum(xp: Any, x1: Array, x2: Array, /) -> Array:
    """The smaller of two, elementwise; equal arguments share the gradient in halves."""
    return xp.minimum(x1, x2)


minimum.defvjp(
    lambda xp, g, x1, x2: _share(xp, g, x1, x2, xp.greater(x1, x2)),
    lambda xp, g, x1, x2: _share(xp, g, x1, x2, xp.greater(x2, x1)),
)


@primitive
def where(xp: Any, condition: Array, x1: Array, x2: Array, /) -> Array:
    """``x1`` where the condition holds, else ``x2``; all three broadcast.

    Examples
    --------
    >>> import framework as fw
    >>> fw.where(fw.asarray([True, False]), fw.asarray([1, 2]), 0)
    Tensor([1, 0])
    """
    return xp.where(condition, x1, x2)


where.defvjp(
    None,
    lambda xp, g, condition: xp.where(condition, g, xp.zeros_like(g)),
    lambda xp, g, condition: xp.where(condition, xp.zeros_like(g), g),
)


@primitive
def _clip(xp: Any, x: Array, min: Array | None, max: Array | None, /) -> Array:
    return xp.clip(x, min, max)


def _inside(xp: Any, g: Array, x: Array, min: Any, max: Any) -> Array:
    keep = xp.ones_like(x, dtype=xp.bool)
    if min is not None:
        keep = xp.logical_and(keep, xp.greater_equal(x, min))
    if max is not None:
        keep = xp.logical_and(keep, xp.less_equal(x, max))
    return xp.where(keep, g, xp.zeros_like(g))


def _below(xp: Any, g: Array, x: Array, min: Any, max: Any) -> Array:
    low = xp.less(x, min)
    if max is not None:
        low = xp.logical_and(low, xp.less_equal(min + 0 * x, max))
    return xp.where(low, g, xp.zeros_like(g))


def _above(xp: Any, g: Array, x: Array, min: Any, max: Any) -> Array:
    high = xp.greater(x, max)
    if min is not None:
        high = xp.logical_or(high, xp.greater(min + 0 * x, max))
    return xp.where(high, g, xp.zeros_like(g))


_clip.defvjp(_inside, _below, _above)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """Bound the values of ``x`` below by ``min`` and above by ``max``.

    The gradient passes where ``min <= x <= max``; elsewhere it goes to the bound that was taken.

    Parameters
    ----------
    x : Tensor
        Real.
    min, max : Tensor or number, optional
        Bounds that broadcast with ``x``; none on that side if not given. Where ``min > max`` the result is ``max``.

    Examples
    --------
    >>> import framework as fw
    >>> fw.clip(fw.asarray([1, 5, 9]), 2, 6)
    Tensor([2, 5, 6])
    """
    return _clip(x, min, max)


@primitive(holomorphic=False)
def copysign(xp: Any, x1: Array, x2: Array, /) -> Array:
    """``x1`` with the sign of ``x2``, through which no gradient flows."""
    return xp.copysign(x1, x2)


copysign.defvjp(lambda xp, g, y, x1: g * xp.sign(x1) * xp.sign(y), None)


def _unary_without_gradient(name: str, doc: str) -> Any:
    def fun(xp: Any, x: Array, /) -> Array:
        return getattr(xp, name)(x)

    return _named(fun, name, doc)


def _binary_without_gradient(name: str, doc: str) -> Any:
    def fun(xp: Any, x1: Array, x2: Array, /) -> Array:
        return getattr(xp, name)(x1, x2)

    return _named(fun, name, doc)


def _named(fun: Any, name: str, doc: str) -> Any:
    fun.__name__ = fun.__qualname__ = name
    fun.__doc__ = f"{doc} No gradient flows through it."
    return primitive(fun)


ceil = _unary_without_gradient("ceil", "Round up.")
floor = _unary_without_gradient("floor", "Round down.")
round = _unary_without_gradient("round", "Round to the nearest integer, halves to even.")
trunc = _unary_without_gradient("trunc", "Round towards zero.")
equal = _binary_without_gradient("equal", "``x1 == x2``.")
not_equal = _binary_without_gradient("not_equal", "``x1 != x2``.")
less = _binary_without_gradient("less", "``x1 < x2``.")
less_equal = _binary_without_gradient("less_equal", "``x1 <= x2``.")
greater = _binary_without_gradient("greater", "``x1 > x2``.")
greater_equal = _binary_without_gradient("greater_equal", "``x1 >= x2``.")
logical_and = _binary_without_gradient("logical_and", "Both true.")
logical_or = _binary_without_gradient("logical_or", "Either true.")
logical_xor = _binary_without_gradient("logical_xor", "Exactly one true.")
logical_not = _unary_without_gradient("logical_not", "Not true.")
bitwise_and = _binary_without_gradient("bitwise_and", "Bitwise and.")
bitwise_or = _binary_without_gradient("bitwise_or", "Bitwise or.")
bitwise_xor = _binary_without_gradient("bitwise_xor", "Bitwise exclusive or.")
bitwise_invert = _unary_without_gradient("bitwise_invert", "Bitwise not.")
bitwise_left_shift = _binary_without_gradient("bitwise_left_shift", "Shift bits left.")
bitwise_right_shift = _binary_without_gradient("bitwise_right_shift", "Shift bits right.")
isfinite = _unary_without_gradient("isfinite", "Neither infinite nor NaN.")
isinf = _unary_without_gradient("isinf", "Infinite.")
isnan = _unary_without_gradient("isnan", "Not a number.")
signbit = _unary_without_gradient("signbit", "Whether the sign bit is set.")
nextafter = _binary_without_gradient("nextafter", "The next number from ``x1`` towards ``x2``.")

# ------------------------------------------------------------------------------------- complex numbers


@primitive(holomorphic=False)
def conj(xp: Any, x: Array, /) -> Array:
    """Complex conjugate."""
    return xp.conj(x)


conj.defvjp(lambda xp, g: xp.conj(g))


@primitive(view=True, holomorphic=False)
def real(xp: Any, x: Array, /) -> Array:
    """Real part."""
    return xp.real(x)


real.defvjp(lambda xp, g: g)


@primitive(view=True, holomorphic=False)
def imag(xp: Any, x: Array, /) -> Array:
    """Imaginary part."""
    return xp.imag(x)


imag.defvjp(lambda xp, g: xp.multiply(g, 1j))

# --------------------------------------------------------------------------------------- non-linearities


@primitive
def sigmoid(xp: Any, x: Array, /) -> Array:
    """``1 / (1 + exp(-x))``, without overflow, and with all digits also where it is close to 0."""
    return xp.sigmoid(x)


sigmoid.defvjp(lambda xp, g, y: g * (y * (1 - y)))


@primitive
def relu(xp: Any, x: Array, /) -> Array:
    """``max(x, 0)``; the gradient at 0 is 0."""
    return xp.maximum(x, 0)


relu.defvjp(lambda xp, g, y: g * xp.astype(y > 0, g.dtype))
