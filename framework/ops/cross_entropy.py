"""Softmax cross-entropy over class indices: logits to a reduced loss in one node."""

from __future__ import annotations

import math
from typing import Any

from framework.autograd.fused import fused
from framework.autograd.precision import precision
from framework.ops.elementwise import where
from framework.ops.indexing import take, take_along_axis
from framework.ops.manipulation import expand_dims, squeeze
from framework.ops.reduction import sum
from framework.ops.softmax import log_softmax

Array = Any


def _forward(
    backend: Any, logits: Array, target: Array, weight: Array | None, *, keep: bool, reduction: str, **options: Any
) -> tuple[Array, Any]:
    xp = backend.xp
    losses, saved = backend.cross_entropy_forward(logits, target, weight, **options)
    if reduction == "none":
        return losses, (*saved, None)
    total = xp.sum(losses)
    if reduction == "sum":
        return total, (*saved, None)
    mass = _mass(xp, target, weight, options["ignore_index"], losses.dtype)
    nothing = mass == 0
    # The mean over nothing is nan; its gradient is 0, as PyTorch's.
    mass = xp.where(nothing, xp.ones_like(mass), mass)
    return xp.where(nothing, xp.full_like(mass, math.nan), total / mass), (*saved, mass)


def _mass(xp: Any, target: Array, weight: Array | None, ignore_index: int, dtype: Any) -> Array:
    """What a mean divides by: the weights of the classes that count."""
    valid = xp.astype(target != ignore_index, dtype)
    if weight is not None:
        labels = xp.where(target != ignore_index, target, xp.zeros_like(target))
        valid = valid * xp.take(weight, labels, axis=0)
    return xp.sum(valid)


def _backward(backend: Any, saved: Any, g: Array, needs: tuple[bool, ...], **_: Any) -> tuple[Array, None, None]:
    xp = backend.xp
    *saved, mass = saved
    g = g if mass is None else g / mass
    rows = saved[0].shape[0]
    return backend.cross_entropy_backward(tuple(saved), xp.broadcast_to(xp.asarray(g), (rows,))), None, None


def picked(log_p: Any, target: Any, weight: Any, ignore_index: int, label_smoothing: float = 0.0) -> tuple[Any, Any]:
    """For each row of log-probabilities (N, C), its loss at ``target`` (N,) and its weight in a mean."""
    valid = target != ignore_index
    labels = where(valid, target, 0)
    losses = -squeeze(take_along_axis(log_p, expand_dims(labels, axis=1), axis=1), axis=1)
    mass = valid.to(log_p.dtype)
    if weight is not None:
        mass = mass * take(weight, labels, axis=0)
        losses = losses * take(weight, labels, axis=0)
    if label_smoothing:
        spread = -sum(log_p if weight is None else log_p * weight, axis=1) / log_p.shape[1]
        losses = (1 - label_smoothing) * losses + label_smoothing * spread
    return where(valid, losses, 0.0), mass


def reduced(losses: Any, mass: Any, reduction: str) -> Any:
    """The losses themselves, their sum, or their mean over rows that weigh ``mass``, nan if they weigh nothing."""
    if reduction == "none":
        return losses
    if reduction == "sum":
        return sum(losses)
    total = sum(mass)
    return sum(losses) / where(total == 0, math.nan, total)


def cross_entropy(
    logits: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    """Minus the log of the softmax of ``logits`` (N, C) at the classes ``target`` (N,), reduced.

    See :func:`framework.nn.functional.cross_entropy`. ``weight`` (C,) and ``target`` have no gradient.
    """
    log_p = log_softmax(logits, axis=1)
    return reduced(*picked(log_p, target, weight, ignore_index, label_smoothing), reduction)


cross_entropy = precision("float32")(fused(forward=_forward, backward=_backward, composite=cross_entropy))
