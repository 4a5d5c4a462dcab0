"""Softmax cross-entropy over class indices with one exponential an element and one ``(N, C)`` array a direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backends._numpy.blocks import row_blocks
from backends._numpy.compiled import compiled, writable
from backends._numpy.threads import each_part

if TYPE_CHECKING:
    from backends._base import Backend

Array = Any

_FEW_CLASSES = 64

_MUCH = 1 << 12
"""Logits from which on it pays to load what is compiled."""


def cross_entropy_forward(
    backend: Backend,
    logits: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
) -> tuple[Array, tuple[Any, ...]]:
    """Losses ``(N,)`` of ``logits (N, C)`` at ``target (N,)``.

    With ``z = logits - max``, ``l = log(sum(exp(z)))`` and the class weights ``w``, row by row:
    ``(1 - s) * w[y] * (l - z[y]) + s / C * (sum(w) * l - sum(w * z))``.
    """
    classes = logits.shape[1]
    dtype = np.result_type(logits.dtype, np.float32)
    weights = np.ones(classes, dtype) if weight is None else weight.astype(dtype, copy=False)
    valid = target != ignore_index
    plain = weight is None and label_smoothing < 1 and bool(valid.all())
    labels = (target if plain else np.where(valid, target, 0)).astype(np.intp, copy=False)
    hit = dtype.type(1 - label_smoothing) if plain else valid * dtype.type(1 - label_smoothing) * weights[labels]
    even = valid * dtype.type(label_smoothing / classes) if label_smoothing else None
    exps, sums, picked, spread = _exponentials(logits, labels, None if even is None else weights, dtype)

    if not plain:
        picked[hit == 0] = 0  # a class that cannot be the target must not turn log(0) into nan
    log_sums = np.log(sums)
    losses = hit * (log_sums - picked)
    if even is not None:
        losses += even * (weights.sum() * log_sums - spread)
    if not plain:
        losses[~valid] = 0
    return losses.astype(logits.dtype, copy=False), (exps, sums, labels, hit, even, weights)


def _exponentials(logits: Array, labels: Array, weights: Array | None, dtype: Any) -> tuple[Array, Array, Array, Array]:
    """``exp(z) (N, C)``, and for each row its sum, the ``z`` at its label and, given weights, ``sum(w * z)``."""
    exps = np.empty(logits.shape, dtype)
    sums, picked, spread = np.empty((3, len(logits)), dtype)
    known = logits.dtype == np.float32 and logits.size >= _MUCH and weights is None
    loops = compiled("cross_entropy") if known else None
    if loops is not None:
        given = writable(np.ascontiguousarray(logits)), writable(np.ascontiguousarray(labels)), exps, sums, picked
        each_part(lambda some: loops.exponentials(*given, some.start, some.stop), len(logits), logits.size)
        return exps, sums, picked, spread
    ones = np.ones(logits.shape[1], dtype)
    for block in row_blocks(*logits.shape):
        z = np.subtract(logits[block], _row_max(logits[block])[:, None], out=exps[block])
        picked[block] = z[np.arange(len(z)), labels[block]]
        if weights is not None:
            spread[block] = z @ weights
        np.exp(z, out=z)
        sums[block] = z @ ones
    return exps, sums, picked, spread


def _row_max(x: Array) -> Array:
    """``(N,)``: short rows are reduced together, across the rows of the transpose."""
    return np.ascontiguousarray(x.T).max(axis=0) if x.shape[1] < _FEW_CLASSES else x.max(axis=1)


def cross_entropy_backward(backend: Backend, saved: tuple[Any, ...], g: Array) -> Array:
    """Gradient ``(N, C)`` of ``sum(g * losses)`` in the logits."""
    exps, sums, labels, hit, even, weights = saved
    mass = hit if even is None else hit + even * weights.sum()
    slope = exps * (g * mass / sums)[:, None]
    slope.reshape(-1)[np.arange(len(labels)) * exps.shape[1] + labels] -= g * hit
    if even is not None:
        slope -= (g * even)[:, None] * weights
    return slope.astype(g.dtype, copy=False)
