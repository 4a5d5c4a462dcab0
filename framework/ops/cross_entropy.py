"""Softmax cross-entropy over class indices: logits to a reduced loss in one node."""

from __future__ import annotations

import math
from typing import Any

from framework.autograd.fused import fused
from framework.autograd.precision import precision
from framework.ops.elementwise import where
from framework.ops.indexing import take, take_along_axis
from framework.ops.manipulation import expand_dims, reshape, squeeze
from framework.ops.reduction import sum
from framework.ops.softmax import log_softmax

Array = Any


def _forward(
    backend: Any,
    logits: Array,
    target: Array,
    weight: Array | None,
    *,
    keep: bool,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> tuple[Array, Any]:
    return backend.cross_entropy_forward(logits, target, weight, ignore_index, label_smoothing, reduction)  # type: ignore[no-any-return]


def _backward(backend: Any, saved: Any, g: Array, needs: tuple[bool, ...], **_: Any) -> tuple[Array, None, None]:
    return backend.cross_entropy_backward(saved, g), None, None


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
    """Minus the log of the softmax of ``logits`` (N, C) at the classes ``target``, N of any shape, reduced.

    See :func:`framework.nn.functional.cross_entropy`. ``weight`` (C,) and ``target`` have no gradient.
    """
    log_p = log_softmax(logits, axis=1)
    return reduced(*picked(log_p, reshape(target, (-1,)), weight, ignore_index, label_smoothing), reduction)


cross_entropy = precision("float32")(fused(forward=_forward, backward=_backward, composite=cross_entropy))
