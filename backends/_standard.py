"""The namespace of a library of which no more is asked than what the standard says.

Where NumPy gives what the standard leaves open, and users rely on it, the functions here give the same in the standard's
own terms, so that a program means the same on every device.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cached_property, partial, wraps
from types import ModuleType, SimpleNamespace
from typing import Any

from backends._namespace import Namespace

Array = Any
Function = Callable[..., Any]

_NUMBERED = (
    *("add", "subtract", "multiply", "floor_divide", "remainder", "pow", "maximum", "minimum"),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"),
)
_COMPARISONS = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
}


class Standard(Namespace):
    """The functions of any library that follows the standard, with the meaning that they have on NumPy.

    Parameters
    ----------
    module, device, special
        As for :class:`backends._namespace.Namespace`.
    """

    def __init__(self, module: ModuleType, device: Any = None, special: Callable[[], Any] | None = None) -> None:
        super().__init__(module, device, special)
        own = self.__dict__
        own.update({name: _of_fitting_numbers(self, own[name]) for name in _NUMBERED})
        own.update({name: _of_any_numbers(self, own[name], compare) for name, compare in _COMPARISONS.items()})
        own.update({name: partial(function, self, own[name]) for name, function in _WIDENED.items()})

    @cached_property
    def fft(self) -> Any:
        """Fourier transforms, whose complex arguments may be real as well."""
        transforms = self._module.fft

        def of_complex(name: str) -> Any:
            transform = getattr(transforms, name)

            def cast(x: Array, /, **options: Any) -> Array:
                dtype = self.result_type(x.dtype, self.complex64)  # type: ignore[attr-defined]
                return transform(self.astype(x, dtype, copy=False), **options)  # type: ignore[attr-defined]

            return cast

        taken = {name: getattr(transforms, name) for name in ("rfft", "rfftn")}
        cast = {name: of_complex(name) for name in ("fft", "fftn", "ifft", "ifftn", "irfft", "irfftn")}
        return SimpleNamespace(**taken, **cast)


# ---------------------------------------------------------------- Python's whole numbers
def _beyond(xp: Any, dtype: Any, number: Any) -> int:
    """1 or -1 if a whole number is above or below what an integer dtype holds, else 0."""
    if type(number) is not int or dtype is None or not xp.isdtype(dtype, "integral"):
        return 0
    limits = xp.iinfo(dtype)
    return int(number > limits.max) - int(number < limits.min)


def _dtype(x: Any) -> Any:
    return getattr(x, "dtype", None)


def _of_fitting_numbers(xp: Any, function: Function) -> Function:
    """A number that the dtype cannot hold is an error, where some libraries would take it modulo its range."""

    @wraps(function)
    def call(x1: Any, x2: Any, /) -> Array:
        for x, number in ((x1, x2), (x2, x1)):
            if _beyond(xp, _dtype(x), number):
                raise OverflowError(f"Python integer {number} out of bounds for {x.dtype}")
        return function(x1, x2)

    return call


def _of_any_numbers(xp: Any, function: Function, compare: Callable[[int, int], bool]) -> Function:
    """Every value of a dtype compares alike with a number beyond all of them."""

    @wraps(function)
    def call(x1: Any, x2: Any, /) -> Array:
        if side := _beyond(xp, _dtype(x1), x2):
            return xp.full(x1.shape, compare(0, side), dtype=xp.bool)
        if side := _beyond(xp, _dtype(x2), x1):
            return xp.full(x2.shape, compare(side, 0), dtype=xp.bool)
        return function(x1, x2)

    return call


def _full(xp: Any, function: Function, shape: Any, fill_value: Any, *, dtype: Any, device: Any = None) -> Array:
    """Of a number of NumPy's, too, and of none that the dtype cannot hold."""
    fill_value = fill_value.item() if hasattr(fill_value, "item") else fill_value
    if _beyond(xp, dtype, fill_value):
        raise OverflowError(f"Python integer {fill_value} out of bounds for {dtype}")
    return function(shape, fill_value, dtype=dtype, device=device)


# ---------------------------------------------------------------- dtypes that the standard leaves open
def _of_counts(xp: Any, function: Function, x: Array, /, **options: Any) -> Array:
    """Truth values are counted, so that ``sum(x == y)`` is a number."""
    return function(xp.astype(x, xp.int64) if x.dtype == xp.bool else x, **options)


def _of_floats(xp: Any, function: Function, x: Array, /, **options: Any) -> Array:
    """Means of integers and of truth values are float64."""
    return function(xp.astype(x, xp.float64) if xp.isdtype(x.dtype, ("bool", "integral")) else x, **options)


def _std(xp: Any, function: Function, x: Array, /, **options: Any) -> Array:
    """The root of the variance, which PyTorch gives for every correction."""
    return xp.sqrt(xp.var(x, **options))


def _count_nonzero(xp: Any, function: Function, x: Array, /, **options: Any) -> Array:
    """A sum, since PyTorch's own count reduces no axes and several axes otherwise than the standard."""
    return xp.sum(xp.astype(x if x.dtype == xp.bool else x != 0, xp.int64), **options)


def _where(xp: Any, function: Function, condition: Array, x1: Any, x2: Any, /) -> Array:
    """Of a condition that is not one of truth values, what is not zero holds."""
    return function(condition if condition.dtype == xp.bool else condition != 0, x1, x2)


# ---------------------------------------------------------------- axes and indices
def _of_axes(xp: Any, function: Function, x: Array, /, *, axis: Any = -1, **options: Any) -> Array:
    """An array of no dimensions has no axis to work along."""
    if not x.ndim and axis != ():
        raise IndexError(f"axis {axis} is out of range for 0 dimensions")
    return function(x, axis=axis, **options)


def _vecdot(xp: Any, function: Function, x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Along an axis that may be counted from the front as well, in each of the two."""
    if axis >= 0:
        x1, x2, axis = xp.moveaxis(x1, axis, -1), xp.moveaxis(x2, axis, -1), -1
    return function(x1, x2, axis=axis)


def _roll(xp: Any, function: Function, x: Array, shift: Any, /, *, axis: Any = None) -> Array:
    """By one shift along several axes, too, and along none."""
    if isinstance(axis, tuple) and isinstance(shift, int):
        shift = (shift,) * len(axis)
    return xp.positive(x) if axis == () else function(x, shift, axis=axis)


def _take(xp: Any, function: Function, x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
    """At indices of every integer dtype."""
    return function(x, _wide(xp, indices), axis=axis)


def _take_along_axis(xp: Any, function: Function, x: Array, indices: Array, /, *, axis: int = -1) -> Array:
    """At indices of every integer dtype, each of which must be within the axis; PyTorch would take the nearest that is."""
    if not xp.isdtype(indices.dtype, "integral"):
        raise IndexError("`indices` must be an integer array")
    if 0 not in indices.shape:
        length = x.shape[axis]
        for index in (int(xp.min(indices)), int(xp.max(indices))):
            if not -length <= index < length:
                raise IndexError(f"index {index} is out of bounds for axis {axis} with size {length}")
    return function(x, _wide(xp, indices), axis=axis)


def _wide(xp: Any, indices: Array) -> Array:
    """Small integers in 64 bits."""
    small = indices.dtype in (xp.int8, xp.int16, xp.int32, xp.uint8)
    return xp.astype(indices, xp.int64) if small else indices


_WIDENED: dict[str, Function] = {
    **dict.fromkeys(("sum", "prod", "cumulative_sum", "cumulative_prod"), _of_counts),
    **dict.fromkeys(("mean", "var"), _of_floats),
    **dict.fromkeys(("squeeze", "sort", "argsort"), _of_axes),
    "full": _full,
    "std": _std,
    "count_nonzero": _count_nonzero,
    "where": _where,
    "roll": _roll,
    "vecdot": _vecdot,
    "take": _take,
    "take_along_axis": _take_along_axis,
}
