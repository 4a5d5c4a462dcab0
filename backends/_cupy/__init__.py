"""CuPy on NVIDIA GPUs."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from backends._base import Array, Backend
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


class CupyBackend(Backend):
    """One NVIDIA GPU.

    Parameters
    ----------
    index : int
        The number of the GPU.
    """

    name = "cuda"

    def __init__(self, index: int = 0) -> None:
        import array_api_compat.cupy
        import cupy

        from backends._cupy import indexing
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
            getitem=indexing.getitem,
            setitem=indexing.setitem,
            assign=indexing.assign,
            scatter=indexing.scatter,
            einsum=cupy.einsum,
        )

    def asarray(self, obj: Any, *, dtype: Any = None, copy: bool | None = None) -> Array:
        with self._device:
            if copy:
                return self._cupy.array(obj, dtype=dtype)
            return self._cupy.asarray(obj, dtype=dtype)

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        return self._cupy.asnumpy(array)  # type: ignore[no-any-return]

    def wrap(self, result: Any) -> Array:
        return self.asarray(result)

    def dtype_of(self, array: Array) -> np.dtype[Any]:
        return array.dtype  # type: ignore[no-any-return]

    def native_dtype(self, dtype: Any) -> Any:
        return np.dtype(dtype)

    def owner(self, array: Array) -> Any:
        while array.base is not None:
            array = array.base
        return array

    def device_of(self, array: Array) -> str:
        return f"cuda:{array.device.id}"

    def synchronize(self) -> None:
        self._device.synchronize()
