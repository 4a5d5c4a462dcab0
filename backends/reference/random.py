"""Random bits: one counter-based stream, the same words on every device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from backends._library import Library

Array = Any


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
    return backend.asarray(np.random.Philox(key=key, counter=counter).random_raw(n))
