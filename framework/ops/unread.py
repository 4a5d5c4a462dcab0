"""Rows of a table that are looked up when they are read, because what is often wanted is their mean alone.

A mean over the words of many sentences would otherwise write all their rows, and read them again. Rows wait only where
nobody else has the memory of the table, and they are looked up after all before anybody gets it: whoever reads the
``data`` of the table, to write into it or to keep it.
"""

from __future__ import annotations

import weakref
from sys import getrefcount
from typing import Any

from backends import Backend
from framework.autograd.deferred import Deferred, defer, is_empty, lock
from framework.autograd.graph import Variable, make_tensor
from framework.autograd.modes import mode
from framework.autograd.primitive import recorded
from framework.autograd.rows import OwedRows
from framework.autograd.versions import before_write, unread
from framework.ops import reduction

Array = Any


class Watched:
    """A table that rows wait to be read from, and that is owed nothing; it stands where :class:`OwedRows` do."""

    __slots__ = ("array", "backend", "dtype", "shape")

    def __init__(self, backend: Backend, array: Array) -> None:
        self.backend, self.array, self.shape, self.dtype = backend, array, array.shape, array.dtype

    def pay(self, tensor: Any) -> Array:
        """Have the rows read, and return the table to who asked for it."""
        before_write()
        return self.array

    def behind(self) -> None:
        """Nothing: all rows are as they should be."""

    def pay_rows(self, ids: Array) -> None:
        """Nothing: all rows are as they should be."""

    def read_rows(self, ids: Array) -> Array:
        """Some rows."""
        return self.backend.take_rows(self.array, ids)


class UnreadRows:
    """Rows ``table[ids]`` for ids ``(N, T)``, as they are now."""

    __slots__ = ("__weakref__", "_backend", "_ids", "_rows", "_table", "dtype", "shape")

    def __init__(self, backend: Backend, table: OwedRows, ids: Array) -> None:
        self._backend, self._table = backend, table
        self._ids = backend.xp.asarray(ids, copy=True)
        self._rows: Array = None
        self.shape, self.dtype = (*ids.shape, *table.shape[1:]), table.dtype
        key = id(self)
        unread[key] = weakref.ref(self, lambda _: unread.pop(key, None))

    def read(self) -> None:
        """Look the rows up, before the table changes."""
        with lock:
            if self._rows is None:
                self._rows = self._table.read_rows(self._ids)
                self._table = self._ids = None  # type: ignore[assignment]

    def pay(self, tensor: Any) -> Array:
        """The rows, for the tensor that was waiting for them."""
        self.read()
        return self._rows

    def mean(self) -> Array | None:
        """The means ``(N, D)`` over the axis of length T; None if the rows have been read."""
        with lock:
            backend, table, ids = self._backend, self._table, self._ids
            if self._rows is not None:
                return None
            n, t = ids.shape
            starts = backend.xp.arange(n) * t
            ids = backend.xp.reshape(ids, (-1,))
            return backend.embedding_bag_forward(table.array, ids, starts, None, "mean", None, table.behind())[0]


class _Unread(Deferred):
    """A tensor of rows that nobody has read; its mean can be told without them."""

    __slots__ = ()

    def mean(self: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        """What the method of tensors says."""
        alone = axis in (1, -2) and not keepdims and mode.casts is None and is_empty(self)
        y = self._owed.mean() if alone else None
        if y is None:
            return super().mean(axis, keepdims=keepdims)  # type: ignore[misc]
        if not (self.requires_grad and mode.grad):
            return make_tensor(self.backend, y)
        kwargs = {"axis": axis, "keepdims": keepdims}
        return recorded(reduction.mean.op, self.backend, (self.node,), y, kwargs=kwargs)


def wait(weight: Variable, ids: Array) -> UnreadRows | None:
    """The rows ``weight[ids]``, to be read later; None if they had better be looked up now."""
    backend = weight.backend
    with lock:
        owed = weight._owed
        held = getrefcount(weight.data if owed is None else owed.array)  # before there is another name for it here
        table = weight.data if owed is None else owed.array
        if held > _ALONE or not backend.rows_may_wait(table, ids):
            return None
        if owed is None:
            owed = Watched(backend, table)
            defer(weight, owed)
        return UnreadRows(backend, owed, ids)


def rows_of(weight: Variable, ids: Array) -> Array:
    """The rows ``weight[ids]`` as they are now; those that are owed something are read while nobody pays."""
    backend = weight.backend
    if weight._owed is None:
        return backend.take_rows(weight.data, ids)
    with lock:
        owed = weight._owed
        return backend.take_rows(weight.data, ids) if owed is None else owed.read_rows(ids)


_ALONE = 2
"""References to an array that one object has, and that is being counted."""


def put_off(tensor: Any) -> Any:
    """Leave the data of a tensor, which are :class:`UnreadRows`, to be read when they are asked for."""
    defer(tensor, tensor.data, _Unread)
    return tensor
