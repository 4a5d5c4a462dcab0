"""Softmax cross-entropy over class indices, in one launch a direction; the logits themselves are what is kept."""

from __future__ import annotations

from typing import Any

from backends._cupy.launching import dense, dense_or_none, flat_ids, over_rows, supported, wide
from backends.reference import cross_entropy as reference

Array = Any


def cross_entropy_forward(
    backend: Any,
    logits: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
) -> tuple[Array, tuple[Any, ...]]:
    """Losses ``(N,)`` of ``logits (N, C)`` at ``target (N,)``; `saved` refers to `logits`, which must not change."""
    if not supported(logits):
        losses, saved = reference.cross_entropy_forward(backend, logits, target, weight, ignore_index, label_smoothing)
        return losses, (*saved, None)
    xp, (rows, classes) = backend.xp, logits.shape
    logits, target = dense(logits), flat_ids(xp, target)
    weight = dense_or_none(None if weight is None else xp.astype(weight, logits.dtype, copy=False))
    losses = xp.empty((rows,), dtype=logits.dtype)
    sums = tuple(xp.empty((rows,), dtype=wide(logits)) for _ in ("tops", "log_sums", "masses"))
    arguments = (logits, target, weight, losses, *sums, rows, classes, ignore_index, float(label_smoothing))
    backend.launch("cross_entropy.cross_entropy_forward", logits.dtype.name, *over_rows(rows, classes), arguments)
    return losses, (logits, target, weight, sums, ignore_index, float(label_smoothing))


def cross_entropy_backward(backend: Any, saved: tuple[Any, ...], g: Array) -> Array:
    """Gradient ``(N, C)`` of ``sum(g * losses)`` in the logits."""
    if saved[-1] is None:
        return reference.cross_entropy_backward(backend, saved[:-1], g)
    logits, target, weight, sums, ignore_index, label_smoothing = saved
    xp, (rows, classes) = backend.xp, logits.shape
    out = xp.empty((rows, classes), dtype=logits.dtype)
    g = dense(xp.astype(g, logits.dtype, copy=False))
    arguments = (logits, target, weight, *sums, g, out, rows, classes, ignore_index, label_smoothing)
    backend.launch("cross_entropy.cross_entropy_backward", logits.dtype.name, *over_rows(rows, classes), arguments)
    return out
