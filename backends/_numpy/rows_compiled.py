"""Loops over the rows of tables, compiled by numba; ``embedding.py`` and ``optimizer.py`` use them where it is installed.

All arrays lie in C order, tables as matrices ``(V, D)``, ids as ``(n,)`` int64, and those of floats have one dtype. A loop that
reads rows does the entries ``[first, last)``; one that writes into a table goes through all entries, for the rows
``[first, last)`` alone. So threads share no row, and every row sees its entries in the order in which they come: results
repeat bit for bit, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Array = Any
F = TypeVar("F", bound=Callable[..., Any])

_compile: Callable[[F], F] = numba.njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


@_compile
def take_rows(table: Array, ids: Array, out: Array, first: int, last: int) -> None:
    """``out[i] = table[ids[i]]``."""
    for i in range(first, last):
        r = ids[i]
        for j in range(table.shape[1]):
            out[i, j] = table[r, j]


@_compile
def sum_runs(factors: Array, columns: Array, bounds: Array, rows: Array, out: Array, first: int, last: int) -> None:
    """``out[k]`` becomes the sum of ``factors[i] * rows[columns[i]]`` for i in ``[bounds[k], bounds[k + 1])``."""
    for k in range(first, last):
        out[k, :] = 0
        for i in range(bounds[k], bounds[k + 1]):
            r, factor = columns[i], factors[i]
            for j in range(rows.shape[1]):
                out[k, j] += factor * rows[r, j]


@_compile
def add_rows(table: Array, ids: Array, rows: Array, run: int, factor: float, first: int, last: int) -> None:
    """``table[ids[i]] += factor * rows[i // run]``."""
    for k in range(rows.shape[0]):
        for i in range(k * run, (k + 1) * run):
            r = ids[i]
            if first <= r < last:
                for j in range(table.shape[1]):
                    table[r, j] += factor * rows[k, j]


@_compile
def _advance(table: Array, buffer: Array, products: Array, r: int, steps: int) -> None:
    """One row and its momentum, if the buffer has rows, from the steps it has seen to now."""
    ww, wb, bw, bb = products[steps]
    if not buffer.shape[0]:
        for j in range(table.shape[1]):
            table[r, j] *= ww
    elif bw == 0:  # then an infinite value must not reach the momentum
        for j in range(table.shape[1]):
            b = buffer[r, j]
            table[r, j] = ww * table[r, j] + wb * b
            buffer[r, j] = bb * b
    else:
        for j in range(table.shape[1]):
            w, b = table[r, j], buffer[r, j]
            table[r, j] = ww * w + wb * b
            buffer[r, j] = bw * w + bb * b


@_compile
def advance_rows(
    table: Array,
    buffer: Array,
    seen: Array,
    products: Array,
    ids: Array,
    rows: Array,
    run: int,
    gain_w: float,
    gain_b: float,
    first: int,
    last: int,
) -> None:
    """Bring ``table[ids[i]]`` up to date and add ``rows[i // run]``, if there are any; ``buffer (0, D)`` for none."""
    now = len(products) - 1
    for i in range(len(ids)):
        r = ids[i]
        if first <= r < last:
            if seen[r] < now:
                _advance(table, buffer, products, r, seen[r])
                seen[r] = now
            if len(rows):
                k = i // run
                for j in range(table.shape[1]):
                    table[r, j] += gain_w * rows[k, j]
                if len(buffer):
                    for j in range(table.shape[1]):
                        buffer[r, j] += gain_b * rows[k, j]


@_compile
def advance_all_rows(table: Array, buffer: Array, seen: Array, products: Array, first: int, last: int) -> None:
    """Bring the rows ``[first, last)`` up to date."""
    now = len(products) - 1
    for r in range(first, last):
        if seen[r] < now:
            _advance(table, buffer, products, r, seen[r])
            seen[r] = now


@_compile
def take_advanced_rows(
    table: Array, buffer: Array, seen: Array, products: Array, ids: Array, out: Array, first: int, last: int
) -> None:
    """``out[i]`` becomes ``table[ids[i]]`` as it will be when it is brought up to date."""
    now = len(products) - 1
    for i in range(first, last):
        r = ids[i]
        ww, wb, _, _ = products[seen[r]]
        if len(buffer) and seen[r] < now:
            for j in range(table.shape[1]):
                out[i, j] = ww * table[r, j] + wb * buffer[r, j]
        else:
            for j in range(table.shape[1]):
                out[i, j] = ww * table[r, j]
