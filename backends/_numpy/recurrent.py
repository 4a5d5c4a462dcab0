"""Recurrent layers for NumPy: the reference's results, at the speed of the matrix products.

What makes it fast:

- Arrays lie feature-major inside, (rows, N): the gates of a step are contiguous blocks, and OpenBLAS gets its quicker
  orientation. One buffer holds the columns ``[x; 1; h]`` of all steps; one product a step serves input, bias and
  state, and a cell writes its ``h`` straight into the next column.
- ``sigmoid(z) = tanh(z / 2) / 2 + 1 / 2``, the halving folded into the packed weights: all gates of a step
  go through one ``tanh``.
- The forward pass turns every few steps, while they are in cache, into *factors*: what incoming gradients will be multiplied
  by. A step back is then a multiplication or two and one matrix product.
- The gradients of the weights and of ``x`` are single products over all steps at the end.

Steps are walked in *processing order*, the reverse of time when ``reverse``. A sequence without a step at some time is
*idle* there: its state is held and its factors are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

import numpy as np

Array = Any
Arrays = tuple[Any, ...]
Optionals = tuple[Any, ...]

_CACHE = 1 << 19
"""Bytes of a run of steps that are worked on together: about what a core's second-level cache holds."""


# ---------------------------------------------------------------- layout
def _ordered(a: Array, reverse: bool) -> Array:
    """Between order of time and processing order, either way."""
    return a[::-1] if reverse else a


def _transposed(a: Array) -> Array:
    """A contiguous copy of ``a`` with the last two axes exchanged."""
    return np.array(a.swapaxes(-1, -2), order="C")


def _idle(lengths: Array | None, steps: int) -> Array | None:
    """(T, N) bool: where sequences are past their end, or None where all are full."""
    return None if lengths is None else lengths <= np.arange(steps)[:, None]


def _blank(a: Array, idle: Array | None) -> Array:
    """Zero the padding of ``a (T, N, ...)``, which may hold anything."""
    return a if idle is None else np.where(idle[:, :, None], a.dtype.type(0), a)


def _columns(x: Array, h0: Array) -> Array:
    """(T + 1, D + 1 + H, N): the columns ``[x; 1; h]`` of all steps, with the first ``h`` filled in."""
    (steps, batch, features), width = x.shape, h0.shape[1]
    columns = np.empty((steps + 1, features + 1 + width, batch), x.dtype)
    columns[:-1, :features] = x.transpose(0, 2, 1)
    columns[:, features] = 1
    columns[0, features + 1 :] = h0.T
    return columns


def _runs(steps: int, step_bytes: int) -> Iterator[slice]:
    """Cut the steps into runs that fit the cache."""
    size = max(1, _CACHE // max(1, step_bytes))
    return (slice(start, min(start + size, steps)) for start in range(0, steps, size))


def _bias(b_ih: Array | None, b_hh: Array | None, like: Array) -> Array:
    """The sum of the biases as a column for the packed weights."""
    bias = np.zeros(len(like), like.dtype)
    for b in (b_ih, b_hh):
        if b is not None:
            bias += b
    return bias[:, None]


# ---------------------------------------------------------------- cells, forward
class _Rnn:
    """``h = activation(w [x; 1; h])``; one factor: the slope."""

    factors = 1

    def __init__(self, weights: Arrays, nonlinearity: str) -> None:
        w_ih, w_hh, b_ih, b_hh = weights
        self.w = np.concatenate([w_ih, _bias(b_ih, b_hh, w_ih), w_hh], axis=1)
        self.nonlinearity, self.half = nonlinearity, np.asarray(0.5, w_ih.dtype)
        if nonlinearity == "sigmoid":
            self.w *= self.half

    def reserve(self, steps: int, width: int, batch: int) -> None:
        """Nothing to reserve: the columns hold all that a step makes."""

    def activate(self, z: Array) -> None:
        if self.nonlinearity == "relu":
            np.maximum(z, 0, z)
        else:
            np.tanh(z, z)
        if self.nonlinearity == "sigmoid":
            np.multiply(z, self.half, z)
            np.add(z, self.half, z)

    def run(self, columns: Array, h: Array, idle: Iterable[Array | None]) -> None:
        w, activate = self.w, self.activate
        for column, h_old, h_new, resting in zip(columns, h, h[1:], idle):
            np.dot(w, column, h_new)
            activate(h_new)
            if resting is not None:
                np.copyto(h_new, h_old, where=resting)

    def factor(self, h: Array, out: Array) -> None:
        y, slope = h[1:], out[:, 0]
        if self.nonlinearity == "relu":
            np.greater(y, 0, slope)
            return
        np.multiply(y, y, slope)
        np.subtract(y if self.nonlinearity == "sigmoid" else 1, slope, slope)


class _Lstm:
    """Six rows a step: the gates o, i, f, g, then the old c, which has to follow g, and tanh of the new c.

    Factors: f, then of the gates i, f, g (to the gradient of c), then of o and of c (to the gradient of h).
    """

    factors = 6

    def __init__(self, weights: Arrays, c0: Array) -> None:
        w_ih, w_hh, b_ih, b_hh = weights
        w = np.concatenate([w_ih, _bias(b_ih, b_hh, w_ih), w_hh], axis=1)
        w = w.reshape(4, w_hh.shape[1], w.shape[1])[[3, 0, 1, 2]]
        self.half = np.asarray(0.5, w.dtype)
        w[:3] *= self.half
        self.w, self.c = w.reshape(w_ih.shape[0], w.shape[2]), c0.T

    def reserve(self, steps: int, width: int, batch: int) -> None:
        self.rows = np.empty((steps + 1, 6, width, batch), self.w.dtype)

    def run(self, columns: Array, h: Array, idle: Iterable[Array | None]) -> None:
        rows, w, half = self.rows[: len(h)], self.w, self.half
        rows[0, 4] = self.c
        z = rows.reshape(len(h), 6 * h.shape[1], h.shape[2])[:, : len(w)]
        pair = np.empty_like(rows[0, :2])
        first, second = pair
        parts = rows[:, :3], rows[:, 1:3], rows[:, 3:5], rows[:, 0], rows[:, 4], rows[1:, 4], rows[:, 5]
        for column, gates, sigmoids, i_f, g_c, o, c_old, c_new, s, h_old, h_new, resting in zip(
            columns, z, *parts, h, h[1:], idle
        ):
            np.dot(w, column, gates)
            np.tanh(gates, gates)
            np.multiply(sigmoids, half, sigmoids)
            np.add(sigmoids, half, sigmoids)
            np.multiply(i_f, g_c, pair)
            np.add(first, second, c_new)
            np.tanh(c_new, s)
            np.multiply(o, s, h_new)
            if resting is not None:
                np.copyto(c_new, c_old, where=resting)
                np.copyto(h_new, h_old, where=resting)
        self.c = rows[-1, 4]

    def factor(self, h: Array, out: Array) -> None:
        rows = self.rows[: len(out)]
        o, i, f, g, _, s = rows.swapaxes(0, 1)
        keep_c, _, _, of_g, of_o, of_c = out.swapaxes(0, 1)
        of_i_f = out[:, 1:3]
        keep_c[...] = f
        np.multiply(rows[:, 1:3], rows[:, 1:3], of_i_f)
        np.subtract(rows[:, 1:3], of_i_f, of_i_f)
        np.multiply(of_i_f, rows[:, 3:5], of_i_f)
        np.multiply(g, g, of_g)
        np.subtract(1, of_g, of_g)
        np.multiply(i, of_g, of_g)
        np.multiply(o, o, of_o)
        np.subtract(o, of_o, of_o)
        np.multiply(s, of_o, of_o)
        np.multiply(s, s, of_c)
        np.subtract(1, of_c, of_c)
        np.multiply(o, of_c, of_c)


class _Gru:
    """Six rows a step: r, z and the state's share of n, then what is left of x's shares: h - n, r times the state's share, n.

    Factors: of x's share of n, of r, of z, of the state's share of n, and z, all to the gradient of h.
    """

    factors = 5

    def __init__(self, weights: Arrays) -> None:
        w_ih, w_hh, b_ih, b_hh = weights
        self.w_x = np.concatenate([w_ih, _bias(b_ih, None, w_ih)], axis=1)
        self.w_h = np.concatenate([_bias(b_hh, None, w_hh), w_hh], axis=1)
        self.half = np.asarray(0.5, w_ih.dtype)
        for w in (self.w_x, self.w_h):
            w[: 2 * w_hh.shape[1]] *= self.half

    def reserve(self, steps: int, width: int, batch: int) -> None:
        self.rows = np.empty((steps, 2, 3, width, batch), self.w_x.dtype)

    def run(self, columns: Array, h: Array, idle: Iterable[Array | None]) -> None:
        rows, w_x, w_h, half = self.rows[: len(h) - 1], self.w_x, self.w_h, self.half
        inputs, states = columns[:, : w_x.shape[1]], columns[:, w_x.shape[1] - 1 :]
        products = rows.reshape(len(rows), 2, len(w_x), h.shape[2])
        parts = rows[:, 0, :2], rows[:, 1, :2], *rows[:, 0].swapaxes(0, 1), *rows[:, 1].swapaxes(0, 1)
        for x1, h1, from_h, from_x, r_z, x_r_z, r, z, b, d, t, n, h_old, h_new, resting in zip(
            inputs, states, products[:, 0], products[:, 1], *parts, h, h[1:], idle
        ):
            np.dot(w_h, h1, from_h)
            np.dot(w_x, x1, from_x)
            np.add(r_z, x_r_z, r_z)
            np.tanh(r_z, r_z)
            np.multiply(r_z, half, r_z)
            np.add(r_z, half, r_z)
            np.multiply(r, b, t)
            np.add(n, t, n)
            np.tanh(n, n)
            np.subtract(h_old, n, d)
            np.multiply(z, d, h_new)
            np.add(h_new, n, h_new)
            if resting is not None:
                np.copyto(h_new, h_old, where=resting)

    def factor(self, h: Array, out: Array) -> None:
        rows = self.rows[: len(out)]
        (r, z, b), (d, _, n) = rows.transpose(1, 2, 0, 3, 4)
        of_n, of_r, of_z, of_b, keep_h = out.swapaxes(0, 1)
        np.multiply(n, n, of_n)
        np.subtract(1, of_n, of_n)
        np.subtract(1, z, keep_h)
        np.multiply(of_n, keep_h, of_n)
        np.multiply(rows[:, 0, :2], rows[:, 0, :2], out[:, 1:3])
        np.subtract(rows[:, 0, :2], out[:, 1:3], out[:, 1:3])
        np.multiply(of_r, b, of_r)
        np.multiply(of_r, of_n, of_r)
        np.multiply(of_z, d, of_z)
        np.multiply(of_n, r, of_b)
        keep_h[...] = z


def _scan(
    cell: Any, hold: int | None, x: Array, h0: Array, weights: Arrays, lengths: Array | None, reverse: bool, keep: bool
) -> tuple[Array, Array, Arrays]:
    """Outputs, the final h, and for the way back (x, w_ih, w_hh, idle, reverse, factors, old h of all steps).

    ``hold`` is the row of factors that passes a state on unchanged, which idle sequences get as one.
    """
    (steps, batch, _), width = x.shape, h0.shape[1]
    idle = _idle(lengths, steps)
    x = _blank(x, idle)
    columns = _columns(_ordered(x, reverse), h0)
    h = columns[:, columns.shape[1] - width :]
    factors = np.empty((steps, cell.factors, width, batch), x.dtype) if keep else None
    resting = None if idle is None else _ordered(idle, reverse)
    runs = list(_runs(steps, 2 * cell.factors * width * batch * x.itemsize))
    cell.reserve(runs[0].stop if runs else 0, width, batch)
    for run in runs:
        inside = slice(run.start, run.stop + 1)
        cell.run(columns[run], h[inside], repeat(None) if resting is None else resting[run])
        if factors is not None:
            cell.factor(h[inside], factors[run])
    y = _transposed(_ordered(h[1:], reverse))
    h_n = _transposed(h[-1])
    saved: Arrays = ()
    if factors is not None:
        if resting is not None:
            np.copyto(factors, 0, where=resting[:, None, None])
            if hold is not None:
                np.copyto(factors[:, hold], 1, where=resting[:, None])
        h_old = np.concatenate([y[1:], h0[None]] if reverse else [h0[None], y[:-1]])[:steps]
        saved = (x, weights[0], weights[1], idle, reverse, factors, h_old)
    if idle is not None:
        y[idle] = 0
    return y, h_n, saved


# ---------------------------------------------------------------- cells, backward
def _rnn_back(w: Array, factors: Array, rows: Array, gys: Any, idle: Any, states: Arrays) -> Arrays:
    (gh,) = states
    for slope, (gz,), gy, resting in zip(factors[:, 0], rows, gys, idle):
        if gy is not None:
            np.add(gh, gy, gh)
        held = None if resting is None else np.where(resting, gh, 0)
        np.multiply(gh, slope, gz)
        np.dot(w, gz, gh)
        if held is not None:
            np.add(gh, held, gh)
    return (gh,)


def _lstm_back(w: Array, factors: Array, rows: Array, gys: Any, idle: Any, states: Arrays) -> Arrays:
    gh, gc = states
    width = rows.shape[2]
    gates = rows.reshape(len(rows), 6 * width, rows.shape[3])[:, width : 5 * width]
    steps = zip(factors[:, :4], factors[:, 4:], rows[:, :4], rows[:, 4:], gates, gys, idle)
    for of_c, of_h, from_c, from_h, gz, gy, resting in steps:
        if gy is not None:
            np.add(gh, gy, gh)
        held = None if resting is None else np.where(resting, gh, 0)
        np.multiply(gh, of_h, from_h)
        share = from_h[1]
        np.add(gc, share, share)
        np.multiply(share, of_c, from_c)
        gc = from_c[0]
        np.dot(w, gz, gh)
        if held is not None:
            np.add(gh, held, gh)
    return gh, gc


def _gru_back(w: Array, factors: Array, rows: Array, gys: Any, idle: Any, states: Arrays) -> Arrays:
    (gh,) = states
    width = rows.shape[2]
    gates = rows.reshape(len(rows), 5 * width, rows.shape[3])[:, width : 4 * width]
    for factor, row, gz, held, gy in zip(factors, rows, gates, rows[:, 4], gys):
        if gy is not None:
            np.add(gh, gy, gh)
        np.multiply(gh, factor, row)
        np.dot(w, gz, gh)
        np.add(gh, held, gh)
    return (gh,)


def _scan_back(
    back: Callable[..., Arrays], gates: slice, saved: Arrays, gy: Array | None, grads: Optionals
) -> tuple[Array, Arrays]:
    """Gradients of the gates' sums (rows, T, N) in order of time, and of the initial states."""
    x, _, w_hh, idle, reverse, factors, _ = saved
    steps, count, width, batch = factors.shape
    states = tuple(np.zeros((width, batch), x.dtype) if g is None else _transposed(g) for g in grads)
    runs = list(_runs(steps, 2 * count * width * batch * x.itemsize))
    rows = np.empty((runs[0].stop if runs else 0, count, width, batch), x.dtype)
    out = np.empty(((gates.stop - gates.start) * width, steps, batch), x.dtype)
    ordered_out = out[:, ::-1] if reverse else out
    resting = None if idle is None else _ordered(idle, reverse)
    gys = None if gy is None else _transposed(_ordered(_blank(gy, idle), reverse))
    flat = rows.reshape(len(rows), count * width, batch)[:, gates.start * width : gates.stop * width]
    for run in reversed(runs):
        n = run.stop - run.start
        states = back(
            w_hh.T,
            factors[run][::-1],
            rows[:n][::-1],
            repeat(None) if gys is None else gys[run][::-1],
            repeat(None) if resting is None else resting[run][::-1],
            states,
        )
        ordered_out[:, run] = flat[:n].transpose(1, 0, 2)
    return out, tuple(_transposed(s) for s in states)


def _product(a: Array, b: Array) -> Array:
    """(R, T, N) with (T, N, C) to (R, C), over all steps and sequences."""
    return a.reshape(len(a), a.shape[1] * a.shape[2]) @ b.reshape(b.shape[0] * b.shape[1], b.shape[2])


def _total(a: Array) -> Array:
    """Sum (R, T, N) over steps and sequences, as a product, which uses all cores."""
    flat = a.reshape(len(a), a.shape[1] * a.shape[2])
    return flat @ np.ones(flat.shape[1], a.dtype)


def _gradient_of_x(g: Array, w: Array) -> Array:
    rows, steps, batch = g.shape
    gx = np.empty((steps, batch, w.shape[1]), g.dtype)
    np.matmul(g.reshape(rows, steps * batch).T, w, gx.reshape(steps * batch, w.shape[1]))
    return gx


def _gradients(g: Array, states: Arrays, saved: Arrays, needs: tuple[bool, ...]) -> Optionals:
    """What the needs ask for, where one gradient of the gates serves x and h alike."""
    x, w_ih, _, _, _, _, h_old = saved
    need_w_ih, need_w_hh, need_b_ih, need_b_hh = needs[-4:]
    return (
        _gradient_of_x(g, w_ih) if needs[0] else None,
        *(state if need else None for state, need in zip(states, needs[1:-4])),
        _product(g, x) if need_w_ih else None,
        _product(g, h_old) if need_w_hh else None,
        _total(g) if need_b_ih else None,
        _total(g) if need_b_hh else None,
    )


# ---------------------------------------------------------------- kernels
def rnn_forward(
    backend: Any,
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    lengths: Array | None,
    *,
    nonlinearity: str,
    reverse: bool,
    keep: bool,
) -> tuple[Array, Array, Arrays]:
    weights = (w_ih, w_hh, b_ih, b_hh)
    return _scan(_Rnn(weights, nonlinearity), None, x, h0, weights, lengths, reverse, keep)


def rnn_backward(
    backend: Any, saved: Arrays, gy: Array | None, gh_n: Array | None, needs: tuple[bool, ...]
) -> Optionals:
    g, states = _scan_back(_rnn_back, slice(0, 1), saved, gy, (gh_n,))
    return _gradients(g, states, saved, needs)


def lstm_forward(
    backend: Any,
    x: Array,
    h0: Array,
    c0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    lengths: Array | None,
    *,
    reverse: bool,
    keep: bool,
) -> tuple[Array, Array, Array, Arrays]:
    weights = (w_ih, w_hh, b_ih, b_hh)
    cell = _Lstm(weights, c0)
    y, h_n, saved = _scan(cell, 0, x, h0, weights, lengths, reverse, keep)
    return y, h_n, _transposed(cell.c), saved


def lstm_backward(
    backend: Any,
    saved: Arrays,
    gy: Array | None,
    gh_n: Array | None,
    gc_n: Array | None,
    needs: tuple[bool, ...],
) -> Optionals:
    g, states = _scan_back(_lstm_back, slice(1, 5), saved, gy, (gh_n, gc_n))
    return _gradients(g, states, saved, needs)


def gru_forward(
    backend: Any,
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    lengths: Array | None,
    *,
    reverse: bool,
    keep: bool,
) -> tuple[Array, Array, Arrays]:
    weights = (w_ih, w_hh, b_ih, b_hh)
    return _scan(_Gru(weights), 4, x, h0, weights, lengths, reverse, keep)


def gru_backward(
    backend: Any, saved: Arrays, gy: Array | None, gh_n: Array | None, needs: tuple[bool, ...]
) -> Optionals:
    g, states = _scan_back(_gru_back, slice(0, 4), saved, gy, (gh_n,))
    x, w_ih, w_hh, _, _, _, h_old = saved
    width = w_hh.shape[1]
    need_x, need_h0, need_w_ih, need_w_hh, need_b_ih, need_b_hh = needs
    from_x, from_h = g[: 3 * width], g[width:]

    def natural(a: Array) -> Array:
        return np.concatenate([a[width:], a[:width]])

    return (
        _gradient_of_x(from_x, np.concatenate([w_ih[2 * width :], w_ih[: 2 * width]])) if need_x else None,
        states[0] if need_h0 else None,
        natural(_product(from_x, x)) if need_w_ih else None,
        _product(from_h, h_old) if need_w_hh else None,
        natural(_total(from_x)) if need_b_ih else None,
        _total(from_h) if need_b_hh else None,
    )
