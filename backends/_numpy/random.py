"""Random numbers from NumPy's own Philox4x64-10."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from backends.reference.random import SIGNIFICANT, box_muller, least_kept, scale_of_kept, spread

if TYPE_CHECKING:
    from backends._base import Backend

Array = Any
DType = np.dtype[Any]

_WORD = 2**64 - 1
_own = threading.local()
"""What each thread has of its own, so that none waits for another."""


def random_bits(backend: Backend, key: int, counter: int, n: int) -> Array:
    """``(n,)`` words of the stream `key` after `counter` blocks of four words."""
    # Setting the state of one generator takes a third of the time of making another.
    philox = _philox()
    philox.state = _state(key, counter)
    return philox.random_raw(n)


def random_uniform(backend: Backend, key: int, counter: int, n: int, dtype: DType, low: float, high: float) -> Array:
    """``(n,)`` numbers spread evenly over ``[low, high)``."""
    return spread(_unit(backend, key, counter, n, dtype), low, high)


def random_normal(backend: Backend, key: int, counter: int, n: int, dtype: DType, mean: float, std: float) -> Array:
    """``(n,)`` numbers from the normal distribution."""
    z = box_muller(_unit(backend, key, counter, n + n % 2, dtype), mean, std)
    return z[:n].copy() if n % 2 else z


def dropout_forward(backend: Backend, x: Array, p: float, key: int, counter: int) -> tuple[Array, Array]:
    """``x`` with zeros at random places, the rest scaled, and the factors; whole words decide, no uniform is made."""
    kept = _halves(backend, key, counter, x.size) >= least_kept(p)
    scale = scale_of_kept(p)
    # A type of 16 bits that is not NumPy's own would be widened by a Python number.
    mask = kept.reshape(x.shape).astype(x.dtype) * (x.dtype.type(scale) if x.dtype.kind == "V" else scale)
    return x * mask, mask


def _unit(backend: Backend, key: int, counter: int, n: int, dtype: DType) -> Array:
    keep = SIGNIFICANT[dtype.name]
    if dtype.itemsize == 8:
        bits = random_bits(backend, key, counter, n)
        bits >>= 64 - keep
    else:
        bits = _halves(backend, key, counter, n) >> (32 - keep)
    unit = bits.astype(dtype)
    unit *= dtype.type(2.0**-keep)
    return unit


def _halves(backend: Backend, key: int, counter: int, n: int) -> Array:
    """``(n,)`` halves of words, uint32, the low ones first."""
    return random_bits(backend, key, counter, (n + 1) // 2).astype("<u8", copy=False).view("<u4")[:n]


def _philox() -> np.random.Philox:
    """Give this thread its generator, made at the first call: NumPy loads ``numpy.random`` on demand, in 10 ms."""
    try:
        return _own.philox  # type: ignore[no-any-return]
    except AttributeError:
        _own.philox = np.random.Philox(key=0)
        return _own.philox  # type: ignore[no-any-return]


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
