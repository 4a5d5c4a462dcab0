"""Operations that move values about and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from framework.autograd.composed import composed
from framework.autograd.graph import Variable
from framework.autograd.primitive import primitive

Array = Any
Axis = int | tuple[int, ...] | None


@primitive(view=True)
def _reshape(xp: Any, x: Array, /, *, to: tuple[int, ...], copy: bool | None = None) -> Array:
    return xp.reshape(x, to) if copy is None else xp.reshape(x, to, copy=copy)


_reshape.defvjp(lambda xp, g, shape: xp.reshape(g, shape))


def reshape(x: Any, /, shape: int | tuple[int, ...], *, copy: bool | None = None) -> Any:
    """The same values in another shape, in row-major order.

    Parameters
    ----------
    x : Tensor
        The values.
    shape : int or tuple of int
        The new lengths; one may be -1 and is then worked out.
    copy : bool, optional
        True always copies, False never does (and raises ValueError if it must), None copies if needed.

    Examples
    --------
    >>> import framework as fw
    >>> fw.reshape(fw.arange(6), (2, -1))
    Tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return _reshape(x, to=(shape,) if isinstance(shape, int) else tuple(shape), copy=copy)


@primitive(view=True)
def _permute_dims(xp: Any, x: Array, /, *, axes: tuple[int, ...]) -> Array:
    return xp.permute_dims(x, axes)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    order = [a % len(axes) for a in axes]
    return tuple(sorted(range(len(order)), key=order.__getitem__))


_permute_dims.defvjp(lambda xp, g, axes: xp.permute_dims(g, _inverse(axes)))


def permute_dims(x: Any, /, axes: tuple[int, ...]) -> Any:
    """The axes in another order."""
    return _permute_dims(x, axes=tuple(axes))


@primitive(view=True)
def matrix_transpose(xp: Any, x: Array, /) -> Array:
    """The last two axes exchanged."""
    return xp.matrix_transpose(x)


matrix_transpose.defvjp(lambda xp, g: xp.matrix_transpose(g))


@primitive(view=True)
def _moveaxis(xp: Any, x: Array, /, *, source: Axis, destination: Axis) -> Array:
    return xp.moveaxis(x, source, destination)


_moveaxis.defvjp(lambda xp, g, source, destination: xp.moveaxis(g, destination, source))


def moveaxis(x: Any, source: Any, destination: Any, /) -> Any:
    """Axes moved to new places, the others in their order.

    Examples
    --------
    >>> import framework as fw
    >>> fw.moveaxis(fw.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    return _moveaxis(x, source=source, destination=destination)


@primitive(view=True)
def _broadcast_to(xp: Any, x: Array, /, *, to: tuple[int, ...]) -> Array:
    return xp.broadcast_to(x, to)


_broadcast_to.defvjp(lambda xp, g: g)


def broadcast_to(x: Any, /, shape: tuple[int, ...]) -> Any:
    """``x`` repeated, without copying, to a shape that it broadcasts to."""
    return _broadcast_to(x, to=tuple(shape))


@primitive(view=True)
def _expand_dims(xp: Any, x: Array, /, *, axis: int | tuple[int, ...]) -> Array:
    return xp.expand_dims(x, axis=axis)


_expand_dims.defvjp(lambda xp, g, shape: xp.reshape(g, shape))


def expand_dims(x: Any, /, axis: int | tuple[int, ...] = 0) -> Any:
    """New axes of length one, at the given places of the result."""
    return _expand_dims(x, axis=axis)


@primitive(view=True)
def _squeeze(xp: Any, x: Array, /, *, axis: int | tuple[int, ...]) -> Array:
    return xp.squeeze(x, axis=axis)


_squeeze.defvjp(lambda xp, g, shape: xp.reshape(g, shape))


def squeeze(x: Any, /, axis: int | tuple[int, ...]) -> Any:
    """Without the given axes, which must have length one."""
    return _squeeze(x, axis=axis)


@primitive(view=True)
def _flip(xp: Any, x: Array, /, *, axis: Axis) -> Array:
    return xp.flip(x, axis=axis)


_flip.defvjp(lambda xp, g, axis: xp.flip(g, axis=axis))


def flip(x: Any, /, *, axis: Axis = None) -> Any:
    """The entries in reverse order along the given axes, or all."""
    return _flip(x, axis=axis)


@primitive
def _roll(xp: Any, x: Array, /, *, shift: int | tuple[int, ...], axis: Axis) -> Array:
    return xp.roll(x, shift, axis=axis)


def _back(shift: int | tuple[int, ...]) -> int | tuple[int, ...]:
    return tuple(-s for s in shift) if isinstance(shift, tuple) else -shift


_roll.defvjp(lambda xp, g, shift, axis: xp.roll(g, _back(shift), axis=axis))


def roll(x: Any, /, shift: int | tuple[int, ...], *, axis: Axis = None) -> Any:
    """The entries shifted along the given axes, those that fall off coming in at the other end.

    Parameters
    ----------
    x : Tensor
        The values.
    shift : int or tuple of int
        By how much, towards higher positions; one for each axis.
    axis : int or tuple of int, optional
        Along which; shifts the flattened array if not given.

    Examples
    --------
    >>> import framework as fw
    >>> fw.roll(fw.asarray([1, 2, 3]), 1)
    Tensor([3, 1, 2])
    """
    return _roll(x, shift=shift, axis=axis)


@primitive
def _concat(xp: Any, arrays: Sequence[Array], /, *, axis: int | None) -> Array:
    return xp.concat(arrays, axis=axis)


def _concat_rule(xp: Any, g: Array, i: int, shapes: Sequence[tuple[int, ...]], axis: int | None) -> Array:
    lengths = [prod(shape) if axis is None else shape[axis] for shape in shapes]
    start = sum(lengths[:i])
    part = slice(start, start + lengths[i])
    if axis is None:
        return xp.reshape(g[part], shapes[i])
    key = [slice(None)] * g.ndim
    key[axis] = part
    return g[tuple(key)]


_concat.defvjp(_concat_rule)


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
    """The arrays one after another along an axis, or flattened if it is None.

    Parameters
    ----------
    arrays : list or tuple of Tensor
        At least one, alike in all other axes.
    axis : int, optional
        Along which.

    Raises
    ------
    ValueError
        If there are none, or their shapes do not fit.

    Examples
    --------
    >>> import framework as fw
    >>> fw.concat([fw.asarray([1, 2]), fw.asarray([3])])
    Tensor([1, 2, 3])
    """
    return _concat(arrays if type(arrays) is list and arrays else _sequence("concat", arrays), axis=axis)


@primitive
def _stack(xp: Any, arrays: Sequence[Array], /, *, axis: int) -> Array:
    return xp.stack(arrays, axis=axis)


_stack.defvjp(lambda xp, g, i, axis: _entry(g, i, axis))


def _entry(g: Array, i: int, axis: int) -> Array:
    key: list[Any] = [slice(None)] * g.ndim
    key[axis] = i
    return g[tuple(key)]


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Any:
    """The arrays, all of one shape, beside each other along a new axis.

    Examples
    --------
    >>> import framework as fw
    >>> fw.stack([fw.asarray([1, 2]), fw.asarray([3, 4])], axis=1)
    Tensor([[1, 3],
            [2, 4]])
    """
    return _stack(_sequence("stack", arrays), axis=axis)


def _sequence(name: str, arrays: Any) -> Sequence[Any]:
    known: Sequence[Any] = arrays if type(arrays) in (list, tuple) or isinstance(arrays, Sequence) else ()
    if not known:
        raise ValueError(
            f"{name}: expected a non-empty list or tuple of tensors, got {type(arrays).__name__} {arrays!r:.40}"
        )
    return known


@composed
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices of ``x`` along an axis."""
    if not -x.ndim <= axis < x.ndim:
        raise IndexError(f"unstack: axis {axis} is out of range for {x.ndim} dimensions")
    return tuple(_entry(x, i, axis) for i in range(x.shape[axis]))


@primitive
def _tile(xp: Any, x: Array, /, *, repetitions: tuple[int, ...]) -> Array:
    return xp.tile(x, repetitions)


def _tile_rule(xp: Any, g: Array, shape: tuple[int, ...], repetitions: tuple[int, ...]) -> Array:
    """Fold each axis into (repetition, entry) and sum over the repetitions."""
    extra = len(repetitions) - len(shape)
    lengths = (1,) * extra + shape if extra > 0 else shape
    times = (1,) * -extra + repetitions if extra < 0 else repetitions
    folded = tuple(n for pair in zip(times, lengths) for n in pair)
    return xp.reshape(xp.sum(xp.reshape(g, folded), axis=tuple(range(0, len(folded), 2))), shape)


_tile.defvjp(_tile_rule)


def tile(x: Any, repetitions: tuple[int, ...], /) -> Any:
    """``x`` laid out several times along each axis.

    Examples
    --------
    >>> import framework as fw
    >>> fw.tile(fw.asarray([1, 2]), (2, 2))
    Tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    return _tile(x, repetitions=tuple(repetitions))


@primitive
def _astype(xp: Any, x: Array, /, *, dtype: Any) -> Array:
    return xp.astype(x, dtype)


_astype.defvjp(lambda xp, g: g)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: str | None = None) -> Any:
    """The values cast to another dtype, and on another device if one is named.

    Without ``copy``, ``x`` itself where nothing changes.
    """
    if dtype is None:
        raise TypeError("astype: expected a dtype such as 'float32', got None")
    x = x if device is None else x.to(device)
    return x if not copy and isinstance(x, Variable) and x.dtype == dtype else _astype(x, dtype=dtype)
