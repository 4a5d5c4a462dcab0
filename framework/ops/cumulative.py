"""Running sums and products, and their inverse, differences."""

from __future__ import annotations

from collections.abc import Callable
from operator import ne, sub
from typing import Any

from framework.autograd.composed import composed
from framework.autograd.precision import precision
from framework.autograd.primitive import primitive
from framework.ops.manipulation import concat
from framework.ops.reduction import leave_one_out

Array = Any


@precision("float32")
@primitive
def _cumulative_sum(xp: Any, x: Array, /, *, axis: int, dtype: Any, include_initial: bool) -> Array:
    return xp.cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial)


def _total_from(xp: Any, g: Array, axis: int) -> Array:
    """For each entry the sum of itself and all that follow."""
    return xp.flip(xp.cumulative_sum(xp.flip(g, axis=axis), axis=axis, dtype=g.dtype), axis=axis)


def _without_initial(g: Array, axis: int, include_initial: bool) -> Array:
    return g[_along(g.ndim, axis, slice(1, None))] if include_initial else g


def _along(ndim: int, axis: int, part: slice) -> tuple[slice, ...]:
    """The key that takes ``part`` of one axis and all of the others."""
    key = [slice(None)] * ndim
    key[axis] = part
    return tuple(key)


_cumulative_sum.defvjp(
    lambda xp, g, axis, include_initial: _total_from(xp, _without_initial(g, axis, include_initial), axis)
)


@composed
def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Sum of each entry and those before it along an axis.

    Parameters
    ----------
    x : Tensor
        Of at least one dimension.
    axis : int, optional
        May be left out for one dimension.
    dtype : dtype, optional
        Of the result; small integers become 64 bits wide if it is not given.
    include_initial : bool
        Start with a zero, which makes the result longer by one.

    Raises
    ------
    ValueError
        If ``axis`` is missing for several dimensions.

    Examples
    --------
    >>> import framework as fw
    >>> fw.cumulative_sum(fw.asarray([1, 2, 3]), include_initial=True)
    Tensor([0, 1, 3, 6])
    """
    axis = _only_axis("cumulative_sum", x, axis)
    return _cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial)


def _only_axis(name: str, x: Any, axis: int | None) -> int:
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"{name}: axis is needed for an array of {x.ndim} dimensions; expected it or exactly one")
        return 0
    if not x.ndim:
        raise IndexError(f"{name}: axis {axis} is out of range for 0 dimensions")
    return axis


@precision("float32")
@primitive
def _cumulative_prod(xp: Any, x: Array, /, *, axis: int, dtype: Any, include_initial: bool) -> Array:
    return xp.cumulative_prod(x, axis=axis, dtype=dtype, include_initial=include_initial)


def _cumulative_prod_rule(xp: Any, g: Array, x: Array, axis: int, include_initial: bool) -> Array:
    """Divide the entry out of each product; where one is zero, form the products without it instead."""
    g = _without_initial(g, axis, include_initial)
    if not xp.any(x == 0):
        return _total_from(xp, g * xp.cumulative_prod(x, axis=axis, dtype=g.dtype), axis) / x
    g, x = xp.moveaxis(g, axis, -1), xp.moveaxis(x, axis, -1)
    products = xp.cumulative_prod(leave_one_out(xp, x), axis=-1, dtype=g.dtype)
    return xp.moveaxis(xp.sum(xp.triu(products * xp.expand_dims(g, axis=-2)), axis=-1), -1, axis)


_cumulative_prod.defvjp(_cumulative_prod_rule)


@composed
def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Product of each entry and those before it along an axis; zeros among the entries have right gradients too.

    Parameters
    ----------
    x : Tensor
        Of at least one dimension.
    axis : int, optional
        May be left out for one dimension.
    dtype : dtype, optional
        Of the result; small integers become 64 bits wide if it is not given.
    include_initial : bool
        Start with a one, which makes the result longer by one.

    Raises
    ------
    ValueError
        If ``axis`` is missing for several dimensions.

    Examples
    --------
    >>> import framework as fw
    >>> fw.cumulative_prod(fw.asarray([1, 2, 3]))
    Tensor([1, 2, 6])
    """
    axis = _only_axis("cumulative_prod", x, axis)
    return _cumulative_prod(x, axis=axis, dtype=dtype, include_initial=include_initial)


def _differences(x: Array, axis: int, n: int, difference: Callable[[Array, Array], Array] = sub) -> Array:
    upper, lower = _along(x.ndim, axis, slice(1, None)), _along(x.ndim, axis, slice(None, -1))
    for _ in range(min(n, x.shape[axis])):
        x = difference(x[upper], x[lower])
    return x


@primitive
def _diff(xp: Any, x: Array, /, *, axis: int, n: int) -> Array:
    return _differences(x, axis, n)


def _diff_rule(xp: Any, g: Array, shape: tuple[int, ...], axis: int, n: int) -> Array:
    """Differences the other way round, of the gradient between zeros."""
    if shape[axis] <= n:
        return xp.zeros(shape, dtype=g.dtype, device=g.device)
    wide = list(shape)
    wide[axis] += n
    back = _differences(xp.scatter(g, _along(g.ndim, axis, slice(n, -n)), tuple(wide)), axis, n)
    return -back if n % 2 else back


_diff.defvjp(_diff_rule)


@composed
def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along an axis, ``n`` times over.

    Parameters
    ----------
    x : Tensor
        Of at least one dimension.
    axis : int
        Along which neighbours are taken.
    n : int
        How often; the result is shorter by as much.
    prepend, append : Tensor, optional
        Put before and after ``x`` first, if ``n`` is not 0.

    Raises
    ------
    ValueError
        If ``n`` is negative.

    Examples
    --------
    >>> import framework as fw
    >>> fw.diff(fw.asarray([1, 4, 9, 16]), n=2)
    Tensor([2, 2])
    """
    if n < 0:
        raise ValueError(f"diff: expected n >= 0, got {n}")
    if n == 0:
        return x
    parts = [part for part in (prepend, x, append) if part is not None]
    x = concat(parts, axis=axis) if len(parts) > 1 else x
    return _differences(x, axis, n, ne) if x.dtype.kind == "b" else _diff(x, axis=axis, n=n)
