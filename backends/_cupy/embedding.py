"""Rows of a table; sums of rows come out the same each time, because rows are sorted before they are added.

Where that is not wanted (``backend.deterministic`` is False), rows that are added to an array in float32 or float64 are added
with atomics, unsorted; ``sum_rows`` sorts either way, for its result is sorted.
"""

from __future__ import annotations

from math import prod
from typing import Any

from backends._cupy.launching import adds_atomically, blocks, dense, flat_ids, over_elements, over_rows, supported, wide
from backends._cupy.sorting import BLOCK, Runs, sorted_runs
from backends.reference import embedding as reference

Array = Any

_NOTHING = -1
_MODES = {"sum": 0, "mean": 1, "max": 2}


def check_indices(backend: Any, ids: Array, size: int, op: str, low: int = 0) -> None:
    """Raise at the next wait for the device unless ``low <= ids < size``; see :mod:`backends._cupy.mistakes`."""
    xp = backend.xp
    if not xp.isdtype(ids.dtype, "integral"):
        raise TypeError(reference.non_integer_message(op, ids.dtype))
    flat = flat_ids(xp, ids)
    number = backend.mistakes.number(op, tuple(ids.shape), low, size)
    arguments = (flat, flat.shape[0], low, size, number, *backend.mistakes.arguments)
    backend.launch("embedding.check_indices", "float32", *over_elements(flat.shape[0]), arguments)


def check_offsets(backend: Any, offsets: Array, n: int, op: str) -> None:
    """Raise ValueError unless ``offsets (B,)`` begin with 0, never fall, and stay within ``n``.

    A captured step, which must not wait, notes wrong offsets as :func:`check_indices` does.
    """
    if not backend.capturing() or not offsets.shape[0]:
        reference.check_offsets(backend, offsets, n, op)
        return
    xp = backend.xp
    starts = flat_ids(xp, offsets)
    ends = xp.concat([starts[1:], xp.full((1,), n, dtype=xp.int64)])
    check_indices(backend, starts[:1], 1, f"{op} (first offset)")
    check_indices(backend, ends - starts, n + 1, f"{op} (lengths of bags)")


def take_rows(backend: Any, weight: Array, ids: Array) -> Array:
    """Rows ``weight[ids]``, of shape ``ids.shape + weight.shape[1:]``; indices outside are moved to the nearest row."""
    xp = backend.xp
    shape = (*ids.shape, *weight.shape[1:])
    weight, flat = dense(weight), flat_ids(xp, ids)
    out = xp.zeros(shape, dtype=weight.dtype) if not weight.shape[0] else xp.empty(shape, dtype=weight.dtype)
    if out.size and weight.shape[0]:
        row = weight.nbytes // weight.shape[0]
        piece = next(size for size in (16, 8, 4, 2, 1) if row % size == 0 and backend.address(weight) % size == 0)
        (count, _, _), block = over_rows(flat.shape[0], row // piece)
        arguments = (weight, flat, out, flat.shape[0], row // piece, weight.shape[0])
        backend.launch(f"embedding.take_rows_{piece}", "float32", (min(count, 1 << 20), 1, 1), block, arguments)
    return out


def sum_rows(backend: Any, ids: Array, rows: Array) -> tuple[Array, Array]:
    """All ``ids (n,)`` in rising order; one row of ``(n, D)`` for each id has its sum of ``rows (..., D)``, others are zero.

    How many different ids there are stays on the device.
    """
    if not supported(rows):
        return reference.sum_rows(backend, ids, rows)
    runs = sorted_runs(backend, ids, rows, rows.shape[-1])
    sums = backend.xp.zeros((runs.n, runs.width), dtype=rows.dtype)
    _sum_runs(backend, runs, sums, in_place=True)
    return backend.xp.astype(runs.keys, ids.dtype, copy=False), sums


def scatter_rows(backend: Any, ids: Array, rows: Array, size: int) -> Array:
    """Dense ``(size, D)`` sum of the ``rows (..., D)`` at their ``ids (...)``."""
    if not supported(rows):
        return reference.scatter_rows(backend, ids, rows, size)
    out = backend.xp.zeros((size, rows.shape[-1]), dtype=rows.dtype)
    if adds_atomically(backend, out):
        _add_atomically(backend, out, ids, rows, 1.0)
        return out
    _sum_runs(backend, sorted_runs(backend, ids, rows, rows.shape[-1]), out)
    return out


def add_rows(backend: Any, table: Array, ids: Array, rows: Array, factor: float) -> None:
    """``table[ids] += factor * rows`` in place, repeated ids adding up."""
    if not (supported(table) and table.flags.c_contiguous) or not factor:
        reference.add_rows(backend, table, ids, rows, factor)
        return
    xp, size, width = backend.xp, table.shape[0], prod(table.shape[1:])
    flat, rows = xp.reshape(table, (size, width)), xp.astype(rows, table.dtype, copy=False)
    if adds_atomically(backend, table):
        _add_atomically(backend, flat, ids, rows, float(factor))
        return
    _sum_runs(backend, sorted_runs(backend, ids, rows, width), flat, factor=float(factor))


def _add_atomically(backend: Any, out: Array, ids: Array, rows: Array, factor: float) -> None:
    keys, (size, width) = flat_ids(backend.xp, ids), out.shape
    n = keys.shape[0]
    if size:
        arguments = (keys, dense(backend.xp.reshape(rows, (n, width))), out, n, width, size, factor)
        backend.launch("embedding.add_rows_atomic", rows.dtype.name, *over_rows(n, width), arguments)


def _sum_runs(backend: Any, runs: Runs, out: Array, factor: float = 0.0, in_place: bool = False) -> None:
    keys, order, rows, parts, arrived, n, width = runs
    if out.shape[0]:
        arguments = (keys, order, rows, parts, arrived, out, n, width, out.shape[0], factor, int(in_place))
        backend.launch("embedding.sum_runs", rows.dtype.name, (runs.pieces, 1, 1), BLOCK, arguments)


def embedding_bag_forward(
    backend: Any,
    weight: Array,
    ids: Array,
    offsets: Array,
    per_sample_weights: Array | None,
    mode: str,
    padding_idx: int | None,
    owed: tuple[Array | None, Array, Array] | None = None,
) -> tuple[Array, tuple[Any, ...]]:
    """Sum, mean or maximum ``(B, D)`` of the rows of each bag, which catch up first, in the table, with what they are owed.

    `saved` refers to `weight`, which must not change.
    """
    if owed is not None:
        backend.advance_rows(weight, *owed, ids, None, (0.0, 0.0))
    if not supported(weight):
        out, saved = reference.embedding_bag_forward(
            backend, weight, ids, offsets, per_sample_weights, mode, padding_idx
        )
        return out, (None, saved)
    xp = backend.xp
    kind = ids.dtype
    weight, ids, offsets = dense(weight), flat_ids(xp, ids), flat_ids(xp, offsets)
    (size, width), bags = weight.shape, offsets.shape[0]
    factors = None
    if per_sample_weights is not None:
        factors = dense(xp.astype(per_sample_weights, weight.dtype, copy=False))
    padding = _NOTHING if padding_idx is None else padding_idx
    out = xp.empty((bags, width), dtype=weight.dtype)
    winners = xp.empty((bags, width), dtype=xp.int64) if mode == "max" else None
    sizes = (ids.shape[0], bags, width, size, padding, _MODES[mode])
    grid, block = over_rows(bags, width)
    backend.launch(
        "embedding.embedding_bag", weight.dtype.name, grid, block, (weight, ids, offsets, factors, out, winners, *sizes)
    )
    return out, (weight, ids, offsets, per_sample_weights, winners, padding, mode, kind)


def embedding_bag_backward(
    backend: Any, saved: tuple[Any, ...], g: Array, needs: tuple[bool, bool]
) -> tuple[tuple[Array, Array] | None, Array | None]:
    """Gradients of ``sum(g * out)``: a row ``(n, D)`` for each of the ids, and ``(n,)`` for the per-sample weights."""
    if saved[0] is None:
        return reference.embedding_bag_backward(backend, saved[1], g, needs)
    weight, ids, offsets, per_sample_weights, winners, padding, mode, kind = saved
    xp, n, (bags, width) = backend.xp, ids.shape[0], g.shape
    g = dense(xp.astype(g, weight.dtype, copy=False))
    bag_of = xp.zeros((n,), dtype=xp.int64)
    shares = xp.zeros((n,), dtype=wide(weight))
    backend.launch(
        "embedding.bag_entries",
        weight.dtype.name,
        (blocks(bags, 8), 1, 1),
        (32, 8, 1),
        (ids, offsets, bag_of, shares, n, bags, padding, _MODES[mode]),
    )
    gweight = gfactors = None
    if needs[0]:
        factors = None
        if per_sample_weights is not None:
            factors = dense(xp.astype(per_sample_weights, weight.dtype, copy=False))
        rows = xp.empty((n, width), dtype=weight.dtype)
        entries = (bag_of, shares, factors, winners, g, rows, n, width)
        backend.launch("embedding.bag_rows_backward", weight.dtype.name, *over_rows(n, width), entries)
        gweight = xp.astype(ids, kind, copy=False), rows
    if needs[1]:
        out = xp.empty((n,), dtype=weight.dtype)
        arguments = (weight, ids, bag_of, shares, g, out, n, width, weight.shape[0])
        backend.launch("embedding.bag_factors_backward", weight.dtype.name, (blocks(n, 8), 1, 1), (32, 8, 1), arguments)
        gfactors = xp.astype(out, per_sample_weights.dtype, copy=False)
    return gweight, gfactors
