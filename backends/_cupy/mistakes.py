"""Out-of-range indices, noted on the device and raised by the host at its next wait.

A kernel that meets a bad index writes what and where into a slot on the device, and a mark into the host's memory. The
host looks at the mark whenever it has waited for the device anyway, so nothing waits for the sake of checking. The
kernel's operation is a number; what it stands for is remembered here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = Any

SLOT = np.dtype([("lock", "i4"), ("unused", "i4"), ("op", "i8"), ("value", "i8"), ("position", "i8")])
"""What a slot holds: the number of an operation, or 0, with its first bad index and where that stands."""

_OWN = ("framework", "backends")


class Call(NamedTuple):
    """A check that was made: by which operation, at which line of the user's, of which indices."""

    op: str
    line: str
    shape: tuple[int, ...]
    low: int
    size: int

    def message(self, value: int, position: int) -> str:
        """Name operation, index, position, range and line."""
        place = tuple(int(i) for i in np.unravel_index(position, self.shape)) if self.shape else ()
        where = f" at position {place[0] if len(place) == 1 else place}" if place else ""
        return (
            f"{self.op}: index {value}{where} is outside the valid range [{self.low}, {self.size}), "
            f"in the call at {self.line}"
        )


class Mistakes:
    """The slot of one device.

    Parameters
    ----------
    slot : Array
        Bytes on the device for one :data:`SLOT`, zero.
    mark : numpy.ndarray
        One int32 of the host that the device can write, zero.
    mark_argument
        The same as an argument of a kernel.
    fetch : callable
        Brings the slot's bytes to the host.
    """

    def __init__(
        self, slot: Array, mark: np.ndarray[Any, Any], mark_argument: Any, fetch: Callable[[Array], Any]
    ) -> None:
        self.arguments = (slot, mark_argument)
        self._mark = mark
        self._fetch = fetch
        self._numbers: dict[Call, int] = {}
        self._calls: list[Call] = []

    def number(self, op: str, shape: tuple[int, ...], low: int, size: int) -> int:
        """Return a number, from 1, that stands for such a check at the user's line that is running now."""
        call = Call(op, user_line(), shape, low, size)
        if call not in self._numbers:
            self._calls.append(call)
            self._numbers[call] = len(self._calls)
        return self._numbers[call]

    def check(self) -> None:
        """Raise IndexError if a kernel that has run met a bad index, once; the device must have been waited for."""
        if not self._mark[0]:
            return
        slot = self.arguments[0]
        noted = np.frombuffer(self._fetch(slot).tobytes(), SLOT)[0]
        slot[...] = 0
        self._mark[0] = 0
        raise IndexError(self._calls[int(noted["op"]) - 1].message(int(noted["value"]), int(noted["position"])))


def user_line() -> str:
    """Return file and line of the innermost caller outside the framework."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OWN:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
