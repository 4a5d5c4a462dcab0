"""What an array library must offer to carry the framework, kernels apart: :class:`Library`."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

Array = Any
"""An array of whichever library the backend wraps."""

STANDARD_DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "complex64", "complex128"),
)


class Library:
    """One array library on one device.

    Attributes
    ----------
    name : str
        Short name of the library: ``"cpu"``, ``"cuda"``, ``"strict"``, ...
    device : str
        The canonical device string that users see, such as ``"cpu"``, ``"cuda:0"`` or ``"strict:device1"``.
    xp : Any
        The namespace that ops compute in.
    array_type : type
        The class of its arrays.
    complex_dtypes : frozenset
        Its complex dtype objects.
    """

    name: ClassVar[str] = "abstract"
    device: str
    xp: Any
    array_type: type
    complex_dtypes: frozenset[Any]

    # ---------------------------------------------------------------- conversion
    def asarray(self, obj: Any, *, dtype: Any = None, copy: bool | None = None) -> Array:
        """An array of this library on this device, from nested sequences, scalars or a NumPy array."""
        raise NotImplementedError

    def from_numpy(self, host: np.ndarray[Any, Any], dtype: Any) -> Array:
        """A new array of this library with the values of one of NumPy's, in a native dtype."""
        return self.asarray(host, dtype=dtype)

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        """The array's values as a NumPy array (waits for the device)."""
        raise NotImplementedError

    def wrap(self, result: Any) -> Array:
        """What an operation returned, as a proper array (NumPy gives scalars for 0-d results)."""
        return result

    def dtype_of(self, array: Array) -> np.dtype[Any]:
        """The array's dtype as a NumPy dtype, the framework's one notation for dtypes."""
        raise NotImplementedError

    def native_dtype(self, dtype: Any) -> Any:
        """The library's own dtype object for anything that NumPy takes as a dtype."""
        raise NotImplementedError

    def dtype_names(self) -> tuple[str, ...]:
        """Names of the standard's dtypes that the library has."""
        return STANDARD_DTYPES

    # ---------------------------------------------------------------- memory and time
    def device_of(self, array: Array) -> str:
        """The device string of an array of this library."""
        return self.device

    def owner(self, array: Array) -> Any:
        """The object that owns the array's memory; views of one buffer have one owner."""
        return array

    def writable(self, array: Array) -> bool:
        """Whether the array's memory may be written into."""
        return True

    def synchronize(self) -> None:
        """Wait until all work issued on the device is done."""

    def capturing(self) -> bool:
        """Whether operations are being recorded to be repeated, so that nothing may be brought to the host."""
        return False

    def new_transfer(self) -> Any:
        """What brings batches from the host here beside other work, or None where nothing is to be gained.

        See :class:`backends._cupy.transfer.Transfer`.
        """
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.device!r}>"


def holds_numbers(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype of NumPy's is one of numbers or truth values; those of ml_dtypes have the kind of raw bytes."""
    return dtype.kind in "biufc" or (dtype.kind == "V" and dtype.type is not np.void)


def dtype_of_numbers(dtype: Any) -> np.dtype[Any]:
    """NumPy's dtype by that name or of that class; TypeError unless it is one of numbers or truth values."""
    native: np.dtype[Any] = np.dtype(dtype)
    if not holds_numbers(native):
        raise TypeError(f"expected the dtype of numbers, such as 'float32' or 'int64', got {native}")
    return native
