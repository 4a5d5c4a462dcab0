"""Counts, quantiles and covariances, made of other operations."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from framework.autograd.primitive import primitive
from framework.ops.elementwise import add, conj, divide, isnan, multiply, subtract, where
from framework.ops.indexing import getitem, scatter, take
from framework.ops.linear import matmul
from framework.ops.manipulation import astype, concat, matrix_transpose, moveaxis, reshape, squeeze
from framework.ops.reduction import max, mean, min
from framework.ops.sorting import sort

Array = Any
Axis = int | tuple[int, ...] | None

_METHODS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda position: position,
    "lower": np.floor,
    "higher": np.ceil,
    "nearest": np.round,
    "midpoint": lambda position: (np.floor(position) + np.ceil(position)) / 2,
}


@primitive
def _count_each(xp: Any, x: Array, /, *, length: int) -> Array:
    return xp.scatter(xp.ones(x.shape, dtype=xp.int64, device=x.device), x, (length,))


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each of 0, 1, 2, ... occurs, or the sum of the weights where it does.

    Parameters
    ----------
    x : Tensor (n,) of int
        The values to count.
    weights : Tensor (n,), optional
        What each occurrence counts; gradients flow to these.
    minlength : int
        Least length of the result.

    Returns
    -------
    Tensor of int64, or of the dtype of the weights
        Of length ``max(minlength, max(x) + 1)``.

    Raises
    ------
    ValueError
        If a value is negative, or ``x`` is not of one dimension.

    Examples
    --------
    >>> import framework as fw
    >>> fw.bincount(fw.asarray([0, 2, 2]))
    Tensor([1, 0, 2])
    """
    if x.ndim != 1:
        raise ValueError(f"bincount: expected one dimension, got shape {x.shape}; flatten it first")
    if x.shape[0] and int(min(x)) < 0:
        raise ValueError(f"bincount: expected values >= 0, got {int(min(x))}")
    length = builtins.max(minlength, int(max(x)) + 1 if x.shape[0] else 0)
    return _count_each(x, length=length) if weights is None else scatter(weights, x, (length,))


def quantile(x: Any, q: Any, /, axis: Axis = None, *, keepdims: bool = False, method: str = "linear") -> Any:
    """The values below which fractions ``q`` of the entries lie.

    Parameters
    ----------
    x : Tensor
        Real; integers are taken as float64. A NaN makes its result NaN.
    q : number or array
        From 0 to 1. No gradient flows through it.
    axis : int or tuple of int, optional
        Over which; all if not given.
    keepdims : bool
        Keep the axes, with length one.
    method : {"linear", "lower", "higher", "nearest", "midpoint"}
        What to take between two entries, as ``numpy.quantile`` says.

    Returns
    -------
    Tensor
        Of the shape of ``q`` followed by that of the reduced ``x``.

    Raises
    ------
    ValueError
        If a ``q`` is outside 0 to 1, there are no entries, or the method is unknown.

    Examples
    --------
    >>> import framework as fw
    >>> fw.quantile(fw.asarray([1.0, 2.0, 4.0]), [0.5, 0.75])
    Tensor([2., 3.])
    """
    fractions = np.asarray(q, dtype=np.float64)
    if method not in _METHODS:
        raise ValueError(f"quantile: expected method to be one of {', '.join(_METHODS)}, got {method!r}")
    if not ((fractions >= 0) & (fractions <= 1)).all():
        raise ValueError(f"quantile: expected q from 0 to 1, got {q!r}")
    rows, kept = _rows(_as_floating(x), axis)
    if not rows.shape[-1]:
        raise ValueError(f"quantile: expected at least one entry, got shape {x.shape} over axis {axis}")
    ordered = sort(rows, axis=-1)
    result = _interpolate(ordered, _METHODS[method](fractions.reshape(-1) * (rows.shape[-1] - 1)))
    last = getitem(ordered, (..., slice(-1, None)))
    result = moveaxis(where(isnan(last), last, result), -1, 0)
    shape = kept if keepdims else rows.shape[:-1]
    return reshape(result, (*fractions.shape, *shape))


def _interpolate(ordered: Any, position: Any) -> Any:
    """The entries of the last axis at fractional positions, on the line between neighbours."""
    lower, upper = np.floor(position), np.ceil(position)
    low, high = (take(ordered, ordered.backend.asarray(i.astype(np.int64)), axis=-1) for i in (lower, upper))
    if (lower == upper).all():
        return low
    weight = ordered.backend.asarray(position - lower, dtype=ordered.data.dtype)
    return add(low, multiply(subtract(high, low), weight))


def _rows(x: Any, axis: Axis) -> tuple[Any, tuple[int, ...]]:
    """The given axes made one, the last; and the shape of ``x`` with length one in their place."""
    n = x.ndim
    axes = range(n) if axis is None else [a % n for a in (axis if isinstance(axis, tuple) else (axis,))]
    kept = tuple(1 if i in axes else length for i, length in enumerate(x.shape))
    rest = [i for i in range(n) if i not in axes]
    moved = moveaxis(x, tuple(rest), tuple(range(len(rest))))
    length = math.prod(x.shape[i] for i in axes)
    return reshape(moved, (*[x.shape[i] for i in rest], length)), kept


def _as_floating(x: Any) -> Any:
    return x if x.dtype.kind in "fcV" else astype(x, np.dtype("float64"))


def median(x: Any, /, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The middle value over the given axes, or over all; of two middle ones their mean.

    Parameters
    ----------
    x : Tensor
        Real; integers are taken as float64. A NaN makes its result NaN.
    axis : int or tuple of int, optional
        Over which; all if not given.
    keepdims : bool
        Keep the axes, with length one.

    Examples
    --------
    >>> import framework as fw
    >>> fw.median(fw.asarray([4.0, 1.0, 2.0]))
    Tensor(2.)
    """
    return quantile(x, 0.5, axis, keepdims=keepdims)


def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Any:
    """Covariance matrix of several variables.

    Parameters
    ----------
    m : Tensor (variables, observations) or (observations,)
        Integers are taken as float64.
    y : Tensor, optional
        More variables, of the same form.
    rowvar : bool
        Whether variables are rows; otherwise they are columns.
    bias : bool
        Divide by the number of observations instead of one less.
    ddof : int, optional
        Divide by the number of observations minus ``ddof``, whatever ``bias`` says.

    Returns
    -------
    Tensor (variables, variables), or of no dimensions for a single variable

    Raises
    ------
    ValueError
        If ``m`` or ``y`` has more than two dimensions.

    Examples
    --------
    >>> import framework as fw
    >>> fw.cov(fw.asarray([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    Tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    rows = [_variables(part, rowvar) for part in (m, y) if part is not None]
    x = concat(rows, axis=0) if len(rows) > 1 else rows[0]
    degrees = x.shape[1] - (ddof if ddof is not None else 0 if bias else 1)
    centred = subtract(x, mean(x, axis=1, keepdims=True))
    products = matmul(centred, matrix_transpose(conj(centred)))
    result = divide(products, degrees if degrees > 0 else math.nan)
    return squeeze(result, (0, 1)) if result.shape == (1, 1) else result


def _variables(m: Any, rowvar: bool) -> Any:
    """The variables as rows."""
    if m.ndim > 2:
        raise ValueError(f"cov: expected at most two dimensions, got shape {m.shape}")
    m = _as_floating(m)
    return reshape(m, (1, -1)) if m.ndim < 2 else m if rowvar else matrix_transpose(m)
