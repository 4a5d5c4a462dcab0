"""Rows that are owed steps: one compiled pass where numba is installed, otherwise few passes over rows in cache."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from backends._numpy.embedding import add_rows, as_matrix, each_part, flat_ids, loops_over_rows, named_rows, take_rows

if TYPE_CHECKING:
    from backends._base import Backend

Array = Any

_PIECE = 1 << 15
"""Elements worked on at a time, so that temporaries stay in a core's cache."""


def advance_rows(
    backend: Backend,
    table: Array,
    buffer: Array | None,
    seen: Array,
    products: Array,
    ids: Array | None,
    rows: Array | None,
    gains: tuple[float, float],
) -> None:
    """Bring rows that are owed steps up to date, in place, and add a gradient to them."""
    work = table.size if ids is None else ids.size * prod(table.shape[1:])
    loops = loops_over_rows(work, table, products, *_present(buffer))
    if loops is not None:
        _advance_compiled(loops, work, (table, buffer, seen, products), ids, rows, gains)
        return
    late = _late(seen, len(products) - 1, ids)
    each_part(lambda some: _catch_up(backend, table, buffer, products, seen, late[some]), len(late), work)
    seen[late] = len(products) - 1
    if ids is not None and rows is not None:
        for array, gain in zip((table, *_present(buffer)), gains):
            add_rows(backend, array, ids, rows, gain)


def take_advanced_rows(
    backend: Backend, table: Array, buffer: Array | None, seen: Array, products: Array, ids: Array
) -> Array:
    """The rows as :func:`advance_rows` would leave them, ``ids.shape + table.shape[1:]``; nothing is changed."""
    flat = flat_ids(ids)
    out = np.empty((len(flat), *table.shape[1:]), table.dtype)
    loops = loops_over_rows(out.size, table, products, *_present(buffer))
    owed = _as_matrices(table, buffer, seen, products)

    def part(entries: slice) -> None:
        if loops is not None:
            loops.take_advanced_rows(*owed, flat, as_matrix(out), entries.start, entries.stop)
            return
        for piece in _pieces(table, entries):
            rows = flat[piece]
            (ww, wb, _, _), decays = _factors(table, products, seen.take(rows))
            w = take_rows(backend, table, rows)
            if decays:
                w *= ww
            if buffer is not None:
                w += wb * take_rows(backend, buffer, rows)
            out[piece] = w

    each_part(part, len(flat), out.size)
    return out.reshape((*ids.shape, *table.shape[1:]))


def _advance_compiled(
    loops: Any, work: int, owed: tuple[Any, ...], ids: Array | None, rows: Array | None, gains: tuple[float, float]
) -> None:
    table, buffer, seen, products = _as_matrices(*owed)
    ids = np.arange(len(table)) if ids is None else ids
    rows = np.broadcast_to(np.zeros((), table.dtype), (*ids.shape, table.shape[1])) if rows is None else rows
    arguments = (table, buffer, seen, products, *named_rows(ids, rows, table.dtype), *map(table.dtype.type, gains))
    each_part(lambda p: loops.advance_rows(*arguments, p.start, p.stop), len(table), work)


def _as_matrices(table: Array, buffer: Array | None, seen: Array, products: Array) -> tuple[Array, ...]:
    """The arrays as compiled code wants them, with a buffer without rows for None."""
    matrix = as_matrix(table)
    return matrix, np.empty((0, 0), matrix.dtype) if buffer is None else as_matrix(buffer), seen, products


def _present(buffer: Array | None) -> tuple[Array, ...]:
    return () if buffer is None else (buffer,)


def _late(seen: Array, now: int, ids: Array | None) -> Array:
    """The rows named that have not seen all steps, each once."""
    if ids is None:
        return np.flatnonzero(seen < now)
    ids = flat_ids(ids)
    ids = ids[seen.take(ids) < now]
    # Of several entries for one row the last leaves its number, and none needs to be sorted.
    entry, last = np.arange(len(ids)), np.empty(len(seen), np.int64)
    last[ids] = entry
    return ids[last[ids] == entry]


def _catch_up(backend: Backend, table: Array, buffer: Array | None, products: Array, seen: Array, late: Array) -> None:
    for piece in _pieces(table, slice(0, len(late))):
        ids = late[piece]
        (ww, wb, bw, bb), decays = _factors(table, products, seen.take(ids))
        w = take_rows(backend, table, ids) if decays else None
        if buffer is not None:
            b = take_rows(backend, buffer, ids)
            moved = wb * b
            b *= bb
            if w is not None:
                b += bw * w
            buffer[ids] = b
        if w is not None:
            w *= ww
            table[ids] = w
        if buffer is not None:
            add_rows(backend, table, ids, moved, 1.0)


def _factors(table: Array, products: Array, steps: Array) -> tuple[Array, bool]:
    """The entries of the products from some steps to now, ``(4, n, 1...)``, and whether rows do more than move by momentum."""
    factors = products.take(steps, axis=0).T
    return factors.reshape(4, -1, *(1,) * (table.ndim - 1)), bool((factors[0] != 1).any() or factors[2].any())


def _pieces(table: Array, entries: slice) -> list[slice]:
    """Cut a range of rows into parts whose elements stay in cache."""
    step = max(1, _PIECE // max(1, prod(table.shape[1:])))
    return [slice(start, min(start + step, entries.stop)) for start in range(entries.start, entries.stop, step)]
