"""Captured steps: what a function does on the GPU, recorded once and then repeated in one launch.

Memory that the step takes comes from a pool of its own and is never given to anything else, so that the addresses in
the recording stay right. Before it is recorded the step is rehearsed: it runs for real, but under the rules of a
recording (no value to the host, products not by CuPy), so that kernels are compiled, buffers exist, and what
cannot be recorded is found while an error can still name it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from backends._cupy import cublas


class Capture:
    """A recording on one device.

    Parameters
    ----------
    backend : CupyBackend
        The device.

    Attributes
    ----------
    random_keys : set of int
        The streams that random numbers were drawn from.
    shift : Array
        One int64 that every place in those streams is moved by when the recording is repeated.
    blas : Cublas or None
        What multiplies, if it can be had.
    """

    def __init__(self, backend: Any) -> None:
        import cupy

        self._cupy = cupy
        self._backend = backend
        self._device = cupy.cuda.Device(int(backend.device.partition(":")[2]))
        with self._device:
            self._stream = cupy.cuda.Stream(non_blocking=True)
            self.shift = cupy.zeros(1, dtype=cupy.int64)
        self._pool = cupy.cuda.MemoryPool()
        self.blas = cublas.load()
        size = cublas.workspace_size(self._device.compute_capability)
        with self._device:
            self._workspace = self._pool.malloc(size)
        self._bind = partial(self.blas.bind, self._stream.ptr, self._workspace.ptr, size) if self.blas else None
        self._graph: Any = None
        self.random_keys: set[int] = set()

    @contextmanager
    def _rules(self) -> Iterator[None]:
        cupy = self._cupy
        with self._device:
            cupy.cuda.get_current_stream().synchronize()
            with self._stream, cupy.cuda.using_allocator(self._pool.malloc):
                self._backend.capture = self
                try:
                    if self._bind is not None:
                        self._bind()
                    yield
                finally:
                    self._backend.capture = None

    def rehearse(self, step: Callable[[], Any]) -> Any:
        """Run the step for real, under the rules of a recording."""
        with self._rules():
            result = step()
            self._stream.synchronize()
        self._backend.mistakes.check()
        return result

    def record(self, step: Callable[[], Any]) -> Any:
        """Record the step without running it; a failure leaves the stream usable."""
        gc.collect()
        with self._rules():
            self._stream.begin_capture()
            try:
                result = step()
            except BaseException:
                self._abandon()
                raise
            self._graph = self._stream.end_capture()
        return result

    def _abandon(self) -> None:
        # That the recording is invalid is why we are here.
        with suppress(self._cupy.cuda.runtime.CUDARuntimeError):
            self._stream.end_capture()

    def replay(self, shift: int) -> None:
        """Repeat the recording on the current stream, with random numbers `shift` blocks further on."""
        with self._device:
            if self.random_keys:
                self.shift.fill(shift)
            self._graph.launch()
