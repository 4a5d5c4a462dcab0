"""Random numbers, made on the device from the same words as NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from backends._cupy.launching import blocks, dense, supported
from backends.reference import random as reference

Array = Any
DType = np.dtype[Any]

_THREADS = 256
_WORDS = 4 * _THREADS
_DIGIT = 2**64 - 1


def random_bits(backend: Any, key: int, counter: int, n: int) -> Array:
    """``(n,)`` uint64, equal to ``numpy.random.Philox(key=key, counter=counter).random_raw(n)``."""
    out = backend.xp.empty((n,), dtype=backend.xp.uint64)
    _draw(backend, "random_bits", "float32", n, key, counter, (out, n))
    return out


def random_uniform(backend: Any, key: int, counter: int, n: int, dtype: DType, low: float, high: float) -> Array:
    """``(n,)`` numbers spread evenly over ``[low, high)``, bit for bit NumPy's."""
    out = backend.xp.empty((n,), dtype=dtype)
    bounds = _as_stored(dtype, high - low), _as_stored(dtype, low)
    _draw(backend, "random_uniform", dtype.name, _words(n, dtype), key, counter, (out, n), bounds)
    return out


def random_normal(backend: Any, key: int, counter: int, n: int, dtype: DType, mean: float, std: float) -> Array:
    """``(n,)`` numbers from the normal distribution, NumPy's to a few units in the last place."""
    out = backend.xp.empty((n,), dtype=dtype)
    moments = _as_stored(dtype, mean), _as_stored(dtype, std)
    _draw(backend, "random_normal", dtype.name, _words(n + n % 2, dtype), key, counter, (out, n), moments)
    return out


def dropout_forward(backend: Any, x: Array, p: float, key: int, counter: int) -> tuple[Array, Array]:
    """``x`` with zeros at random places, the rest scaled, and the factors, in one pass."""
    if not supported(x):
        return reference.dropout_forward(backend, x, p, key, counter)
    x = dense(x)
    y, mask = backend.xp.empty_like(x), backend.xp.empty_like(x)
    options = reference.least_kept(p), _as_stored(x.dtype, reference.scale_of_kept(p))
    words = (x.size + 1) // 2
    _draw(backend, "dropout_forward", x.dtype.name, words, key, counter, (x, y, mask, x.size), options)
    return y, mask


def _words(n: int, dtype: DType) -> int:
    """How many words make so many numbers."""
    return n if dtype.itemsize == 8 else (n + 1) // 2


def _as_stored(dtype: DType, x: float) -> float:
    """The number that NumPy computes with where an array of the dtype meets ``x``."""
    return float(dtype.type(x))


def _draw(
    backend: Any,
    kernel: str,
    dtype: str,
    words: int,
    key: int,
    counter: int,
    arrays: tuple[Any, ...],
    options: tuple[Any, ...] = (),
) -> None:
    """Launch a kernel on as many blocks as `words` take. A captured step draws elsewhere each time it is repeated."""
    shift = None
    if backend.capture is not None:
        backend.capture.random_keys.add(key)
        shift = backend.capture.shift
    grid = (blocks(words, _WORDS), 1, 1)
    arguments = (*arrays, *_place(key, counter), shift, *options)
    backend.launch(f"random.{kernel}", dtype, grid, (_THREADS, 1, 1), arguments)


def _place(key: int, counter: int) -> tuple[int, ...]:
    """Four digits of the counter and two of the key, the lowest first, as signed numbers of the same bits."""
    digits = [counter >> shift & _DIGIT for shift in (0, 64, 128, 192)] + [key >> shift & _DIGIT for shift in (0, 64)]
    return tuple(digit - (digit >> 63 << 64) for digit in digits)
