"""One step of each recurrent cell in float32, there and back, compiled by numba; the products are elsewhere.

Arrays are flat: all numbers of a state, and blocks of so many for the gates and for the *factors*, by which incoming
gradients will be multiplied. The gates of a GRU are r, z, and apart from each other, since r comes between them, the shares
of x and of h in n; an LSTM's are i, f, g, o.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backends._numpy.jit import jit

Array = Any

KINDS = ("relu", "tanh", "sigmoid", "lstm", "gru")
"""What the loops call by number: Elman's cell by its nonlinearity, and the others."""

RELU, TANH, SIGMOID, LSTM, GRU = range(len(KINDS))

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)  # a Python number would make the loops double


@jit
def factors_of(kind: int) -> int:
    """How many factors a step leaves."""
    return 6 if kind == LSTM else 5 if kind == GRU else 1


@jit
def blocks_of(kind: int, gates: int) -> int:
    """How many blocks the gates of a step are."""
    return 4 if kind == GRU else gates


@jit
def block_of_h(kind: int, gate: int) -> int:
    """Where the share of h in a gate lies."""
    return gate + 1 if kind == GRU and gate == 2 else gate


# ---------------------------------------------------------------- elements
_LARGEST = np.float32(7.90531110763549805)
_ODD_1, _ODD_3, _ODD_5, _ODD_7, _ODD_9, _ODD_11, _ODD_13 = np.asarray(
    [
        4.89352455891786e-03,
        6.37261928875436e-04,
        1.48572235717979e-05,
        5.12229709037114e-08,
        -8.60467152213735e-11,
        2.00018790482477e-13,
        -2.76076847742355e-16,
    ],
    np.float32,
)
_EVEN_0, _EVEN_2, _EVEN_4, _EVEN_6 = np.asarray(
    [4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06], np.float32
)


@jit
def _tanh(x: Any) -> Any:
    """The rational minimax approximation that Eigen uses, good to a few units in the last place; NaN stays."""
    x = _LARGEST if x > _LARGEST else (-_LARGEST if x < -_LARGEST else x)
    u = x * x
    high = ((((_ODD_13 * u + _ODD_11) * u + _ODD_9) * u + _ODD_7) * u + _ODD_5) * u + _ODD_3
    return x * (high * u + _ODD_1) / (((_EVEN_6 * u + _EVEN_4) * u + _EVEN_2) * u + _EVEN_0)


@jit
def _sigmoid(x: Any) -> Any:
    """The logistic function."""
    return _tanh(_HALF * x) * _HALF + _HALF


# ---------------------------------------------------------------- steps of the cells


@jit
def _rnn_step(kind: int, z: Array, h: Array, factors: Array) -> None:
    for j in range(h.shape[0]):
        if kind == RELU:
            h[j] = _ZERO if z[j] < _ZERO else z[j]
        elif kind == TANH:
            h[j] = _tanh(z[j])
        else:
            h[j] = _sigmoid(z[j])
    for j in range(factors.shape[0]):
        if kind == RELU:
            factors[j] = _ONE if h[j] > _ZERO else _ZERO
        elif kind == TANH:
            factors[j] = _ONE - h[j] * h[j]
        else:
            factors[j] = h[j] - h[j] * h[j]


@jit
def _lstm_step(z: Array, c: Array, h: Array, factors: Array) -> None:
    size = c.shape[0]
    for j in range(size):
        i, f, g, o = _sigmoid(z[j]), _sigmoid(z[size + j]), _tanh(z[2 * size + j]), _sigmoid(z[3 * size + j])
        c_old = c[j]
        c[j] = i * g + f * c_old
        s = _tanh(c[j])
        h[j] = o * s
        factors[j] = (_ONE - s * s) * o
        factors[size + j] = (i - i * i) * g
        factors[2 * size + j] = (f - f * f) * c_old
        factors[3 * size + j] = (_ONE - g * g) * i
        factors[4 * size + j] = (o - o * o) * s
        factors[5 * size + j] = f


@jit
def _gru_step(z: Array, old: Array, h: Array, factors: Array) -> None:
    size = h.shape[0]
    for j in range(size):
        r, u, b = _sigmoid(z[j]), _sigmoid(z[size + j]), z[3 * size + j]
        n = _tanh(z[2 * size + j] + r * b)
        d = old[j] - n
        h[j] = n + u * d
        of_n = (_ONE - n * n) * (_ONE - u)
        factors[j] = (r - r * r) * b * of_n
        factors[size + j] = (u - u * u) * d
        factors[2 * size + j] = of_n
        factors[3 * size + j] = of_n * r
        factors[4 * size + j] = u


@jit
def step_there(kind: int, z: Array, c: Array, old: Array, h: Array, factors: Array) -> None:
    """From the gates and the old state to the new one and to the factors; all arrays are flat."""
    if kind == LSTM:
        _lstm_step(z, c, h, factors)
    elif kind == GRU:
        _gru_step(z, old, h, factors)
    else:
        _rnn_step(kind, z, h, factors)


@jit
def _lstm_step_back(g: Array, c: Array, factors: Array, i: Array, f: Array, n: Array, o: Array) -> None:
    size = g.shape[0]
    for j in range(size):
        gc = c[j] + g[j] * factors[j]
        i[j] = gc * factors[size + j]
        f[j] = gc * factors[2 * size + j]
        n[j] = gc * factors[3 * size + j]
        o[j] = g[j] * factors[4 * size + j]
        c[j] = gc * factors[5 * size + j]


@jit
def _times(g: Array, factors: Array, out: Array) -> None:
    for j in range(g.shape[0]):
        out[j] = g[j] * factors[j]


@jit
def step_back(
    kind: int, g: Array, c: Array, factors: Array, gz: Array, at: int, block: int, held: Array, place: int
) -> None:
    """From the gradients of the new state to those of the gates, of the old c, and of what a GRU holds of the old h.

    The gates lie from ``at`` on, in blocks at the given distance; c and what is held at ``place``.
    """
    size = g.shape[0]
    if kind == LSTM:
        i, f = gz[at : at + size], gz[at + block : at + block + size]
        n, o = gz[at + 2 * block : at + 2 * block + size], gz[at + 3 * block : at + 3 * block + size]
        _lstm_step_back(g, c[place : place + size], factors, i, f, n, o)
        return
    for b in range(len(factors) // size - (kind == GRU)):
        _times(g, factors[b * size : (b + 1) * size], gz[at + b * block : at + b * block + size])
    if kind == GRU:
        _times(g, factors[4 * size : 5 * size], held[place : place + size])
