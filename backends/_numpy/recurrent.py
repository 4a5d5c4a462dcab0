"""Recurrent layers for NumPy: the reference's results, at the speed of the matrix products.

What makes it fast:

- Arrays lie feature-major inside, (rows, N): the gates of a step are contiguous blocks, and OpenBLAS gets its quicker
  orientation. One buffer holds the columns ``[x; 1; h]`` of all steps; one product a step serves input, bias and
  state, and a cell writes its ``h`` straight into the next column.
- ``sigmoid(z) = tanh(z / 2) / 2 + 1 / 2``, the halving folded into the packed weights: all gates of a step
  go through one ``tanh``.
- The forward pass turns every few steps, while they are in cache, into *factors*: what incoming gradients will be
  multiplied by. A step back is then a multiplication or two and one matrix product.
- The batch is split over threads with single-threaded products, when it is large enough.
- The gradients of the weights and of ``x`` are single products over all steps at the end.
- Where numba is installed, ``recurrent_compiled.py`` takes over float32 arrays: one call each way, a layout of its own.

Steps are walked in *processing order*, the reverse of time when ``reverse``. A sequence without a step at some time is
*idle* there: its state is held and its factors are zero. Inside, the last gate block comes first, (o, i, f, g) and
(n, r, z), which puts those side by side that are worked on together.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import repeat
from typing import Any, ClassVar

import numpy as np

from backends._numpy import threads
from backends._numpy.compiled import compiled
from backends._numpy.narrow import gradients_in_float32, in_float32

Array = Any
Arrays = tuple[Any, ...]
Optionals = tuple[Any, ...]

_FLOAT32 = np.dtype(np.float32)

_RUN_BYTES = 1 << 19
"""Gate values of a run of steps that are worked on together: they should stay in a core's second-level cache."""

_PART_WORK = 1 << 19
"""Multiplications of one step below which a thread of its own does not pay."""

_PART_COLUMNS = 16
"""Sequences below which a product is no longer efficient."""


# ---------------------------------------------------------------- layout
def _ordered(a: Array, reverse: bool) -> Array:
    """From order of time to processing order, or back."""
    return a[::-1] if reverse else a


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


def _runs(steps: int, step_bytes: int) -> list[slice]:
    """Cut the steps into runs that fit the cache."""
    size = max(1, _RUN_BYTES // max(1, step_bytes))
    return [slice(start, min(start + size, steps)) for start in range(0, steps, size)]


def _last_gate_first(w: Array, width: int) -> Array:
    return np.concatenate([w[len(w) - width :], w[: len(w) - width]])


def _first_gate_last(w: Array, width: int) -> Array:
    return np.concatenate([w[width:], w[:width]])


def _bias(like: Array, *biases: Array | None) -> Array:
    """Sum biases, where there are any, to a column for the packed weights."""
    total = np.zeros(len(like), like.dtype)
    for b in biases:
        if b is not None:
            total += b
    return total[:, None]


# ---------------------------------------------------------------- cells
class _Cell:
    """A cell walks one part of a batch through time, forward and back, in runs of steps.

    ``h`` lies in ``columns`` (T + 1, rows, n); states are (H, n), factors (T, factors, H, n), all in processing order.
    """

    factors: ClassVar[int]
    held: ClassVar[int | None]
    x_gates: ClassVar[slice]
    h_gates: ClassVar[slice]
    x_turned: ClassVar[bool]
    h_turned: ClassVar[bool]
    reserve: Any
    run: Any
    factor: Any
    back: Any

    def walk(self, columns: Array, states: Arrays, idle: Array | None, factors: Array | None) -> Arrays:
        """Fill in every ``h`` and the factors; return the other final states."""
        h = columns[:, columns.shape[1] - len(states[0]) :]
        runs = _runs(len(h) - 1, self.factors * h[0].nbytes)
        room = self.reserve(runs[0].stop if runs else 0, states)
        for run in runs:
            h_run = h[run.start : run.stop + 1]
            self.run(room, columns[run], h_run, repeat(None) if idle is None else idle[run])
            if factors is not None:
                self.factor(room, h_run, factors[run])
        return tuple(room[1:])

    @classmethod
    def walk_back(
        cls, w: Array, factors: Array, gys: Array | None, idle: Array | None, states: Arrays, out: Array
    ) -> None:
        """Gradients of the gates into ``out (rows, T, n)``, of the states in place."""
        _, count, width, size = factors.shape
        runs = _runs(len(factors), count * states[0].nbytes)
        rows = np.empty((runs[0].stop if runs else 0, count, width, size), out.dtype)
        first, last = cls.x_gates.start * width, cls.h_gates.stop * width
        gates = rows.reshape(len(rows), count * width, size)[:, first:last].swapaxes(0, 1)
        for run in reversed(runs):
            n = run.stop - run.start
            gys_run = repeat(None) if gys is None else gys[run][::-1]
            resting_run = repeat(None) if idle is None else idle[run][::-1]
            cls.back(w.T, factors[run][::-1], rows[:n][::-1], gys_run, resting_run, *states)
            out[:, run] = gates[:, :n]


class Rnn(_Cell):
    """``h = activation(w [x; 1; h])``; one factor, the slope."""

    factors: ClassVar[int] = 1
    held: ClassVar[int | None] = None
    x_gates = h_gates = slice(0, 1)
    x_turned = h_turned = False

    def __init__(self, weights: Arrays, nonlinearity: str) -> None:
        w_ih, w_hh, b_ih, b_hh = weights
        self.w = np.concatenate([w_ih, _bias(w_ih, b_ih, b_hh), w_hh], axis=1)
        self.nonlinearity, self.half = nonlinearity, np.asarray(0.5, w_ih.dtype)
        if nonlinearity == "sigmoid":
            self.w *= self.half

    def reserve(self, steps: int, states: Arrays) -> Arrays:
        return ()

    def activate(self, z: Array) -> None:
        if self.nonlinearity == "relu":
            np.maximum(z, 0, out=z)
        else:
            np.tanh(z, z)
        if self.nonlinearity == "sigmoid":
            np.multiply(z, self.half, z)
            np.add(z, self.half, z)

    def run(self, room: Arrays, columns: Array, h: Array, idle: Iterable[Array | None]) -> None:
        w, activate = self.w, self.activate
        for column, h_old, h_new, resting in zip(columns, h, h[1:], idle):
            np.dot(w, column, h_new)
            activate(h_new)
            if resting is not None:
                np.copyto(h_new, h_old, where=resting)

    def factor(self, room: Arrays, h: Array, out: Array) -> None:
        y, slope = h[1:], out[:, 0]
        if self.nonlinearity == "relu":
            np.greater(y, 0, slope)
            return
        np.multiply(y, y, slope)
        np.subtract(y if self.nonlinearity == "sigmoid" else 1, slope, slope)

    @staticmethod
    def back(w: Array, factors: Array, rows: Array, gys: Any, idle: Any, gh: Array) -> None:
        for slope, gz, gy, resting in zip(factors[:, 0], rows[:, 0], gys, idle):
            if gy is not None:
                np.add(gh, gy, gh)
            held = None if resting is None else np.where(resting, gh, 0)
            np.multiply(gh, slope, gz)
            np.dot(w, gz, gh)
            if held is not None:
                np.add(gh, held, gh)


class Lstm(_Cell):
    """Six rows a step: the gates o, i, f, g, then the old c, which has to follow g, and tanh of the new c.

    Factors to the gradient of h: of c and of o; to the gradient of c: of i, f, g and of the old c.
    """

    factors: ClassVar[int] = 6
    held: ClassVar[int | None] = 5
    x_gates = h_gates = slice(1, 5)
    x_turned = h_turned = True

    def __init__(self, weights: Arrays) -> None:
        w_ih, w_hh, b_ih, b_hh = weights
        width = w_hh.shape[1]
        w = np.concatenate([w_ih, _bias(w_ih, b_ih, b_hh), w_hh], axis=1)
        self.w, self.half = _last_gate_first(w, width), np.asarray(0.5, w.dtype)
        self.w[: 3 * width] *= self.half

    def reserve(self, steps: int, states: Arrays) -> Arrays:
        """Rows for one step more, whose old c is the last new one; and the c that is carried from run to run."""
        _, c = states
        return np.empty((steps + 1, 6, *c.shape), c.dtype), np.array(c, order="C")

    def run(self, room: Arrays, columns: Array, h: Array, idle: Iterable[Array | None]) -> None:
        w, half, steps = self.w, self.half, len(columns)
        rows, c = room[0][: steps + 1], room[1]
        rows[0, 4] = c
        gates = rows.reshape(steps + 1, 6 * h.shape[1], h.shape[2])[:, : len(w)]
        pair = np.empty_like(rows[0, :2])
        first, second = pair
        blocks = rows[:, :3], rows[:, 1:3], rows[:, 3:5], rows[:, 0], rows[:, 4], rows[1:, 4], rows[:, 5]
        for column, z, sigmoids, i_f, g_c, o, c_old, c_new, s, h_old, h_new, resting in zip(
            columns, gates, *blocks, h, h[1:], idle
        ):
            np.dot(w, column, z)
            np.tanh(z, z)
            np.multiply(sigmoids, half, sigmoids)
            np.add(sigmoids, half, sigmoids)
            np.multiply(i_f, g_c, pair)
            np.add(first, second, c_new)
            np.tanh(c_new, s)
            np.multiply(o, s, h_new)
            if resting is not None:
                np.copyto(c_new, c_old, where=resting)
                np.copyto(h_new, h_old, where=resting)
        c[...] = rows[-1, 4]

    def factor(self, room: Arrays, h: Array, out: Array) -> None:
        rows = room[0][: len(out)]
        of_c, of_o, of_g, held = out[:, 0], out[:, 1], out[:, 4], out[:, 5]
        o, i, s = rows[:, 0], rows[:, 1], rows[:, 5]
        np.multiply(rows[:, :4], rows[:, :4], out[:, 1:5])
        np.subtract(rows[:, :3], out[:, 1:4], out[:, 1:4])
        np.subtract(1, of_g, of_g)
        np.multiply(of_o, s, of_o)
        np.multiply(out[:, 2:4], rows[:, 3:5], out[:, 2:4])
        np.multiply(of_g, i, of_g)
        np.multiply(s, s, of_c)
        np.subtract(1, of_c, of_c)
        np.multiply(of_c, o, of_c)
        np.copyto(held, rows[:, 2])

    @staticmethod
    def back(w: Array, factors: Array, rows: Array, gys: Any, idle: Any, gh: Array, gc: Array) -> None:
        width, carried = rows.shape[2], gc
        gates = rows.reshape(len(rows), 6 * width, rows.shape[3])[:, width : 5 * width]
        blocks = factors[:, :2], factors[:, 2:], rows[:, :2], rows[:, 2:], rows[:, 0], rows[:, 5]
        for of_h, of_c, from_h, from_c, share, gc_old, gz, gy, resting in zip(*blocks, gates, gys, idle):
            if gy is not None:
                np.add(gh, gy, gh)
            held = None if resting is None else np.where(resting, gh, 0)
            np.multiply(gh, of_h, from_h)
            np.add(carried, share, share)
            np.multiply(share, of_c, from_c)
            np.dot(w, gz, gh)
            carried = gc_old
            if held is not None:
                np.add(gh, held, gh)
        gc[...] = carried


class Gru(_Cell):
    """Three rows a step from h, (r, z, its share b of n), and three from x, later reused for (h - n, r * b, n).

    Factors, all to the gradient of h: of x's share of n, of r, of z, of h's share of n, and of the old h.
    """

    factors: ClassVar[int] = 5
    held: ClassVar[int | None] = 4
    x_gates, h_gates = slice(0, 3), slice(1, 4)
    x_turned, h_turned = True, False

    def __init__(self, weights: Arrays) -> None:
        w_ih, w_hh, b_ih, b_hh = weights
        self.w_x = np.concatenate([w_ih, _bias(w_ih, b_ih)], axis=1)
        self.w_h = np.concatenate([_bias(w_hh, b_hh), w_hh], axis=1)
        self.half = np.asarray(0.5, w_ih.dtype)
        for w in (self.w_x, self.w_h):
            w[: 2 * w_hh.shape[1]] *= self.half

    def reserve(self, steps: int, states: Arrays) -> Arrays:
        (h,) = states
        return (np.empty((steps, 2, 3, *h.shape), h.dtype),)

    def run(self, room: Arrays, columns: Array, h: Array, idle: Iterable[Array | None]) -> None:
        w_x, w_h, half = self.w_x, self.w_h, self.half
        rows = room[0][: len(columns)]
        inputs, states = columns[:, : w_x.shape[1]], columns[:, w_x.shape[1] - 1 :]
        products = rows.reshape(len(rows), 2, len(w_x), h.shape[2]).swapaxes(0, 1)
        blocks = rows[:, 0, :2], rows[:, 1, :2], *rows[:, 0].swapaxes(0, 1), *rows[:, 1].swapaxes(0, 1)
        for x1, h1, from_h, from_x, r_z, x_r_z, r, z, b, d, t, n, h_old, h_new, resting in zip(
            inputs, states, *products, *blocks, h, h[1:], idle
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

    def factor(self, room: Arrays, h: Array, out: Array) -> None:
        rows = room[0][: len(out)]
        r_z, b, d, n = rows[:, 0, :2], rows[:, 0, 2], rows[:, 1, 0], rows[:, 1, 2]
        of_n, of_r, of_z, of_b, held = out.swapaxes(0, 1)
        np.multiply(n, n, of_n)
        np.subtract(1, of_n, of_n)
        np.subtract(1, r_z[:, 1], held)
        np.multiply(of_n, held, of_n)
        np.multiply(r_z, r_z, out[:, 1:3])
        np.subtract(r_z, out[:, 1:3], out[:, 1:3])
        np.multiply(of_r, b, of_r)
        np.multiply(of_r, of_n, of_r)
        np.multiply(of_z, d, of_z)
        np.multiply(of_n, r_z[:, 0], of_b)
        np.copyto(held, r_z[:, 1])

    @staticmethod
    def back(w: Array, factors: Array, rows: Array, gys: Any, idle: Any, gh: Array) -> None:
        width = rows.shape[2]
        gates = rows.reshape(len(rows), 5 * width, rows.shape[3])[:, width : 4 * width]
        for factor, row, gz, held, gy in zip(factors, rows, gates, rows[:, 4], gys):
            if gy is not None:
                np.add(gh, gy, gh)
            np.multiply(gh, factor, row)
            np.dot(w, gz, gh)
            np.add(gh, held, gh)


# ---------------------------------------------------------------- time
def _parts(w_ih: Array, w_hh: Array, batch: int) -> list[slice]:
    """Cut the batch for threads."""
    work = max(1, w_ih.size + w_hh.size)
    return threads.parts(batch, max(_PART_COLUMNS, _PART_WORK // work))


def _scan(
    cell: _Cell, x: Array, states: Arrays, weights: Arrays, idle: Array | None, reverse: bool, keep: bool
) -> tuple[Array, Arrays, Arrays]:
    """Outputs, final states, and what the way back wants to know."""
    (steps, batch, _), width = x.shape, states[0].shape[1]
    x = _blank(x, idle)
    y, finals = np.empty((steps, batch, width), x.dtype), tuple(np.empty_like(s, order="C") for s in states)

    def walk(part: slice) -> Array | None:
        resting = None if idle is None else _ordered(idle[:, part], reverse)
        columns = _columns(_ordered(x[:, part], reverse), states[0][part])
        h = columns[:, columns.shape[1] - width :]
        factors = np.empty((steps, cell.factors, *h.shape[1:]), x.dtype) if keep else None
        others = cell.walk(columns, tuple(s[part].T for s in states), resting, factors)
        if factors is not None and resting is not None:
            np.copyto(factors, 0, where=resting[:, None, None])
            if cell.held is not None:
                np.copyto(factors[:, cell.held], 1, where=resting[:, None])
        y[:, part] = _ordered(h[1:], reverse).transpose(0, 2, 1)
        for final, last in zip(finals, (h[-1], *others)):
            final[part] = last.T
        return factors

    parts = _parts(weights[0], weights[1], batch)
    factors = threads.each(walk, parts)
    saved: Arrays = ()
    if keep:
        operands = _operands(x, y, states[0], reverse)
        saved = (_gradients, weights[0], weights[1], type(cell), idle, reverse, operands, list(zip(parts, factors)))
    if idle is not None:
        y[idle] = 0
    return y, finals, saved


def _operands(x: Array, y: Array, h0: Array, reverse: bool) -> Array:
    """(T, N, D + 1 + H): ``[x, 1, old h]`` of all steps, with which the gradients of the gates give those of the weights."""
    (steps, batch, features), width = x.shape, h0.shape[1]
    out = np.empty((steps, batch, features + 1 + width), x.dtype)
    out[:, :, :features] = x
    out[:, :, features] = 1
    h = _ordered(out[:, :, features + 1 :], reverse)
    h[:1] = h0
    h[1:] = _ordered(y, reverse)[: max(0, steps - 1)]
    return out


def _scan_back(saved: Arrays, gy: Array | None, grads: Optionals) -> tuple[Array, Arrays]:
    """Gradients of the gates (rows, T, N) in order of time, and of the initial states (N, H)."""
    _, _, w_hh, cell, idle, reverse, operands, parts = saved
    (steps, batch, _), width = operands.shape, w_hh.shape[1]
    first, last = cell.x_gates.start * width, cell.h_gates.stop * width
    out = np.empty((last - first, steps, batch), operands.dtype)
    initial = tuple(np.empty((batch, width), operands.dtype) for _ in grads)
    w = _last_gate_first(w_hh, width) if cell.h_turned else w_hh
    gy = None if gy is None else _blank(gy, idle)

    def walk(item: tuple[slice, Array]) -> None:
        part, factors = item
        size = factors.shape[3]
        states = [np.zeros((width, size), out.dtype) if g is None else np.array(g[part].T, order="C") for g in grads]
        resting = None if idle is None else _ordered(idle[:, part], reverse)
        gys = None if gy is None else np.array(_ordered(gy[:, part], reverse).transpose(0, 2, 1), order="C")
        to = _ordered(out[:, :, part].swapaxes(0, 1), reverse).swapaxes(0, 1)
        cell.walk_back(w, factors, gys, resting, states, to)
        for start, state in zip(initial, states):
            start[part] = state.T

    threads.each(walk, parts)
    return out, initial


# ---------------------------------------------------------------- gradients over all steps
def _flat(a: Array) -> Array:
    """(R, T, N) to (R, T * N)."""
    return a.reshape(len(a), a.shape[1] * a.shape[2])


def _product(a: Array, b: Array) -> Array:
    """(R, T, N) with (T, N, C) to (R, C), over all steps and sequences."""
    out = np.empty((len(a), b.shape[2]), a.dtype)
    threads.matmul(_flat(a), b.reshape(b.shape[0] * b.shape[1], b.shape[2]), out)
    return out


def _gradient_of_x(g: Array, w: Array) -> Array:
    out = np.empty((*g.shape[1:], w.shape[1]), g.dtype)
    threads.matmul(_flat(g).T, w, out.reshape(g.shape[1] * g.shape[2], w.shape[1]))
    return out


def _gradients(saved: Arrays, gy: Array | None, grads: Optionals, needs: tuple[bool, ...]) -> Optionals:
    """Gradients of x, the initial states, w_ih, w_hh, b_ih, b_hh."""
    _, w_ih, w_hh, cell, _, _, operands, _ = saved
    features, width = w_ih.shape[1], w_hh.shape[1]
    g, initial = _scan_back(saved, gy, grads)
    g_x = g[: (cell.x_gates.stop - cell.x_gates.start) * width]
    g_h = g[(cell.h_gates.start - cell.x_gates.start) * width :]
    need_x, *need_states, need_w_ih, need_w_hh, need_b_ih, need_b_hh = needs
    of_x: Any = None
    of_h: Any = None
    if any(needs[-4:]):
        if cell.x_gates == cell.h_gates:
            of_x = of_h = _product(g, operands)
        else:
            of_x, of_h = _product(g_x, operands[:, :, : features + 1]), _product(g_h, operands[:, :, features:])

    def natural(turned: bool, a: Array) -> Array:
        return _first_gate_last(a, width) if turned else a.copy()

    return (
        _gradient_of_x(g_x, _last_gate_first(w_ih, width) if cell.x_turned else w_ih) if need_x else None,
        *(a if need else None for a, need in zip(initial, need_states)),
        natural(cell.x_turned, of_x[:, :features]) if need_w_ih else None,
        natural(cell.h_turned, of_h[:, -width:]) if need_w_hh else None,
        natural(cell.x_turned, of_x[:, features]) if need_b_ih else None,
        natural(cell.h_turned, of_h[:, -width - 1]) if need_b_hh else None,
    )


# ---------------------------------------------------------------- layers
@cache
def _compiled() -> Any:
    """The loops compiled by numba, where it is installed; otherwise None."""
    return compiled("recurrent")


def _loops(state: Array, *others: Array | None) -> Any:
    """The compiled loops, where all is float32 and there is something to compute; otherwise None."""
    for a in (state, *others):
        if a is not None and a.dtype != _FLOAT32:
            return None
    return _compiled() if state.size else None


def _forward(
    kind: str, x: Array, states: Arrays, weights: Arrays, lengths: Array | None, reverse: bool, keep: bool
) -> tuple[Array, Arrays, Arrays]:
    """Outputs ``(T, N, H)``, final states, and what :func:`_backward` wants to know; nothing unless that is kept."""
    idle, loops = _idle(lengths, len(x)), _loops(*states, x, *weights)
    if loops is not None:
        parts = _parts(weights[0], weights[1], x.shape[1])
        return loops.forward(kind, x, states, weights, idle, reverse, keep, parts)  # type: ignore[no-any-return]
    cells = {"lstm": Lstm, "gru": Gru}
    cell = cells[kind](weights) if kind in cells else Rnn(weights, kind)
    return _scan(cell, x, states, weights, idle, reverse, keep)


def _backward(saved: Arrays, gy: Array | None, grads: Optionals, needs: tuple[bool, ...]) -> Optionals:
    """Gradients of x, the initial states, w_ih, w_hh, b_ih, b_hh, by whoever went forward."""
    return saved[0](saved, gy, grads, needs)  # type: ignore[no-any-return]


# ---------------------------------------------------------------- kernels
@in_float32
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
    """Elman network; ``(y (T, N, H), h_n (N, H), saved)``."""
    weights = (w_ih, w_hh, b_ih, b_hh)
    y, (h_n,), saved = _forward(nonlinearity, x, (h0,), weights, lengths, reverse, keep)
    return y, h_n, saved


@gradients_in_float32
def rnn_backward(
    backend: Any, saved: Arrays, gy: Array | None, gh_n: Array | None, needs: tuple[bool, ...]
) -> Optionals:
    """Gradients ``(gx, gh0, gw_ih, gw_hh, gb_ih, gb_hh)``."""
    return _backward(saved, gy, (gh_n,), needs)


@in_float32
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
    """Long short-term memory; ``(y (T, N, H), h_n (N, H), c_n (N, H), saved)``."""
    weights = (w_ih, w_hh, b_ih, b_hh)
    y, (h_n, c_n), saved = _forward("lstm", x, (h0, c0), weights, lengths, reverse, keep)
    return y, h_n, c_n, saved


@gradients_in_float32
def lstm_backward(
    backend: Any,
    saved: Arrays,
    gy: Array | None,
    gh_n: Array | None,
    gc_n: Array | None,
    needs: tuple[bool, ...],
) -> Optionals:
    """Gradients ``(gx, gh0, gc0, gw_ih, gw_hh, gb_ih, gb_hh)``."""
    return _backward(saved, gy, (gh_n, gc_n), needs)


@in_float32
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
    """Gated recurrent unit; ``(y (T, N, H), h_n (N, H), saved)``."""
    weights = (w_ih, w_hh, b_ih, b_hh)
    y, (h_n,), saved = _forward("gru", x, (h0,), weights, lengths, reverse, keep)
    return y, h_n, saved


@gradients_in_float32
def gru_backward(
    backend: Any, saved: Arrays, gy: Array | None, gh_n: Array | None, needs: tuple[bool, ...]
) -> Optionals:
    """Gradients ``(gx, gh0, gw_ih, gw_hh, gb_ih, gb_hh)``."""
    return _backward(saved, gy, (gh_n,), needs)
