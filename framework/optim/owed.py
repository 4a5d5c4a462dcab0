"""Row-sparse steps with momentum and weight decay that equal the dense ones exactly.

In a dense step momentum and weight decay move every row, also those whose gradient is zero. But for a row
without a gradient the step is linear in its value ``w`` and momentum ``b``, with the same 2 x 2 matrix for all
rows:

    (w, b) <- M (w, b)

So a row that no batch has touched since step ``s`` is brought to step ``t`` by the one product
``M_t ... M_{s+1}``. Each row remembers its ``s``; a table keeps the products from every ``s`` to now. A step
then costs what the batch touches, and a row pays when it is next read.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from backends import Backend
from framework.autograd.graph import Variable

Array = Any
Matrix = tuple[tuple[float, float], tuple[float, float]]

CAPACITY = 4096
"""Steps after which all rows are brought up to date, so that the table of products stays small."""

_CHUNK = 1 << 18
"""Elements brought up to date at a time, so that temporaries stay in cache."""


class RowDebt:
    """What the rows of one table are owed.

    Parameters
    ----------
    backend : Backend
        Where the table lives.
    array : (V, ...) array
        The table, written in place.
    buffer : (V, ...) array or None
        Its momentum, written in place; None without momentum.
    """

    def __init__(self, backend: Backend, array: Array, buffer: Array | None) -> None:
        self.backend = backend
        self.array = array
        self.buffer = buffer
        self._seen = backend.xp.zeros(array.shape[0], dtype=backend.xp.int32)
        self._now = 0
        self._products = np.zeros((2, CAPACITY + 1, 2))
        self._products[:, 0] = np.eye(2)
        self._on_device: Array | None = None

    def add(self, step: Matrix, ids: Array) -> None:
        """Owe one more step to every row but ``ids``, which were up to date and have made it."""
        past = self._products[:, : self._now + 1]
        past[:] = (np.asarray(step) @ past.reshape(2, -1)).reshape(past.shape)
        self._now += 1
        self._products[:, self._now] = np.eye(2)
        self._on_device = None
        self._mark(ids)
        if self._now == CAPACITY:
            self.settle()

    def _mark(self, ids: Array) -> None:
        """Take note that the rows ``ids`` have made all steps so far."""
        self.backend.xp.assign(self._seen, ids, self._now)

    def pay_rows(self, ids: Array) -> None:
        """Bring the rows ``ids`` (integers of any shape, repeated or not) up to date."""
        if not self._now:
            return
        xp = self.backend.xp
        ids = xp.reshape(ids, (-1,))
        seen = xp.take(self._seen, ids, axis=0)
        behind = xp.nonzero(seen < self._now)[0]
        if behind.shape[0]:
            ids = xp.take(ids, behind, axis=0)
            self._advance(ids, xp.take(seen, behind, axis=0))
            self._mark(ids)

    def settle(self) -> None:
        """Bring all rows up to date and forget the past."""
        if self._now:
            xp, size = self.backend.xp, self.array.shape[0]
            step = max(1, _CHUNK * size // max(1, prod(self.array.shape)))
            for start in range(0, size, step):
                part = slice(start, min(start + step, size))
                self._advance(part, self._seen[part])
            self._seen = xp.zeros_like(self._seen)
            self._now = 0
            self._products[:, 0] = np.eye(2)
            self._on_device = None

    def pay(self, tensor: Variable) -> Array:
        """Bring all rows up to date, end the debt, and return the table."""
        self.settle()
        tensor._owed = None
        return self.array

    def holds(self, tensor: Variable) -> bool:
        """Whether this is still the tensor's table: it was neither replaced nor moved since."""
        if tensor._owed is self:
            try:
                object.__getattribute__(tensor, "data")
            except AttributeError:
                return True
            tensor._owed = None
        return tensor.data is self.array

    def defer(self, tensor: Variable) -> None:
        """Let ``tensor`` owe: empty its ``data``, so that whoever reads it makes it pay."""
        tensor._owed = self
        del tensor.data

    def _advance(self, rows: Any, seen: Array) -> None:
        """Apply to the rows (ids or a slice) the products from the steps they have seen to now."""
        xp = self.backend.xp
        if self._on_device is None:
            table = self._products[:, : self._now + 1].transpose(1, 0, 2).reshape(-1, 4)
            self._on_device = self.backend.asarray(table, dtype=self.backend.dtype_of(self.array))
        factors = xp.take(self._on_device, seen, axis=0)
        wide = (-1,) + (1,) * (self.array.ndim - 1)
        ww, wb, bw, bb = (xp.reshape(factors[:, i], wide) for i in range(4))
        w = xp.getitem(self.array, rows)
        if self.buffer is None:
            xp.assign(self.array, rows, ww * w)
            return
        b = xp.getitem(self.buffer, rows)
        w, b = ww * w + wb * b, bw * w + bb * b
        xp.assign(self.array, rows, w)
        xp.assign(self.buffer, rows, b)
