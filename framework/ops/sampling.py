"""Functions that are known at points: between them, their integral, their convolution."""

from __future__ import annotations

from typing import Any

from framework.autograd.precision import precision
from framework.autograd.primitive import primitive
from framework.ops.cumulative import diff
from framework.ops.elementwise import greater, less, where
from framework.ops.manipulation import moveaxis

Array = Any


@primitive
def _interp(xp: Any, x: Array, points: Array, values: Array, /) -> Array:
    return xp.interp(x, points, values)


def _line(xp: Any, x: Array, points: Array, values: Array) -> tuple[Array, Array, Array, Array]:
    """For each of ``x``, flattened: the points before and after it, its share of the way between, and the slope there."""
    n, x = points.shape[0], xp.reshape(x, (-1,))
    after = xp.clip(xp.searchsorted(points, x, side="right"), min(1, n - 1), n - 1)
    before = xp.clip(after - 1, 0, n - 1)
    start, width = xp.take(points, before, axis=0), xp.take(points, after, axis=0) - xp.take(points, before, axis=0)
    width = xp.where(width == 0, xp.ones_like(width), width)
    slope = (xp.take(values, after, axis=0) - xp.take(values, before, axis=0)) / width
    share = (x - start) / width
    # Outside of all points the line is flat.
    return before, after, xp.clip(share, 0.0, 1.0), xp.where(xp.logical_or(share < 0, share > 1), slope * 0, slope)


def _x_rule(xp: Any, g: Array, x: Array, points: Array, values: Array) -> Array:
    return g * xp.reshape(_line(xp, x, points, values)[3], g.shape)


def _points_rule(xp: Any, g: Array, x: Array, points: Array, values: Array) -> Array:
    before, after, share, slope = _line(xp, x, points, values)
    g = -xp.reshape(g, (-1,)) * slope
    return xp.scatter(g * (1 - share), (before,), points.shape) + xp.scatter(g * share, (after,), points.shape)


def _values_rule(xp: Any, g: Array, x: Array, points: Array, values: Array) -> Array:
    before, after, share, _ = _line(xp, x, points, values)
    g = xp.reshape(g, (-1,))
    return xp.scatter(g * (1 - share), (before,), values.shape) + xp.scatter(g * share, (after,), values.shape)


_interp.defvjp(_x_rule, _points_rule, _values_rule)


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
    result = _interp(x, xp, fp)
    if left is not None:
        result = where(less(x, xp[0]), left, result)
    if right is not None:
        result = where(greater(x, xp[-1]), right, result)
    return result


@precision("float32")
@primitive
def _trapezoid(xp: Any, values: Array, width: Array, /) -> Array:
    return xp.sum(xp.divide(xp.multiply(_neighbours(xp, values), width), 2.0), axis=-1)


def _neighbours(xp: Any, values: Array) -> Array:
    """The sums of two beside each other."""
    return xp.getitem(values, (..., slice(1, None))) + xp.getitem(values, (..., slice(None, -1)))


def _trapezoid_rule(xp: Any, g: Array, width: Array, shape: tuple[int, ...]) -> Array:
    g = xp.broadcast_to(xp.expand_dims(g, axis=-1) * width / 2, (*shape[:-1], max(0, shape[-1] - 1)))
    return xp.scatter(g, (..., slice(1, None)), shape) + xp.scatter(g, (..., slice(0, -1)), shape)


_trapezoid.defvjp(_trapezoid_rule, lambda xp, g, values: xp.expand_dims(g, axis=-1) * _neighbours(xp, values) / 2)


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
    if x is None:
        return _trapezoid(y if axis == -1 else moveaxis(y, axis, -1), dx)
    x, y = x if x.ndim == 1 else moveaxis(x, axis, -1), moveaxis(y, axis, -1)
    return _trapezoid(y, diff(x))


@precision("low")
@primitive
def _convolve(xp: Any, a: Array, v: Array, /, *, mode: str) -> Array:
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"expected mode 'full', 'same' or 'valid', got {mode!r}")
    if a.ndim != 1 or v.ndim != 1 or not (a.shape[0] and v.shape[0]):
        raise ValueError(f"expected shapes (n,) and (m,) with n and m >= 1, got {a.shape} and {v.shape}")
    return xp.convolve(a, v, mode=mode)


def _convolve_rule(xp: Any, g: Array, other: Array, shape: tuple[int, ...], mode: str) -> Array:
    """Of all overlaps of the gradient with the other sequence, the values where it lies within."""
    whole, short = shape[0] + other.shape[0] - 1, min(shape[0], other.shape[0])
    start = {"full": 0, "same": (short - 1) // 2, "valid": short - 1}[mode]
    g = g if mode == "full" else xp.scatter(g, slice(start, start + g.shape[0]), (whole,))
    return xp.convolve(g, xp.flip(other), mode="valid")


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
    return _convolve(a, v, mode=mode)
