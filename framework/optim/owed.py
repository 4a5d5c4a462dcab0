"""Row-sparse steps with momentum and weight decay that equal the dense ones exactly.

In a dense step momentum and weight decay move every row, also those whose gradient is zero. But for a row
without a gradient the step is linear in its value ``w`` and momentum ``b``, with the same 2 x 2 matrix for all
rows:

    (w, b) <- M (w, b)

So a row that no batch has touched since step ``s`` is brought to step ``t`` by the one product
``M_t ... M_{s+1}``. Each row remembers its ``s``; a table keeps the products from every ``s`` to now. A step
then costs what the batch touches, and a row pays when it is next read.

Reading means reading the parameter: a ``detach()`` or raw array taken from it earlier shares its memory, and shows
rows that are behind until the parameter itself is read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backends import Backend
from framework.autograd.deferred import defer, end, is_empty
from framework.autograd.graph import Variable
from framework.autograd.versions import before_write

Array = Any
Matrix = tuple[tuple[float, float], tuple[float, float]]

CAPACITY = 4096
"""Steps after which all rows are brought up to date, so that the table of products stays small."""

_ROWS_PER_STEP = 32
"""How many rows can be brought up to date in the time that the products of one more step cost over and over."""


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
        self.shape, self.dtype = array.shape, array.dtype
        self.buffer = buffer
        self._seen = backend.xp.zeros(array.shape[0], dtype=backend.xp.int32)
        self._now = 0
        self._capacity = min(CAPACITY, max(256, array.shape[0] // _ROWS_PER_STEP))
        self._products = np.zeros((2, self._capacity + 1, 2))
        self._products[:, 0] = np.eye(2)
        self._on_device: Array | None = None

    def owe(self, step: Matrix) -> None:
        """Owe one more step to every row: what it does to a row (w, b) whose gradient is zero."""
        before_write()
        if self._now == self._capacity:
            self.settle()
        past = self._products[:, : self._now + 1]
        past[:] = (np.asarray(step) @ past.reshape(2, -1)).reshape(past.shape)
        self._now += 1
        self._products[:, self._now] = np.eye(2)
        self._on_device = None

    def arrays(self) -> tuple[Array, Array | None, Array, Array]:
        """What the kernels want to know: table, momentum, steps seen, and the products from these to now."""
        if self._on_device is None:
            products = self._products[:, : self._now + 1].transpose(1, 0, 2).reshape(-1, 4)
            self._on_device = self.backend.asarray(products, dtype=self.backend.dtype_of(self.array))
        return self.array, self.buffer, self._seen, self._on_device

    def behind(self) -> tuple[Array | None, Array, Array] | None:
        """The same without the table; None where all rows are up to date."""
        return self.arrays()[1:] if self._now else None

    def pay_rows(self, ids: Array) -> None:
        """Bring the rows ``ids`` (integers of any shape, repeated or not) up to date."""
        if self._now:
            self.backend.advance_rows(*self.arrays(), ids, None, (0.0, 0.0))

    def read_rows(self, ids: Array) -> Array:
        """The rows ``ids`` as they are now, of shape ``ids.shape + array.shape[1:]``; the table stays behind."""
        if not self._now:
            return self.backend.take_rows(self.array, ids)
        return self.backend.take_advanced_rows(*self.arrays(), ids)

    def settle(self) -> None:
        """Bring all rows up to date and forget the past."""
        if self._now:
            self.backend.advance_rows(*self.arrays(), None, None, (0.0, 0.0))
            self._seen = self.backend.xp.zeros_like(self._seen)
            self._now = 0
            self._products[:, 0] = np.eye(2)
            self._on_device = None

    def pay(self, tensor: Variable) -> Array:
        """Bring all rows up to date and return the table."""
        before_write()
        self.settle()
        return self.array

    def holds(self, tensor: Variable) -> bool:
        """Whether this is still the tensor's table: it was neither replaced nor moved since."""
        if tensor._owed is self:
            if is_empty(tensor):
                return True
            end(tensor)
        return tensor.data is self.array

    def defer(self, tensor: Variable) -> None:
        """Let ``tensor`` owe: empty its ``data``, so that whoever reads it makes it pay."""
        defer(tensor, self)
