"""Dtypes: NumPy's dtype objects on every backend, and the defaults for new tensors."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

DType = np.dtype[Any]

bool = np.dtype("bool")
int8, int16, int32, int64 = (np.dtype(name) for name in ("int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = (np.dtype(name) for name in ("uint8", "uint16", "uint32", "uint64"))
float16, float32, float64 = (np.dtype(name) for name in ("float16", "float32", "float64"))
complex64, complex128 = (np.dtype(name) for name in ("complex64", "complex128"))


class _Default:
    floating: DType = float32


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
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"the default dtype must be a real floating one such as float32, got {dtype}")
    _default.floating = dtype


def default_for(dtype: DType, *, from_python: builtins.bool) -> DType:
    """The dtype of new data: as it comes from an array; the default width for Python floats and complexes."""
    if not from_python or dtype.kind not in "fc":
        return dtype
    if dtype.kind == "c":
        return complex128 if _default.floating == float64 else complex64
    return _default.floating
