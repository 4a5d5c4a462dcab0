"""Random bits, made on the device: the same words as NumPy's."""

from __future__ import annotations

from typing import Any

from backends._cupy.launching import blocks

Array = Any

_DIGIT = 2**64 - 1


def random_bits(backend: Any, key: int, counter: int, n: int) -> Array:
    """``(n,)`` uint64, equal to ``numpy.random.Philox(key=key, counter=counter).random_raw(n)``."""
    out = backend.xp.empty((n,), dtype=backend.xp.uint64)
    shift = None
    if backend.capture is not None:
        backend.capture.random_keys.add(key)
        shift = backend.capture.shift
    arguments = (out, n, *_place(key, counter), shift)
    backend.launch("random.random_bits", "float32", (blocks(n, 1024), 1, 1), (256, 1, 1), arguments)
    return out


def _place(key: int, counter: int) -> tuple[int, ...]:
    """Four digits of the counter and two of the key, the lowest first, as signed numbers of the same bits."""
    digits = [counter >> shift & _DIGIT for shift in (0, 64, 128, 192)] + [key >> shift & _DIGIT for shift in (0, 64)]
    return tuple(digit - (digit >> 63 << 64) for digit in digits)
