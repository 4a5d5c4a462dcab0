"""The recurrent cells in float32, with each part of a batch walked through all its steps by one compiled call.

Used by ``recurrent.py`` where numba is installed (the extra ``fast``). A step is one matrix product
(``products_compiled.py``) and one pass over the gates, which leaves the factors directly. The way back gathers the
gradients of the gates of a run of steps, and while they are in cache multiplies them for those of the weights and of x.
All of that is in the one call, the layout of weights and sequences included, for in small layers calls are what costs.

Importing numba takes about half a second; the first call of a cell compiles it, some seconds for each direction, and
stores the result beside this file or in ``NUMBA_CACHE_DIR``: later processes load it in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backends._numpy import threads
from backends._numpy.jit import jit
from backends._numpy.products_compiled import (
    Matrix,
    add_product,
    in_strips,
    lay_out,
    out_of_strips,
    product,
    strips_for,
)

Array = Any
Arrays = tuple[Any, ...]
Optionals = tuple[Any, ...]

KINDS = ("relu", "tanh", "sigmoid", "lstm", "gru")
"""What the loops call by number: Elman's cell by its nonlinearity, and the others."""

_RUN = 240
"""Columns whose gradients are multiplied together on the way back: as many steps as make up so many."""

_MUCH = 1 << 17
"""Gradients of weights from which on it pays to add them up on a thread of their own."""

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
def _sigmoid(half: Any) -> Any:
    """The logistic function of twice the argument."""
    return _tanh(half) * _HALF + _HALF


# ---------------------------------------------------------------- resting sequences
@jit
def _fill(a: Array, resting: Array, value: Any) -> None:
    """Fill ``a (R, n)`` where sequences rest."""
    if resting.shape[0]:
        for r in range(a.shape[0]):
            for n in range(a.shape[1]):
                if resting[n]:
                    a[r, n] = value


@jit
def _hold(new: Array, old: Array, resting: Array) -> None:
    """Keep the old state ``(H, n)`` of resting sequences."""
    if resting.shape[0]:
        for r in range(new.shape[0]):
            for n in range(new.shape[1]):
                if resting[n]:
                    new[r, n] = old[r, n]


# ---------------------------------------------------------------- layout
@jit
def _turn(a: Array, out: Array) -> None:
    """``out = a.T``."""
    for k in range(out.shape[0]):
        for r in range(out.shape[1]):
            out[k, r] = a[r, k]


@jit
def _stacked(left: Array, bias: Array, more: Array, right: Array, first: int, halved: int) -> Array:
    """``[left, bias + more, right]`` with the rows from ``first`` on at the top, of which some are halved."""
    rows, split = left.shape
    out = np.empty((rows, split + 1 + right.shape[1]), left.dtype)
    for i in range(rows):
        r, row, factor = (i + first) % rows, out[i], _HALF if i < halved else _ONE
        total = (bias[r] if bias.shape[0] else _ZERO) + (more[r] if more.shape[0] else _ZERO)
        row[split] = factor * total
        for j in range(split):
            row[j] = factor * left[r, j]
        for j in range(right.shape[1]):
            row[split + 1 + j] = factor * right[r, j]
    return out


@jit
def _rotated(w: Array, first: int) -> Array:
    """The rows of ``w`` from ``first`` on at the top."""
    return np.concatenate((w[first:], w[:first]))


@jit
def deal(strips: Array, column: int, ones: int, first: int, start: int, stop: int, w: Array, b: Array) -> None:
    """Deal out rows of gradients in strips: of weights, which begin at a column, and of a bias, in the column of ones."""
    row = np.empty((1, strips.shape[0] * strips.shape[2]), strips.dtype)
    for i in range(start, stop):
        r = (i + first) % w.shape[0]
        out_of_strips(strips[:, i : i + 1], row)
        b[r] = row[0, ones]
        w[r] = row[0, column : column + w.shape[1]]


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
def _lstm_step(z: Array, c: Array, h: Array) -> None:
    size = c.shape[0]
    for j in range(size):
        i, f, g = _sigmoid(z[size + j]), _sigmoid(z[2 * size + j]), _tanh(z[3 * size + j])
        c[j] = i * g + f * c[j]
        h[j] = _sigmoid(z[j]) * _tanh(c[j])


@jit
def _lstm_step_with_factors(z: Array, c: Array, h: Array, factors: Array) -> None:
    size = c.shape[0]
    for j in range(size):
        o, i, f, g = _sigmoid(z[j]), _sigmoid(z[size + j]), _sigmoid(z[2 * size + j]), _tanh(z[3 * size + j])
        c_old = c[j]
        c[j] = i * g + f * c_old
        s = _tanh(c[j])
        h[j] = o * s
        factors[j] = (_ONE - s * s) * o
        factors[size + j] = (o - o * o) * s
        factors[2 * size + j] = (i - i * i) * g
        factors[3 * size + j] = (f - f * f) * c_old
        factors[4 * size + j] = (_ONE - g * g) * i
        factors[5 * size + j] = f


@jit
def _gru_step(a: Array, b: Array, h: Array) -> None:
    size = h.shape[0]
    for j in range(size):
        r, z = _sigmoid(a[j] + b[j]), _sigmoid(a[size + j] + b[size + j])
        n = _tanh(a[2 * size + j] + r * b[2 * size + j])
        h[j] = n + z * (h[j] - n)


@jit
def _gru_step_with_factors(a: Array, b: Array, h: Array, factors: Array) -> None:
    size = h.shape[0]
    for j in range(size):
        r, z = _sigmoid(a[j] + b[j]), _sigmoid(a[size + j] + b[size + j])
        n = _tanh(a[2 * size + j] + r * b[2 * size + j])
        d = h[j] - n
        h[j] = n + z * d
        of_n = (_ONE - n * n) * (_ONE - z)
        factors[j] = of_n
        factors[size + j] = (r - r * r) * b[2 * size + j] * of_n
        factors[2 * size + j] = (z - z * z) * d
        factors[3 * size + j] = of_n * r
        factors[4 * size + j] = z


@jit
def _step(kind: int, z: Array, b: Array, c: Array, h: Array, factors: Array) -> None:
    """From the gates and the old state to the new one, and to the factors where there is room for them; all arrays are flat."""
    if kind == _LSTM:
        if factors.shape[0]:
            _lstm_step_with_factors(z, c, h, factors)
        else:
            _lstm_step(z, c, h)
    elif kind == _GRU:
        if factors.shape[0]:
            _gru_step_with_factors(z, b, h, factors)
        else:
            _gru_step(z, b, h)
    else:
        _rnn_step(kind, z, h, factors)


@jit
def _rnn_step_back(g: Array, factors: Array, z: Array) -> None:
    for j in range(g.shape[0]):
        z[j] = g[j] * factors[j]


@jit
def _lstm_step_back(g: Array, c: Array, factors: Array, z: Array) -> None:
    size = g.shape[0]
    for j in range(size):
        gc = c[j] + g[j] * factors[j]
        z[j] = g[j] * factors[size + j]
        z[size + j] = gc * factors[2 * size + j]
        z[2 * size + j] = gc * factors[3 * size + j]
        z[3 * size + j] = gc * factors[4 * size + j]
        c[j] = gc * factors[5 * size + j]


@jit
def _gru_step_back(g: Array, factors: Array, z: Array, held: Array) -> None:
    size = g.shape[0]
    for j in range(size):
        for k in range(4):
            z[k * size + j] = g[j] * factors[k * size + j]
        held[j] = g[j] * factors[4 * size + j]


@jit
def _step_back(kind: int, g: Array, c: Array, factors: Array, z: Array, held: Array) -> None:
    """From the gradients of the new state to those of the gates, of the old c, and of what a GRU holds of the old h."""
    if kind == _LSTM:
        _lstm_step_back(g, c, factors, z)
    elif kind == _GRU:
        _gru_step_back(g, factors, z, held)
    else:
        _rnn_step_back(g, factors, z)


# ---------------------------------------------------------------- walks
@jit
def _weights(
    kind: int, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array, size: int, steps: int
) -> tuple[Matrix, Matrix]:
    """What a step multiplies ``[x; 1; h]`` with; of a GRU, whose gates are added up later, ``[x; 1]`` and ``[1; h]``."""
    width = w_hh.shape[1]
    if kind == _GRU:
        w_x = lay_out(_stacked(w_ih, b_ih, b_ih[:0], w_hh[:, :0], 0, 2 * width), size, steps)
        return w_x, lay_out(_stacked(w_ih[:, :0], b_hh, b_hh[:0], w_hh, 0, 2 * width), size, steps)
    halved = 3 * width if kind == _LSTM else width if kind == _SIGMOID else 0
    w = lay_out(_stacked(w_ih, b_ih, b_hh, w_hh, len(w_hh) - width, halved), size, steps)
    return w, w


@jit
def walk(
    kind: int,
    x: Array,
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
    y: Array,
    h_n: Array,
    c_n: Array,
) -> tuple[Array, Array]:
    """Outputs and final states of a part; returns ``[x, 1, old h] (T, n, C)`` and the factors ``(T, factors, H, n)``."""
    (steps, _, features), width, size = x.shape, w_hh.shape[1], stop - start
    w, w_h = _weights(kind, w_ih, w_hh, b_ih, b_hh, size, steps)
    column = np.empty((features + 1 + width, size), x.dtype)
    inputs, h = column[:features], column[features + 1 :]
    c, gates = np.empty((c_0.shape[1], size), x.dtype), np.empty((len(w_hh), size), x.dtype)
    of_h = np.empty((len(w_hh) if kind == _GRU else 0, size), x.dtype)
    count, kept = 6 if kind == _LSTM else 5 if kind == _GRU else 1, steps if keep else 0
    operands = np.empty((kept, size, len(column)), x.dtype)
    factors = np.empty((kept, count, width, size), x.dtype)
    column[features] = _ONE
    _turn(h_0[start:stop], h)
    _turn(c_0[start:stop], c)
    for s in range(steps):
        t = steps - 1 - s if reverse else s
        resting, of_step = idle[t, start:stop], factors[s if keep else 0 : s + 1]
        h_old, c_old = (h.copy(), c.copy()) if resting.shape[0] else (h, c)
        _turn(x[t, start:stop], inputs)
        _fill(inputs, resting, _ZERO)  # the padding may hold anything
        if keep:
            _turn(column, operands[s])
        product(w, column[: features + 1 if kind == _GRU else len(column)], gates)
        if kind == _GRU:
            product(w_h, column[features:], of_h)
        _step(kind, gates.reshape(-1), of_h.reshape(-1), c.reshape(-1), h.reshape(-1), of_step.reshape(-1))
        _hold(h, h_old, resting)
        _hold(c, c_old, resting)
        if keep:
            _fill(of_step.reshape(count * width, size), resting, _ZERO)
            if count > 1:
                _fill(of_step[0, count - 1], resting, _ONE)  # the old c, or h, is held
        _turn(h, y[t, start:stop])
        _fill(y[t, start:stop].T, resting, _ZERO)
    _turn(h, h_n[start:stop])
    _turn(c, c_n[start:stop])
    return operands, factors


@jit
def _take_in(gy: Array, g: Array, resting: Array) -> None:
    """Add the gradient of the output ``(n, H)`` to that of the state ``(H, n)``, unless the sequence rests."""
    for r in range(g.shape[0]):
        for n in range(g.shape[1]):
            if not (resting.shape[0] and resting[n]):
                g[r, n] += gy[n, r]


@jit
def _start(g: Array, width: int, start: int, stop: int) -> Array:
    """The gradient ``(width, n)`` of a final state ``(N, width)``, zeros where none came."""
    out = np.zeros((width, stop - start), g.dtype)
    if g.shape[0]:
        _turn(g[start:stop], out)
    return out


@jit
def walk_back(
    kind: int,
    operands: Array,
    factors: Array,
    gy: Array,
    gh_n: Array,
    gc_n: Array,
    w_ih: Array,
    w_hh: Array,
    idle: Array,
    reverse: bool,
    weights_too: bool,
    start: int,
    stop: int,
    gx: Array,
    gh_0: Array,
    gc_0: Array,
) -> tuple[Array, Array]:
    """Gradients of x, if there is room for it, and of the initial states; returns those of the weights.

    These come in strips, ``(C / 16, R, 16)``, for ``[x, 1, h]``, or of a GRU for ``[x, 1]`` and ``[1, h]``.
    """
    (steps, size, columns), (rows, features), width, apart = operands.shape, w_ih.shape, w_hh.shape[1], kind == _GRU
    last_of_x = features + 1 if apart else columns
    of_x = strips_for(rows, last_of_x)
    of_h = strips_for(rows, width + 1) if apart else of_x
    gh, gc = _start(gh_n, width, start, stop), _start(gc_n, width if kind == _LSTM else 0, start, stop)
    held = np.empty((width if apart else 0, size), gh.dtype)
    gz = np.empty((4 * width if apart else rows, size), gh.dtype)
    runs = max(1, -(-steps * size // _RUN))
    run = max(1, -(-steps // runs))
    # Written a step at a time: rows are pieces of it, unless there is one sequence.
    gates = np.empty((len(gz), run * size), gh.dtype) if size > 1 else np.empty((run, len(gz)), gh.dtype).T
    w = lay_out((w_hh if apart else _rotated(w_hh, rows - width)).T, size, steps)
    w_x = in_strips(_rotated(w_ih, rows - width))
    for last in range(steps, 0, -run):
        first = max(0, last - run)
        for s in range(last - 1, first - 1, -1):
            t, place = steps - 1 - s if reverse else s, (s - first) * size
            resting = idle[t, start:stop]
            if gy.shape[0]:
                _take_in(gy[t, start:stop], gh, resting)
            _step_back(kind, gh.reshape(-1), gc.reshape(-1), factors[s].reshape(-1), gz.reshape(-1), held.reshape(-1))
            gates[:, place : place + size] = gz
            before = gh.copy() if resting.shape[0] else gh
            product(w, gz[len(gz) - rows :], gh)
            if apart:
                gh += held
            else:
                _hold(gh, before, resting)
        of_run, used = operands[first:last].reshape((last - first) * size, columns), gates[:, : (last - first) * size]
        if weights_too:
            add_product(used[:rows], in_strips(of_run[:, :last_of_x]), of_x)
            if apart:
                add_product(used[width:], in_strips(of_run[:, features:]), of_h)
        if gx.shape[0]:
            of_inputs = strips_for(used.shape[1], features)
            add_product(used[:rows].T, w_x, of_inputs)
            for s in range(first, last):
                t, place = steps - 1 - s if reverse else s, (s - first) * size
                out_of_strips(of_inputs[:, place : place + size], gx[t, start:stop])
    _turn(gh, gh_0[start:stop])
    _turn(gc, gc_0[start:stop])
    return of_x, of_h


# ---------------------------------------------------------------- layers
def _own(a: Array | None, dimensions: int) -> Array:
    """Give compiled code, which would be compiled anew for every kind of layout, the one that it knows; empty for None."""
    if a is None:
        return np.empty((0,) * dimensions, np.float32)
    return a if a.flags.carray else np.array(a, order="C")


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
    no_c = [np.empty((batch, 0), np.float32)] * (2 - len(states))
    given = (_own(x, 3), *[_own(s, 2) for s in states], *no_c, *map(_own, weights, (2, 2, 1, 1)))
    y, finals = np.empty((steps, batch, width), np.float32), [np.empty((batch, width), np.float32) for _ in states]
    room = (y, *finals, *no_c)

    def part(some: slice) -> tuple[Array, Array]:
        arguments: Arrays = (number, *given, resting, reverse, keep, some.start, some.stop, *room)
        return walk(*arguments)

    kept = threads.each(part, parts)
    saved = (backward, *weights[:2], number, resting, reverse, list(zip(parts, kept))) if keep else ()
    return y, tuple(finals), saved


def backward(saved: Arrays, gy: Array | None, grads: Optionals, needs: tuple[bool, ...]) -> Optionals:
    """Gradients of x, the initial states, w_ih, w_hh, b_ih, b_hh."""
    _, w_ih, w_hh, kind, idle, reverse, parts = saved
    steps, batch, features, width = len(idle), parts[-1][0].stop, w_ih.shape[1], w_hh.shape[1]
    gx = np.empty((steps, batch, features) if needs[0] else (0, 0, 0), np.float32)
    starts, others = [np.empty((batch, width), np.float32) for _ in grads], 2 - len(grads)
    given = (_own(gy, 3), *[_own(g, 2) for g in grads], *[_own(None, 2)] * others, _own(w_ih, 2), _own(w_hh, 2))
    room = (gx, *starts, *[np.empty((batch, 0), np.float32)] * others)
    weights_too = any(needs[-4:])

    def part(item: tuple[slice, tuple[Array, Array]]) -> tuple[Array, Array]:
        some, kept = item
        arguments: Arrays = (kind, *kept, *given, idle, reverse, weights_too, some.start, some.stop, *room)
        return walk_back(*arguments)

    totals = threads.each(part, parts)
    of_weights = _of_weights(kind, totals, w_ih, w_hh) if weights_too else (None,) * 4
    return tuple([g if need else None for g, need in zip((gx, *starts, *of_weights), needs)])


def _of_weights(kind: int, totals: Sequence[tuple[Array, Array]], w_ih: Array, w_hh: Array) -> Arrays:
    """Gradients of w_ih, w_hh, b_ih, b_hh from what the parts of the batch give."""
    (rows, features), width, apart = w_ih.shape, w_hh.shape[1], kind == _GRU
    out = tuple([np.empty(shape, np.float32) for shape in (w_ih.shape, w_hh.shape, rows, rows)])
    gw_ih, gw_hh, gb_ih, gb_hh = out
    first = rows - width
    ones, first_of_h = (0, 0) if apart else (features, first)
    (of_x, of_h), *others = totals

    def part(some: slice) -> None:
        for other_x, other_h in others:
            of_x[:, some] += other_x[:, some]
            if apart:
                of_h[:, some] += other_h[:, some]
        deal(of_x, 0, features, first, some.start, some.stop, gw_ih, gb_ih)
        deal(of_h, ones + 1, ones, first_of_h, some.start, some.stop, gw_hh, gb_hh)

    threads.each(part, threads.parts(rows, _MUCH // (features + 1 + width)))
    return out
