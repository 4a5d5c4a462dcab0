"""Counts, quantiles and covariances, made of other operations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from framework.autograd.composed import composed
from framework.autograd.primitive import primitive
from framework.ops.elementwise import conj, divide, greater, less, multiply, subtract, where
from framework.ops.indexing import along_axis_key, scatter
from framework.ops.linear import matmul
from framework.ops.manipulation import astype, concat, matrix_transpose, reshape, squeeze
from framework.ops.reduction import any, mean, sum

Array = Any
Axis = int | tuple[int, ...] | None


def _between(alpha: float, beta: float) -> Callable[[int, float], float]:
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


def _midway(position: float) -> float:
    return (math.floor(position) + math.ceil(position)) / 2


def _mean_of_steps(n: int, q: float) -> float:
    position = n * q - 1
    return position + 0.5 if position == math.floor(position) else math.ceil(position)


_METHODS: dict[str, Callable[[int, float], float]] = {
    "linear": lambda n, q: (n - 1) * q,
    "lower": lambda n, q: math.floor((n - 1) * q),
    "higher": lambda n, q: math.ceil((n - 1) * q),
    "nearest": lambda n, q: round((n - 1) * q),
    "midpoint": lambda n, q: _midway((n - 1) * q),
    "inverted_cdf": lambda n, q: math.ceil(n * q - 1),
    "averaged_inverted_cdf": _mean_of_steps,
    "closest_observation": lambda n, q: round(n * q) - 1,
    "interpolated_inverted_cdf": _between(0, 1),
    "hazen": _between(0.5, 0.5),
    "weibull": _between(0, 0),
    "median_unbiased": _between(1 / 3, 1 / 3),
    "normal_unbiased": _between(3 / 8, 3 / 8),
}
"""Positions, from 0, of a quantile among ``n`` values in order (Hyndman and Fan, "Sample quantiles in statistical
packages", 1996); what lies before the first or after the last is that one."""


@primitive
def _bincount(xp: Any, x: Array, /, *, minlength: int) -> Array:
    return xp.bincount(x, minlength=minlength)


@composed
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
        If a value is negative, ``x`` is not of one dimension, or the weights are of another shape.

    Examples
    --------
    >>> import framework as fw
    >>> fw.bincount(fw.asarray([0, 2, 2]))
    Tensor([1, 0, 2])
    """
    if x.ndim != 1:
        raise ValueError(f"bincount: expected one dimension, got shape {x.shape}; flatten it first")
    if weights is None:
        return _bincount(x, minlength=minlength)
    if weights.shape != x.shape:
        raise ValueError(f"bincount: expected a weight for each value, shape {x.shape}, got {weights.shape}")
    return scatter(weights, x, (_bincount(x, minlength=minlength).shape[0],))


@composed
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
    method : str
        Where a quantile lies among the entries, one of the names that ``numpy.quantile`` describes: "linear", "lower",
        "higher", "nearest", "midpoint", "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
        "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased" or "normal_unbiased".

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
    if method not in _METHODS:
        raise ValueError(f"quantile: expected method to be one of {', '.join(_METHODS)}, got {method!r}")
    fractions = np.asarray(q, dtype=np.float64)
    x = _as_floating(x)
    shape = x.shape
    n = len(shape)
    axes = tuple(range(n) if axis is None else [a % n for a in (axis if isinstance(axis, tuple) else (axis,))])
    length = math.prod([shape[a] for a in axes])
    if not length:
        raise ValueError(f"quantile: expected at least one entry, got shape {shape} over axis {axis}")
    positions = []
    for fraction in fractions.ravel().tolist():
        if not 0 <= fraction <= 1:
            raise ValueError(f"quantile: expected q from 0 to 1, got {q!r}")
        position = _METHODS[method](length, fraction)
        positions.append(0 if position < 0 else length - 1 if position > length - 1 else position)
    rest = [1 if a in axes else k for a, k in enumerate(shape) if keepdims or a not in axes]
    return _quantile(x, axes=axes, positions=positions, to=(*fractions.shape, *rest))


@primitive
def _quantile(xp: Any, x: Array, /, *, axes: tuple[int, ...], positions: list[float], to: tuple[int, ...]) -> Array:
    ordered = xp.sort(_rows(xp, x, axes), axis=-1)
    lower, upper, weight = _neighbours(xp, x, positions)
    result = low = xp.take(ordered, lower, axis=-1)
    if weight is not None:
        result = low + (xp.take(ordered, upper, axis=-1) - low) * weight
    last = ordered[..., -1:]
    result = xp.where(xp.isnan(last), last, result)
    return xp.reshape(xp.permute_dims(result, (result.ndim - 1, *range(result.ndim - 1))), to)


def _quantile_rule(xp: Any, g: Array, x: Array, axes: tuple[int, ...], positions: list[float]) -> Array:
    """To the entries at the positions, where they were before they were put in order; for a NaN, to it."""
    rows = _rows(xp, x, axes)
    order = xp.argsort(rows, axis=-1)
    last = order[..., -1:]
    missing = xp.isnan(xp.take_along_axis(rows, last, axis=-1))
    g = xp.reshape(g, (len(positions), *rows.shape[:-1]))
    g = xp.permute_dims(g, (*range(1, g.ndim), 0))
    lower, upper, weight = _neighbours(xp, x, positions)

    def put(at: Array, part: Array) -> Array:
        at = xp.where(missing, last, xp.take(order, at, axis=-1))
        return xp.scatter(part, along_axis_key(xp, at, -1), rows.shape)

    spread = put(lower, g) if weight is None else put(lower, g * (1 - weight)) + put(upper, g * weight)
    moved = _moved(x.ndim, axes)
    back = xp.reshape(spread, tuple([x.shape[a] for a in moved]))
    return xp.permute_dims(back, tuple([moved.index(a) for a in range(x.ndim)]))


_quantile.defvjp(_quantile_rule)


def _rows(xp: Any, x: Array, axes: tuple[int, ...]) -> Array:
    """The given axes made one, the last."""
    rest = [length for a, length in enumerate(x.shape) if a not in axes]
    length = math.prod([x.shape[a] for a in axes])
    return xp.reshape(xp.permute_dims(x, _moved(x.ndim, axes)), (*rest, length))


def _moved(ndim: int, axes: tuple[int, ...]) -> tuple[int, ...]:
    return *[a for a in range(ndim) if a not in axes], *axes


def _neighbours(xp: Any, x: Array, positions: list[float]) -> tuple[Array, Array, Array | None]:
    """The whole positions below and above, and how far on the way to the latter; None if all are whole."""
    below = [math.floor(position) for position in positions]
    lower = xp.asarray(below, dtype=xp.int64, device=x.device)
    if below == positions:
        return lower, lower, None
    upper = xp.asarray([math.ceil(position) for position in positions], dtype=xp.int64, device=x.device)
    weight = [position - whole for position, whole in zip(positions, below)]
    return lower, upper, xp.asarray(weight, dtype=x.dtype, device=x.device)


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


@composed
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
) -> Any:
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
    fweights : Tensor (observations,) of int, optional
        How often each observation occurred.
    aweights : Tensor (observations,), optional
        How much each observation counts beside the others; gradients flow to these.

    Returns
    -------
    Tensor (variables, variables), or of no dimensions for a single variable

    Raises
    ------
    ValueError
        If ``m`` or ``y`` has more than two dimensions, or weights are negative or not one for each observation.
    TypeError
        If ``fweights`` are not whole numbers.

    Examples
    --------
    >>> import framework as fw
    >>> fw.cov(fw.asarray([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    Tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    rows = [_variables(part, rowvar) for part in (m, y) if part is not None]
    x = concat(rows, axis=0) if len(rows) > 1 else rows[0]
    lost = ddof if ddof is not None else 0 if bias else 1
    weights = _weights(x, fweights, aweights)
    if weights is None:
        degrees = x.shape[1] - lost
        centred = weighted = subtract(x, mean(x, axis=1, keepdims=True))
        degrees = degrees if degrees > 0 else math.nan
    else:
        total = sum(weights)
        centred = subtract(x, divide(sum(multiply(x, weights), axis=1, keepdims=True), total))
        weighted = multiply(centred, weights)
        share = 1 if aweights is None else divide(sum(multiply(weights, aweights)), total)
        degrees = subtract(total, lost * share)
        degrees = where(greater(degrees, 0), degrees, math.nan)
    result = divide(matmul(weighted, matrix_transpose(conj(centred))), degrees)
    return squeeze(result, (0, 1)) if result.shape == (1, 1) else result


def _weights(x: Any, fweights: Any, aweights: Any) -> Any:
    """The product of both weights of the observations, or None if there are none."""
    if fweights is not None and fweights.dtype.kind not in "iu":
        raise TypeError(f"cov: expected fweights to be whole numbers, got {fweights.dtype}; aweights may be others")
    weights = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        if given.shape != x.shape[1:]:
            raise ValueError(
                f"cov: expected {name} of shape {x.shape[1:]}, one for each observation, got {given.shape}"
            )
        if any(less(given, 0)):
            raise ValueError(f"cov: expected {name} of at least 0, got negative ones")
        given = given if given.dtype.kind in "fV" else astype(given, np.empty(0, x.dtype).real.dtype)
        weights = given if weights is None else multiply(weights, given)
    return weights


def _variables(m: Any, rowvar: bool) -> Any:
    """The variables as rows."""
    if m.ndim > 2:
        raise ValueError(f"cov: expected at most two dimensions, got shape {m.shape}")
    m = _as_floating(m)
    return reshape(m, (1, -1)) if m.ndim < 2 else m if rowvar else matrix_transpose(m)
