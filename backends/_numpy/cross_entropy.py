"""Softmax cross-entropy over class indices with one exponential an element and one ``(N, C)`` array a direction.

Where numba is installed ``cross_entropy_compiled.py`` does all of it for float32 logits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backends._numpy.blocks import row_blocks
from backends._numpy.compiled import compiled, writable
from backends._numpy.embedding import flat_ids
from backends._numpy.threads import each_part
from backends.reference import cross_entropy as reference

if TYPE_CHECKING:
    from backends._base import Backend

Array = Any

_FEW_CLASSES = 64

_MUCH = 1 << 12
"""Logits from which on it pays to load what is compiled."""

_EXPONENTIAL, _MULTIPLICATION = 1.3, 0.3
"""Nanoseconds that a core takes for them."""

_NONE = np.empty(0, np.float32)


def cross_entropy_forward(
    backend: Backend,
    logits: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> tuple[Array, tuple[Any, ...]]:
    """Losses of ``logits (N, C)`` at N targets, reduced, and what :func:`cross_entropy_backward` calls with what.

    With ``z = logits - max``, ``l = log(sum(exp(z)))`` and the class weights ``w``, row by row:
    ``(1 - s) * w[y] * (l - z[y]) + s / C * (sum(w) * l - sum(w * z))``.
    """
    loops = compiled("cross_entropy") if logits.dtype == np.float32 and logits.size >= _MUCH else None
    given = logits, target, weight, ignore_index, label_smoothing, reduction
    return _forward(backend, *given) if loops is None else _forward_compiled(backend, loops, *given)


def cross_entropy_backward(backend: Backend, saved: tuple[Any, ...], g: Array) -> Array:
    """Gradient ``(N, C)`` of ``sum(g * loss)`` in the logits."""
    backward, *kept = saved
    return backward(*kept, g)


# ---------------------------------------------------------------- compiled
def _forward_compiled(
    backend: Backend,
    loops: Any,
    logits: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> tuple[Array, tuple[Any, ...]]:
    (rows, classes), labels = logits.shape, flat_ids(target)
    weights = _NONE if weight is None else writable(np.ascontiguousarray(weight, np.float32))
    options = labels, weights, ignore_index, float(label_smoothing)
    exps, sums, losses = np.empty((rows, classes), np.float32), np.empty(rows, np.float32), np.empty(rows, np.float32)
    x = writable(np.ascontiguousarray(logits))
    arguments = x, *options, exps, sums, losses
    if not all(each_part(lambda p: loops.forward(*arguments, p.start, p.stop), rows, _EXPONENTIAL * x.size)):
        reference.check_classes(backend, target, classes, ignore_index)
    loss, mass = losses, 1.0
    if reduction != "none":
        total, mass = loops.reduced(losses, labels, weights, ignore_index, reduction == "mean")
        loss = np.asarray(total, np.float32)
    return loss, (_backward_compiled, loops, exps, sums, options, mass)


def _backward_compiled(loops: Any, exps: Array, sums: Array, options: tuple[Any, ...], mass: float, g: Array) -> Array:
    out, upstream = np.empty_like(exps), writable(np.ascontiguousarray(g, np.float32).reshape(-1))
    arguments = exps, sums, *options, mass, upstream, out
    each_part(lambda p: loops.backward(*arguments, p.start, p.stop), len(exps), _MULTIPLICATION * exps.size)
    return out


# ---------------------------------------------------------------- NumPy alone
def _forward(
    backend: Backend,
    logits: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> tuple[Array, tuple[Any, ...]]:
    classes, valid = logits.shape[1], target != ignore_index
    plain = weight is None and bool(valid.all())  # every row counts, and as much as any other
    if plain:
        backend.check_indices(target, classes, "cross_entropy")
    else:
        reference.check_classes(backend, target, classes, ignore_index)
    target, valid = target.reshape(-1), valid.reshape(-1)
    dtype = np.result_type(logits.dtype, np.float32)
    weights = np.ones(classes, dtype) if weight is None else weight.astype(dtype, copy=False)
    labels = (target if plain else np.where(valid, target, 0)).astype(np.intp, copy=False)
    hit = dtype.type(1 - label_smoothing) if plain else valid * dtype.type(1 - label_smoothing) * weights[labels]
    even = valid * dtype.type(label_smoothing / classes) if label_smoothing else None
    exps, sums, picked, spread = _exponentials(logits, labels, None if even is None else weights, dtype)

    if not plain or label_smoothing == 1:
        picked[hit == 0] = 0  # a class that cannot be the target must not turn log(0) into nan
    log_sums = np.log(sums)
    losses = hit * (log_sums - picked)
    if even is not None:
        losses += even * (weights.sum() * log_sums - spread)
    if not plain:
        losses[~valid] = 0
    losses = losses.astype(logits.dtype, copy=False)
    if plain and reduction == "mean" and len(losses):
        mass: Any = len(losses)
        loss = backend.xp.sum(losses) / mass
    else:
        loss, mass = reference.reduced(backend.xp, losses, target, weight, ignore_index, reduction)
    return loss, (_backward, exps, sums, labels, hit, even, weights, mass)


def _exponentials(logits: Array, labels: Array, weights: Array | None, dtype: Any) -> tuple[Array, Array, Array, Array]:
    """``exp(z) (N, C)``, and for each row its sum, the ``z`` at its label and, given weights, ``sum(w * z)``."""
    exps = np.empty(logits.shape, dtype)
    sums, picked, spread = np.empty((3, len(logits)), dtype)
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


def _backward(
    exps: Array,
    sums: Array,
    labels: Array,
    hit: Array,
    even: Array | None,
    weights: Array,
    mass: Array | None,
    g: Array,
) -> Array:
    g = g if mass is None else g / mass  # one number for each row, or one for all
    whole = hit if even is None else hit + even * weights.sum()
    slope = exps * (g * whole / sums)[:, None]
    slope.reshape(-1)[np.arange(len(labels)) * exps.shape[1] + labels] -= g * hit
    if even is not None:
        slope -= (g * even)[:, None] * weights
    return slope.astype(g.dtype, copy=False)
