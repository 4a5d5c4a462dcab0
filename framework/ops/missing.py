"""Values that are not numbers: put others in their place, or leave them out."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.composed import composed
from framework.autograd.primitive import primitive
from framework.ops.elementwise import divide, equal, imag, isnan, logical_not, real, where
from framework.ops.manipulation import astype
from framework.ops.reduction import count_nonzero, sum

Array = Any
Axis = int | tuple[int, ...] | None


@primitive
def _nan_to_num(xp: Any, x: Array, /, *, nan: float, posinf: float, neginf: float) -> Array:
    x = xp.where(xp.isnan(x), nan, x)
    return xp.where(x == float("inf"), posinf, xp.where(x == -float("inf"), neginf, x))


_nan_to_num.defvjp(lambda xp, g, x: xp.where(xp.isfinite(x), g, 0.0))


@composed
def nan_to_num(x: Any, /, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """``x`` with finite numbers in place of NaN and of infinities, to which no gradient flows.

    Parameters
    ----------
    x : Tensor
        Of a complex one each part is treated so.
    nan : float
        What NaN becomes.
    posinf, neginf : float, optional
        What the infinities become; the largest and the smallest number of the dtype if not given.

    Examples
    --------
    >>> import framework as fw
    >>> fw.nan_to_num(fw.asarray([1.0, float("nan"), float("inf")]), posinf=9.0)
    Tensor([1., 0., 9.])
    """
    if x.dtype.kind not in "fc":
        return x
    if x.dtype.kind == "c":
        parts = (nan_to_num(part, nan, posinf, neginf) for part in (real(x), imag(x)))
        return next(parts) + 1j * next(parts)
    limits = np.finfo(x.dtype)
    posinf = float(limits.max) if posinf is None else posinf
    return _nan_to_num(x, nan=nan, posinf=posinf, neginf=float(limits.min) if neginf is None else neginf)


@composed
def nansum(x: Any, /, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Sum of the entries that are numbers, over the given axes, or over all.

    Examples
    --------
    >>> import framework as fw
    >>> fw.nansum(fw.asarray([1.0, float("nan"), 3.0]))
    Tensor(4.)
    """
    return sum(where(isnan(x), 0.0, x) if x.dtype.kind in "fc" else x, axis=axis, keepdims=keepdims)


def nanmean(x: Any, /, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Mean of the entries that are numbers, over the given axes, or over all; NaN where there are none.

    Examples
    --------
    >>> import framework as fw
    >>> fw.nanmean(fw.asarray([[1.0, float("nan")], [3.0, 5.0]]), axis=0)
    Tensor([2., 5.])
    """
    count = count_nonzero(logical_not(isnan(x)), axis=axis, keepdims=keepdims)
    total = nansum(x, axis, keepdims=keepdims)
    return divide(total, where(equal(count, 0), float("nan"), astype(count, total.dtype)))
