"""What launches have in common: grids, layouts and number types."""

from __future__ import annotations

from typing import Any

import numpy as np

from backends._cupy.compiler import SCALARS, Grid

Array = Any

_THREADS = 256
_BLOCKS = 1 << 16


def supported(*arrays: Array | None) -> bool:
    """Whether kernels are compiled for the number type of the arrays, all of one."""
    names = {array.dtype.name for array in arrays if array is not None}
    return len(names) == 1 and names <= SCALARS.keys()


def wide(array: Array) -> np.dtype[Any]:
    """The dtype that kernels compute an array's numbers in: float64 for float64, else float32."""
    return np.dtype(np.float64 if array.dtype == np.float64 else np.float32)


def adds_atomically(gpu: Any, table: Array) -> bool:
    """Whether rows are added to the table in whichever order the threads come."""
    return not gpu.deterministic and table.dtype == wide(table)


def dense(array: Array) -> Array:
    """The array itself if its rows lie one after another, else such a copy."""
    return array if array.flags.c_contiguous else array.copy()


def dense_or_none(array: Array | None) -> Array | None:
    """As :func:`dense`, for arguments that may be missing."""
    return None if array is None else dense(array)


def flat_ids(xp: Any, ids: Array) -> Array:
    """Indices as a flat array of int64."""
    return dense(xp.astype(xp.reshape(ids, (-1,)), xp.int64, copy=False))


def blocks(count: int, size: int) -> int:
    """How many blocks of ``size`` cover ``count``."""
    return -(-count // size)


def over_elements(count: int) -> tuple[Grid, Grid]:
    """Grid and block for a loop over elements."""
    return (min(blocks(count, _THREADS), _BLOCKS), 1, 1), (_THREADS, 1, 1)


def over_rows(rows: int, width: int, most: int = _THREADS) -> tuple[Grid, Grid]:
    """Grid and block with rows along y, and whole warps of up to ``most`` threads for each along x."""
    x = 32
    while x < width and x < most:
        x *= 2
    y = max(1, _THREADS // x)
    return (blocks(rows, y), 1, 1), (x, y, 1)
