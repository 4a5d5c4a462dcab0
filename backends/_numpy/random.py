"""Random bits from NumPy's own Philox4x64-10."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from backends._base import Backend

Array = Any

_WORD = 2**64 - 1
_lock = threading.Lock()


def random_bits(backend: Backend, key: int, counter: int, n: int) -> Array:
    """``(n,)`` words of the stream `key` after `counter` blocks of four words."""
    # Setting the state of one generator takes a third of the time of making another.
    with _lock:
        philox = _philox()
        philox.state = _state(key, counter)
        return philox.random_raw(n)


@cache
def _philox() -> np.random.Philox:
    """Make the generator at the first call: NumPy loads ``numpy.random`` on demand, in 10 ms."""
    return np.random.Philox(key=0)


def _state(key: int, counter: int) -> Any:
    return {
        "bit_generator": "Philox",
        "state": {
            "counter": np.array([counter >> shift & _WORD for shift in (0, 64, 128, 192)], dtype=np.uint64),
            "key": np.array([key & _WORD, key >> 64], dtype=np.uint64),
        },
        "buffer": np.zeros(4, dtype=np.uint64),
        "buffer_pos": 4,
        "has_uint32": 0,
        "uinteger": 0,
    }
