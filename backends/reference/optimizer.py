"""Optimizer updates, in place: the one family of kernels that writes into what it is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from backends.reference import embedding

if TYPE_CHECKING:
    from backends._library import Library

Array = Any

_PIECE = 1 << 16
"""Elements worked on at a time, so that temporaries stay in a core's cache."""


class TableStep(NamedTuple):
    """A step on some rows of a table: the arguments of :func:`advance_rows`, or None for `seen` where no row is behind."""

    table: Array
    buffer: Array | None
    seen: Array | None
    products: Array | None
    ids: Array
    rows: Array
    gains: tuple[float, float]

    def take(self, backend: Any) -> None:
        """Step this table alone."""
        if self.seen is None:
            backend.add_rows(self.table, self.ids, self.rows, self.gains[0])
        else:
            backend.advance_rows(*self)


def sgd_step(
    backend: Library,
    params: Sequence[Array],
    grads: Sequence[Array],
    buffers: Sequence[Array | None],
    tables: Sequence[TableStep] = (),
    *,
    lr: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
    weight_decay: float,
    maximize: bool,
) -> list[Array | None]:
    """One step of stochastic gradient descent on each array of ``params``, and on rows of ``tables``, in place.

    Parameters
    ----------
    params, grads : sequence of Array
        Values and their gradients, in pairs of equal shape.
    buffers : sequence of Array or None
        Momentum buffers, changed in place; None before the first step.
    tables : sequence of TableStep
        What else is to be stepped; each says itself what becomes of its rows, whatever the options are.

    Returns
    -------
    list of Array or None
        The buffers, made where there were none.
    """
    after: list[Array | None] = []
    for param, grad, buffer in zip(params, grads, buffers):
        if maximize:
            grad = -grad
        if weight_decay:
            grad = grad + weight_decay * param
        if momentum:
            if buffer is None:
                buffer = backend.xp.asarray(grad, copy=True)
            else:
                buffer *= momentum
                buffer += grad if dampening == 0 else (1 - dampening) * grad
            grad = grad + momentum * buffer if nesterov else buffer
        param -= lr * grad
        after.append(buffer)
    for step in tables:
        step.take(backend)
    return after


def advance_rows(
    backend: Library,
    table: Array,
    buffer: Array | None,
    seen: Array,
    products: Array,
    ids: Array | None,
    rows: Array | None,
    gains: tuple[float, float],
) -> None:
    """Bring rows that are owed steps up to date, in place, and add a gradient to them.

    A row ``(w, b)`` that has seen ``s`` steps becomes ``products[s] (w, b)``, once however often it is named. Then
    ``gains[0]`` times its gradient is added to w and ``gains[1]`` times it to b.

    Parameters
    ----------
    table : Array
        The w, ``(V, ...)``, at least 1-d.
    buffer : Array or None
        The b, of the same shape; None counts as zeros, which nothing is written to.
    seen : Array
        ``(V,)`` int32 in ``[0, S]``: how many steps each row has seen. Becomes S for the rows named.
    products : Array
        ``(S + 1, 4)``, of the table's dtype: what ``[[ww, wb], [bw, bb]]`` brings a row from each number of steps to S, the
        last being the identity.
    ids : Array or None
        Row numbers of any shape, repeated or not; None for all rows.
    rows : Array or None
        The gradient of the rows named, ``ids.shape + table.shape[1:]``, repeated ones adding up; possibly a broadcast view.
        None for no gradient, as it must be for all rows.
    gains : tuple of float
        Of the gradient in w and in b.
    """
    xp, parts = backend.xp, _pieces(table, table.shape[0])
    if ids is not None and rows is not None:
        ids, rows = embedding.sum_rows(backend, ids, xp.reshape(rows, (*ids.shape, prod(table.shape[1:]))))
        rows = xp.reshape(rows, (ids.shape[0], *table.shape[1:]))
    if ids is not None:
        ids = xp.astype(xp.reshape(ids, (-1,)), xp.int64, copy=False)
        parts = _pieces(table, ids.shape[0])
    for part in parts:
        where = part if ids is None else ids[part]
        w, b = _advanced(xp, table, buffer, seen, products, where)
        if rows is not None:
            w = w + gains[0] * rows[part, ...]
            b = b + gains[1] * rows[part, ...]
        xp.assign(table, where, w)
        if buffer is not None:
            xp.assign(buffer, where, b)
        xp.assign(seen, where, products.shape[0] - 1)


def take_advanced_rows(
    backend: Library, table: Array, buffer: Array | None, seen: Array, products: Array, ids: Array
) -> Array:
    """The rows as :func:`advance_rows` would leave them, ``ids.shape + table.shape[1:]``; nothing is changed."""
    xp = backend.xp
    flat = xp.astype(xp.reshape(ids, (-1,)), xp.int64, copy=False)
    parts = [_advanced(xp, table, buffer, seen, products, flat[part])[0] for part in _pieces(table, flat.shape[0])]
    rows = xp.concat(parts) if parts else xp.take(table, flat, axis=0)
    return xp.reshape(rows, (*ids.shape, *table.shape[1:]))


def _advanced(
    xp: Any, table: Array, buffer: Array | None, seen: Array, products: Array, where: Any
) -> tuple[Array, Array]:
    """The rows w and b, named by integers ``(n,)`` or a slice, after all steps."""

    def part(array: Array) -> Array:
        return array[where, ...] if isinstance(where, slice) else xp.take(array, where, axis=0)

    w, steps = part(table), part(seen)
    factors = xp.reshape(xp.take(products, steps, axis=0), (-1, 4) + (1,) * (table.ndim - 1))
    ww, wb, bw, bb = (factors[:, i, ...] for i in range(4))
    if buffer is None:
        return ww * w, xp.zeros_like(w)
    b = part(buffer)
    # A value that has overflowed must not reach the momentum where the steps keep it away.
    return ww * w + wb * b, bb * b + bw * xp.where(bw != 0, w, xp.zeros_like(w))


def _pieces(table: Array, count: int) -> Iterator[slice]:
    """Cut a number of rows into parts whose elements stay in cache."""
    step = max(1, _PIECE // max(1, prod(table.shape[1:])))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
