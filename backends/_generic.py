"""Any other Array-API library, through its own namespace or array-api-compat's."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from backends._base import Array, Backend
from backends._standard import Standard
from backends.reference.special import SpecialFunctions


class GenericBackend(Backend):
    """A library that follows the Array API, with the reference kernels.

    Parameters
    ----------
    name : str
        Name under which it is registered.
    module : str
        Import path of its Array-API namespace, ``"array_api_strict"`` or ``"array_api_compat.torch"``, say.
    device : str
        One of the library's devices; empty for its default.
    """

    def __init__(self, name: str, module: str, device: str = "") -> None:
        namespace = import_module(module)
        info = namespace.__array_namespace_info__()
        native = self._find_device(name, device, info)
        self.name = name  # type: ignore[misc]
        self.device = f"{name}:{device}" if device else name
        self._native_device = native
        self.xp = Standard(namespace, native, special=partial(SpecialFunctions, self))
        self._standard = tuple(name for name in info.dtypes() if hasattr(np, name))
        self._native = {
            name: getattr(namespace, name) for name in (*self._standard, "float16") if hasattr(namespace, name)
        }
        self._numpy: dict[Any, np.dtype[Any]] = {dtype: np.dtype(name) for name, dtype in self._native.items()}
        self._dtype_types = {type(dtype) for dtype in self._numpy}
        self.complex_dtypes = frozenset(dtype for dtype, host in self._numpy.items() if host.kind == "c")
        self.array_type = type(namespace.asarray(0))

    @staticmethod
    def _find_device(name: str, device: str, info: Any) -> Any:
        if not device:
            return info.default_device()
        devices = {_device_name(native): native for native in info.devices() if native is not None}
        if device not in devices:
            raise ValueError(f"unknown device '{name}:{device}': {name!r} has {', '.join(sorted(devices))}")
        return devices[device]

    def asarray(self, obj: Any, *, dtype: Any = None, copy: bool | None = None) -> Array:
        dtype = None if dtype is None else self.native_dtype(dtype)
        if not isinstance(obj, self.array_type):
            host = np.asarray(obj)
            dtype = dtype or self.native_dtype(host.dtype)
            obj, copy = host.copy() if copy is not False and host.ndim else host[()], None
            if not isinstance(obj, np.ndarray):
                obj = obj.item()
        return self.xp.asarray(obj, dtype=dtype, device=self._native_device, copy=copy)

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        try:
            return np.from_dlpack(array)
        except (BufferError, RuntimeError, TypeError, ValueError):
            on_host = array.to_device(next(iter(self.xp.__array_namespace_info__().devices())))
            return np.asarray(on_host)

    def wrap(self, result: Any) -> Array:
        return result

    def dtype_of(self, array: Array) -> np.dtype[Any]:
        try:
            return self._numpy[array.dtype]
        except KeyError:
            raise TypeError(
                f"device {self.device!r}: {array.dtype} is none of the dtypes known here, {', '.join(self._native)}; cast first"
            ) from None

    def native_dtype(self, dtype: Any) -> Any:
        if type(dtype) in self._dtype_types:
            return dtype
        name = np.dtype(dtype).name
        if name not in self._native:
            raise TypeError(f"device {self.device!r} has no dtype {name}; it has {', '.join(self._native)}")
        return self._native[name]

    def dtype_names(self) -> tuple[str, ...]:
        return self._standard

    def owner(self, array: Array) -> Any:
        raw = getattr(array, "_array", array)
        base = getattr(raw, "_base", None)
        while isinstance(raw, np.ndarray) and raw.base is not None:
            raw = raw.base
        return raw if base is None else base

    def device_of(self, array: Array) -> str:
        native = array.device
        return (
            self.name
            if native == self.xp.__array_namespace_info__().default_device()
            else f"{self.name}:{_device_name(native)}"
        )


def _device_name(native: Any) -> str:
    text = str(native)
    return text.partition("'")[2].rstrip("')").lower() if "'" in text else text.lower()
