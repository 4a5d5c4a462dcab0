"""Einstein summation on NumPy: through a product of matrices wherever the letters say that it is one."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

Array = Any

_SMALL = 2**12


def einsum(equation: str, *operands: Array) -> Array:
    """Einstein summation; ``numpy.einsum`` goes through BLAS only when asked to search for a way, and never for batches."""
    if len(operands) == 2:
        first, second = operands
        product = _as_product(equation)
        if product is not None and first.dtype == second.dtype and first.dtype.kind in "fc":
            swap_first, swap_second, ndim = product
            if first.ndim == second.ndim == ndim:
                a, b = first.mT if swap_first else first, second.mT if swap_second else second
                if a.shape[-1] == b.shape[-2]:
                    return np.matmul(a, b)
    large = max([x.size for x in operands]) > _SMALL
    return np.einsum(equation, *operands, optimize=True) if large else np.einsum(equation, *operands)


@lru_cache(maxsize=256)
def _as_product(equation: str) -> tuple[bool, bool, int] | None:
    """For ``batch i k, batch k j -> batch i j``: which operand has its last axes exchanged, and how many axes. Else None."""
    left, output = equation.split("->")
    first, second = left.split(",")
    batch, i, j = output[:-2], output[-2:-1], output[-1:]
    shared = set(first) & set(second) - set(output)
    if len(shared) != 1 or len(output) < 2:
        return None
    (k,) = shared
    ways = {(batch + i + k, batch + k + j): (False, False), (batch + k + i, batch + k + j): (True, False)}
    ways |= {(batch + i + k, batch + j + k): (False, True), (batch + k + i, batch + j + k): (True, True)}
    way = ways.get((first, second))
    return way and (*way, len(output))
