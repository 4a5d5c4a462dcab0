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
    reduction: str,
) -> tuple[Array, tuple[Any, ...]]:
    """Losses of ``logits (N, C)`` at N targets, reduced; `saved` refers to `logits`, which must not change."""
    if not supported(logits):
        loss, saved = reference.cross_entropy_forward(
            backend, logits, target, weight, ignore_index, label_smoothing, reduction
        )
        return loss, (None, *saved)
    xp, (rows, classes) = backend.xp, logits.shape
    reference.check_classes(backend, target, classes, ignore_index)
    logits, target = dense(logits), flat_ids(xp, target)
    weight = dense_or_none(None if weight is None else xp.astype(weight, logits.dtype, copy=False))
    losses = xp.empty((rows,), dtype=logits.dtype)
    sums = tuple(xp.empty((rows,), dtype=wide(logits)) for _ in ("tops", "log_sums", "masses"))
    arguments = (logits, target, weight, losses, *sums, rows, classes, ignore_index, float(label_smoothing))
    backend.launch("cross_entropy.cross_entropy_forward", logits.dtype.name, *over_rows(rows, classes), arguments)
    loss, mass = reference.reduced(xp, losses, target, weight, ignore_index, reduction)
    return loss, (logits, target, weight, sums, mass, ignore_index, float(label_smoothing))


def cross_entropy_backward(backend: Any, saved: tuple[Any, ...], g: Array) -> Array:
    """Gradient ``(N, C)`` of ``sum(g * loss)`` in the logits."""
    if saved[0] is None:
        return reference.cross_entropy_backward(backend, saved[1:], g)
    logits, target, weight, sums, mass, ignore_index, label_smoothing = saved
    xp, (rows, classes) = backend.xp, logits.shape
    out = xp.empty((rows, classes), dtype=logits.dtype)
    g = dense(xp.astype(reference.of_rows(xp, g, mass, rows), logits.dtype, copy=False))
    arguments = (logits, target, weight, *sums, g, out, rows, classes, ignore_index, label_smoothing)
    backend.launch("cross_entropy.cross_entropy_backward", logits.dtype.name, *over_rows(rows, classes), arguments)
    return out
