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

from math import prod
from typing import Any

import numpy as np

from backends import Backend
from framework.autograd.graph import Variable

Array = Any
Matrix = tuple[tuple[float, float], tuple[float, float]]

CAPACITY = 4096
"""Steps after which all rows are brought up to date, so that the table of products stays small."""

_CHUNK = 1 << 16
"""Elements worked on at a time, so that temporaries stay in a core's cache."""


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
        self._decays = False
        self._products = np.zeros((2, CAPACITY + 1, 2))
        self._products[:, 0] = np.eye(2)
        self._on_device: Array | None = None

    def step(self, without_gradient: Matrix, gains: tuple[float, float], ids: Array, g: Array) -> None:
        """Make one step with a gradient on the rows ``ids``, each named once, and owe it to all others.

        Parameters
        ----------
        without_gradient : 2 x 2
            What the step does to a row (w, b) whose gradient is zero.
        gains : tuple of float
            What it adds to w and to b, as multiples of the gradient.
        ids, g : (u,) integers, (u, ...) array
            Row numbers, and the rows of the gradient.
        """
        self._owe(without_gradient)
        xp = self.backend.xp
        for part in self._parts(ids.shape[0]):
            rows = ids[part]
            self._advance(rows, xp.take(self._seen, rows, axis=0), g[part, ...], gains)
        xp.assign(self._seen, ids, self._now)
        if self._now == CAPACITY:
            self.settle()

    def _owe(self, step: Matrix) -> None:
        """Owe one more step to every row."""
        past = self._products[:, : self._now + 1]
        past[:] = (np.asarray(step) @ past.reshape(2, -1)).reshape(past.shape)
        self._now += 1
        self._decays |= step[0][0] != 1 or step[1][0] != 0
        self._products[:, self._now] = np.eye(2)
        self._on_device = None

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
            xp.assign(self._seen, ids, self._now)

    def read_rows(self, ids: Array) -> Array:
        """The rows ``ids`` as they are now, of shape ``ids.shape + array.shape[1:]``; the table stays behind."""
        xp = self.backend.xp
        flat = xp.reshape(ids, (-1,))
        rows = self.backend.take_rows(self.array, flat)
        if self._now:
            seen = xp.take(self._seen, flat, axis=0)
            for part in self._parts(flat.shape[0]):
                ww, wb, _, _ = self._factors(seen[part])
                if self._decays:
                    rows[part, ...] *= ww
                if self.buffer is not None:
                    rows[part, ...] += wb * self.backend.take_rows(self.buffer, flat[part])
        return xp.reshape(rows, (*ids.shape, *self.array.shape[1:]))

    def _parts(self, rows: int) -> list[slice]:
        """Cut a number of rows into parts whose elements stay in cache."""
        size = self.array.shape[0]
        step = max(1, _CHUNK * size // max(1, prod(self.array.shape)))
        return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]

    def settle(self) -> None:
        """Bring all rows up to date and forget the past."""
        if self._now:
            xp = self.backend.xp
            for part in self._parts(self.array.shape[0]):
                self._advance(part, self._seen[part])
            self._seen = xp.zeros_like(self._seen)
            self._now = 0
            self._decays = False
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

    def _factors(self, seen: Array) -> list[Array]:
        """The four entries of the product from the steps seen to now, each to be multiplied with rows."""
        xp = self.backend.xp
        if self._on_device is None:
            table = self._products[:, : self._now + 1].transpose(1, 0, 2).reshape(-1, 4)
            self._on_device = self.backend.asarray(table, dtype=self.backend.dtype_of(self.array))
        factors = xp.take(self._on_device, seen, axis=0)
        return [xp.reshape(factors[:, i], (-1,) + (1,) * (self.array.ndim - 1)) for i in range(4)]

    def _advance(self, rows: Any, seen: Array, g: Array | None = None, gains: tuple[float, float] = (0.0, 0.0)) -> None:
        """Apply to the rows (ids or a slice) the products from the steps they have seen to now; add the gradient's part."""
        ww, wb, bw, bb = self._factors(seen)
        w_old = self._rows(self.array, rows)
        w = ww * w_old if self._decays else w_old
        if self.buffer is not None:
            b_old = self._rows(self.buffer, rows)
            w = w + wb * b_old
            b = bb * b_old
            if self._decays:
                b += bw * w_old
            if g is not None:
                b += g if gains[1] == 1 else gains[1] * g
            self.backend.xp.assign(self.buffer, rows, b)
        if g is not None:
            w = w + gains[0] * g
        self.backend.xp.assign(self.array, rows, w)

    def _rows(self, array: Array, rows: Any) -> Array:
        return array[rows, ...] if isinstance(rows, slice) else self.backend.take_rows(array, rows)
