"""Sums, means, extrema: operations that make axes disappear.

All of them take

- ``axis``: an int, a tuple of ints (negative ones count from the end) or None for all axes;
- ``keepdims``: whether the axes stay, with length one.

>>> import framework as fw
>>> x = fw.asarray([[1.0, 2.0], [3.0, 5.0]])
>>> fw.sum(x, axis=0), fw.max(x, axis=(0, 1)), fw.mean(x, axis=-1, keepdims=True)
(Tensor([4., 7.]), Tensor(5.), Tensor([[1.5],
        [4. ]]))
"""

from __future__ import annotations

from typing import Any

from framework.autograd.precision import precision
from framework.autograd.primitive import primitive

Array = Any
Axis = int | tuple[int, ...] | None


def restore(xp: Any, reduced: Array, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    """Put back, with length one, the axes that a reduction of an array of ``shape`` removed."""
    if keepdims or not shape:
        return reduced
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = {a % len(shape) for a in axes}
    return xp.reshape(reduced, tuple([1 if i in gone else n for i, n in enumerate(shape)]))


def count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many entries one reduced value covers."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    n = 1
    for a in axes if shape else ():
        if not -len(shape) <= a < len(shape):
            raise IndexError(f"axis {a} is out of range for {len(shape)} dimensions")
        n *= shape[a]
    return n


@precision("float32")
@primitive
def sum(xp: Any, x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """Sum over the given axes, or over all; small integers are summed in 64 bits unless ``dtype`` is given."""
    return xp.sum(x, axis=axis, dtype=dtype, keepdims=keepdims)


sum.defvjp(
    lambda xp, g, shape, axis, keepdims: xp.broadcast_to(restore(xp, g, shape, axis, keepdims), shape),
)


@precision("float32")
@primitive
def mean(xp: Any, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Mean over the given axes, or over all."""
    return xp.mean(x, axis=axis, keepdims=keepdims)


mean.defvjp(
    lambda xp, g, shape, axis, keepdims: xp.broadcast_to(
        restore(xp, g / (count(shape, axis) or 1), shape, axis, keepdims), shape
    ),
)


def _share_among_ties(xp: Any, g: Array, y: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """The gradient of an extremum: shared evenly by all entries that reach it."""
    y, g = restore(xp, y, x.shape, axis, keepdims), restore(xp, g, x.shape, axis, keepdims)
    reached = xp.astype(xp.logical_or(x == y, xp.logical_and(x != x, y != y)), g.dtype)
    return g * reached / xp.sum(reached, axis=axis, keepdims=True)


@primitive
def max(xp: Any, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest value; entries that tie share the gradient evenly."""
    return xp.max(x, axis=axis, keepdims=keepdims)


max.defvjp(_share_among_ties)


@primitive
def min(xp: Any, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest value; entries that tie share the gradient evenly."""
    return xp.min(x, axis=axis, keepdims=keepdims)


min.defvjp(_share_among_ties)


def var(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Variance over the given axes: the sum of squared deviations over ``n - correction``.

    Parameters
    ----------
    x : Tensor
        Real and floating.
    axis, keepdims
        See the module.
    correction : float
        1 makes it the unbiased estimate of a population's variance. With ``n <= correction`` the result is not finite.

    Examples
    --------
    >>> import framework as fw
    >>> fw.var(fw.asarray([1.0, 3.0])), fw.var(fw.asarray([1.0, 3.0]), correction=1)
    (Tensor(1.), Tensor(2.))
    """
    return _var(x, axis=axis, correction=correction, keepdims=keepdims)


@precision("float32")
@primitive(holomorphic=False)
def _var(xp: Any, x: Array, /, *, axis: Axis, correction: float, keepdims: bool) -> Array:
    return xp.var(x, axis=axis, correction=correction, keepdims=keepdims)


def _var_rule(xp: Any, g: Array, x: Array, axis: Axis, correction: float, keepdims: bool) -> Array:
    centred = x - xp.mean(x, axis=axis, keepdims=True)
    return restore(xp, g, x.shape, axis, keepdims) * (2 / _degrees(x.shape, axis, correction)) * centred


def _degrees(shape: tuple[int, ...], axis: Axis, correction: float) -> float:
    degrees = count(shape, axis) - correction
    return degrees if degrees > 0 else float("nan")


_var.defvjp(_var_rule)


@precision("float32")
@primitive(holomorphic=False)
def _std(xp: Any, x: Array, /, *, axis: Axis, correction: float, keepdims: bool) -> Array:
    return xp.std(x, axis=axis, correction=correction, keepdims=keepdims)


def _std_rule(xp: Any, g: Array, y: Array, x: Array, axis: Axis, correction: float, keepdims: bool) -> Array:
    centred = x - xp.mean(x, axis=axis, keepdims=True)
    y = restore(xp, y, x.shape, axis, keepdims)
    scale = restore(xp, g, x.shape, axis, keepdims) / xp.where(y == 0, xp.ones_like(y), y)
    return scale * centred / _degrees(x.shape, axis, correction)


_std.defvjp(_std_rule)


def std(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Standard deviation over the given axes: the root of :func:`var`. Its gradient where all values are equal is 0."""
    return _std(x, axis=axis, correction=correction, keepdims=keepdims)


@precision("float32")
@primitive
def prod(xp: Any, x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """Product over the given axes, or over all; the gradient is right where entries are zero, too."""
    return xp.prod(x, axis=axis, dtype=dtype, keepdims=keepdims)


def _prod_rule(xp: Any, g: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """Divide the entry out of the product; where one is zero, form the product of the others instead."""
    g = restore(xp, g, x.shape, axis, keepdims)
    if not xp.any(x == 0):
        return g * xp.prod(x, axis=axis, keepdims=True, dtype=g.dtype) / x
    n = len(x.shape)
    axes = tuple(range(n)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    last = tuple(range(n - len(axes), n))
    moved = xp.moveaxis(x, axes, last)
    rows = xp.reshape(moved, (*moved.shape[: n - len(axes)], count(x.shape, axis)))
    others = xp.prod(leave_one_out(xp, rows), axis=-1, dtype=g.dtype)
    return g * xp.moveaxis(xp.reshape(others, moved.shape), last, axes)


def leave_one_out(xp: Any, x: Array) -> Array:
    """Copies (..., n, n) of the rows of ``x`` (..., n), the k-th one with a one in place of entry k."""
    n = x.shape[-1]
    whole = xp.broadcast_to(xp.expand_dims(x, axis=-2), (*x.shape, n))
    return xp.where(xp.eye(n, dtype=xp.bool, device=x.device), xp.ones_like(whole), whole)


prod.defvjp(_prod_rule)


@primitive
def all(xp: Any, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether all values are true. No gradient flows through it."""
    return xp.all(x, axis=axis, keepdims=keepdims)


@primitive
def any(xp: Any, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether any value is true. No gradient flows through it."""
    return xp.any(x, axis=axis, keepdims=keepdims)


@primitive
def count_nonzero(xp: Any, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """How many values are not zero. No gradient flows through it."""
    return xp.count_nonzero(x, axis=axis, keepdims=keepdims)


@primitive
def argmax(xp: Any, x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Position of the largest value, the first of several. No gradient flows through it."""
    return xp.argmax(x, axis=axis, keepdims=keepdims)


@primitive
def argmin(xp: Any, x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Position of the smallest value, the first of several. No gradient flows through it."""
    return xp.argmin(x, axis=axis, keepdims=keepdims)


def peak(xp: Any, x: Array, axis: Axis) -> Array:
    """What to subtract before exp: the largest entry if it is finite, else 0; the axes stay with length one."""
    if not count(x.shape, axis):
        return xp.sum(x, axis=axis, keepdims=True, dtype=x.dtype)
    top = xp.max(x, axis=axis, keepdims=True)
    return xp.where(xp.isfinite(top), top, xp.zeros_like(top))


@precision("float32")
@primitive
def logsumexp(xp: Any, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """``log(sum(exp(x)))`` over the given axes, without overflow, for real ``x``; -inf where there are no entries.

    Examples
    --------
    >>> import framework as fw
    >>> fw.logsumexp(fw.asarray([1000.0, 1000.0]))
    Tensor(1000.6932)
    """
    top = peak(xp, x, axis)
    total = xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True)) + top
    if keepdims:
        return total
    axes = tuple(range(x.ndim)) if axis is None else axis
    return xp.squeeze(total, axis=axes)


logsumexp.defvjp(
    lambda xp, g, y, x, axis, keepdims: (
        restore(xp, g, x.shape, axis, keepdims) * xp.exp(x - restore(xp, y, x.shape, axis, keepdims))
    )
)
