"""Rows that are owed steps: one compiled pass where numba is installed, otherwise few passes over rows in cache."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from backends._numpy import memory
from backends._numpy.embedding import (
    MOVE,
    add_rows,
    as_matrix,
    flat_ids,
    loops_over_rows,
    named_rows,
    sum_rows,
    take_rows,
)
from backends._numpy.threads import each_part

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
    if ids is None or rows is None:
        ids = _late(seen, len(products) - 1, ids)
    else:
        unique, sums = sum_rows(backend, ids, rows.reshape(*ids.shape, prod(table.shape[1:])))
        ids, rows = flat_ids(unique), sums.reshape(len(unique), *table.shape[1:])

    def part(some: slice) -> None:
        for piece in _pieces(table, some):
            g = None if rows is None else rows[piece]
            _advance(backend, table, buffer, seen, products, ids[piece], g, gains)

    each_part(part, len(ids), _time(work, buffer))
    seen[ids] = len(products) - 1


def take_advanced_rows(
    backend: Backend, table: Array, buffer: Array | None, seen: Array, products: Array, ids: Array
) -> Array:
    """The rows as :func:`advance_rows` would leave them, ``ids.shape + table.shape[1:]``; nothing is changed."""
    flat, work = flat_ids(ids), ids.size * prod(table.shape[1:])
    time = _time(work, buffer) + MOVE * work
    loops = loops_over_rows(work, table, products, *_present(buffer))
    if loops is None:
        out = take_rows(backend, table, flat)
        each_part(lambda some: _advance_taken(backend, out, buffer, seen, products, flat, some), len(flat), time)
    else:
        out = memory.empty((len(flat), *table.shape[1:]), table.dtype)
        arguments = (*_as_matrices(table, buffer, seen, products), flat, as_matrix(out))
        each_part(lambda some: loops.take_advanced_rows(*arguments, some.start, some.stop), len(flat), time)
    return out.reshape((*ids.shape, *table.shape[1:]))


def _advance_compiled(
    loops: Any, work: int, owed: tuple[Any, ...], ids: Array | None, rows: Array | None, gains: tuple[float, float]
) -> None:
    table, buffer, seen, products = _as_matrices(*owed)
    ids = np.arange(len(table)) if ids is None else ids
    rows = np.broadcast_to(np.zeros((), table.dtype), (*ids.shape, table.shape[1])) if rows is None else rows
    arguments = (table, buffer, seen, products, *named_rows(ids, rows, table.dtype), *map(table.dtype.type, gains))
    each_part(lambda p: loops.advance_rows(*arguments, p.start, p.stop), len(table), _time(work, owed[1]))


def _as_matrices(table: Array, buffer: Array | None, seen: Array, products: Array) -> tuple[Array, ...]:
    """The arrays as compiled code wants them, with a buffer without rows for None."""
    matrix = as_matrix(table)
    return matrix, np.empty((0, 0), matrix.dtype) if buffer is None else as_matrix(buffer), seen, products


def _time(work: int, buffer: Array | None) -> float:
    """Nanoseconds for so many elements of a table and of its buffer, where there is one."""
    return MOVE * work * (1 if buffer is None else 2)


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


def _advance(
    backend: Backend,
    table: Array,
    buffer: Array | None,
    seen: Array,
    products: Array,
    ids: Array,
    g: Array | None,
    gains: tuple[float, float],
) -> None:
    """Advance a few rows, each named once."""
    (ww, wb, bw, bb), decays = _factors(table, products, seen.take(ids))
    w = take_rows(backend, table, ids) if decays else None
    move = None if g is None else gains[0] * g
    if buffer is not None:
        b = take_rows(backend, buffer, ids)
        move = wb * b if move is None else move + wb * b
        b *= bb
        if w is not None:
            b += bw * w
        if g is not None:
            b += g if gains[1] == 1 else gains[1] * g
        buffer[ids] = b
    if w is not None:
        w *= ww
        if move is not None:
            w += move
        table[ids] = w
    elif move is not None:
        add_rows(backend, table, ids, move, 1.0)


def _advance_taken(
    backend: Backend, out: Array, buffer: Array | None, seen: Array, products: Array, ids: Array, some: slice
) -> None:
    """Advance some of the rows that were taken from a table, ``out[i]`` being a copy of row ``ids[i]``."""
    for piece in _pieces(out, some):
        (ww, wb, _, _), decays = _factors(out, products, seen.take(ids[piece]))
        if decays:
            out[piece] *= ww
        if buffer is not None:
            out[piece] += wb * take_rows(backend, buffer, ids[piece])


def _factors(table: Array, products: Array, steps: Array) -> tuple[Array, bool]:
    """The entries of the products from some steps to now, ``(4, n, 1...)``, and whether rows do more than move by momentum."""
    factors = products.take(steps, axis=0).T
    return factors.reshape(4, -1, *(1,) * (table.ndim - 1)), bool((factors[0] != 1).any() or factors[2].any())


def _pieces(table: Array, entries: slice) -> list[slice]:
    """Cut a range of rows into parts whose elements stay in cache."""
    step = max(1, _PIECE // max(1, prod(table.shape[1:])))
    return [slice(start, min(start + step, entries.stop)) for start in range(entries.start, entries.stop, step)]
