"""What an array library must offer to carry the framework: :class:`Backend`.

A backend is one array library on one device. It offers

- ``xp``, the library's Array-API namespace plus our few extensions (``scatter``, ``einsum``, ...);
- conversions (``asarray``, ``to_numpy``, ``wrap``) and questions about memory (``owner``);
- **kernels**: functions that a library can do faster than a sum of array operations. Each kernel is an
  ordinary function whose first parameter is the backend; this class binds the *reference* kernels, written
  in the Array API alone, so that a new library works on its first day. A subclass binds faster ones under
  the same names and signatures.

Kernels get and return raw arrays, trust their inputs, never change them, and return arrays that own their
memory. Checks are made by the callers in ``framework``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from backends.reference import cross_entropy, embedding, normalization, optimizer, random, recurrent

Array = Any
"""An array of whichever library the backend wraps."""

STANDARD_DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "complex64", "complex128"),
)


class Backend:
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

    def synchronize(self) -> None:
        """Wait until all work issued on the device is done."""

    # ---------------------------------------------------------------- kernels (reference bodies)
    random_bits = random.random_bits

    check_indices = embedding.check_indices
    take_rows = embedding.take_rows
    sum_rows = embedding.sum_rows
    scatter_rows = embedding.scatter_rows
    embedding_bag_forward = embedding.embedding_bag_forward
    embedding_bag_backward = embedding.embedding_bag_backward

    cross_entropy_forward = cross_entropy.cross_entropy_forward
    cross_entropy_backward = cross_entropy.cross_entropy_backward

    layer_norm_forward = normalization.layer_norm_forward
    layer_norm_backward = normalization.layer_norm_backward
    rms_norm_forward = normalization.rms_norm_forward
    rms_norm_backward = normalization.rms_norm_backward

    sgd_step = optimizer.sgd_step

    rnn_forward = recurrent.rnn_forward
    rnn_backward = recurrent.rnn_backward
    lstm_forward = recurrent.lstm_forward
    lstm_backward = recurrent.lstm_backward
    gru_forward = recurrent.gru_forward
    gru_backward = recurrent.gru_backward

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.device!r}>"
