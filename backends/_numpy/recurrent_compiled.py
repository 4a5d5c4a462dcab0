"""The recurrent cells in float32, with each part of a batch walked through all its steps by one compiled call.

Used by ``recurrent.py`` where numba is installed (the extra ``fast``). Sequences stay as they lie, rows of features: a step
is a product of these rows (``products_compiled.py``) with weights that were laid out once, and one pass over the gates,
which leaves the factors directly. The way back gathers the gradients of the gates of a run of steps, and while they are
in cache multiplies them for those of the weights and of x.

Inside, states and gates have rows of P numbers, H and what is missing to whole strips of 16, which the weights' strips
fill with zeros. The gates of a step are blocks ``(n, P)`` one after another: of a GRU r, z, and apart from each other, since
r comes between them, the shares of x and of h in n.

Importing numba takes about half a second; the first call of a cell compiles it, some seconds for each direction, and
stores the result beside this file or in ``NUMBA_CACHE_DIR``: later processes load it in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from backends._numpy import threads
from backends._numpy.jit import jit
from backends._numpy.products_compiled import (
    STRIP,
    add_rows,
    copy_rows,
    in_strips,
    product,
    put_in_strips,
    strips_for,
)

Array = Any
Arrays = tuple[Any, ...]
Optionals = tuple[Any, ...]

KINDS = ("relu", "tanh", "sigmoid", "lstm", "gru")
"""What the loops call by number: Elman's cell by its nonlinearity, and the others."""

_TOGETHER = 64
"""Rows that are multiplied together on the way there: of few sequences, as many steps as make up so many."""

_RUN = 240
"""Rows whose gradients are multiplied together on the way back: as many steps as make up so many."""

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)  # a Python number would make the loops double


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


# ---------------------------------------------------------------- resting sequences
@jit
def _fill(a: Array, resting: Array, value: Any) -> None:
    """Fill ``a (K, n, P)`` where sequences rest."""
    for n in range(resting.shape[0]):
        if resting[n]:
            a[:, n] = value


@jit
def _hold(new: Array, old: Array, resting: Array) -> None:
    """Keep the old state ``(n, P)`` of resting sequences."""
    for n in range(resting.shape[0]):
        if resting[n]:
            new[n] = old[n]


# ---------------------------------------------------------------- layout
class _Sequence(NamedTuple):
    """``(T, N, F)`` numbers in a flat array, by the distances between steps and between sequences."""

    values: Array
    step: int
    row: int


@jit
def _turned(w: Array, width: int) -> Array:
    """``w.T`` in strips, ``(gates, P / 16, K, 16)``, for products that lead from K features to each gate."""
    gates, k = len(w) // width, w.shape[1]
    out = np.zeros((gates, -(-width // STRIP), k, STRIP), w.dtype)
    for g in range(gates):
        for j in range(width):
            for i in range(k):
                out[g, j // STRIP, i, j % STRIP] = w[g * width + j, i]
    return out


@jit
def _cut(w: Array, width: int) -> Array:
    """``w`` in strips, ``(gates, K / 16, H, 16)``, for products that lead from each gate back to K features."""
    gates = len(w) // width
    out = np.empty((gates, -(-w.shape[1] // STRIP), width, STRIP), w.dtype)
    for g in range(gates):
        out[g] = in_strips(w[g * width : (g + 1) * width])
    return out


@jit
def _block_of_h(kind: int, gate: int) -> int:
    """Where the share of h in a gate lies."""
    return gate + 1 if kind == _GRU and gate == 2 else gate


@jit
def _bias(kind: int, b_ih: Array, b_hh: Array, gates: int, blocks: int, width: int, padded: int) -> Array:
    out = np.zeros((blocks, padded), np.float32)
    for g in range(gates):
        for j in range(width):
            if b_ih.shape[0]:
                out[g, j] += b_ih[g * width + j]
            if b_hh.shape[0]:
                out[_block_of_h(kind, g), j] += b_hh[g * width + j]
    return out


@jit
def _padded(a: Array, start: int, stop: int, padded: int) -> Array:
    """Rows of a state ``(N, H)``, filled up; zeros where there are none."""
    out = np.zeros((stop - start, padded), np.float32)
    if a.shape[0]:
        out[:, : a.shape[1]] = a[start:stop]
    return out


# ---------------------------------------------------------------- steps of the cells
_RELU, _TANH, _SIGMOID, _LSTM, _GRU = range(len(KINDS))


@jit
def _rnn_step(kind: int, z: Array, h: Array, factors: Array) -> None:
    for j in range(h.shape[0]):
        if kind == _RELU:
            h[j] = _ZERO if z[j] < _ZERO else z[j]
        elif kind == _TANH:
            h[j] = _tanh(z[j])
        else:
            h[j] = _sigmoid(z[j])
    for j in range(factors.shape[0]):
        if kind == _RELU:
            factors[j] = _ONE if h[j] > _ZERO else _ZERO
        elif kind == _TANH:
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
def _step(kind: int, z: Array, c: Array, old: Array, h: Array, factors: Array) -> None:
    """From the gates and the old state to the new one and to the factors; all arrays are flat."""
    if kind == _LSTM:
        _lstm_step(z, c, h, factors)
    elif kind == _GRU:
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
def _step_back(
    kind: int, g: Array, c: Array, factors: Array, blocks: Array, start: int, stop: int, held: Array
) -> None:
    """From the gradients of the new state to those of the gates, of the old c, and of what a GRU holds of the old h."""
    size = g.shape[0]
    if kind == _LSTM:
        i, f = blocks[0][start:stop].reshape(-1), blocks[1][start:stop].reshape(-1)
        n, o = blocks[2][start:stop].reshape(-1), blocks[3][start:stop].reshape(-1)
        _lstm_step_back(g, c, factors, i, f, n, o)
        return
    for b in range(len(blocks)):
        _times(g, factors[b * size : (b + 1) * size], blocks[b][start:stop].reshape(-1))
    if kind == _GRU:
        _times(g, factors[4 * size : 5 * size], held)


# ---------------------------------------------------------------- walks
@jit
def _shares_of_x(
    x: _Sequence, w: Array, bias: Array, first: int, steps: int, reverse: bool, start: int, features: int, z: Array
) -> None:
    """Gates ``z (run, blocks, n, P)`` of a few steps, as far as biases and x make them: a product a step, or a sequence."""
    run, blocks, size, padded = z.shape
    flat, of_bias = z.reshape(-1), bias.reshape(-1)
    for s in range(run):
        for b in range(blocks):
            copy_rows(of_bias, b * padded, 0, flat, (s * blocks + b) * size * padded, padded, size, padded)
    t, way = steps - 1 - first if reverse else first, -x.step if reverse else x.step
    at, weights, strips = t * x.step + start * x.row, w.reshape(-1), w.shape[1]
    for g in range(len(w)):
        w_g = g * padded * features
        if size >= run:
            for s in range(run):
                to = (s * blocks + g) * size * padded
                product(x.values, at + s * way, x.row, 1, size, features, weights, w_g, strips, flat, to, padded, True)
        else:
            for n in range(size):
                to = (g * size + n) * padded
                row = at + n * x.row
                product(
                    x.values, row, way, 1, run, features, weights, w_g, strips, flat, to, blocks * size * padded, True
                )


@jit
def walk(
    kind: int,
    x_values: Array,
    x_step: int,
    x_row: int,
    h_0: Array,
    c_0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array,
    b_hh: Array,
    idle: Array,
    reverse: bool,
    keep: bool,
    start: int,
    stop: int,
    y_values: Array,
    y_step: int,
    y_row: int,
    h_n: Array,
    c_n: Array,
) -> tuple[Array, Array]:
    """Outputs and final states of a part; returns the states h ``(T + 1, n, P)`` and the factors ``(T, factors, n, P)``."""
    x, y = _Sequence(x_values, x_step, x_row), _Sequence(y_values, y_step, y_row)
    steps, size, features, width = len(idle), stop - start, w_ih.shape[1], w_hh.shape[1]
    w_x, w_h = _turned(w_ih, width), _turned(w_hh, width)
    gates, padded, blocks = len(w_x), w_x.shape[1] * STRIP, 4 if kind == _GRU else len(w_x)
    bias = _bias(kind, b_ih, b_hh, gates, blocks, width, padded)
    count = 6 if kind == _LSTM else 5 if kind == _GRU else 1
    states = np.empty((steps + 1 if keep else 2, size, padded), np.float32)
    factors = np.empty((steps if keep else 1, count, size, padded), np.float32)
    c = _padded(c_0, start, stop, padded if kind == _LSTM else 0)
    run = max(1, min(steps, _TOGETHER // size))
    z = np.empty((run, blocks, size, padded), np.float32)
    states[0] = _padded(h_0, start, stop, padded)
    flat, flat_states, flat_c, flat_factors = z.reshape(-1), states.reshape(-1), c.reshape(-1), factors.reshape(-1)
    weights, strips, block, last = w_h.reshape(-1), w_h.shape[1], size * padded, 0
    for s in range(steps):
        t, resting = steps - 1 - s if reverse else s, idle[steps - 1 - s if reverse else s, start:stop]
        if s % run == 0:
            _shares_of_x(x, w_x, bias, s, steps, reverse, start, features, z[: min(run, steps - s)])
        old = s if keep else s % 2
        last = old + 1 if keep else 1 - old
        for g in range(gates):
            at, to = g * padded * width, ((s % run) * blocks + _block_of_h(kind, g)) * block
            product(flat_states, old * block, padded, 1, size, width, weights, at, strips, flat, to, padded, True)
        step, now = s if keep else 0, s % run
        c_old = c.copy() if resting.shape[0] else c
        _step(
            kind,
            flat[now * blocks * block : (now + 1) * blocks * block],
            flat_c,
            flat_states[old * block : (old + 1) * block],
            flat_states[last * block : (last + 1) * block],
            flat_factors[step * count * block : (step + 1) * count * block],
        )
        place = t * y.step + start * y.row
        copy_rows(flat_states, last * block, padded, y.values, place, y.row, size, width)
        if resting.shape[0]:
            for n in range(size):
                if resting[n]:
                    y.values[place + n * y.row : place + n * y.row + width] = _ZERO
            _hold(states[last], states[old], resting)
            if kind == _LSTM:
                _hold(c, c_old, resting)
            _fill(factors[step], resting, _ZERO)
            if count > 1:
                _fill(factors[step, count - 1 :], resting, _ONE)  # the old c, or h, is held
    h_n[start:stop] = states[last, :, :width]
    if kind == _LSTM:
        c_n[start:stop] = c[:, :width]
    return states, factors


@jit
def _add_weights(
    kind: int,
    x: _Sequence,
    states: Array,
    gz: Array,
    first: int,
    last: int,
    reverse: bool,
    start: int,
    steps: int,
    features: int,
    of_x: Array,
    of_h: Array,
    of_bias: Array,
) -> None:
    """Add what the steps ``[first, last)`` give to the gradients of the weights."""
    size, padded, blocks, used = states.shape[1], states.shape[2], len(gz), (last - first) * states.shape[1]
    wide, gates = of_x.shape[1], len(of_x) // padded
    inputs, old = strips_for(used, features), in_strips(states[first:last].reshape(used, padded))
    for s in range(first, last):
        t = steps - 1 - s if reverse else s
        put_in_strips(x.values, t * x.step + start * x.row, x.row, inputs, (s - first) * size, size, features)
    of_inputs, of_old = inputs.reshape(-1), old.reshape(-1)
    to_x, to_h, to_bias, flat = of_x.reshape(-1), of_h.reshape(-1), of_bias.reshape(-1), gz.reshape(-1)
    for b in range(blocks):
        at, turned = b * gz.shape[1] * padded, in_strips(gz[b, :used])
        of_gates = turned.reshape(-1)
        add_rows(flat, at, padded, to_bias, b * padded, 0, used, padded)
        for j in range(len(turned)):
            at = j * used * STRIP
            if b < gates:
                to = (b * padded + j * STRIP) * wide
                product(of_gates, at, 1, STRIP, STRIP, used, of_inputs, 0, len(inputs), to_x, to, wide, True)
            if b < 2 or kind != _GRU or b == 3:
                g = b - 1 if kind == _GRU and b == 3 else b
                to = (g * padded + j * STRIP) * padded
                product(of_gates, at, 1, STRIP, STRIP, used, of_old, 0, len(old), to_h, to, padded, True)


@jit
def walk_back(
    kind: int,
    x_values: Array,
    x_step: int,
    x_row: int,
    states: Array,
    factors: Array,
    gy_values: Array,
    gy_step: int,
    gy_row: int,
    gh_n: Array,
    gc_n: Array,
    w_ih: Array,
    w_hh: Array,
    idle: Array,
    reverse: bool,
    start: int,
    stop: int,
    gx_values: Array,
    gx_step: int,
    gx_row: int,
    gh_0: Array,
    gc_0: Array,
    gw_ih: Array,
    gw_hh: Array,
    gb_ih: Array,
    gb_hh: Array,
) -> None:
    """Gradients of x and of the weights, if there is room for them, and of the initial states."""
    x = _Sequence(x_values, x_step, x_row)
    gy, gx = _Sequence(gy_values, gy_step, gy_row), _Sequence(gx_values, gx_step, gx_row)
    steps, size, features, width = len(idle), stop - start, w_ih.shape[1], w_hh.shape[1]
    w_x, w_h = _cut(w_ih, width), _cut(w_hh, width)
    gates, padded, wide = len(w_x), states.shape[2], w_x.shape[1] * STRIP
    blocks, weights_too = 4 if kind == _GRU else gates, len(gb_ih) > 0
    of_x = np.zeros((gates * padded if weights_too else 0, wide), np.float32)
    of_h, of_bias = np.zeros((len(of_x), padded), np.float32), np.zeros((blocks, padded), np.float32)
    gh = _padded(gh_n, start, stop, padded)
    gc = _padded(gc_n, start, stop, padded if kind == _LSTM else 0)
    held = np.zeros((size if kind == _GRU else 0, padded), np.float32)
    runs = max(1, -(-steps * size // _RUN))
    run = max(1, -(-steps // runs))
    gz = np.empty((blocks, run * size, padded), np.float32)
    of_inputs = np.empty((run * size if len(gx.values) else 0, wide), np.float32)
    flat, flat_gh, flat_inputs = gz.reshape(-1), gh.reshape(-1), of_inputs.reshape(-1)
    flat_gc, flat_held, flat_factors = gc.reshape(-1), held.reshape(-1), factors.reshape(-1)
    to_x, to_h, strips_of_x, strips_of_h = w_x.reshape(-1), w_h.reshape(-1), w_x.shape[1], w_h.shape[1]
    of_step = factors.shape[1] * size * padded
    for last in range(steps, 0, -run):
        first = max(0, last - run)
        for s in range(last - 1, first - 1, -1):
            t, place = steps - 1 - s if reverse else s, (s - first) * size
            resting = idle[t, start:stop]
            if len(gy.values):
                at = t * gy.step + start * gy.row
                if resting.shape[0] == 0:
                    add_rows(gy.values, at, gy.row, flat_gh, 0, padded, size, width)
                for n in range(len(resting)):
                    if not resting[n]:
                        add_rows(gy.values, at + n * gy.row, 0, flat_gh, n * padded, 0, 1, width)
            some = flat_factors[s * of_step : (s + 1) * of_step]
            _step_back(kind, flat_gh, flat_gc, some, gz, place, place + size, flat_held)
            before = gh.copy() if resting.shape[0] else gh
            for g in range(gates):
                at, w_g = (_block_of_h(kind, g) * run * size + place) * padded, g * width * padded
                product(flat, at, padded, 1, size, width, to_h, w_g, strips_of_h, flat_gh, 0, padded, g > 0)
            if kind == _GRU:
                gh += held
            else:
                _hold(gh, before, resting)
        used = (last - first) * size
        if weights_too:
            _add_weights(kind, x, states, gz, first, last, reverse, start, steps, features, of_x, of_h, of_bias)
        if len(gx.values):
            for g in range(gates):
                at, w_g = g * run * size * padded, g * width * wide
                product(flat, at, padded, 1, used, width, to_x, w_g, strips_of_x, flat_inputs, 0, wide, g > 0)
            for s in range(first, last):
                t, place = steps - 1 - s if reverse else s, (s - first) * size
                to = t * gx.step + start * gx.row
                copy_rows(flat_inputs, place * wide, wide, gx.values, to, gx.row, size, features)
    gh_0[start:stop] = gh[:, :width]
    if kind == _LSTM:
        gc_0[start:stop] = gc[:, :width]
    if weights_too:
        flat_x, flat_h, flat_bias = of_x.reshape(-1), of_h.reshape(-1), of_bias.reshape(-1)
        for g in range(gates):
            at, h = g * width, _block_of_h(kind, g) * padded
            copy_rows(flat_x, g * padded * wide, wide, gw_ih.reshape(-1), at * features, features, width, features)
            copy_rows(flat_h, g * padded * padded, padded, gw_hh.reshape(-1), at * width, width, width, width)
            copy_rows(flat_bias, g * padded, 0, gb_ih, at, 0, 1, width)
            copy_rows(flat_bias, h, 0, gb_hh, at, 0, 1, width)


# ---------------------------------------------------------------- layers
_NO_STATE = np.empty((0, 0), np.float32)
_NO_BIAS = np.empty(0, np.float32)
_NO_SEQUENCE = (_NO_BIAS, 0, 0)


def _own(a: Array | None, missing: Array = _NO_STATE) -> Array:
    """Give compiled code, which would be compiled anew for every kind of layout, the one that it knows."""
    if a is None:
        return missing
    return a if a.flags.carray else np.array(a, order="C")


def _sequence(a: Array) -> tuple[tuple[Array, int, int], bool]:
    """``(T, N, F)`` as compiled code takes it, and whether sequences lie one after another in it."""
    steps, batch, features = a.shape
    if a.flags.carray:
        return (a.reshape(-1), batch * features, features), False
    turned = a.transpose(1, 0, 2)
    if turned.flags.carray:
        return (turned.reshape(-1), features, steps * features), True
    return _sequence(np.array(a, order="C"))


def _room(steps: int, batch: int, features: int, turned: bool) -> tuple[Array, tuple[Array, int, int]]:
    """An empty ``(T, N, F)``, and as compiled code takes it."""
    if turned:
        a = np.empty((batch, steps, features), np.float32)
        return a.transpose(1, 0, 2), (a.reshape(-1), features, steps * features)
    a = np.empty((steps, batch, features), np.float32)
    return a, (a.reshape(-1), batch * features, features)


def forward(
    kind: str,
    x: Array,
    states: Arrays,
    weights: Optionals,
    idle: Array | None,
    reverse: bool,
    keep: bool,
    parts: Sequence[slice],
) -> tuple[Array, Arrays, Arrays]:
    """Outputs, final states, and what :func:`backward` wants to know; see ``recurrent.py``."""
    (steps, batch, _), width, number = x.shape, states[0].shape[1], KINDS.index(kind)
    resting = np.empty((steps, 0), np.bool_) if idle is None else idle
    if idle is not None:  # the padding may hold anything
        x = np.array(x, order="K")
        x[idle] = 0
    inputs, turned = _sequence(x)
    w_ih, w_hh, b_ih, b_hh = weights
    h_0, c_0 = _own(states[0]), _own(states[1]) if len(states) == 2 else _NO_STATE
    given = (number, *inputs, h_0, c_0, _own(w_ih), _own(w_hh), _own(b_ih, _NO_BIAS), _own(b_hh, _NO_BIAS))
    y, outputs = _room(steps, batch, width, turned)
    finals = tuple([np.empty((batch, width), np.float32) for _ in states])
    room = (*outputs, *finals) if len(states) == 2 else (*outputs, *finals, _NO_STATE)

    def part(some: slice) -> tuple[Array, Array]:
        return walk(*given, resting, reverse, keep, some.start, some.stop, *room)

    kept = threads.each(part, parts)
    saved = (backward, w_ih, w_hh, number, resting, reverse, inputs, turned, list(zip(parts, kept))) if keep else ()
    return y, finals, saved


def backward(saved: Arrays, gy: Array | None, grads: Optionals, needs: tuple[bool, ...]) -> Optionals:
    """Gradients of x, the initial states, w_ih, w_hh, b_ih, b_hh."""
    _, w_ih, w_hh, kind, idle, reverse, inputs, turned, parts = saved
    steps, batch, features, (rows, width) = len(idle), parts[-1][0].stop, w_ih.shape[1], w_hh.shape
    gx, of_inputs = _room(steps, batch, features, turned) if needs[0] else (None, _NO_SEQUENCE)
    of_outputs = _NO_SEQUENCE if gy is None else _sequence(gy)[0]
    starts, no_c = [np.empty((batch, width), np.float32) for _ in grads], [_NO_STATE] * (2 - len(grads))
    given = (*of_outputs, *map(_own, grads), *no_c, _own(w_ih), _own(w_hh), idle, reverse)
    room = (*of_inputs, *starts, *no_c)
    weights_too = any(needs[-4:])
    shapes: list[Any] = [w_ih.shape, w_hh.shape, rows, rows] if weights_too else [(0, 0), (0, 0), 0, 0]

    def part(item: tuple[slice, tuple[Array, Array]]) -> list[Array]:
        some, kept = item
        of_weights = [np.empty(shape, np.float32) for shape in shapes]
        walk_back(kind, *inputs, *kept, *given, some.start, some.stop, *room, *of_weights)  # type: ignore[call-arg]
        return of_weights

    of_weights, *others = threads.each(part, parts)
    for more in others:
        for total, g in zip(of_weights, more):
            total += g
    return tuple([g if need else None for g, need in zip((gx, *starts, *of_weights), needs)])
