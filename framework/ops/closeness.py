"""Equality up to rounding. No gradient flows through it."""

from __future__ import annotations

from typing import Any

from framework.autograd.primitive import primitive
from framework.ops.reduction import all

Array = Any


@primitive
def _isclose(xp: Any, a: Array, b: Array, /, *, rtol: float, atol: float, equal_nan: bool) -> Array:
    device = (a if hasattr(a, "dtype") else b).device
    a, b = (_inexact(xp, x, device) for x in (a, b))
    finite = xp.logical_and(xp.isfinite(a), xp.isfinite(b))
    p, q = (xp.where(finite, x, xp.zeros_like(x)) for x in (a, b))
    close = xp.where(finite, xp.abs(p - q) <= atol + rtol * xp.abs(q), a == b)
    return xp.logical_or(close, xp.logical_and(xp.isnan(a), xp.isnan(b))) if equal_nan else close


def _inexact(xp: Any, x: Any, device: Any) -> Array:
    """Numbers as arrays, integers as floating ones."""
    if not hasattr(x, "dtype"):
        return xp.asarray(x, dtype=xp.complex128 if isinstance(x, complex) else xp.float64, device=device)
    return xp.astype(x, xp.float64) if xp.isdtype(x.dtype, ("bool", "integral")) else x


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether ``abs(a - b) <= atol + rtol * abs(b)``, elementwise. No gradient flows through it.

    Parameters
    ----------
    a, b : Tensor or number
        To compare; they broadcast. Infinities are close to themselves alone.
    rtol, atol : float
        Tolerance relative to ``b``, and absolute.
    equal_nan : bool
        Whether NaN is close to NaN.

    Returns
    -------
    Tensor of bool

    Examples
    --------
    >>> import framework as fw
    >>> fw.isclose(fw.asarray([1.0, 2.0]), fw.asarray([1.000001, 2.1]))
    Tensor([ True, False])
    """
    return _isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all entries are close, as :func:`isclose` says."""
    return bool(all(isclose(a, b, rtol, atol, equal_nan)))
