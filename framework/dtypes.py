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
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"the default dtype must be a real floating one such as float32, got {dtype}")
    _default.floating = dtype


def default_for(dtype: DType, *, from_python: builtins.bool) -> DType:
    """The dtype of new data: as it comes from an array; the default width for Python floats and complexes."""
    if not from_python or dtype.kind not in "fc":
        return dtype
    if dtype.kind == "c":
        return np.dtype(complex128 if _default.floating == float64 else complex64)
    return _default.floating
