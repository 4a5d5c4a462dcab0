"""Dtypes, NumPy's on every backend, and the defaults for new tensors.

The names are NumPy's own: ``framework.float32`` is ``numpy.float32``, a class that stands for a dtype and equals
the ``numpy.dtype`` object that a tensor's ``dtype`` is. Not the objects themselves, for
``numpy.dtype("float64") == None`` is true, and code that compares dtypes comes upon None.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

DType = np.dtype[Any]

bool = np.bool
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
float16, float32, float64 = np.float16, np.float32, np.float64
complex64, complex128 = np.complex64, np.complex128

FLOATING = "fV"
"""Kinds of the real floating dtypes: NumPy gives those of ml_dtypes, such as bfloat16, the one of raw bytes."""


def __getattr__(name: str) -> Any:
    """``bfloat16``, which NumPy has from another library: imported when first used."""
    if name != "bfloat16":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from ml_dtypes import bfloat16
    except ModuleNotFoundError:
        raise RuntimeError(
            "bfloat16 needs ml_dtypes, which NumPy and CuPy have it from, and which is not installed: pip install ml_dtypes"
        ) from None
    return np.dtype(bfloat16)


def named(dtype: Any) -> DType:
    """The dtype of a name, too, that NumPy knows only once the library it comes from is imported.

    >>> named("float16")
    dtype('float16')
    """
    return __getattr__("bfloat16") if dtype == "bfloat16" else np.dtype(dtype)  # type: ignore[no-any-return]


class _Default:
    floating: DType = np.dtype(float32)


_default = _Default()


def get_default_dtype() -> DType:
    """Return the dtype that Python floats get: float32 unless set otherwise."""
    return _default.floating


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype that Python floats get.

    Parameters
    ----------
    dtype : dtype
        float16, float32 or float64.

    Raises
    ------
    TypeError
        For any other dtype.
    """
    chosen = None if dtype is None else np.dtype(dtype)  # NumPy takes None for float64
    if chosen is None or chosen.kind != "f":
        raise TypeError(f"the default dtype must be a real floating one such as float32, got {chosen}")
    _default.floating = chosen


def default_for(dtype: DType, *, from_python: builtins.bool) -> DType:
    """The dtype of new data: as it comes from an array; the default width for Python floats and complexes."""
    kind = dtype.kind if from_python else ""
    if kind == "f":
        return _default.floating
    if kind == "c":
        return np.dtype(complex128 if _default.floating == float64 else complex64)
    return dtype
