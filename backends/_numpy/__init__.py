"""NumPy on the CPU, with kernels that are faster than the reference."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from backends._base import Array, Backend, dtype_of_numbers
from backends._namespace import Namespace
from backends._numpy import (
    contraction,
    cross_entropy,
    embedding,
    indexing,
    memory,
    namespace,
    narrow,
    normalization,
    optimizer,
    random,
    recurrent,
)

# glibc hands large blocks back to the system as soon as they are freed, and getting fresh pages costs more than many a
# kernel's work. Freeing one block of nearly 32 MiB, the most that counts, makes it keep blocks up to that size.
np.empty(31 << 20, np.uint8)


class NumpyBackend(Backend):
    """The ``"cpu"`` device."""

    name = "cpu"
    device = "cpu"
    complex_dtypes = frozenset({np.dtype(np.complex64), np.dtype(np.complex128)})

    def __init__(self) -> None:
        # On the object itself these are found faster than on its class, and every operation asks for them.
        self.array_type = np.ndarray
        self.from_numpy = np.ndarray.astype  # type: ignore[method-assign, assignment]
        self._narrow = False
        self._native: dict[Any, np.dtype[Any]] = {}
        self.xp = Namespace(
            np,
            special=partial(import_module, "scipy.special"),
            getitem=indexing.getitem,
            setitem=indexing.setitem,
            assign=indexing.assign,
            scatter=indexing.scatter,
            zeros_like=memory.zeros_like,
            convolve=np.convolve,
            einsum=contraction.einsum,
            inner=np.inner,
            **{name: getattr(namespace, name) for name in namespace.__all__},
        )

    def asarray(self, obj: Any, *, dtype: Any = None, copy: bool | None = None) -> Array:
        array = np.asarray(obj, dtype) if copy is None else memory.asarray(obj, dtype, copy)
        if array.itemsize == 2 and not self._narrow and narrow.is_narrow(array.dtype):
            self._meet_narrow()
        return array

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        return array  # type: ignore[no-any-return]

    def wrap(self, result: Any) -> Array:
        return np.asarray(result)

    def dtype_of(self, array: Array) -> np.dtype[Any]:
        return array.dtype  # type: ignore[no-any-return]

    def native_dtype(self, dtype: Any) -> Any:
        try:
            return self._native[dtype]
        except (KeyError, TypeError):
            native = dtype_of_numbers(dtype)
        if not self._narrow and narrow.is_narrow(native):
            self._meet_narrow()
        self._native[dtype] = native
        return native

    def _meet_narrow(self) -> None:
        """Be ready for floats of 16 bits, of which the first has come."""
        self._narrow = True
        vars(self.xp).update(narrow.functions(self.xp))

    def owner(self, array: Array) -> Any:
        # The base of the last array, such as a DLPack capsule, need not be one that can be watched.
        while (base := getattr(array, "base", None)) is not None and isinstance(base, np.ndarray):
            array = base
        return array

    def writable(self, array: Array) -> bool:
        return array.flags.writeable  # type: ignore[no-any-return]

    # ---------------------------------------------------------------- kernels
    random_bits = random.random_bits
    random_uniform = random.random_uniform
    random_normal = random.random_normal
    dropout_forward = random.dropout_forward

    check_indices = embedding.check_indices
    rows_may_wait = embedding.rows_may_wait
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

    advance_rows = optimizer.advance_rows
    take_advanced_rows = optimizer.take_advanced_rows

    rnn_forward = recurrent.rnn_forward
    rnn_backward = recurrent.rnn_backward
    lstm_forward = recurrent.lstm_forward
    lstm_backward = recurrent.lstm_backward
    gru_forward = recurrent.gru_forward
    gru_backward = recurrent.gru_backward
