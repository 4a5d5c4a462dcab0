"""A cross-entropy in float32, in one compiled pass over each row each way.

Used by ``cross_entropy.py`` where numba is installed (the extra ``fast``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backends._numpy.jit import jit

Array = Any

# Numbers in float32 throughout: a Python number would make the loops double.
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_LOWEST = np.float32(-87.33654)
_BIAS, _EXPONENT = (
    np.float32(127),
    np.float32(1 << 23),
)  # in the bits of a float, what is added to its exponent, and its place
_PER_LOG_2, _LOG_2_HIGH, _LOG_2_LOW = np.asarray([1.44269504088896341, 0.693359375, -2.12194440e-4], np.float32)
_P2, _P3, _P4, _P5, _P6, _P7 = np.asarray(
    [5.0000001201e-1, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4], np.float32
)


@jit
def exp(x: Any) -> Any:
    """The exponential of a number that is not positive, as Cephes computes it: good to two units in the last place."""
    n = np.floor(x * _PER_LOG_2 + _HALF)
    r = x - n * _LOG_2_HIGH - n * _LOG_2_LOW
    tail = ((((_P7 * r + _P6) * r + _P5) * r + _P4) * r + _P3) * r + _P2
    power = np.int32((n + _BIAS) * _EXPONENT).view(np.float32)
    return _ZERO if x < _LOWEST else (tail * r * r + r + _ONE) * power


@jit
def forward(
    logits: Array,
    labels: Array,
    weights: Array,
    ignore_index: int,
    smoothing: float,
    exps: Array,
    sums: Array,
    losses: Array,
    start: int,
    stop: int,
) -> bool:
    """``exp(z)`` of rows ``[start, stop)``, ``z = logits - max``, their sums, and the losses; False if a label is no class."""
    classes = logits.shape[1]
    for i in range(start, stop):
        counts = labels[i] != ignore_index
        label = labels[i] if counts else 0
        if label < 0 or label >= classes:
            return False
        x, out = logits[i], exps[i]
        top = _largest(x)
        for j in range(classes):
            out[j] = exp(x[j] - top)
        sums[i] = _sum(out)
        log_sum = np.log(sums[i])
        hit, even = _shares(label, counts, weights, smoothing, classes)
        # A class that cannot be the target must not turn log(0) into nan.
        losses[i] = hit * (log_sum - (x[label] - top)) if hit != _ZERO else _ZERO
        if even != _ZERO:
            for j in range(classes):
                w = weights[j] if weights.shape[0] else _ONE
                if w != _ZERO:
                    losses[i] += even * w * (log_sum - (x[j] - top))
    return True


@jit
def _shares(label: int, counts: bool, weights: Array, smoothing: float, classes: int) -> Any:
    """What the label itself, and each class of weight 1, makes up of a row's target."""
    if not counts:
        return _ZERO, _ZERO
    weight = weights[label] if weights.shape[0] else _ONE
    return np.float32(1 - smoothing) * weight, np.float32(smoothing / classes)


@jit
def reduced(losses: Array, labels: Array, weights: Array, ignore_index: int, mean: bool) -> tuple[float, float]:
    """The sum of the losses, or their mean over the weights of the labels, nan over nothing; and what it was divided by."""
    total: Any = 0.0
    mass: Any = 0.0
    for i in range(len(losses)):
        total += losses[i]
        if labels[i] != ignore_index:
            mass += weights[labels[i]] if weights.shape[0] else _ONE
    if not mean:
        return total, 1.0
    return total / mass, mass if mass != 0 else 1.0


@jit
def backward(
    exps: Array,
    sums: Array,
    labels: Array,
    weights: Array,
    ignore_index: int,
    smoothing: float,
    mass: float,
    g: Array,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Rows ``[start, stop)`` of the gradient of the logits; `g` has one number for each row, or one for all."""
    classes = exps.shape[1]
    whole: Any = np.float32(classes) if smoothing else _ZERO
    if smoothing and weights.shape[0]:
        whole = weights.sum()
    for i in range(start, stop):
        upstream = np.float32(g[i if len(g) > 1 else 0] / mass)
        counts = labels[i] != ignore_index
        label = labels[i] if counts else 0
        hit, even = _shares(label, counts, weights, smoothing, classes)
        factor = upstream * (hit + even * whole) / sums[i]
        row, given = out[i], exps[i]
        for j in range(classes):
            row[j] = factor * given[j]
        row[label] -= upstream * hit
        if even != _ZERO:
            for j in range(classes):
                row[j] -= upstream * even * (weights[j] if weights.shape[0] else _ONE)


@jit
def _largest(x: Array) -> Any:
    """The largest number; eight at a time, for the processor need not wait then. NaN is passed over: it shows in the sum."""
    a = b = c = d = e = f = g = h = x[0]
    whole = len(x) - len(x) % 8
    for j in range(0, whole, 8):
        a, b, c, d = _larger(a, x[j]), _larger(b, x[j + 1]), _larger(c, x[j + 2]), _larger(d, x[j + 3])
        e, f, g, h = _larger(e, x[j + 4]), _larger(f, x[j + 5]), _larger(g, x[j + 6]), _larger(h, x[j + 7])
    for j in range(whole, len(x)):
        a = _larger(a, x[j])
    return _larger(_larger(_larger(a, b), _larger(c, d)), _larger(_larger(e, f), _larger(g, h)))


@jit
def _larger(a: Any, b: Any) -> Any:
    return a if a > b else b


@jit
def _sum(x: Array) -> Any:
    a = b = c = d = e = f = g = h = _ZERO
    whole = len(x) - len(x) % 8
    for j in range(0, whole, 8):
        a, b, c, d = a + x[j], b + x[j + 1], c + x[j + 2], d + x[j + 3]
        e, f, g, h = e + x[j + 4], f + x[j + 5], g + x[j + 6], h + x[j + 7]
    for j in range(whole, len(x)):
        a += x[j]
    return ((a + b) + (c + d)) + ((e + f) + (g + h))
