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
    return Runs(*sorted_keys(xp, keys), rows, parts, arrived, n, width)


def sorted_keys(xp: Any, keys: Array) -> tuple[Array, Array]:
    """The keys in rising order, and where each was; equal ones in the order they came. CuPy's sort waits for nothing."""
    order = xp.argsort(keys, stable=True)
    return xp.take(keys, order, axis=0), order
