"""Losses between numbers."""

from __future__ import annotations

import math
from typing import Any

from framework.autograd.precision import precision
from framework.autograd.primitive import primitive
from framework.nn.functional.reduction import matched, reduce, weighted
from framework.ops.elementwise import abs, square, where

Array = Any


@precision("float32")
@primitive
def _squared_error(xp: Any, x: Array, t: Array, /, *, reduction: str) -> Array:
    error = x - t
    losses = error * error
    if reduction == "none":
        return losses
    return xp.sum(losses) if reduction == "sum" else xp.mean(losses)


def _squared_error_rule(xp: Any, g: Array, x: Array, t: Array, reduction: str) -> Array:
    count = math.prod(x.shape) if reduction == "mean" else 1
    return g * (2 / (count or 1) * (x - t))


_squared_error.defvjp(
    _squared_error_rule,
    lambda xp, g, x, t, reduction: _squared_error_rule(xp, g, t, x, reduction),
)


def mse_loss(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Any:
    """Squared error, ``(input - target)**2``.

    Parameters
    ----------
    input, target : Tensor
        Of one shape, floating.
    reduction : str
        ``"mean"``, ``"sum"``, or ``"none"`` for one loss each.
    weight : Tensor, optional
        Factors that broadcast to the input's shape.

    Returns
    -------
    Tensor
        0-d, or of the input's shape for ``"none"``.

    Raises
    ------
    ValueError
        If the shapes differ, or the reduction is unknown.
    TypeError
        If a dtype is not floating.

    Examples
    --------
    >>> import framework as fw
    >>> mse_loss(fw.asarray([1.0, 3.0]), fw.asarray([1.0, 1.0]))
    Tensor(2.)
    """
    input, target = matched("mse_loss", input, target, reduction)
    if weight is None:
        return _squared_error(input, target, reduction=reduction)
    return _weighted_squared_error(input, target, weight, reduction)


@precision("float32")
def _weighted_squared_error(input: Any, target: Any, weight: Any, reduction: str) -> Any:
    return reduce(weighted("mse_loss", square(input - target), weight, input), reduction)


@precision("float32")
def l1_loss(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Any:
    """Absolute error, ``abs(input - target)``; arguments as :func:`mse_loss`.

    Examples
    --------
    >>> import framework as fw
    >>> l1_loss(fw.asarray([1.0, 3.0]), fw.asarray([1.0, 1.0]), reduction="sum")
    Tensor(2.)
    """
    input, target = matched("l1_loss", input, target, reduction)
    return reduce(weighted("l1_loss", abs(input - target), weight, input), reduction)


@precision("float32")
def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """Squared error over ``2 * beta`` where the error is below ``beta``, else absolute error minus ``beta / 2``.

    Parameters
    ----------
    input, target : Tensor
        Of one shape, floating.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.
    beta : float
        Where the two meet, at least 0; 0 is :func:`l1_loss`.

    References
    ----------
    R. Girshick: Fast R-CNN (ICCV 2015).
    """
    input, target = matched("smooth_l1_loss", input, target, reduction)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction)
    difference = input - target
    error = abs(difference)
    return reduce(where(error < beta, square(difference) * (0.5 / beta), error - 0.5 * beta), reduction)


@precision("float32")
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """Half the squared error where the error is below ``delta``, else ``delta * (error - delta / 2)``.

    Parameters
    ----------
    input, target : Tensor
        Of one shape, floating.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.
    delta : float
        Where the two meet, above 0.
    weight : Tensor, optional
        Factors that broadcast to the input's shape.

    References
    ----------
    P. Huber: Robust estimation of a location parameter (Ann. Math. Statist. 35, 1964).
    """
    input, target = matched("huber_loss", input, target, reduction)
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta}")
    difference = input - target
    error = abs(difference)
    losses = where(error < delta, 0.5 * square(difference), delta * (error - 0.5 * delta))
    return reduce(weighted("huber_loss", losses, weight, input), reduction)
