"""How numba compiles our loops; imported by the modules ``*_compiled.py`` alone.

Fused multiply-adds are allowed, reordered sums are not: results repeat bit for bit. Machine code is stored beside the
files, or in ``NUMBA_CACHE_DIR``. What takes longer than a few seconds to compile says so through ``logging``, for it looks
as if the program hung.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Timer
from typing import Any, TypeVar

import numba
from numba.core import event

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}

jit: Callable[[F], F] = numba.njit(**_OPTIONS)

inlined: Callable[[F], F] = numba.njit(forceinline=True, **_OPTIONS)
"""For what is short beside a call of it, where arrays are passed as seven numbers each."""


class Notice(event.Listener):  # type: ignore[misc]
    """Log it when a function of ours takes long to compile, which those that it calls count into.

    Parameters
    ----------
    after : float
        Seconds after which it is said.
    """

    def __init__(self, after: float) -> None:
        self.after = after
        self._open: list[Timer] = []

    def on_start(self, event: Any) -> None:
        """Start the clock, of which only that of the outermost function goes off."""
        fun = event.data["dispatcher"].py_func
        timer = Timer(self.after, self._say, [fun])
        timer.daemon = True
        if not self._open and fun.__module__.startswith(_OURS):
            timer.start()
        self._open.append(timer)

    def on_end(self, event: Any) -> None:
        """Stop it."""
        self._open.pop().cancel()

    @staticmethod
    def _say(fun: Callable[..., Any]) -> None:
        logging.getLogger(_OURS).warning(
            "compiling %s.%s for this machine, which takes up to a quarter of a minute and is done once: the result is stored",
            fun.__module__,
            fun.__name__,
        )


_OURS = __package__
event.register("numba:compile", Notice(after=3.0))
