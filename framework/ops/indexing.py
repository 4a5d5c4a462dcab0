"""Reading and writing parts of arrays."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from backends import backend_of, holds_numbers
from framework.autograd.composed import composed
from framework.autograd.graph import Variable, make_tensor
from framework.autograd.inplace import write
from framework.autograd.modes import mode
from framework.autograd.primitive import primitive
from framework.autograd.versions import check_views, mixed, note_write
from framework.ops.manipulation import broadcast_to, reshape

Array = Any

_BASIC_TYPES = (int, slice, type(None), type(...))
_BASIC = frozenset(_BASIC_TYPES)
_ALL = slice(None)


@primitive(view=True)
def _basic_getitem(xp: Any, x: Array, key: Any, /) -> Array:
    return xp.getitem(x, key)


@primitive
def _advanced_getitem(xp: Any, x: Array, key: Any, /) -> Array:
    return xp.getitem(x, key)


def _is_getitem(op: Any) -> None:
    op.name = "getitem"
    op.constants |= {*_BASIC, tuple, list}
    op.defvjp(lambda xp, g, key, shape: xp.scatter(g, key, shape), None)


_is_getitem(_basic_getitem.op)
_is_getitem(_advanced_getitem.op)


def getitem(x: Any, key: Any, /) -> Any:
    """``x[key]``, for every key that NumPy takes: integers, slices, None, Ellipsis, masks, index arrays.

    Repeated indices add their gradients. A basic key gives a view, an array in it a copy. NumPy's arrays and lists in a
    key go where ``x`` is.
    """
    kind = type(key)
    if kind is tuple:
        for part in key:
            if type(part) not in _BASIC:
                return _get_by_arrays(x, key) if isinstance(part, Variable) else _get_by_other(x, key)
    elif kind not in _BASIC:
        return _get_by_arrays(x, key) if isinstance(key, Variable) else _get_by_other(x, key)
    part = _basic_getitem(x, key)
    if mode.grad and isinstance(x, Variable):
        part._whole = x, key, _PART_OPS
    return part


def _get_by_arrays(x: Any, key: Any) -> Any:
    try:
        if isinstance(key, Variable):
            return _advanced_getitem(x, key)
        if _names_one_axis(key):
            return _take(x, key[-1], axis=len(key) - 1)
        return _advanced_getitem(x, _raw_parts(key, x))
    except (IndexError, TypeError, ValueError):
        # Only now is it looked at whether the dtype of an index is at fault: to ask each time would take a fifth longer.
        _check_indices(key)
        raise


def _names_one_axis(key: Any) -> bool:
    """Whether a key is a row of whole numbers after whole slices: taking along that axis is up to four times faster."""
    last = key[-1] if type(key) is tuple else None
    if not isinstance(last, Variable) or last.data.ndim != 1 or last.dtype.kind not in "iu":
        return False
    return all(map(_is_whole, key[:-1]))


def _is_whole(part: Any) -> bool:
    return type(part) is slice and part == _ALL


def _get_by_other(x: Any, key: Any) -> Any:
    """``x[key]`` for a key in which NumPy's arrays, lists, or values of a subclass of a basic type, an IntEnum, may be."""
    if not is_basic(key):
        return _get_by_arrays(x, key)
    return getitem(x, tuple(map(_plain, key)) if isinstance(key, tuple) else _plain(key))


def _plain(part: Any) -> Any:
    return int(part) if isinstance(part, int) else part


def raw_key(key: Any, x: Any) -> Any:
    """The key as the library of ``x`` takes it: tensors replaced by their raw arrays, NumPy's arrays brought to it."""
    _check_indices(key)
    return _raw_parts(key, x)


def _raw_parts(key: Any, x: Any) -> Any:
    if not isinstance(key, tuple):
        return _raw_part(key, x)
    parts: list[Any] = []
    for part in key:
        if type(part) in _BASIC:
            parts.append(part)
        elif isinstance(part, Variable):
            parts.append(part.data)
        else:
            parts.append(_raw_part(part, x))
    return tuple(parts)


def _raw_part(part: Any, x: Any) -> Any:
    if isinstance(part, Variable):
        return part.data
    return x.backend.asarray(part) if isinstance(part, np.ndarray) and isinstance(x, Variable) else part


def _check_indices(key: Any) -> None:
    for x in key if isinstance(key, tuple) else (key,):
        if isinstance(x, Variable) and x.dtype.kind not in "iub":
            raise IndexError(
                f"index arrays must have an integer or boolean dtype, got {x.dtype}; cast with .to('int64')"
            )


def is_basic(key: Any) -> bool:
    """Whether indexing with the key gives a view: integers, slices, None and Ellipsis only."""
    for part in key if isinstance(key, tuple) else (key,):
        if type(part) not in _BASIC and (not isinstance(part, _BASIC_TYPES) or isinstance(part, bool)):
            return False
    return True


@primitive
def _scatter(xp: Any, values: Array, /, *, key: Any, to: tuple[int, ...]) -> Array:
    return xp.scatter(values, key, to)


_scatter.defvjp(lambda xp, g, key: xp.getitem(g, key))


def scatter(values: Any, key: Any, shape: tuple[int, ...], /) -> Any:
    """Zeros of ``shape`` with ``values`` added at ``key``; repeated positions add up.

    The transpose of ``x[key]`` for an ``x`` of that shape, and its gradient.
    """
    return _scatter(values, key=raw_key(key, values), to=tuple(shape))


@primitive
def _setitem(xp: Any, x: Array, value: Array, /, *, key: Any) -> Array:
    return xp.setitem(x, key, value)


def _value_rule(xp: Any, g: Array, key: Any) -> Array:
    """The gradient of what was written; of values written to one place only the one that stayed there has any."""
    part = xp.getitem(g, key)
    if not _may_repeat(key):
        return part
    numbers = xp.reshape(xp.arange(prod(part.shape), device=g.device), part.shape)
    places = xp.setitem(xp.zeros(g.shape, dtype=numbers.dtype, device=g.device), key, numbers)
    return xp.where(xp.getitem(places, key) == numbers, part, xp.zeros_like(part))


def _may_repeat(key: Any) -> bool:
    """Whether the key holds index arrays, which may name a place twice."""
    parts = key if isinstance(key, tuple) else (key,)
    return any(isinstance(part, list) or (hasattr(part, "dtype") and "int" in str(part.dtype)) for part in parts)


_setitem.defvjp(lambda xp, g, key: xp.setitem(g, key, 0), _value_rule)
_PART_OPS = _basic_getitem.op, _setitem.op


def setitem(x: Any, key: Any, value: Any, /) -> Any:
    """Return a copy of ``x`` with ``copy[key] = value``."""
    return _setitem(x, value, key=raw_key(key, x))


def assign(x: Any, key: Any, value: Any, /) -> None:
    """``x[key] = value`` in place, with the gradients of both."""
    key = raw_key(key, x)
    value = _as_value(value, x)
    value_needs = isinstance(value, Variable) and value.requires_grad and x.dtype.kind in "fcV"
    if mode.grad and (x.requires_grad or value_needs):
        if not _is_there(x, key, value):
            write(_setitem, x, value, key=key)
        return
    if isinstance(value, Variable):
        if value.backend is not x.backend:
            raise RuntimeError(
                f"cannot write a tensor on {value.backend.device!r} into one on {x.backend.device!r}; "
                f"move it with .to({x.backend.device!r})"
            )
        if mixed and mode.grad:
            check_views(value)
    x.backend.xp.assign(x.data, key, value.data if isinstance(value, Variable) else value)
    note_write(x.backend, x.data, by_optimizer=x.node is None)


def _as_value(value: Any, x: Any) -> Any:
    """What is to be written into ``x``: a tensor or a number; lists and arrays are brought to where ``x`` is."""
    if not isinstance(value, Variable | int | float | complex):
        backend = backend_of(value)
        if backend is None or backend.device == "cpu":
            host, backend = np.asarray(value), x.backend
            if not holds_numbers(host.dtype):
                raise TypeError(
                    f"expected a number, a tensor, an array of numbers or a list of them to write, got {value!r}"
                )
            value = backend.asarray(host)
        value = make_tensor(backend, value)
    complex_value = value.dtype.kind == "c" if isinstance(value, Variable) else isinstance(value, complex)
    if complex_value and x.dtype.kind != "c":
        raise TypeError(f"cannot write complex values into {x.dtype}; take their real() first")
    return value


def _is_there(x: Any, key: Any, value: Any) -> bool:
    """Whether ``value`` is ``x[key]`` itself: of ``x[key] /= v`` Python writes the part back that was divided in place."""
    part = value._whole if isinstance(value, Variable) else None
    return (
        part is not None
        and part[0] is x
        and is_basic(key)
        and bool(part[1] == key)
        and x.backend.owner(value.data) is x.backend.owner(x.data)
        and (value.node is not None or not value.requires_grad)
    )


@primitive
def _take(xp: Any, x: Array, /, indices: Array, *, axis: int) -> Array:
    return xp.take(x, indices, axis=axis)


def _take_rule(xp: Any, g: Array, indices: Array, shape: tuple[int, ...], axis: int) -> Array:
    return xp.scatter(g, (slice(None),) * (axis % len(shape)) + (indices,), shape)


_take.defvjp(_take_rule, None)


@composed
def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """The entries of ``x`` at ``indices`` along an axis; repeated indices add their gradients.

    Parameters
    ----------
    x : Tensor
        What to take from.
    indices : Tensor of int
        Of any shape, which replaces the axis.
    axis : int, optional
        May be left out for one dimension.

    Raises
    ------
    IndexError
        If an index is out of range.
    ValueError
        If ``axis`` is missing for several dimensions.

    Examples
    --------
    >>> import framework as fw
    >>> fw.take(fw.asarray([5, 6, 7]), fw.asarray([2, 0, 2]))
    Tensor([7, 5, 7])
    """
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take: axis is needed for an array of {x.ndim} dimensions")
        axis = 0
    shape = getattr(indices, "shape", (1,))
    if len(shape) == 1:
        return _take(x, indices, axis=axis)
    axis %= x.ndim
    return reshape(_take(x, reshape(indices, (-1,)), axis=axis), (*x.shape[:axis], *shape, *x.shape[axis + 1 :]))


@primitive
def _take_along_axis(xp: Any, x: Array, /, indices: Array, *, axis: int) -> Array:
    return xp.take_along_axis(x, indices, axis=axis)


def along_axis_key(xp: Any, indices: Array, axis: int) -> tuple[Array, ...]:
    """The index arrays that name, for each entry of ``indices``, its place in the array it was taken from."""
    n = indices.ndim
    key = []
    for i, length in enumerate(indices.shape):
        if i == axis % n:
            key.append(indices)
        else:
            key.append(xp.reshape(xp.arange(length, device=indices.device), (1,) * i + (length,) + (1,) * (n - i - 1)))
    return tuple(key)


def _take_along_axis_rule(xp: Any, g: Array, indices: Array, shape: tuple[int, ...], axis: int) -> Array:
    a = axis % len(shape)
    whole = (*shape[:a], indices.shape[a], *shape[a + 1 :])
    indices = xp.broadcast_to(indices, whole)
    return xp.scatter(g, along_axis_key(xp, indices, a), shape)


_take_along_axis.defvjp(_take_along_axis_rule, None)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """The entries of ``x`` at the positions that ``indices`` gives along an axis, as argsort returns them.

    Parameters
    ----------
    x : Tensor
        What to take from.
    indices : Tensor of int
        Of the shape of ``x`` but for ``axis``; the other lengths may be one.
    axis : int
        Along which the indices count.

    Examples
    --------
    >>> import framework as fw
    >>> fw.take_along_axis(fw.asarray([[1, 2], [3, 4]]), fw.asarray([[1], [0]]), axis=1)
    Tensor([[2],
            [3]])
    """
    return _take_along_axis(x, indices, axis=axis)


def _shape_along(x: Any, indices: Any, axis: int) -> tuple[Any, int]:
    """The indices repeated along all axes but the one, and that axis counted from the front."""
    axis %= x.ndim
    return broadcast_to(indices, (*x.shape[:axis], indices.shape[axis], *x.shape[axis + 1 :])), axis


@primitive
def _scatter_add(xp: Any, x: Array, indices: Array, values: Array, /, *, axis: int) -> Array:
    return x + xp.scatter(values, along_axis_key(xp, indices, axis), x.shape)


_scatter_add.defvjp(
    lambda xp, g: g,
    None,
    lambda xp, g, indices, axis: xp.take_along_axis(g, indices, axis=axis),
)


@composed
def scatter_add(x: Any, indices: Any, values: Any, /, *, axis: int = -1) -> Any:
    """A copy of ``x`` with ``values`` added at the positions that ``indices`` gives along an axis.

    Repeated positions add up, which makes this the transpose of :func:`take_along_axis`.

    Parameters
    ----------
    x : Tensor
        What to add to.
    indices : Tensor of int
        Of the shape of ``x`` but for ``axis``; the other lengths may be one.
    values : Tensor
        That broadcasts to the shape of ``indices``.
    axis : int
        Along which the indices count.

    Examples
    --------
    >>> import framework as fw
    >>> fw.scatter_add(fw.zeros(3), fw.asarray([0, 2, 2]), fw.asarray([1.0, 2.0, 3.0]))
    Tensor([1., 0., 5.])
    """
    indices, axis = _shape_along(x, indices, axis)
    return _scatter_add(x, indices, broadcast_to(values, indices.shape), axis=axis)


@composed
def put_along_axis(x: Any, indices: Any, values: Any, axis: int) -> None:
    """Write ``values`` at the positions that ``indices`` gives along an axis, in place and with gradients.

    Parameters
    ----------
    x : Tensor
        Written.
    indices : Tensor of int
        Of the shape of ``x`` but for ``axis``; the other lengths may be one.
    values : number or Tensor
        That broadcasts to the shape of ``indices``.
    axis : int
        Along which the indices count.

    Examples
    --------
    >>> import framework as fw
    >>> x = fw.zeros((2, 3))
    >>> fw.put_along_axis(x, fw.asarray([[0], [2]]), 1.0, axis=1)
    >>> x
    Tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    indices, axis = _shape_along(x, indices, axis)
    assign(x, along_axis_key(x.backend.xp, indices.data, axis), values)
