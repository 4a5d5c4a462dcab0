"""Memory of the GPU: how much arrays hold, how much they held at most, and an error that helps when there is no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backends.errors import OutOfMemoryError


class Allocator:
    """CuPy's memory pool, watched.

    Parameters
    ----------
    cupy : module
        CuPy, whose current allocator is wrapped.
    """

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._malloc: Callable[[int], Any] = cupy.cuda.get_allocator()
        self._pool = cupy.get_default_memory_pool()
        self._most: dict[int, int] = {}

    def __call__(self, size: int) -> Any:
        """Return memory for `size` bytes.

        Raises
        ------
        OutOfMemoryError
            If there is none, also after the pool gave back what it keeps; says how much was asked for, is held by
            arrays, and can be freed.
        """
        try:
            pointer = self._malloc(size)
        except self._cupy.cuda.memory.OutOfMemoryError as error:
            raise OutOfMemoryError(self._message(size)) from error
        device, used = self._cupy.cuda.runtime.getDevice(), self._pool.used_bytes()
        if used > self._most.get(device, 0):
            self._most[device] = used
        return pointer

    def _message(self, size: int) -> str:
        free, total = self._cupy.cuda.runtime.memGetInfo()
        device = self._cupy.cuda.runtime.getDevice()
        return (
            f"out of memory on 'cuda:{device}': asked for {_readable(size)}; arrays hold "
            f"{_readable(self._pool.used_bytes())}, the pool keeps {_readable(self._pool.free_bytes())} that "
            f"fw.cuda.empty_cache() gives back, and {_readable(free)} of the GPU's {_readable(total)} are free. Drop "
            "tensors that are no longer needed (losses kept with their graphs, for one), or take a smaller batch"
        )

    def used(self) -> int:
        """Bytes that arrays hold on the current device."""
        return int(self._pool.used_bytes())

    def most(self) -> int:
        """The most that :meth:`used` has been on the current device."""
        return max(self._most.get(self._cupy.cuda.runtime.getDevice(), 0), self.used())

    def forget_most(self) -> None:
        """Begin to count the most anew."""
        self._most.pop(self._cupy.cuda.runtime.getDevice(), None)

    def empty(self) -> None:
        """Give back to the driver what the pool keeps and no array holds."""
        self._pool.free_all_blocks()


def _readable(size: int) -> str:
    """Bytes in the unit that suits them."""
    number, unit = float(size), "bytes"
    for larger in ("KiB", "MiB", "GiB"):
        if number < 1024:
            break
        number, unit = number / 1024, larger
    return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
