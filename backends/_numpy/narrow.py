"""Floats of 16 bits, which NumPy multiplies one by one and adds up in 16 bits.

Sums and products are computed in float32 and rounded once. bfloat16, which comes from ml_dtypes, is not known to NumPy
as a float: Python's numbers would promote it. The namespace gets these functions when the first such array comes; until
then nobody pays for them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

Array = Any
Function = Callable[..., Any]

_OF_ONE = ("sigmoid", "sum", "mean", "prod", "var", "std", "cumulative_sum", "cumulative_prod", "trace")
_PRODUCTS = ("convolve", "inner", "matmul", "tensordot", "vecdot")
_OF_NUMBERS = (
    *("add", "subtract", "multiply", "divide", "floor_divide", "remainder", "pow", "atan2", "hypot", "logaddexp"),
    *("maximum", "minimum", "copysign", "nextafter", "where"),
)


def is_narrow(dtype: np.dtype[Any]) -> bool:
    """Whether this is float16 or bfloat16."""
    return dtype.itemsize == 2 and (dtype.kind == "f" or dtype.name == "bfloat16")


def functions(xp: Any) -> dict[str, Function]:
    """What a namespace needs for them, around its own functions."""
    return {
        **{name: _of_one(getattr(xp, name)) for name in _OF_ONE},
        **{name: _product(getattr(xp, name)) for name in _PRODUCTS},
        **{name: _of_numbers(getattr(xp, name)) for name in _OF_NUMBERS},
        "clip": clip(xp.clip, _of_numbers(np.maximum), _of_numbers(np.minimum)),
        "einsum": _einsum(xp.einsum),
        "isdtype": isdtype(xp.isdtype),
        "astype": _astype(xp.astype),
    }


def widen(x: Array | None) -> Array | None:
    """A 16-bit float array in float32; anything else, None included, as it is."""
    return x.astype(np.float32) if isinstance(x, np.ndarray) and is_narrow(x.dtype) else x


def in_float32(forward: Function) -> Function:
    """A kernel's forward, ``(backend, *arrays) -> (*results, saved)``, computed in float32 and rounded at the end."""

    @wraps(forward)
    def kernel(backend: Any, x: Array, /, *others: Array | None, **options: Any) -> Any:
        if not is_narrow(x.dtype):
            return forward(backend, x, *others, **options)
        *results, saved = forward(backend, *map(widen, (x, *others)), **options)
        return *[_rounded(result, x.dtype) for result in results], saved

    return kernel


def gradients_in_float32(backward: Function) -> Function:
    """A kernel's backward, whose saved values are those of such a forward; the engine rounds what it gives."""

    @wraps(backward)
    def kernel(backend: Any, saved: Any, *grads: Any) -> Any:
        return backward(backend, saved, *map(widen, grads))

    return kernel


def _common(arrays: list[Array]) -> Any:
    """The dtype of arrays that are all of one 16-bit float, else None."""
    dtypes = {array.dtype for array in arrays}
    dtype = dtypes.pop() if len(dtypes) == 1 else None
    return dtype if dtype is not None and is_narrow(dtype) else None


def _rounded(x: Any, dtype: Any) -> Array:
    """In 16 bits. What is too large becomes infinite, without a warning: whoever scales losses counts on it."""
    with np.errstate(over="ignore"):
        return np.asarray(x).astype(dtype)


def _astype(function: Function) -> Function:
    @wraps(function)
    def astype(x: Array, dtype: Any, /, **options: Any) -> Array:
        if not is_narrow(np.dtype(dtype)):
            return function(x, dtype, **options)
        with np.errstate(over="ignore"):
            return function(x, dtype, **options)

    return astype


def _of_one(function: Function) -> Function:
    @wraps(function)
    def of_one(x: Array, /, *, dtype: Any = None, **options: Any) -> Array:
        if is_narrow(x.dtype) and (dtype is None or is_narrow(np.dtype(dtype))):
            return _rounded(function(x.astype(np.float32), **options), dtype or x.dtype)
        return function(x, **options) if dtype is None else function(x, dtype=dtype, **options)

    return of_one


def _product(function: Function) -> Function:
    @wraps(function)
    def product(x1: Array, x2: Array, /, **options: Any) -> Array:
        dtype = _common([x1, x2])
        if dtype is None:
            return function(x1, x2, **options)
        return _rounded(function(x1.astype(np.float32), x2.astype(np.float32), **options), dtype)

    return product


def _einsum(function: Function) -> Function:
    @wraps(function)
    def einsum(equation: str, *operands: Array) -> Array:
        dtype = _common(list(operands))
        product = function(equation, *map(widen, operands))
        return product if dtype is None else _rounded(product, dtype)

    return einsum


def _of_numbers(function: Function) -> Function:
    """A function that takes Python's numbers beside arrays, which they shall not promote."""

    @wraps(function)
    def elementwise(*args: Any, **options: Any) -> Array:
        numbers = [type(x) is float or type(x) is int for x in args]
        if any(numbers):
            dtype = _common([x for x in args if isinstance(x, np.ndarray) and x.dtype.kind != "b"])
            if dtype is not None:
                args = tuple([dtype.type(x) if number else x for x, number in zip(args, numbers)])
        return function(*args, **options)

    return elementwise


def clip(function: Function, larger: Function, smaller: Function) -> Function:
    """The function, but bfloat16 bounded by the two others: NumPy would do it in float32, and CuPy not at all."""

    @wraps(function)
    def bound(x: Array, /, min: Any = None, max: Any = None) -> Array:
        if x.dtype.kind != "V" or (min is None and max is None):
            return function(x, min, max)
        bounded = x if min is None else larger(x, min)
        return bounded if max is None else smaller(bounded, max)

    return bound


def isdtype(function: Function) -> Function:
    """The function, which knows bfloat16 too."""

    @wraps(function)
    def known(dtype: Any, kind: Any) -> bool:
        if dtype.kind != "V":
            return bool(function(dtype, kind))
        kinds = kind if isinstance(kind, tuple) else (kind,)
        return not {"real floating", "numeric", dtype}.isdisjoint(kinds)

    return known
