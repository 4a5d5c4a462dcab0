"""Rows of a table: looking them up, adding them together, averaging bags of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from backends._library import Library

Array = Any


def check_indices(backend: Library, ids: Array, size: int, op: str, low: int = 0) -> None:
    """Refuse indices outside ``[low, size)``.

    Parameters
    ----------
    ids : Array
        Integers of any shape.
    size : int
        One more than the largest index allowed.
    op : str
        Who asks, for the message.
    low : int
        The smallest index allowed.

    Raises
    ------
    TypeError
        If `ids` does not hold integers.
    IndexError
        If an index is out of range; names the first one, its position and the range.
    """
    xp = backend.xp
    if not xp.isdtype(ids.dtype, "integral"):
        raise TypeError(non_integer_message(op, ids.dtype))
    if 0 not in ids.shape and not (low <= int(xp.min(ids)) and int(xp.max(ids)) < size):
        raise IndexError(bad_index_message(op, backend.to_numpy(ids), low, size))


def non_integer_message(op: str, dtype: Any) -> str:
    """Say that indices of another type came."""
    return f"{op}: indices must be integers, got an array of {dtype}; convert it with astype(int64)"


def bad_index_message(op: str, ids: np.ndarray[Any, Any], low: int, size: int) -> str:
    """Name the first of `ids` outside ``[low, size)``, its position and the range."""
    position = tuple(int(i) for i in np.argwhere((ids < low) | (ids >= size))[0])
    place = position[0] if ids.ndim == 1 else position
    where = f" at position {place}" if ids.ndim else ""
    return f"{op}: index {int(ids[position])}{where} is outside the valid range [{low}, {size})"


def check_offsets(backend: Library, offsets: Array, n: int, op: str) -> None:
    """Raise ValueError unless ``offsets (B,)``, integers, begin with 0, never fall, and stay within ``n``."""
    host = backend.to_numpy(offsets).astype(np.int64)
    if not host.size and not n:
        return
    if not host.size or host[0] != 0 or (np.diff(host) < 0).any() or host[-1] > n:
        raise ValueError(
            f"{op}: offsets must be 1-d, begin with 0, never fall and stay within the input's length {n}, got "
            f"{host.tolist()!r:.60}"
        )


def take_rows(backend: Library, weight: Array, ids: Array) -> Array:
    """Rows ``weight[ids]``: ``(V, ...)`` and integers ``(...)`` give ``ids.shape + weight.shape[1:]``."""
    xp = backend.xp
    rows = xp.take(weight, _flat_int64(xp, ids), axis=0)
    return xp.reshape(rows, ids.shape + weight.shape[1:])


def sum_rows(backend: Library, ids: Array, rows: Array) -> tuple[Array, Array]:
    """Add together the rows that have equal ids.

    Parameters
    ----------
    ids : Array
        Integers of any shape.
    rows : Array
        ``ids.shape + (D,)``.

    Returns
    -------
    ids : Array
        ``(m,)``, in rising order: here each once. A faster body may repeat them.
    sums : Array
        ``(m, D)``: one entry of each id has its sum, others are zero.
    """
    xp = backend.xp
    keys = _flat_int64(xp, ids)
    order = xp.argsort(keys, stable=True)
    rows = xp.reshape(rows, (keys.shape[0], rows.shape[-1]))
    keys, terms = xp.take(keys, order), xp.take(_widen(xp, rows), order, axis=0)
    last = _last_of_runs(xp, keys)
    sums = xp.take(_scan_runs(xp, xp.add, keys, terms, xp.zeros_like(terms)), last, axis=0)
    return xp.astype(xp.take(keys, last), ids.dtype, copy=False), xp.astype(sums, rows.dtype, copy=False)


def scatter_rows(backend: Library, ids: Array, rows: Array, size: int) -> Array:
    """Dense ``(size, D)`` sum of the ``rows (..., D)`` at their ``ids (...)``."""
    unique, sums = sum_rows(backend, ids, rows)
    return _spread(backend.xp, unique, sums, size)


def add_rows(backend: Library, table: Array, ids: Array, rows: Array, factor: float) -> None:
    """``table[ids] += factor * rows`` in place, repeated ids adding up; ``ids (...)``, ``rows (..., D)`` or ``(..., *row)``."""
    xp = backend.xp
    n, width = _flat_int64(xp, ids).shape[0], 1
    for length in table.shape[1:]:
        width *= length
    unique, sums = sum_rows(backend, xp.reshape(ids, (n,)), xp.reshape(rows, (n, width)))
    now = xp.take(table, xp.astype(unique, xp.int64, copy=False), axis=0)
    xp.assign(table, unique, now + factor * xp.reshape(sums, now.shape))


def rows_may_wait(backend: Any, table: Array, ids: Array) -> bool:
    """Whether rows are best looked up when they are read, for a mean over the last axis of ``ids`` is faster without them."""
    return False


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
    """Sum, mean or maximum of the rows of each bag.

    Parameters
    ----------
    weight : Array
        ``(V, D)``.
    ids : Array
        ``(n,)`` integers; bag ``b`` is ``ids[offsets[b]:offsets[b + 1]]``, the last bag ends at ``n``.
    offsets : Array
        ``(B,)`` integers from 0, not falling.
    per_sample_weights : Array or None
        ``(n,)``, factors of the rows; for ``"sum"`` and ``"mean"``.
    mode : {"sum", "mean", "max"}
        How a bag's rows become one.
    padding_idx : int or None
        Entries with this id do not count.
    owed : tuple of Array or None
        For a table whose rows are owed steps: its momentum, or None, and the steps that rows have seen and products of
        :func:`~backends.reference.optimizer.advance_rows`. The rows count as if they had caught up.

    Returns
    -------
    out : Array
        ``(B, D)``, zeros for an empty bag.
    saved : tuple
        For :func:`embedding_bag_backward`; refers to `weight`, which must not change before.
    """
    xp = backend.xp
    bags = _bag_of_entries(xp, ids, offsets)
    kept = _arange(xp, ids) if padding_idx is None else xp.nonzero(ids != padding_idx)[0]
    ids, bags = xp.take(ids, kept), xp.take(bags, kept)
    rows = _widen(xp, _rows_of_bags(backend, weight, owed, ids))
    count = offsets.shape[0]
    winners = None
    if mode == "max":
        wide, winners = _max_of_bags(xp, rows, bags, count)
    else:
        factors = _factors(xp, rows, bags, per_sample_weights, kept, mode, count)
        wide = scatter_rows(backend, bags, rows * factors[:, None], count)
    out = xp.astype(wide, weight.dtype, copy=False)
    return out, (weight, owed, ids, bags, per_sample_weights, kept, mode, winners)


def embedding_bag_backward(
    backend: Any, saved: tuple[Any, ...], g: Array, needs: tuple[bool, bool]
) -> tuple[tuple[Array, Array] | None, Array | None]:
    """Gradients of ``sum(g * out)`` in the table and in the per-sample weights.

    Returns
    -------
    gweight : tuple of Array or None
        ``(ids (m,), rows (m, D))``; ids may repeat, though here they do not.
    gper_sample_weights : Array or None
        ``(n,)``.
    """
    xp = backend.xp
    weight, owed, ids, bags, per_sample_weights, kept, mode, winners = saved
    rows = xp.take(_widen(xp, g), bags, axis=0)
    gweight = gfactors = None
    if needs[0]:
        if mode == "max":
            won = xp.take(winners, bags, axis=0) == _arange(xp, bags)[:, None]
            terms = xp.where(won, rows, xp.zeros_like(rows))
        else:
            terms = rows * _factors(xp, rows, bags, per_sample_weights, kept, mode, g.shape[0])[:, None]
        gweight = sum_rows(backend, ids, xp.astype(terms, g.dtype, copy=False))
    if needs[1]:
        products = xp.sum(rows * _rows_of_bags(backend, weight, owed, ids), axis=1)
        products = products * _factors(xp, rows, bags, None, kept, mode, g.shape[0])
        spread = _spread(xp, kept, products[:, None], per_sample_weights.shape[0])
        gfactors = xp.astype(spread[:, 0], g.dtype)
    return gweight, gfactors


def _rows_of_bags(backend: Any, weight: Array, owed: tuple[Array | None, Array, Array] | None, ids: Array) -> Array:
    return take_rows(backend, weight, ids) if owed is None else backend.take_advanced_rows(weight, *owed, ids)


def _factors(
    xp: Any, rows: Array, bags: Array, per_sample_weights: Array | None, kept: Array, mode: str, count: int
) -> Array:
    """``(n,)``: what each kept row is multiplied by before it is added to its bag."""
    factors = xp.ones_like(rows[:, 0]) if per_sample_weights is None else xp.take(per_sample_weights, kept)
    factors = xp.astype(factors, rows.dtype, copy=False)
    if mode == "mean":
        starts = xp.searchsorted(bags, bags, side="left")
        ends = xp.searchsorted(bags, bags, side="right")
        factors = factors / xp.astype(ends - starts, rows.dtype)
    return factors


def _max_of_bags(xp: Any, rows: Array, bags: Array, count: int) -> tuple[Array, Array]:
    """Maxima ``(count, D)`` and, for each, the first of the rows ``(n, D)`` that attains it."""
    last = _last_of_runs(xp, bags)
    lowest = xp.full_like(rows, -xp.inf)
    tops = _spread(
        xp, xp.take(bags, last), xp.take(_scan_runs(xp, xp.maximum, bags, rows, lowest), last, axis=0), count
    )
    attains = (rows == xp.take(tops, bags, axis=0)) | xp.isnan(rows)
    none = xp.full_like(rows, rows.shape[0], dtype=xp.int64)
    positions = xp.where(attains, _arange(xp, bags)[:, None], none)
    firsts = xp.take(_scan_runs(xp, xp.minimum, bags, positions, none), last, axis=0)
    return tops, _spread(xp, xp.take(bags, last), firsts, count)


def _bag_of_entries(xp: Any, ids: Array, offsets: Array) -> Array:
    """``(n,)``: the bag of each entry; of bags that start at one place only the last one is not empty."""
    return xp.searchsorted(xp.astype(offsets, xp.int64, copy=False), _arange(xp, ids), side="right") - 1


def _scan_runs(xp: Any, combine: Callable[[Array, Array], Array], keys: Array, rows: Array, neutral: Array) -> Array:
    """Combine each row with all rows before it in its run of equal ``keys (n,)``, which are sorted.

    The distance doubles at every step (Hillis, Steele: Data parallel algorithms, 1986), so that sums are as
    accurate as a tree's and come out the same each time.
    """
    step = 1
    while step < keys.shape[0] and xp.any(same := keys[step:] == keys[:-step]):
        earlier = xp.where(same[:, None], rows[:-step, :], neutral[step:, :])
        rows = xp.concat([rows[:step, :], combine(earlier, rows[step:, :])], axis=0)
        step *= 2
    return rows


def _last_of_runs(xp: Any, keys: Array) -> Array:
    """Positions of the last of each run of equal ``keys (n,)``."""
    ends = keys != xp.roll(keys, -1)
    return xp.nonzero(ends | (_arange(xp, keys) == keys.shape[0] - 1))[0]


def _spread(xp: Any, positions: Array, rows: Array, size: int) -> Array:
    """``(size, D)``: the rows at their positions, which are sorted and differ; zeros elsewhere."""
    if positions.shape[0] == 0:
        return xp.zeros((size, rows.shape[1]), dtype=rows.dtype, device=rows.device)
    everywhere = xp.arange(size, dtype=xp.int64, device=rows.device)
    positions = xp.astype(positions, xp.int64, copy=False)
    nearest = xp.clip(xp.searchsorted(positions, everywhere), None, positions.shape[0] - 1)
    found = xp.take(positions, nearest) == everywhere
    spread = xp.take(rows, nearest, axis=0)
    return xp.where(found[:, None], spread, xp.zeros_like(spread))


def _arange(xp: Any, like: Array) -> Array:
    return xp.arange(like.shape[0], dtype=xp.int64, device=like.device)


def _flat_int64(xp: Any, ids: Array) -> Array:
    return xp.astype(xp.reshape(ids, (-1,)), xp.int64, copy=False)


def _widen(xp: Any, x: Array) -> Array:
    return xp.astype(x, xp.result_type(x.dtype, xp.float32), copy=False)
