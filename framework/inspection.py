"""What the namespace can do and how dtypes relate, as the Array API standard asks."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from backends import available
from framework.autograd.graph import Variable
from framework.devices import backend_for, get_default_device
from framework.dtypes import FLOATING, DType, default_for, get_default_dtype

__array_api_version__ = "2025.12"
__array_api_versions__ = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")

_KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": FLOATING,
    "complex floating": "c",
    "numeric": f"iuc{FLOATING}",
}


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is of a kind: a name such as ``"real floating"``, a dtype, or a tuple of those."""
    dtype = np.dtype(dtype)
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, str):
        if kind not in _KINDS:
            known = ", ".join(map(repr, _KINDS))
            raise ValueError(f"isdtype: unknown kind {kind!r}; expected one of {known} or a dtype")
        return dtype.kind in _KINDS[kind]
    return bool(dtype == np.dtype(kind))


def _dtype_or_number(x: Any) -> Any:
    # The class numpy.float32 stands for a dtype, but has its instances' attribute ``dtype``, too.
    return x.dtype if hasattr(x, "dtype") and not isinstance(x, type) else x


def _for_numpy(x: Any) -> Any:
    """What NumPy knows the dtype of: its own arrays it asks sooner than it compares dtypes."""
    if isinstance(x, Variable):
        return x.data if x.backend.array_type is np.ndarray else x.dtype
    return _dtype_or_number(x)


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype that an operation on these gives; Python numbers never promote an array."""
    if not arrays_and_dtypes:
        raise ValueError("result_type: expected at least one tensor, dtype or number")
    return np.result_type(*map(_for_numpy, arrays_and_dtypes))


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether type promotion allows casting a dtype (or a tensor's) to another."""
    return bool(np.can_cast(np.dtype(_dtype_or_number(from_)), np.dtype(to)))


class FloatInfo(NamedTuple):
    """Limits of a floating dtype, as Python floats; of a complex one, those of its parts."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType

    @property
    def tiny(self) -> float:
        """NumPy's name for ``smallest_normal``."""
        return self.smallest_normal


def finfo(type: Any, /) -> FloatInfo:
    """Limits of a floating dtype, or of a tensor's.

    Examples
    --------
    >>> finfo("float32").max
    3.4028234663852886e+38
    """
    dtype = np.dtype(_dtype_or_number(type))
    # The library that NumPy has bfloat16 from knows its limits.
    limits = import_module("ml_dtypes").finfo(dtype) if dtype.kind == "V" else np.finfo(dtype)
    return FloatInfo(
        bits=limits.bits,
        eps=float(limits.eps),
        max=float(limits.max),
        min=float(limits.min),
        smallest_normal=float(limits.smallest_normal),
        dtype=limits.dtype,
    )


def iinfo(type: Any, /) -> Any:
    """Limits of an integer dtype, or of a tensor's."""
    return np.iinfo(np.dtype(_dtype_or_number(type)))


class _Info:
    """Capabilities, devices and dtypes of the namespace."""

    def capabilities(self) -> dict[str, Any]:
        """What optional behaviour is there."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Where new tensors are made."""
        return get_default_device()

    def devices(self) -> tuple[str, ...]:
        """Devices that can be used here."""
        return tuple(name for name, state in available().items() if state == "ok")

    def default_dtypes(self, *, device: str | None = None) -> dict[str, DType]:
        """Dtypes that Python numbers get."""
        floating = get_default_dtype()
        return {
            "real floating": floating,
            "complex floating": default_for(np.dtype("complex128"), from_python=True),
            "integral": np.dtype("int64"),
            "indexing": np.dtype("int64"),
        }

    def dtypes(self, *, device: str | None = None, kind: Any = None) -> dict[str, DType]:
        """The standard's dtypes by name, those of a kind if one is given."""
        backend = backend_for(device)
        names = backend.dtype_names()
        return {name: np.dtype(name) for name in names if kind is None or isdtype(np.dtype(name), kind)}


def __array_namespace_info__() -> _Info:
    """The namespace's description of itself."""
    return _Info()
