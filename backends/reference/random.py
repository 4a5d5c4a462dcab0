"""Random numbers: one counter-based stream, the same on every device.

Numbers are made of 64-bit words of Philox4x64-10. Those of 53 significant bits (float64) take a word each; smaller
ones take its two halves, the low one first. Libraries get them from the host.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from backends._library import Library

Array = Any
DType = np.dtype[Any]

SIGNIFICANT = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}
"""Bits of a uniform number by its dtype: all that fit below 1 with equal distances."""


def random_bits(backend: Library, key: int, counter: int, n: int) -> Array:
    """Words of Philox4x64-10, drawn on the host and brought to the device.

    Parameters
    ----------
    key : int
        The stream, ``0 <= key < 2**128``.
    counter : int
        How many blocks of four words precede the first one.
    n : int
        How many words to draw.

    Returns
    -------
    Array
        ``(n,)`` uint64, equal to ``numpy.random.Philox(key=key, counter=counter).random_raw(n)``.

    References
    ----------
    J. Salmon, M. Moraes, R. Dror, D. Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
    """
    return backend.asarray(_words(key, counter, n))


def random_uniform(backend: Library, key: int, counter: int, n: int, dtype: DType, low: float, high: float) -> Array:
    """Numbers spread evenly over ``[low, high)``: the highest bits of words or of their halves.

    Parameters
    ----------
    key, counter : int
        The place in the stream, as for :func:`random_bits`.
    n : int
        How many numbers.
    dtype : numpy.dtype
        One of :data:`SIGNIFICANT`.
    low, high : float
        The bounds.

    Returns
    -------
    Array
        ``(n,)``, with the same bits on every device.
    """
    return backend.asarray(spread(_unit(key, counter, n, dtype), low, high))


def random_normal(backend: Library, key: int, counter: int, n: int, dtype: DType, mean: float, std: float) -> Array:
    """``(n,)`` numbers from the normal distribution, two from each two uniform ones; the same to a few ulp everywhere.

    References
    ----------
    G. Box, M. Muller: A note on the generation of random normal deviates (Ann. Math. Statist. 29, 1958).
    """
    return backend.asarray(box_muller(_unit(key, counter, n + n % 2, dtype), mean, std)[:n])


def dropout_forward(backend: Any, x: Array, p: float, key: int, counter: int) -> tuple[Array, Array]:
    """Each number of ``x`` times zero with probability ``p``, else times ``1 / (1 - p)``.

    Parameters
    ----------
    x : Array
        Of any shape.
    p : float
        In [0, 1].
    key, counter : int
        The place in the stream, as for :func:`random_bits`. Numbers whose float32 uniform is below ``p`` are zeroed.

    Returns
    -------
    y, mask : Array
        The products and their factors, of the shape of ``x``. The gradient of ``x`` is that of ``y`` times ``mask``.
    """
    xp = backend.xp
    uniform = backend.random_uniform(key, counter, math.prod(x.shape), np.dtype("float32"), 0.0, 1.0)
    mask = xp.astype(xp.reshape(uniform >= p, x.shape), x.dtype) * scale_of_kept(p)
    return x * mask, mask


def _words(key: int, counter: int, n: int) -> Array:
    return np.random.Philox(key=key, counter=counter).random_raw(n)


def _unit(key: int, counter: int, n: int, dtype: DType) -> Array:
    """``(n,)`` numbers in [0, 1), multiples of the dtype's epsilon over two: exact, so equal everywhere."""
    keep = SIGNIFICANT[dtype.name]
    if dtype.itemsize == 8:
        return (_words(key, counter, n) >> (64 - keep)).astype(dtype) * 2.0**-keep
    words = _words(key, counter, (n + 1) // 2)
    halves = np.stack([(words >> (32 - keep)) & (2**keep - 1), words >> (64 - keep)], axis=1)
    return (halves.reshape(-1).astype(dtype) * dtype.type(2.0**-keep))[:n]


def spread(unit: Array, low: float, high: float) -> Array:
    """Numbers in [0, 1) moved to [low, high)."""
    number = unit.dtype.type  # a Python number would widen bfloat16
    return unit if (low, high) == (0.0, 1.0) else unit * number(high - low) + number(low)


def box_muller(unit: Array, mean: float, std: float) -> Array:
    """Normal numbers from as many, an even number, in [0, 1)."""
    pairs, number = unit.reshape(-1, 2), unit.dtype.type
    radius, angle = np.sqrt(number(-2) * np.log1p(-pairs[:, 0])), number(2 * math.pi) * pairs[:, 1]
    z = np.empty_like(pairs)
    np.multiply(radius, np.cos(angle), out=z[:, 0])
    np.multiply(radius, np.sin(angle), out=z[:, 1])
    z *= number(std)
    z += number(mean)
    return z.reshape(-1)


def scale_of_kept(p: float) -> float:
    """What dropout multiplies by where it does not zero."""
    return 1 / (1 - p) if p < 1 else 0.0


def least_kept(p: float) -> int:
    """The least half of a word whose float32 uniform is not below ``p``; ``2**32`` if there is none."""
    return math.ceil(float(np.float32(p)) * 2**24) << 8
