"""Memory of a GPU. Arrays take it from a pool, which keeps what they give back for the next ones."""

from __future__ import annotations

from backends.errors import OutOfMemoryError as OutOfMemoryError
from framework.cuda.device import gpu


def memory_allocated(device: str = "cuda") -> int:
    """Bytes that arrays on a GPU hold now."""
    backend = gpu(device)
    with backend.active():
        return int(backend.memory.used())


def max_memory_allocated(device: str = "cuda") -> int:
    """The most bytes that arrays on a GPU have held since the start or :func:`reset_peak_memory_stats`."""
    backend = gpu(device)
    with backend.active():
        return int(backend.memory.most())


def reset_peak_memory_stats(device: str = "cuda") -> None:
    """Count :func:`max_memory_allocated` anew from now on."""
    backend = gpu(device)
    with backend.active():
        backend.memory.forget_most()


def empty_cache(device: str = "cuda") -> None:
    """Give memory that the pool keeps and no array holds back to the driver, for other programs to use."""
    backend = gpu(device)
    with backend.active():
        backend.memory.empty()
