"""Repeating entries, and bringing arrays to one shape."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from framework.autograd.composed import composed
from framework.autograd.graph import Variable
from framework.autograd.primitive import primitive
from framework.ops.manipulation import broadcast_to, reshape

Array = Any


@primitive
def _repeat(xp: Any, x: Array, repeats: Any, /, *, axis: int) -> Array:
    return xp.repeat(x, repeats, axis=axis)


def _repeat_rule(xp: Any, g: Array, repeats: Any, shape: tuple[int, ...], axis: int) -> Array:
    if not shape:
        return xp.sum(g)
    axis %= len(shape)
    if isinstance(repeats, int):
        folded = xp.reshape(g, (*shape[: axis + 1], repeats, *shape[axis + 1 :]))
        return xp.sum(folded, axis=axis + 1)
    origin = xp.repeat(xp.arange(shape[axis], device=g.device), repeats)
    return xp.scatter(g, (slice(None),) * axis + (origin,), shape)


_repeat.defvjp(_repeat_rule, None)


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Each entry several times in a row along an axis, or of the flattened array.

    Parameters
    ----------
    x : Tensor
        What to repeat.
    repeats : int or Tensor of int
        How often; a tensor gives one number for each entry of the axis.
    axis : int, optional
        Flattens if it is not given.

    Examples
    --------
    >>> import framework as fw
    >>> fw.repeat(fw.asarray([1, 2]), fw.asarray([3, 1]))
    Tensor([1, 1, 1, 2])
    """
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    return _repeat(x, repeats, axis=axis)


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which all of the shapes broadcast.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> broadcast_shapes((3, 1), (4,))
    (3, 4)
    """
    return np.broadcast_shapes(*shapes)


@composed
def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """The tensors repeated, without copying, to the one shape to which all broadcast; those that have it are returned.

    Raises
    ------
    ValueError
        If there is none.
    """
    shapes = {x.shape for x in arrays}
    shape = shapes.pop() if len(shapes) == 1 else broadcast_shapes(*shapes)
    return tuple([x if isinstance(x, Variable) and x.shape == shape else broadcast_to(x, shape) for x in arrays])


def meshgrid(*arrays: Any, indexing: Literal["xy", "ij"] = "xy") -> tuple[Any, ...]:
    """Coordinates of all points of a grid: one tensor for each axis, as views that repeat their values.

    Parameters
    ----------
    *arrays : Tensor
        The coordinates along each axis, of one dimension each (or none).
    indexing : {"xy", "ij"}
        Whether the first two axes are exchanged, as images have them, or in order, as matrices have them.

    Raises
    ------
    ValueError
        If ``indexing`` is neither of the two.

    Examples
    --------
    >>> import framework as fw
    >>> x, y = fw.meshgrid(fw.asarray([1, 2, 3]), fw.asarray([4, 5]))
    >>> y
    Tensor([[4, 4, 4],
            [5, 5, 5]])
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: expected indexing 'xy' or 'ij', got {indexing!r}")
    places = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        places[0], places[1] = 1, 0
    n = len(arrays)
    return broadcast_arrays(*[reshape(x, (1,) * at + (-1,) + (1,) * (n - at - 1)) for at, x in zip(places, arrays)])
