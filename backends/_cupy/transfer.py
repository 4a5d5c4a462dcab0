"""Batches on their way to a GPU: through pinned memory, in a stream of their own, beside what the GPU works on.

Three things must not happen, and each is one wait:

- that a pinned buffer is filled again before the GPU has fetched what it held: the host waits for the event of that
  copy. There are two sets of buffers, so it has had a whole batch's time;
- that a copy writes where work issued earlier still reads, because an array that was dropped gave its memory to the
  batch: the copying stream waits for what the consumer's stream holds when the batch is sent;
- that the consumer's stream reads before the copy is done: it waits for the copy's event when it receives the batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
Event = Any

_ALIGNMENT = 512


class Transfer:
    """Sends arrays of the host to a GPU, batch by batch.

    Parameters
    ----------
    backend : CupyBackend
        The GPU.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._stream = backend.copy_stream()
        self._staging = [Staging(backend), Staging(backend)]

    def send(self, arrays: list[np.ndarray[Any, Any]]) -> tuple[list[Array], Event]:
        """Begin to copy a batch; returns the arrays that will hold it, and what :meth:`receive` is to be told."""
        staging = self._staging[0]
        self._staging.reverse()
        staging.claim(sum(_aligned(array.nbytes) for array in arrays))
        made = [self._backend.xp.empty(array.shape, dtype=array.dtype) for array in arrays]
        self._backend.order(self._backend.current_stream(), self._stream)
        for array, out in zip(arrays, made):
            self._backend.copy_pinned(staging.put(array), out, self._stream)
        staging.event = self._backend.record(self._stream)
        return made, staging.event

    def receive(self, event: Event) -> None:
        """Let the stream in use wait until the batch is there."""
        self._backend.current_stream().wait_event(event)

    def close(self) -> None:
        """Wait until nothing is under way, so that the buffers can go."""
        self._stream.synchronize()


class Staging:
    """Pinned memory for one batch, used again for later ones."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._memory: np.ndarray[Any, Any] = np.empty(0, np.uint8)
        self._used = 0
        self.event: Event = None

    def claim(self, size: int) -> None:
        """Wait until the last batch is gone, and make room for one of so many bytes."""
        if self.event is not None:
            self.event.synchronize()
        self._used = 0
        if self._memory.size < size:
            self._memory = self._backend.pinned(size)

    def put(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The array's values, in pinned memory."""
        part = self._memory[self._used : self._used + array.nbytes]
        place: np.ndarray[Any, Any] = part.view(array.dtype).reshape(array.shape)
        self._used += _aligned(array.nbytes)
        place[...] = array
        return place


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
