"""Functions that are known at points: between them, their integral, their convolution."""

from __future__ import annotations

from typing import Any

from framework.autograd.precision import precision
from framework.autograd.primitive import primitive
from framework.ops.cumulative import diff
from framework.ops.elementwise import clip, divide, equal, greater, less, multiply, where
from framework.ops.indexing import getitem, take
from framework.ops.manipulation import moveaxis, reshape
from framework.ops.reduction import sum
from framework.ops.searching import searchsorted

Array = Any


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Any:
    """Straight lines between the points ``(xp, fp)``, at ``x``; gradients flow to all three.

    Parameters
    ----------
    x : Tensor
        Where to evaluate, of any shape.
    xp, fp : Tensor (n,)
        The points, by rising ``xp``.
    left, right : number or Tensor, optional
        The value below and above all points; that of the first and the last if not given.

    Returns
    -------
    Tensor
        Of the shape of ``x``.

    Raises
    ------
    ValueError
        If ``xp`` and ``fp`` are not of one length of at least 1.

    Examples
    --------
    >>> import framework as fw
    >>> fw.interp(fw.asarray([0.5, 3.0]), fw.asarray([0.0, 1.0, 2.0]), fw.asarray([0.0, 10.0, 30.0]))
    Tensor([ 5., 30.])
    """
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.shape[0]:
        raise ValueError(f"interp: expected xp and fp of one shape (n,), n >= 1, got {xp.shape} and {fp.shape}")
    n = xp.shape[0]
    flat = reshape(x, (-1,))
    upper = clip(searchsorted(xp.detach(), flat.detach(), side="right"), min(1, n - 1), n - 1)
    lower = clip(upper - 1, 0, n - 1)
    (x0, y0), (x1, y1) = ((take(xp, i), take(fp, i)) for i in (lower, upper))
    width = x1 - x0
    share = (flat - x0) / where(equal(width, 0), 1.0, width)
    result = y0 + (y1 - y0) * clip(share, 0.0, 1.0)
    for outside, value in ((less(flat, xp[0]), left), (greater(flat, xp[-1]), right)):
        result = result if value is None else where(outside, value, result)
    return reshape(result, x.shape)


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """Integral along an axis of the straight lines between the values ``y``.

    Parameters
    ----------
    y : Tensor
        The values.
    x : Tensor, optional
        Where they are taken: (n,), or of the shape of ``y``.
    dx : float
        Their distance, if ``x`` is not given.
    axis : int
        Along which to integrate.

    Examples
    --------
    >>> import framework as fw
    >>> fw.trapezoid(fw.asarray([1.0, 2.0, 3.0]), x=fw.asarray([0.0, 1.0, 3.0]))
    Tensor(6.5)
    """
    y = moveaxis(y, axis, -1)
    width = dx if x is None else diff(x if x.ndim == 1 else moveaxis(x, axis, -1))
    both = getitem(y, (..., slice(1, None))) + getitem(y, (..., slice(None, -1)))
    return sum(divide(multiply(both, width), 2.0), axis=-1)


@precision("low")
@primitive
def _convolve(xp: Any, a: Array, v: Array, /, *, mode: str) -> Array:
    return xp.convolve(a, v, mode)


def _convolve_rule(xp: Any, g: Array, other: Array, shape: tuple[int, ...], mode: str) -> Array:
    """Of all overlaps of the gradient with the other sequence, the values where it lies within."""
    whole, short = shape[0] + other.shape[0] - 1, min(shape[0], other.shape[0])
    start = {"full": 0, "same": (short - 1) // 2, "valid": short - 1}[mode]
    g = g if mode == "full" else xp.scatter(g, slice(start, start + g.shape[0]), (whole,))
    return xp.convolve(g, xp.flip(other), "valid")


_convolve.defvjp(
    lambda xp, g, v, shape, mode: _convolve_rule(xp, g, v, shape, mode),
    lambda xp, g, a, shape, mode: _convolve_rule(xp, g, a, shape, mode),
)


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Convolution of two sequences, ``sum(a[k] * v[i - k])``.

    Parameters
    ----------
    a, v : Tensor (n,), (m,)
        Of at least one entry each.
    mode : {"full", "same", "valid"}
        All ``n + m - 1`` values, the middle ``max(n, m)`` of them, or those ``max(n, m) - min(n, m) + 1`` where the
        sequences overlap fully.

    Raises
    ------
    ValueError
        If a sequence is empty or not of one dimension, or the mode is unknown.

    Examples
    --------
    >>> import framework as fw
    >>> fw.convolve(fw.asarray([1.0, 2.0, 3.0]), fw.asarray([0.0, 1.0]))
    Tensor([0., 1., 2., 3.])
    """
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"convolve: expected mode 'full', 'same' or 'valid', got {mode!r}")
    if a.ndim != 1 or v.ndim != 1 or not (a.shape[0] and v.shape[0]):
        raise ValueError(f"convolve: expected shapes (n,) and (m,) with n and m >= 1, got {a.shape} and {v.shape}")
    return _convolve(a, v, mode=mode)
