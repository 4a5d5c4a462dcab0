"""Streams: queues of work on a GPU that run beside each other."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from framework.cuda.device import gpu


class Stream:
    """A queue of work; inside ``with stream:`` operations are put into it.

    Work in different streams runs in any order, so whoever reads what another stream writes must :meth:`wait` for it.

    Parameters
    ----------
    device : str
        The GPU.

    Raises
    ------
    RuntimeError, ValueError
        If there is no such GPU.
    """

    def __init__(self, device: str = "cuda") -> None:
        self._backend = gpu(device)
        self.device: str = self._backend.device
        self._stream = self._backend.new_stream()
        self._entered: list[Any] = []

    def __enter__(self) -> Stream:
        inside = self._backend.within(self._stream)
        inside.__enter__()
        self._entered.append(inside)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.pop().__exit__(kind, error, trace)

    def synchronize(self) -> None:
        """Wait until all work in the stream is done.

        Raises
        ------
        IndexError
            If an index was out of range in it; see :func:`framework.cuda.check`.
        """
        self._stream.synchronize()
        self._backend.mistakes.check()

    def wait(self, other: Stream | None = None) -> None:
        """Let work that is put here from now on begin after what `other` (the stream in use if None) holds now."""
        source = self._backend.current_stream() if other is None else other._stream
        self._backend.order(source, self._stream)
