"""Rows of a table that are looked up when they are read, because what is often wanted is their mean alone.

A mean over the words of many sentences would otherwise write all their rows, and read them again. Before anything is
written in place, rows that nobody has read are looked up after all; only who writes into a table behind the framework's
back, into ``weight.data`` as a NumPy array, is to read earlier results first.
"""

from __future__ import annotations

import weakref
from typing import Any

from framework.autograd.deferred import Deferred, defer, end, is_empty
from framework.autograd.graph import make_tensor
from framework.autograd.modes import mode
from framework.autograd.primitive import recorded
from framework.autograd.rows import OwedRows
from framework.autograd.versions import unread
from framework.ops import reduction

Array = Any


class UnreadRows:
    """Rows ``table[ids]`` for ids ``(N, T)``, as they are now."""

    __slots__ = ("__weakref__", "_backend", "_ids", "_owed", "_rows", "_table", "dtype", "shape")

    def __init__(self, backend: Any, table: Array, ids: Array, owed: OwedRows | None) -> None:
        self._backend, self._table, self._owed = backend, table, owed
        self._ids = backend.xp.asarray(ids, copy=True)
        self._rows: Array = None
        self.shape, self.dtype = (*ids.shape, *table.shape[1:]), table.dtype
        key = id(self)
        unread[key] = weakref.ref(self, lambda _: unread.pop(key, None))

    def read(self) -> None:
        """Look the rows up, before the table changes."""
        if self._rows is None:
            owed, ids = self._owed, self._ids
            self._rows = self._backend.take_rows(self._table, ids) if owed is None else owed.read_rows(ids)
            self._table = self._owed = self._ids = None

    def pay(self, tensor: Any) -> Array:
        """The rows, for the tensor that was waiting for them."""
        self.read()
        end(tensor)
        return self._rows

    def mean(self) -> Array | None:
        """The means ``(N, D)`` over the axis of length T; None if the rows have been read."""
        if self._rows is not None:
            return None
        backend, behind = self._backend, None if self._owed is None else self._owed.behind()
        n, t = self._ids.shape
        starts = backend.xp.arange(n) * t
        ids = backend.xp.reshape(self._ids, (-1,))
        return backend.embedding_bag_forward(self._table, ids, starts, None, "mean", None, behind)[0]


class _Unread(Deferred):
    """A tensor of rows that nobody has read; its shape, its dtype and its mean can be told without them."""

    __slots__ = ()

    shape = property(lambda self: tuple(_told(self).shape))
    ndim = property(lambda self: len(_told(self).shape))
    dtype = property(lambda self: self.backend.dtype_of(_told(self)))

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


def _told(tensor: Any) -> Any:
    """What has the tensor's shape and dtype."""
    return tensor._owed if is_empty(tensor) else tensor.data


def put_off(tensor: Any) -> Any:
    """Leave the data of a tensor, which are :class:`UnreadRows`, to be read when they are asked for."""
    rows = tensor.data
    del tensor.data
    defer(tensor, rows, _Unread)
    return tensor
