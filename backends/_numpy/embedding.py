"""Rows of a table, with sums of rows as products of a sparse matrix.

``scipy.sparse`` adds a row at a time in compiled code, where ``numpy.add.at`` and ``numpy.add.reduceat`` take ten
times as long. It is imported when it is first needed: it takes 20 MB.

Where there is much to do the work is split over threads, and where numba is installed ``rows_compiled.py`` sums rows, whose
loops use wider instructions than SciPy's.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from backends._numpy import memory
from backends._numpy.compiled import compiled, writable
from backends._numpy.threads import each_part
from backends.reference import embedding as reference
from backends.reference.embedding import bad_index_message, non_integer_message

if TYPE_CHECKING:
    from backends._base import Backend

Array = Any


def check_indices(backend: Backend, ids: Array, size: int, op: str, low: int = 0) -> None:
    """Raise unless ``low <= ids < size``; the message names the first index outside, and its position."""
    if ids.dtype.kind not in "iu":
        raise TypeError(non_integer_message(op, ids.dtype))
    if low == 0:  # without its sign a negative number is a large one: one pass instead of two
        inside = not ids.size or np.maximum.reduce(ids.view(_without_sign(ids.dtype)), None) < size
    else:
        inside = not ids.size or (low <= ids.min() and ids.max() < size)
    if not inside:
        raise IndexError(bad_index_message(op, ids, low, size))


@cache
def _without_sign(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The unsigned integers of the same bits."""
    return np.dtype(dtype.str.replace("i", "u"))


def rows_may_wait(backend: Backend, table: Array, ids: Array) -> bool:
    """Whether rows are best looked up when they are read, for a mean over the last axis of ``ids`` is faster without them.

    They may not where another array has a part of the table's memory.
    """
    several = ids.ndim == table.ndim == 2 and ids.shape[1] > 1 and ids.size * table.shape[1] >= MUCH
    fit = several and table.flags.c_contiguous and table.dtype in (np.float32, np.float64)
    return fit and memory.is_all(table)


def take_rows(backend: Backend, weight: Array, ids: Array) -> Array:
    """Rows ``weight[ids]``, of shape ``ids.shape + weight.shape[1:]``."""
    ids = ids.astype(np.int64, copy=False)
    # take copies lines of memory where indexing walks elements, but would first copy a table that is not contiguous.
    if not weight.flags.c_contiguous:
        return np.asarray(weight[ids])
    if ids.size * prod(weight.shape[1:]) < MUCH:
        return np.asarray(weight.take(ids, axis=0))
    out = memory.empty((*ids.shape, *weight.shape[1:]), weight.dtype)
    table, flat, rows = as_matrix(weight), flat_ids(ids), out.reshape(ids.size, -1)

    def part(entries: slice) -> None:
        # In any other mode take fills a buffer first.
        table.take(flat[entries], axis=0, out=rows[entries], mode="clip")

    each_part(part, ids.size, 2 * MOVE * out.size)
    return out


def sum_rows(backend: Backend, ids: Array, rows: Array) -> tuple[Array, Array]:
    """Unique ``ids`` in rising order ``(u,)`` and the sums ``(u, D)`` of their ``rows (..., D)``."""
    unique, order, bounds = _group(ids.reshape(-1))
    few, run = _without_repeats(rows, ids.ndim)
    return unique, _sum_runs(np.ones(len(order)), order // run, bounds, few)


def scatter_rows(backend: Backend, ids: Array, rows: Array, size: int) -> Array:
    """Dense ``(size, D)`` sum of the ``rows (..., D)`` at their ``ids (...)``."""
    out = np.zeros((size, rows.shape[-1]), np.result_type(rows.dtype, np.float32))
    add_rows(backend, out, ids, rows, 1.0)
    return out.astype(rows.dtype, copy=False)


def add_rows(backend: Backend, table: Array, ids: Array, rows: Array, factor: float) -> None:
    """``table[ids] += factor * rows`` in place, repeated ids adding up."""
    work = ids.size * prod(table.shape[1:])
    loops = loops_over_rows(work, table)
    known = loops is None and table.flags.c_contiguous and table.itemsize >= 4 and work
    tools: Any = _sparse_tools() if known else None
    if loops is None and tools is None:
        reference.add_rows(backend, table, ids, rows, factor)
        return
    flat, few, run = named_rows(ids, rows, table.dtype)
    whole = as_matrix(table)
    if loops is not None:
        number = table.dtype.type(factor)  # with a Python number the loop would compute in double precision
        each_part(lambda p: loops.add_rows(whole, flat, few, run, number, p.start, p.stop), len(table), MOVE * work)
        return
    starts, factors = np.arange(0, len(flat) + 1, run), np.empty(len(flat), table.dtype)
    factors.fill(factor)
    tools.csc_matvecs(len(table), len(few), few.shape[1], starts, flat, factors, few.reshape(-1), table.reshape(-1))


def named_rows(ids: Array, rows: Array, dtype: Any) -> tuple[Array, Array, int]:
    """Ids ``(n,)``, rows as a matrix ``(n / run, D)``, and how many entries after each other share one of its rows."""
    few, run = _without_repeats(rows.reshape(*ids.shape, -1), ids.ndim)
    return flat_ids(ids), writable(np.ascontiguousarray(few, dtype)), run


def flat_ids(ids: Array) -> Array:
    """Ids as ``(n,)`` int64."""
    return writable(ids.reshape(-1).astype(np.int64, copy=False))


# ---------------------------------------------------------------- loops and what they take
MUCH = 1 << 16
"""Elements from which on it pays to load what is compiled."""

MOVE = 0.2
"""Nanoseconds that a core takes for an element of rows that lie anywhere: to read it, to write it, or both in one place."""


def loops_over_rows(work: int, *arrays: Array) -> Any:
    """The compiled loops, where they are installed, know such arrays, and have much to do; otherwise None."""
    first = arrays[0]
    if work < MUCH or first.dtype not in (np.float32, np.float64):
        return None
    known = all(a.dtype == first.dtype and a.flags.c_contiguous and a.flags.writeable for a in arrays)
    return compiled("rows") if known else None


def as_matrix(table: Array) -> Array:
    """A contiguous table ``(V, ...)`` as ``(V, D)``."""
    return table.reshape(len(table), prod(table.shape[1:]))


# ---------------------------------------------------------------- sparse products
@cache
def _sparse_tools() -> Any:
    """SciPy's ``Y += A X`` for sparse A, which its public products call with a ``Y`` of zeros after many checks.

    It is the one way in SciPy to add rows to a table in place, and for small tables the checks cost more than the
    sums. None should it ever go; then sums are made through the public products.
    """
    try:
        from scipy.sparse import _sparsetools
    except ImportError:
        return None
    return _sparsetools if hasattr(_sparsetools, "csc_matvecs") and hasattr(_sparsetools, "csr_matvecs") else None


def _without_repeats(rows: Array, axes: int) -> tuple[Array, int]:
    """Rows ``(..., D)`` behind ``axes`` axes as a matrix, and how often each of its rows counts in a run.

    A mean over words has one gradient for all words of a sentence, which comes as a broadcast view: it need not be copied.
    """
    run = 1
    while axes > 1 and rows.strides[axes - 1] == 0 and rows.shape[axes - 1]:
        run, rows, axes = run * rows.shape[axes - 1], rows[(slice(None),) * (axes - 1) + (0,)], axes - 1
    return rows.reshape(prod(rows.shape[:axes]), rows.shape[-1]), run


def embedding_bag_forward(
    backend: Backend,
    weight: Array,
    ids: Array,
    offsets: Array,
    per_sample_weights: Array | None,
    mode: str,
    padding_idx: int | None,
    owed: tuple[Array | None, Array, Array] | None = None,
) -> tuple[Array, tuple[Any, ...]]:
    """Sum, mean or maximum ``(B, D)`` of the rows of each bag; `saved` refers to `weight`, which must not change."""
    kept, ids, bounds = _kept_entries(ids, offsets, padding_idx)
    shares = _shares(bounds, mode, np.result_type(weight.dtype, np.float32))
    factors = shares if per_sample_weights is None else shares * per_sample_weights[kept]
    tops, loops = None, _loops_over_owed_rows(ids.size * weight.shape[1], weight, owed)
    if mode == "max":
        out = _max_runs(_rows_of_bags(backend, weight, owed, ids), bounds)
        tops = out.copy()
    elif owed is not None and loops is not None:
        out = _sum_advanced_runs(loops, factors, ids, bounds, weight, owed)
    elif owed is None and weight.flags.c_contiguous and weight.itemsize >= 4:
        out = _sum_runs(factors, ids, bounds, weight)
    else:  # the product knows no debts, and would copy or convert the whole table
        out = _sum_runs(factors, np.arange(len(ids)), bounds, _rows_of_bags(backend, weight, owed, ids))
    return out, (weight, owed, ids, bounds, kept, shares, factors, tops, per_sample_weights)


def embedding_bag_backward(
    backend: Backend, saved: tuple[Any, ...], g: Array, needs: tuple[bool, bool]
) -> tuple[tuple[Array, Array] | None, Array | None]:
    """Gradients of ``sum(g * out)``: unique ids and rows for the table, ``(n,)`` for the per-sample weights."""
    weight, owed, ids, bounds, kept, shares, factors, tops, per_sample_weights = saved
    gweight = gfactors = None
    if needs[0]:
        unique, order, runs = _group(ids)
        if tops is None:
            gweight = unique, _sum_runs(factors[order], _run_of_entries(bounds)[order], runs, g)
        else:
            winners = _winners(_rows_of_bags(backend, weight, owed, ids), tops, bounds)
            gweight = unique, _sum_winners(winners, order, runs, g)
    if needs[1]:
        rows = _rows_of_bags(backend, weight, owed, ids)
        gfactors = np.zeros_like(per_sample_weights)
        gfactors[kept] = shares * np.vecdot(_widen(g)[_run_of_entries(bounds)], _widen(rows))
    return gweight, gfactors


def _rows_of_bags(backend: Backend, weight: Array, owed: tuple[Array | None, Array, Array] | None, ids: Array) -> Array:
    return take_rows(backend, weight, ids) if owed is None else backend.take_advanced_rows(weight, *owed, ids)


def _loops_over_owed_rows(work: int, weight: Array, owed: tuple[Array | None, Array, Array] | None) -> Any:
    """As :func:`loops_over_rows`, or None where nothing is owed."""
    return None if owed is None else loops_over_rows(work, weight, *(a for a in owed[::2] if a is not None))


def _sum_advanced_runs(
    loops: Any, factors: Array, ids: Array, bounds: Array, weight: Array, owed: tuple[Array | None, Array, Array]
) -> Array:
    """As :func:`_sum_runs`, of rows of a table as they are when they have caught up."""
    out = np.empty((len(bounds) - 1, weight.shape[1]), weight.dtype)
    buffer, seen, products = owed
    ids, bounds = (writable(a.astype(np.int64, copy=False)) for a in (ids, bounds))
    factors = writable(factors.astype(weight.dtype, copy=False))
    tables = weight, np.empty((0, 0), weight.dtype) if buffer is None else buffer
    arguments = (*tables, seen, products, factors, ids, bounds, out)
    time = MOVE * ids.size * weight.shape[1] * (1 if buffer is None else 2)
    each_part(lambda some: loops.sum_advanced_runs(*arguments, some.start, some.stop), len(out), time)
    return out


def _kept_entries(ids: Array, offsets: Array, padding_idx: int | None) -> tuple[Array | slice, Array, Array]:
    """Which entries count, their ids, and where among them the ``B`` bags begin and end: ``(B + 1,)``."""
    bounds = np.append(offsets, len(ids)).astype(np.intp, copy=False)
    if padding_idx is None:
        return slice(None), ids, bounds
    kept = np.flatnonzero(ids != padding_idx)
    return kept, ids[kept], np.searchsorted(kept, bounds)


def _shares(bounds: Array, mode: str, dtype: Any) -> Array:
    """``(n,)``: the part of its bag that each entry makes up in a mean, or else ones."""
    if mode != "mean":
        return np.ones(bounds[-1], dtype)
    lengths = np.diff(bounds)
    return np.repeat((1 / np.maximum(lengths, 1)).astype(dtype), lengths)


def _group(ids: Array) -> tuple[Array, Array, Array]:
    """Unique ids ``(u,)``, an order ``(n,)`` that brings equal ones together, and their runs' bounds ``(u + 1,)``."""
    order = _stable_argsort(ids)
    ordered = ids[order]
    bounds = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))[: len(ids) + 1]
    return ordered[bounds[:-1]], order, bounds


def _stable_argsort(ids: Array) -> Array:
    """Sort by 16 bits at a time, the lowest first: of all integers NumPy sorts only these by counting."""
    order = np.argsort(ids.astype(np.uint16), kind="stable")
    highest = int(ids.max(initial=0))
    for shift in range(16, highest.bit_length(), 16):
        digits = (ids >> shift).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
    return order


def _sum_runs(factors: Array, columns: Array, bounds: Array, rows: Array) -> Array:
    """``(R, D)``: for each run of entries, the sum of the rows at their columns ``(n,)`` times their factors."""
    wide = np.ascontiguousarray(_widen(rows))
    factors, runs = factors.astype(wide.dtype, copy=False), len(bounds) - 1
    work = len(columns) * wide.shape[1]
    loops = loops_over_rows(work, wide)
    tools: Any = _sparse_tools() if loops is None else None
    if loops is None and tools is None:
        from scipy.sparse import csr_array

        return (csr_array((factors, columns, bounds), shape=(runs, len(rows))) @ wide).astype(rows.dtype, copy=False)
    columns, bounds = (writable(a.astype(np.int64, copy=False)) for a in (columns, bounds))
    factors = writable(factors)
    out = np.empty((runs, wide.shape[1]), wide.dtype)

    def part(some: slice) -> None:
        if loops is not None:
            loops.sum_runs(factors, columns, bounds, wide, out, some.start, some.stop)
            return
        sums, edges = out[some], bounds[some.start : some.stop + 1]
        sums[:] = 0
        flat = wide.reshape(-1)
        tools.csr_matvecs(len(sums), len(rows), wide.shape[1], edges, columns, factors, flat, sums.reshape(-1))

    each_part(part, runs, MOVE * work)
    return out.astype(rows.dtype, copy=False)


def _max_runs(rows: Array, bounds: Array) -> Array:
    """``(R, D)``: the maxima of each run of rows, zeros where it is empty."""
    lengths = np.diff(bounds)
    tops = np.zeros((len(lengths), rows.shape[1]), rows.dtype)
    filled, lengths = lengths > 0, lengths[lengths > 0]
    # Pair by pair; a row without a partner is compared with itself.
    while lengths.max(initial=1) > 1:
        halves = (lengths + 1) // 2
        starts, run = np.cumsum(lengths) - lengths, np.repeat(np.arange(len(lengths)), halves)
        firsts = (starts - 2 * (np.cumsum(halves) - halves))[run] + 2 * np.arange(len(run))
        seconds = np.minimum(firsts + 1, (starts + lengths - 1)[run])
        rows, lengths = np.maximum(rows.take(firsts, axis=0), rows.take(seconds, axis=0)), halves
    tops[filled] = rows
    return tops


def _winners(rows: Array, tops: Array, bounds: Array) -> Array:
    """``(R, D)``: which of the rows is the first of its run to attain the maximum; -1 where it is empty."""
    runs, width = _run_of_entries(bounds), rows.shape[1]
    # One number an element: nonzero of a matrix takes seven times as long.
    places = np.flatnonzero((rows == tops.take(runs, axis=0)) | np.isnan(rows))[::-1]
    entries = places // width
    winners = np.full(tops.shape, -1)
    # Of several assignments to one place the last one stays, which is the first of the run.
    winners.reshape(-1)[places + (runs[entries] - entries) * width] = entries
    return winners


def _sum_winners(winners: Array, order: Array, runs: Array, g: Array) -> Array:
    """``(u, D)``: each element of ``g (B, D)`` added, in its column, to the group of the row that won it."""
    group = np.empty(len(order), np.intp)
    group[order] = _run_of_entries(runs)
    sums = np.zeros((len(runs) - 1, g.shape[1]), np.result_type(g.dtype, np.float32))
    bags, columns = np.nonzero(winners >= 0)
    cells = group[winners[bags, columns]] * g.shape[1] + columns
    np.add.at(sums.reshape(-1), cells, g[bags, columns].astype(sums.dtype, copy=False))
    return sums.astype(g.dtype, copy=False)


def _run_of_entries(bounds: Array) -> Array:
    """``(n,)``: the number of the run that each entry lies in."""
    return np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))


def _widen(x: Array) -> Array:
    return x.astype(np.result_type(x.dtype, np.float32), copy=False)
