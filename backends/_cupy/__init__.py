"""CuPy on NVIDIA GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from typing import Any

import numpy as np

from backends._base import Array, Backend, dtype_of_numbers
from backends._cupy import (
    cross_entropy,
    embedding,
    indexing,
    joining,
    narrow,
    normalization,
    optimizer,
    products,
    random,
    recurrent,
    shapes,
)
from backends._cupy.capture import Capture
from backends._cupy.compiler import Launcher
from backends._cupy.linalg import Linalg
from backends._cupy.memory import Allocator
from backends._cupy.mistakes import SLOT, Mistakes, user_line
from backends._cupy.transfer import Transfer
from backends._namespace import Namespace

_INSTALL = "pip install 'framework[cuda12]' or 'framework[cuda13]', whichever CUDA version nvidia-smi names"


def load(rest: str) -> Backend:
    """Return the backend of device number ``rest`` (the current device if empty).

    Raises
    ------
    RuntimeError
        If CuPy is missing, or finds no driver or device; the message says which, and what helps.
    ValueError
        If there is no device of that number.
    """
    try:
        import cupy
    except ImportError as error:
        raise RuntimeError(f"device 'cuda' needs CuPy, which cannot be imported ({error}): {_INSTALL}") from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(
            f"device 'cuda' needs an NVIDIA driver and a GPU, but CuPy reports: {error}; check nvidia-smi, and that CuPy "
            f"fits the driver: {_INSTALL}"
        ) from None
    if not count:
        raise RuntimeError("device 'cuda' needs an NVIDIA GPU, and the driver reports none; check nvidia-smi")
    if rest and not rest.isdecimal():
        raise ValueError(f"unknown device 'cuda:{rest}': expected a number after the colon, as in 'cuda:0'")
    index = int(rest) if rest else cupy.cuda.runtime.getDevice()
    if index >= count:
        raise ValueError(f"unknown device 'cuda:{index}': there are {count} GPUs, numbered from 0")
    return CupyBackend(index)


@cache
def _watched_memory() -> Allocator:
    """Watch the memory of all GPUs, from the first use of one on."""
    import cupy

    allocator = Allocator(cupy)
    cupy.cuda.set_allocator(allocator)
    return allocator


class CupyBackend(Backend):
    """One NVIDIA GPU.

    Parameters
    ----------
    index : int
        The number of the GPU.

    Attributes
    ----------
    deterministic : bool
        Whether rows of a table are added in an order that is always the same.
    """

    name = "cuda"
    deterministic = True
    capture: Capture | None = None
    _copies: Any = None

    def __init__(self, index: int = 0) -> None:
        import array_api_compat.cupy
        import cupy

        from backends.reference.special import SpecialFunctions

        self._cupy = cupy
        self._device = cupy.cuda.Device(index)
        self.device = f"cuda:{index}"
        self.array_type = cupy.ndarray
        self.complex_dtypes = frozenset({np.dtype(np.complex64), np.dtype(np.complex128)})
        self.xp = Namespace(
            array_api_compat.cupy,
            self._device,
            special=partial(SpecialFunctions, self, "cupyx.scipy.special"),
            linalg=Linalg(self, array_api_compat.cupy.linalg),
            **indexing.overrides(self),
            **narrow.overrides(array_api_compat.cupy),
            **products.overrides(self, array_api_compat.cupy, cupy.einsum),
            **joining.overrides(self, array_api_compat.cupy),
            **shapes.overrides(self, array_api_compat.cupy),
        )
        self.launch = Launcher(self._device)
        attributes = self._device.attributes
        self.multiprocessors = attributes["MultiProcessorCount"]
        self.shared_per_block = attributes["MaxSharedMemoryPerBlockOptin"]
        self.mistakes = self._new_mistakes()
        self.memory = _watched_memory()

    def _new_mistakes(self) -> Mistakes:
        """A slot on the device with its mark in the host's memory, which the device reaches at the same address."""
        cupy = self._cupy
        with self._device:
            slot = cupy.zeros(SLOT.itemsize, dtype=np.uint8)
            pinned = cupy.cuda.alloc_pinned_memory(4)
        mark = np.frombuffer(pinned, dtype=np.int32, count=1)
        mark[0] = 0
        return Mistakes(slot, mark, pinned.ptr, cupy.asnumpy)

    def asarray(self, obj: Any, *, dtype: Any = None, copy: bool | None = None) -> Array:
        with self._device:
            if copy:
                return self._cupy.array(obj, dtype=dtype)
            return self._cupy.asarray(obj, dtype=dtype)

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        self.refuse_in_capture("to the host", "a value")
        host = self._cupy.asnumpy(array)
        self.mistakes.check()
        return host  # type: ignore[no-any-return]

    def wrap(self, result: Any) -> Array:
        return self.asarray(result)

    def dtype_of(self, array: Array) -> np.dtype[Any]:
        return array.dtype  # type: ignore[no-any-return]

    def native_dtype(self, dtype: Any) -> Any:
        return dtype_of_numbers(dtype)

    def owner(self, array: Array) -> Any:
        while (base := getattr(array, "base", None)) is not None:
            array = base
        return array

    def writable(self, array: Array) -> bool:
        return indexing.writable(array)

    def device_of(self, array: Array) -> str:
        return f"cuda:{array.device.id}"

    def synchronize(self) -> None:
        self._device.synchronize()
        self.mistakes.check()

    # ---------------------------------------------------------------- devices and streams
    def count(self) -> int:
        """How many GPUs there are."""
        return int(self._cupy.cuda.runtime.getDeviceCount())

    def active(self) -> AbstractContextManager[Any]:
        """Make this GPU CuPy's current one, in a ``with`` block."""
        return self._device  # type: ignore[no-any-return]

    def new_stream(self) -> Any:
        """Make a stream that does not wait for the default one."""
        with self._device:
            return self._cupy.cuda.Stream(non_blocking=True)

    @contextmanager
    def within(self, stream: Any) -> Iterator[None]:
        """Put work for this GPU into a stream, in a ``with`` block."""
        with self._device, stream:
            yield

    def current_stream(self) -> Any:
        """The stream that work for this GPU goes into now."""
        with self._device:
            return self._cupy.cuda.get_current_stream()

    def order(self, first: Any, then: Any) -> None:
        """Let what is put into a stream from now on begin after what another one holds now."""
        then.wait_event(self.record(first))

    def record(self, stream: Any) -> Any:
        """Note a place in a stream: an event that other streams and the host can wait for."""
        with self._device:
            return stream.record(self._cupy.cuda.Event(disable_timing=True))

    # ---------------------------------------------------------------- batches from the host
    def new_transfer(self) -> Transfer:
        return Transfer(self)

    def copy_stream(self) -> Any:
        """The stream in which batches come, one for all."""
        if self._copies is None:
            self._copies = self.new_stream()
        return self._copies

    def pinned(self, size: int) -> np.ndarray[Any, Any]:
        """Bytes of the host that the GPU fetches by itself."""
        with self._device:
            return np.frombuffer(self._cupy.cuda.alloc_pinned_memory(size), np.uint8, size)

    def copy_pinned(self, source: np.ndarray[Any, Any], out: Array, stream: Any) -> None:
        """Copy pinned memory into an array, in a stream."""
        with self._device:
            out.data.copy_from_host_async(source.ctypes.data, source.nbytes, stream)

    # ---------------------------------------------------------------- captured steps
    def new_capture(self) -> Capture:
        """Begin to capture a step."""
        return Capture(self)

    # ---------------------------------------------------------------- for the kernels
    def address(self, array: Array) -> int:
        """Where the array's numbers begin, on the device."""
        return array.data.ptr  # type: ignore[no-any-return]

    def capturing(self) -> bool:
        """Whether operations are being recorded for a captured step, or rehearsed for it."""
        return self.capture is not None

    def refuse_in_capture(self, op: str, what: str) -> None:
        """Raise RuntimeError in a captured step, for an operation that brings something to the host."""
        if self.capturing():
            raise RuntimeError(
                f"{op}: a captured step cannot bring {what} to the host, as in the call at {user_line()}; keep it on the "
                "device until the step is done, or leave the step uncaptured"
            )

    random_bits = random.random_bits
    random_uniform = random.random_uniform
    random_normal = random.random_normal
    dropout_forward = random.dropout_forward

    check_indices = embedding.check_indices
    check_offsets = embedding.check_offsets
    take_rows = embedding.take_rows
    sum_rows = embedding.sum_rows
    scatter_rows = embedding.scatter_rows
    add_rows = embedding.add_rows
    embedding_bag_forward = embedding.embedding_bag_forward
    embedding_bag_backward = embedding.embedding_bag_backward

    cross_entropy_forward = cross_entropy.cross_entropy_forward
    cross_entropy_backward = cross_entropy.cross_entropy_backward

    layer_norm_forward = normalization.layer_norm_forward
    layer_norm_backward = normalization.layer_norm_backward
    rms_norm_forward = normalization.rms_norm_forward
    rms_norm_backward = normalization.rms_norm_backward

    sgd_step = optimizer.sgd_step
    advance_rows = optimizer.advance_rows
    take_advanced_rows = optimizer.take_advanced_rows

    rnn_forward = recurrent.rnn_forward
    rnn_backward = recurrent.rnn_backward
    lstm_forward = recurrent.lstm_forward
    lstm_backward = recurrent.lstm_backward
    gru_forward = recurrent.gru_forward
    gru_backward = recurrent.gru_backward
