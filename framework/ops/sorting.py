"""Putting entries in order."""

from __future__ import annotations

from typing import Any

from framework.autograd.composed import composed
from framework.autograd.primitive import primitive
from framework.ops.indexing import getitem, take_along_axis

Array = Any


@primitive
def argsort(xp: Any, x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Positions that would sort ``x`` along an axis; equal entries keep their order. No gradient flows through it.

    Examples
    --------
    >>> import framework as fw
    >>> fw.argsort(fw.asarray([3, 1, 2]), descending=True)
    Tensor([0, 2, 1])
    """
    return xp.argsort(x, axis=axis, descending=descending, stable=stable)


@primitive
def sort(xp: Any, x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """The entries in order along an axis; the gradient goes back to where each came from, the first of ties first.

    Examples
    --------
    >>> import framework as fw
    >>> fw.sort(fw.asarray([[3, 1], [2, 4]]), axis=0)
    Tensor([[2, 1],
            [3, 4]])
    """
    return xp.sort(x, axis=axis, descending=descending, stable=stable)


def _unsort(xp: Any, g: Array, x: Array, axis: int, descending: bool) -> Array:
    order = xp.argsort(x, axis=axis, descending=descending)
    return xp.take_along_axis(g, xp.argsort(order, axis=axis), axis=axis)


sort.defvjp(_unsort)


@composed
def topk(x: Any, k: int, /, *, axis: int = -1, largest: bool = True) -> tuple[Any, Any]:
    """The ``k`` largest (or smallest) entries along an axis, in order, and their positions.

    Parameters
    ----------
    x : Tensor
        Of at least one dimension.
    k : int
        How many, from 0 to the length of the axis.
    axis : int
        Along which to choose.
    largest : bool
        The largest, first the largest of them; otherwise the smallest.

    Returns
    -------
    values : Tensor
        With ``k`` entries along ``axis``.
    indices : Tensor of int64
        Where they were; the first of ties comes first. No gradient flows through them.

    Raises
    ------
    ValueError
        If there are fewer than ``k`` entries.

    Examples
    --------
    >>> import framework as fw
    >>> fw.topk(fw.asarray([3, 1, 4, 1, 5]), 2)
    (Tensor([5, 4]), Tensor([4, 2]))
    """
    length = x.shape[axis]
    if not 0 <= k <= length:
        raise ValueError(f"topk: expected 0 <= k <= {length}, the length of axis {axis}, got k={k}")
    key = [slice(None)] * x.ndim
    key[axis] = slice(k)
    indices = getitem(argsort(x, axis=axis, descending=largest), tuple(key))
    return take_along_axis(x, indices, axis=axis), indices
