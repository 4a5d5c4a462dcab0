"""Softmax cross-entropy over class indices, as the cross-entropy of two written-out distributions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backends._library import Library

Array = Any


def cross_entropy_forward(
    backend: Library,
    logits: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> tuple[Array, tuple[Any, ...]]:
    """Loss of each row, reduced as PyTorch's ``cross_entropy`` does.

    Parameters
    ----------
    logits : Array
        ``(N, C)``.
    target : Array
        N integers in ``[0, C)`` or ``ignore_index``, of any shape.
    weight : Array or None
        ``(C,)``, a factor for each class.
    ignore_index : int
        Rows with this target have loss 0.
    label_smoothing : float
        The share of the target distribution that is spread evenly over the classes.
    reduction : str
        ``"none"``, ``"sum"``, or ``"mean"`` over the weights of the targets: nan over nothing, as PyTorch's.

    Returns
    -------
    loss : Array
        ``(N,)`` or 0-d.
    saved : tuple
        For :func:`cross_entropy_backward`.

    Raises
    ------
    IndexError
        If a target is no class; names the first one, its position and the range.
    """
    xp = backend.xp
    check_classes(backend, target, logits.shape[1], ignore_index)
    labels = xp.reshape(target, (-1,))
    x = xp.astype(logits, xp.result_type(logits.dtype, xp.float32), copy=False)
    shifted = x - xp.max(x, axis=1, keepdims=True)
    log_p = shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
    q = _target_distribution(xp, x, labels, ignore_index, label_smoothing)
    if weight is not None:
        q = q * xp.astype(weight, x.dtype, copy=False)[None, :]
    # A class that cannot be the target must not turn log(0) into nan.
    losses = xp.sum(q * xp.where(q == 0, xp.zeros_like(q), -log_p), axis=1)
    loss, mass = reduced(xp, xp.astype(losses, logits.dtype, copy=False), labels, weight, ignore_index, reduction)
    return loss, (log_p, q, mass)


def check_classes(library: Library, target: Array, classes: int, ignore_index: int) -> None:
    """Refuse targets that are neither a class nor to be ignored."""
    xp = library.xp
    if not 0 <= ignore_index < classes:
        target = xp.where(target == ignore_index, xp.zeros_like(target), target)
    library.check_indices(target, classes, "cross_entropy")  # type: ignore[attr-defined]


def reduced(
    xp: Any, losses: Array, labels: Array, weight: Array | None, ignore_index: int, reduction: str
) -> tuple[Array, Array | None]:
    """The losses ``(N,)``, their sum or their mean, and what a mean was divided by."""
    if reduction != "mean":
        return losses if reduction == "none" else xp.sum(losses), None
    counts = labels != ignore_index
    shares = xp.astype(counts, losses.dtype)
    if weight is not None:
        shares = shares * xp.take(weight, xp.where(counts, labels, xp.zeros_like(labels)), axis=0)
    mass = xp.sum(shares)
    nothing = mass == 0
    # The mean over nothing is nan; its gradient is 0, as PyTorch's.
    mass = xp.where(nothing, xp.ones_like(mass), mass)
    return xp.where(nothing, xp.full_like(mass, math.nan), xp.sum(losses) / mass), mass


def of_rows(xp: Any, g: Array, mass: Array | None, rows: int) -> Array:
    """The gradient ``(N,)`` of the losses, from that of what :func:`reduced` made of them."""
    return xp.broadcast_to(xp.asarray(g if mass is None else g / mass), (rows,))


def _target_distribution(xp: Any, x: Array, target: Array, ignore_index: int, label_smoothing: float) -> Array:
    """``(N, C)``: the smoothed one-hot rows, zero where the row is ignored."""
    classes = x.shape[1]
    labels = xp.astype(target, xp.int64, copy=False)[:, None]
    one_hot = xp.astype(labels == xp.arange(classes, device=x.device)[None, :], x.dtype)
    valid = xp.astype(labels != ignore_index, x.dtype)
    return valid * ((1 - label_smoothing) * one_hot + label_smoothing / classes)


def cross_entropy_backward(backend: Library, saved: tuple[Any, ...], g: Array) -> Array:
    """Gradient ``(N, C)`` of ``sum(g * loss)`` in the logits, for ``g`` of the loss's shape."""
    xp = backend.xp
    log_p, q, mass = saved
    g = of_rows(xp, g, mass, q.shape[0])
    slope = xp.exp(log_p) * xp.sum(q, axis=1, keepdims=True) - q
    return xp.astype(xp.astype(g, slope.dtype, copy=False)[:, None] * slope, g.dtype, copy=False)
