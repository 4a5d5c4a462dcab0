"""Rows of a table; sums of rows come out the same each time, because rows are sorted before they are added."""

from __future__ import annotations

from math import prod
from typing import Any

from backends._cupy.launching import blocks, dense, flat_ids, over_elements, over_rows, supported, wide
from backends.reference import embedding as reference

Array = Any

PIECE = 64
"""Entries of one key that a warp adds up; see ``runs.cuh``."""

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
    """Unique ``ids (u,)`` in rising order and the sums ``(u, D)`` of their ``rows (..., D)``; waits to learn ``u``."""
    if not supported(rows):
        return reference.sum_rows(backend, ids, rows)
    keys = flat_ids(backend.xp, ids)
    unique, sums = _sum_by_key(backend, keys, matrix(backend.xp, keys, rows, rows.shape[-1]))
    return backend.xp.astype(unique, ids.dtype, copy=False), sums


def scatter_rows(backend: Any, ids: Array, rows: Array, size: int) -> Array:
    """Dense ``(size, D)`` sum of the ``rows (..., D)`` at their ``ids (...)``; without a wait.

    Inside a captured step, where CuPy cannot sort, rows are added in whichever order they come.
    """
    if not supported(rows):
        return reference.scatter_rows(backend, ids, rows, size)
    xp, width = backend.xp, rows.shape[-1]
    keys = flat_ids(xp, ids)
    rows = matrix(xp, keys, rows, width)
    if backend.capturing():
        sums = xp.zeros((size, width), dtype=wide(rows))
        _add_atomically(backend, sums, keys, rows, 1.0)
        return xp.astype(sums, rows.dtype, copy=False)
    out = xp.zeros((size, width), dtype=rows.dtype)
    keys, order = sorted_keys(xp, keys)
    _sum_runs(backend, keys, order, keys, rows, out)
    return out


def add_rows(backend: Any, table: Array, ids: Array, rows: Array, factor: float) -> None:
    """``table[ids] += factor * rows`` in place, repeated ids adding up; in a captured step as :func:`scatter_rows`."""
    if not (supported(table) and table.flags.c_contiguous) or not factor:
        reference.add_rows(backend, table, ids, rows, factor)
        return
    xp, size, width = backend.xp, table.shape[0], prod(table.shape[1:])
    keys = flat_ids(xp, ids)
    rows = matrix(xp, keys, xp.astype(rows, table.dtype, copy=False), width)
    flat = xp.reshape(table, (size, width))
    if not backend.capturing():
        keys, order = sorted_keys(xp, keys)
        _sum_runs(backend, keys, order, keys, rows, flat, factor=float(factor))
    elif table.dtype == wide(table):
        _add_atomically(backend, flat, keys, rows, float(factor))
    else:
        table += xp.reshape(factor * scatter_rows(backend, keys, rows, size), table.shape)


def matrix(xp: Any, keys: Array, rows: Array, width: int) -> Array:
    """Rows ``(n, width)`` for ``keys (n,)``, one after another in memory."""
    return dense(xp.reshape(rows, (keys.shape[0], width)))


def sorted_keys(xp: Any, keys: Array) -> tuple[Array, Array]:
    """The keys in rising order, and where each was; equal ones in the order they came. CuPy's sort waits for nothing."""
    order = xp.argsort(keys, stable=True)
    return xp.take(keys, order, axis=0), order


def _add_atomically(backend: Any, out: Array, keys: Array, rows: Array, factor: float) -> None:
    n, (size, width) = keys.shape[0], out.shape
    if size:
        arguments = (keys, rows, out, n, width, size, factor)
        backend.launch("embedding.add_rows_atomic", rows.dtype.name, *over_rows(n, width), arguments)


def _sum_by_key(
    backend: Any,
    keys: Array,
    rows: Array,
    source: Array | None = None,
    factors: Array | None = None,
    winners: Array | None = None,
) -> tuple[Array, Array]:
    """Different keys that are not negative, rising, and the sums of their entries; ``sum_runs`` names the arguments."""
    backend.refuse_in_capture("sum_rows", "the number of different rows, which the host must know")
    xp, n = backend.xp, keys.shape[0]
    if not n:
        return xp.empty((0,), dtype=xp.int64), xp.empty((0, rows.shape[1]), dtype=rows.dtype)
    keys, order = sorted_keys(xp, keys)
    starts = xp.concat([xp.ones((1,), dtype=xp.bool), keys[1:] != keys[:-1]]) & (keys >= 0)
    target = xp.cumulative_sum(xp.astype(starts, xp.int64)) - 1
    count = int(target[-1]) + 1
    unique = xp.empty((count,), dtype=xp.int64)
    sums = xp.empty((count, rows.shape[1]), dtype=rows.dtype)
    _sum_runs(backend, keys, order, target, rows, sums, unique, source, factors, winners)
    return unique, sums


def _sum_runs(
    backend: Any,
    keys: Array,
    order: Array,
    target: Array,
    rows: Array,
    out: Array,
    unique: Array | None = None,
    source: Array | None = None,
    factors: Array | None = None,
    winners: Array | None = None,
    factor: float = 0.0,
) -> None:
    n, (size, width) = keys.shape[0], out.shape
    if not n or not size:
        return
    pieces = blocks(n, PIECE)
    parts = backend.xp.empty((2 * pieces, width), dtype=wide(rows))
    arguments = (keys, order, target, source, factors, winners, rows, out, unique, parts, n, width, size, factor)
    backend.launch("embedding.sum_runs", rows.dtype.name, (blocks(n, 8), 1, 1), (32, 8, 1), arguments)
    if pieces > 1:
        joined = (keys, target, parts, out, n, width, size, factor)
        backend.launch("embedding.join_runs", rows.dtype.name, (pieces - 1, 1, 1), (32, 16, 1), joined)


def embedding_bag_forward(
    backend: Any,
    weight: Array,
    ids: Array,
    offsets: Array,
    per_sample_weights: Array | None,
    mode: str,
    padding_idx: int | None,
) -> tuple[Array, tuple[Any, ...]]:
    """Sum, mean or maximum ``(B, D)`` of the rows of each bag; `saved` refers to `weight`, which must not change."""
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
    """Gradients of ``sum(g * out)``: unique ids and rows for the table, ``(n,)`` for the per-sample weights."""
    if saved[0] is None:
        return reference.embedding_bag_backward(backend, saved[1], g, needs)
    weight, ids, offsets, per_sample_weights, winners, padding, mode, kind = saved
    xp, n, (bags, width) = backend.xp, ids.shape[0], g.shape
    g = dense(xp.astype(g, weight.dtype, copy=False))
    bag_of, keys = xp.empty((2, n), dtype=xp.int64)
    shares = xp.empty((n,), dtype=wide(weight))
    backend.launch(
        "embedding.bag_entries",
        weight.dtype.name,
        (blocks(bags, 8), 1, 1),
        (32, 8, 1),
        (ids, offsets, bag_of, keys, shares, n, bags, padding, _MODES[mode]),
    )
    gweight = gfactors = None
    if needs[0]:
        factors = shares if per_sample_weights is None else shares * xp.astype(per_sample_weights, shares.dtype)
        touched, rows = _sum_by_key(backend, keys, g, bag_of, None if mode == "max" else factors, winners)
        gweight = xp.astype(touched, kind, copy=False), rows
    if needs[1]:
        out = xp.empty((n,), dtype=weight.dtype)
        arguments = (weight, ids, bag_of, shares, g, out, n, width, weight.shape[0])
        backend.launch("embedding.bag_factors_backward", weight.dtype.name, (blocks(n, 8), 1, 1), (32, 8, 1), arguments)
        gfactors = xp.astype(out, per_sample_weights.dtype, copy=False)
    return gweight, gfactors
