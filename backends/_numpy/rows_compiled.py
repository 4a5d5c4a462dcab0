"""Loops over the rows of tables, compiled by numba; ``embedding.py`` and ``optimizer.py`` use them where it is installed.

All arrays lie in C order, tables as matrices ``(V, D)``, ids as ``(n,)`` int64, and those of floats have one dtype. A loop that
reads rows does the entries ``[first, last)``; one that writes into a table goes through all entries, for the rows
``[first, last)`` alone. So threads share no row, and every row sees its entries in the order in which they come: results
repeat bit for bit, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types

from backends._numpy.jit import jit

Array = Any

_intrinsic: Callable[..., Any] = numba.extending.intrinsic

_AHEAD = 8
"""How many entries ahead rows are asked for: they lie anywhere in memory, and waiting for one after the other takes longer
than all that is computed."""

_LINE = 64
"""Bytes that memory hands over at a time."""


@_intrinsic
def _fetch_line(_: Any, address: Any) -> Any:
    """Ask for the line of memory at an address, without waiting for it."""

    def generate(_: Any, builder: Any, signature: Any, values: Any) -> None:
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", (pointer,), kind)
        to_read, to_keep, data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(fetch, [builder.inttoptr(values[0], pointer), to_read, to_keep, data])

    return types.void(types.uintp), generate


@jit
def _fetch(table: Array, r: int) -> None:
    """Ask for a row."""
    row = table.shape[1] * table.itemsize
    for start in range(0, row, _LINE):
        _fetch_line(table.ctypes.data + r * row + start)


@jit
def sum_runs(factors: Array, columns: Array, bounds: Array, rows: Array, out: Array, first: int, last: int) -> None:
    """``out[k]`` becomes the sum of ``factors[i] * rows[columns[i]]`` for i in ``[bounds[k], bounds[k + 1])``."""
    for k in range(first, last):
        out[k, :] = 0
        for i in range(bounds[k], bounds[k + 1]):
            if i + _AHEAD < bounds[last]:
                _fetch(rows, columns[i + _AHEAD])
            r, factor = columns[i], factors[i]
            for j in range(rows.shape[1]):
                out[k, j] += factor * rows[r, j]


@jit
def add_rows(table: Array, ids: Array, rows: Array, run: int, factor: float, first: int, last: int) -> None:
    """``table[ids[i]] += factor * rows[i // run]``."""
    for k in range(len(rows)):
        for i in range(k * run, (k + 1) * run):
            if i + _AHEAD < len(ids) and first <= ids[i + _AHEAD] < last:
                _fetch(table, ids[i + _AHEAD])
            r = ids[i]
            if first <= r < last:
                for j in range(table.shape[1]):
                    table[r, j] += factor * rows[k, j]


@jit
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
    """Bring ``table[ids[i]]`` up to date and add ``rows[i // run]``; ``buffer (0, D)`` for none.

    A row that comes again has seen all steps, and the product from there is the identity.
    """
    for k in range(len(rows)):
        for i in range(k * run, (k + 1) * run):
            if i + _AHEAD < len(ids) and first <= ids[i + _AHEAD] < last:
                _fetch(table, ids[i + _AHEAD])
                if len(buffer):
                    _fetch(buffer, ids[i + _AHEAD])
            r = ids[i]
            if not first <= r < last:
                continue
            ww, wb, bw, bb = products[seen[r]]
            seen[r] = len(products) - 1
            if not len(buffer):
                for j in range(table.shape[1]):
                    table[r, j] = ww * table[r, j] + gain_w * rows[k, j]
            elif bw == 0:  # then a value that has overflowed must not reach the momentum
                for j in range(table.shape[1]):
                    b, g = buffer[r, j], rows[k, j]
                    table[r, j] = ww * table[r, j] + wb * b + gain_w * g
                    buffer[r, j] = bb * b + gain_b * g
            else:
                for j in range(table.shape[1]):
                    w, b, g = table[r, j], buffer[r, j], rows[k, j]
                    table[r, j] = ww * w + wb * b + gain_w * g
                    buffer[r, j] = bw * w + bb * b + gain_b * g


@jit
def take_advanced_rows(
    table: Array, buffer: Array, seen: Array, products: Array, ids: Array, out: Array, first: int, last: int
) -> None:
    """``out[i]`` becomes ``table[ids[i]]`` as it will be when it is brought up to date; the buffer is read where it is not."""
    now = len(products) - 1
    for i in range(first, last):
        if i + _AHEAD < last:
            _fetch(table, ids[i + _AHEAD])
            if len(buffer) and seen[ids[i + _AHEAD]] < now:
                _fetch(buffer, ids[i + _AHEAD])
        r = ids[i]
        ww, wb, _, _ = products[seen[r]]
        if len(buffer) and seen[r] < now:
            for j in range(table.shape[1]):
                out[i, j] = ww * table[r, j] + wb * buffer[r, j]
        else:
            for j in range(table.shape[1]):
                out[i, j] = ww * table[r, j]


@jit
def sum_advanced_runs(
    table: Array,
    buffer: Array,
    seen: Array,
    products: Array,
    factors: Array,
    columns: Array,
    bounds: Array,
    out: Array,
    first: int,
    last: int,
) -> None:
    """As ``sum_runs``, of rows of ``table`` as they will be when they are brought up to date."""
    for k in range(first, last):
        out[k, :] = 0
        for i in range(bounds[k], bounds[k + 1]):
            if i + _AHEAD < bounds[last]:
                _fetch(table, columns[i + _AHEAD])
                if len(buffer):
                    _fetch(buffer, columns[i + _AHEAD])
            r, factor = columns[i], factors[i]
            ww, wb, _, _ = products[seen[r]]
            if len(buffer):
                for j in range(table.shape[1]):
                    out[k, j] += factor * (ww * table[r, j] + wb * buffer[r, j])
            else:
                for j in range(table.shape[1]):
                    out[k, j] += factor * (ww * table[r, j])
