"""Rows sorted by key, so that those of equal keys can be added in a fixed order."""

from __future__ import annotations

from typing import Any, NamedTuple

from backends._cupy.compiler import Grid
from backends._cupy.launching import blocks, dense, flat_ids, wide

Array = Any

PIECE = 32
"""Sorted entries that a block of threads adds up."""

BLOCK: Grid = (32, 16, 1)
"""Threads of such a block."""

_TILE = 256


class Runs(NamedTuple):
    """What ``runs.cuh`` wants to know of rows sorted by key."""

    keys: Array
    order: Array
    rows: Array
    parts: Array
    arrived: Array
    n: int
    width: int

    @property
    def pieces(self) -> int:
        """How many blocks add the rows up."""
        return blocks(self.n, PIECE)


def sorted_runs(gpu: Any, ids: Array, rows: Array, width: int) -> Runs:
    """Sort ``rows``, one of `width` numbers for each of ``ids (...)``, and make room for partial sums."""
    xp = gpu.xp
    keys = flat_ids(xp, ids)
    n = keys.shape[0]
    rows = dense(xp.reshape(rows, (n, width)))
    pieces = blocks(n, PIECE)
    parts, arrived = xp.empty((2 * pieces, width), dtype=wide(rows)), xp.zeros((pieces,), dtype=xp.int32)
    return Runs(*sorted_keys(gpu, keys), rows, parts, arrived, n, width)


def sorted_keys(gpu: Any, keys: Array) -> tuple[Array, Array]:
    """The ``keys (n,)`` in rising order, and where each was; equal ones in the order they came.

    Waits for nothing, as CuPy's sort has not since CuPy 14. But that one, Thrust's, does not promise that it can be
    recorded, nor that it works as before on other keys when the recording is repeated; in a captured step we use our own.
    """
    if not gpu.capturing():
        order = gpu.xp.argsort(keys, stable=True)
        return gpu.xp.take(keys, order, axis=0), order
    n, empty = keys.shape[0], gpu.xp.empty_like
    now, then = ((empty(keys), empty(keys)) for _ in range(2))
    gpu.launch("sorting.sort_tiles", "float32", (blocks(n, _TILE), 1, 1), (_TILE, 1, 1), (keys, *now, n))
    length = _TILE
    while length < n:
        gpu.launch("sorting.merge_runs", "float32", (blocks(n, 256), 1, 1), (256, 1, 1), (*now, *then, n, length))
        now, then, length = then, now, 2 * length
    return now
