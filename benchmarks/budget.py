"""The time of a run, shared out among its rows as they come, so that it ends when it was said to."""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST = 0.2
"""Seconds for a peer on a row, however little is left."""


class Budget:
    """How long each peer may be timed.

    Parameters
    ----------
    seconds : float
        For all rows together, whatever setting them up takes.
    rows : int
        How many there will be.
    most : float
        Seconds that no peer on a row shall exceed.
    clock : callable
        Tells the time.

    Examples
    --------
    >>> budget = Budget(100.0, rows=10, most=5.0, clock=lambda: 0.0)
    >>> budget.share(peers=4)
    2.5
    """

    def __init__(self, seconds: float, rows: int, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds
        self._rows = rows
        self._most = most
        self._set_up: list[float] = []

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._clock() >= self._end

    def share(self, peers: int) -> float:
        """Seconds for each peer of the next row, given that the rows after it take as long to set up as those before."""
        left = self._end - self._clock()
        set_up = sum(self._set_up) / max(1, len(self._set_up))
        return min(self._most, max(LEAST, (left / self._rows - set_up) / peers))

    def finished(self, set_up: float) -> None:
        """Note a row that is done, and the seconds that it took besides the timing."""
        self._rows = max(1, self._rows - 1)
        self._set_up.append(set_up)
