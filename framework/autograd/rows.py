"""Row-sparse gradients: what a lookup of rows sends back to the table."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from backends import Backend

Array = Any


class RowSparse:
    """A gradient that is zero but for some rows.

    Parameters
    ----------
    backend : Backend
        Where the arrays live.
    ids : integer array
        Row numbers, of any shape; they may repeat, and repeated rows add up.
    rows : array
        The rows, of shape ``ids.shape + shape[1:]``; possibly a broadcast view, as a mean's gradient is.
    shape : tuple of int
        Shape of the whole gradient.
    """

    __slots__ = ("_summed", "backend", "ids", "rows", "shape")

    def __init__(self, backend: Backend, ids: Array, rows: Array, shape: tuple[int, ...], *, summed: bool = False):
        self.backend = backend
        self.ids = ids
        self.rows = rows
        self.shape = shape
        self._summed = summed

    @property
    def saves_work(self) -> bool:
        """Whether it names fewer rows than there are; otherwise the dense gradient is cheaper."""
        return bool(prod(self.ids.shape) < self.shape[0])

    def summed(self) -> RowSparse:
        """The same gradient with flat ids in rising order, of which one has the whole gradient of its row.

        Other entries for the row are zero, where there are any: a GPU leaves them, since the host would have to wait to
        learn how many different rows there are. Computed once and kept.
        """
        if not self._summed:
            ids, rows = self.backend.sum_rows(self.ids, self._matrix())
            self.ids, self.rows = ids, self.backend.xp.reshape(rows, (ids.shape[0], *self.shape[1:]))
            self._summed = True
        return self

    def dense(self) -> Array:
        """The gradient as an ordinary array."""
        flat = self.backend.scatter_rows(self.ids, self._matrix(), self.shape[0])
        return self.backend.xp.reshape(flat, self.shape)

    def times(self, factor: float) -> RowSparse:
        """The same rows, each multiplied by a number."""
        return RowSparse(self.backend, self.ids, self.rows * factor, self.shape, summed=self._summed)

    def _matrix(self) -> Array:
        """The rows with one axis for what lies in a row."""
        if len(self.shape) == 2:
            return self.rows
        return self.backend.xp.reshape(self.rows, (*self.ids.shape, prod(self.shape[1:])))

    def merge(self, other: Any) -> Any:
        """The sum with another gradient: row-sparse if both are."""
        if not isinstance(other, RowSparse):
            return self.dense() + other
        xp = self.backend.xp
        (ids, rows), (others, more) = self._flat(), other._flat()
        return RowSparse(
            self.backend, xp.concat([ids, xp.astype(others, ids.dtype)]), xp.concat([rows, more]), self.shape
        )

    def _flat(self) -> tuple[Array, Array]:
        """The ids in one axis, and the rows to go with them."""
        xp, n = self.backend.xp, prod(self.ids.shape)
        return xp.reshape(self.ids, (n,)), xp.reshape(self.rows, (n, *self.shape[1:]))

    def __repr__(self) -> str:
        return f"<RowSparse {prod(self.ids.shape)} rows of {self.shape}>"


class OwedRows(Protocol):
    """Updates that an optimizer owes to rows of a table; see :mod:`framework.optim.owed`.

    While a tensor has such an object in ``_owed``, its ``data`` slot is empty: whoever reads ``data`` makes the
    tensor pay for all rows first, and a lookup, which reads a few rows, pays for those alone.
    """

    array: Array
    """The table, some of whose rows are behind."""

    shape: tuple[int, ...]
    dtype: Any

    def pay(self, tensor: Any) -> Array:
        """Bring all rows up to date and return the table."""

    def behind(self) -> tuple[Array | None, Array, Array] | None:
        """What kernels need to know to read rows as they are now: momentum, steps seen, products; None if nothing is owed."""

    def pay_rows(self, ids: Array) -> None:
        """Bring some rows up to date."""

    def read_rows(self, ids: Array) -> Array:
        """Some rows as they are now."""
