"""Softmax cross-entropy over class indices, as the cross-entropy of two written-out distributions."""

from __future__ import annotations

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
) -> tuple[Array, tuple[Any, ...]]:
    """Loss of each row, as PyTorch's ``cross_entropy(reduction="none")``.

    Parameters
    ----------
    logits : Array
        ``(N, C)``.
    target : Array
        ``(N,)`` integers in ``[0, C)`` or ``ignore_index``.
    weight : Array or None
        ``(C,)``, a factor for each class.
    ignore_index : int
        Rows with this target have loss 0.
    label_smoothing : float
        The share of the target distribution that is spread evenly over the classes.

    Returns
    -------
    losses : Array
        ``(N,)``.
    saved : tuple
        For :func:`cross_entropy_backward`.
    """
    xp = backend.xp
    x = xp.astype(logits, xp.result_type(logits.dtype, xp.float32), copy=False)
    shifted = x - xp.max(x, axis=1, keepdims=True)
    log_p = shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
    q = _target_distribution(xp, x, target, ignore_index, label_smoothing)
    if weight is not None:
        q = q * xp.astype(weight, x.dtype, copy=False)[None, :]
    # A class that cannot be the target must not turn log(0) into nan.
    losses = xp.sum(q * xp.where(q == 0, xp.zeros_like(q), -log_p), axis=1)
    return xp.astype(losses, logits.dtype, copy=False), (log_p, q)


def _target_distribution(xp: Any, x: Array, target: Array, ignore_index: int, label_smoothing: float) -> Array:
    """``(N, C)``: the smoothed one-hot rows, zero where the row is ignored."""
    classes = x.shape[1]
    labels = xp.astype(target, xp.int64, copy=False)[:, None]
    one_hot = xp.astype(labels == xp.arange(classes, device=x.device)[None, :], x.dtype)
    valid = xp.astype(labels != ignore_index, x.dtype)
    return valid * ((1 - label_smoothing) * one_hot + label_smoothing / classes)


def cross_entropy_backward(backend: Library, saved: tuple[Any, ...], g: Array) -> Array:
    """Gradient ``(N, C)`` of ``sum(g * losses)`` in the logits, for ``g`` ``(N,)``."""
    xp = backend.xp
    log_p, q = saved
    slope = xp.exp(log_p) * xp.sum(q, axis=1, keepdims=True) - q
    return xp.astype(xp.astype(g, slope.dtype, copy=False)[:, None] * slope, g.dtype, copy=False)
