"""Row-sparse gradients: what a lookup of rows sends back to the table."""

from __future__ import annotations

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
    ids : (n,) integer array
        Row numbers; they may repeat, and repeated rows add up.
    rows : (n, ...) array
        The rows.
    shape : tuple of int
        Shape of the whole gradient.
    """

    __slots__ = ("_unique", "backend", "ids", "rows", "shape")

    def __init__(self, backend: Backend, ids: Array, rows: Array, shape: tuple[int, ...], *, unique: bool = False):
        self.backend = backend
        self.ids = ids
        self.rows = rows
        self.shape = shape
        self._unique = unique

    @property
    def saves_work(self) -> bool:
        """Whether it names fewer rows than there are; otherwise the dense gradient is cheaper."""
        return bool(self.ids.shape[0] < self.shape[0])

    def coalesce(self) -> RowSparse:
        """The same gradient with each row named once, in rising order; computed once and kept."""
        if not self._unique:
            xp = self.backend.xp
            width = 1
            for length in self.shape[1:]:
                width *= length
            ids, rows = self.backend.sum_rows(self.ids, xp.reshape(self.rows, (self.ids.shape[0], width)))
            self.ids, self.rows = ids, xp.reshape(rows, (ids.shape[0], *self.shape[1:]))
            self._unique = True
        return self

    def dense(self) -> Array:
        """The gradient as an ordinary array."""
        xp = self.backend.xp
        n, size = self.ids.shape[0], self.shape[0]
        width = 1
        for length in self.shape[1:]:
            width *= length
        flat = self.backend.scatter_rows(self.ids, xp.reshape(self.rows, (n, width)), size)
        return xp.reshape(flat, self.shape)

    def merge(self, other: Any) -> Any:
        """The sum with another gradient: row-sparse if both are."""
        if not isinstance(other, RowSparse):
            return self.dense() + other
        xp = self.backend.xp
        ids = xp.concat([self.ids, xp.astype(other.ids, self.ids.dtype)])
        return RowSparse(self.backend, ids, xp.concat([self.rows, other.rows]), self.shape)

    def __repr__(self) -> str:
        return f"<RowSparse {self.ids.shape[0]} rows of {self.shape}>"


class OwedRows(Protocol):
    """Updates that an optimizer owes to rows of a table; see :mod:`framework.optim.owed`.

    While a tensor has such an object in ``_owed``, its ``data`` slot is empty: whoever reads ``data`` makes the
    tensor pay for all rows first, and a lookup, which reads a few rows, pays for those alone.
    """

    array: Array
    """The table, some of whose rows are behind."""

    def pay(self, tensor: Any) -> Array:
        """Bring all rows up to date, end the debt, and return the table."""

    def pay_rows(self, ids: Array) -> None:
        """Bring some rows up to date."""
