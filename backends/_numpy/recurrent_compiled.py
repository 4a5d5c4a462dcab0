"""The recurrent cells in float32, with each part of a batch walked through all its steps by one compiled call.

Used by ``recurrent.py`` where numba is installed (the extra ``fast``). A step is one matrix product
(``products_compiled.py``) and one pass over the gates, which leaves the factors directly. Importing numba takes about
half a second; the first call of a cell compiles it, some seconds for each direction, and stores the result beside this
file or in ``NUMBA_CACHE_DIR``: later processes load it in milliseconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backends._numpy import recurrent
from backends._numpy.jit import jit
from backends._numpy.products_compiled import Matrix, lay_out, product

Array = Any
Arrays = tuple[Any, ...]

_RUN = 16
"""Steps back whose gradients are put into the result together: each of its rows is another page of memory."""

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


@jit
def _hold(new: Array, old: Array, resting: Array) -> None:
    """Keep the old state ``(H, N)`` of resting sequences."""
    for r in range(new.shape[0]):
        for n in range(new.shape[1]):
            if resting[n]:
                new[r, n] = old[r, n]


@jit
def _let_pass(g: Array, before: Array, resting: Array) -> None:
    """Gradients of resting sequences reach the old state as they are."""
    for r in range(g.shape[0]):
        for n in range(g.shape[1]):
            if resting[n]:
                g[r, n] += before[r, n]


@jit
def _put(run: Array, out: Array, t: int) -> None:
    """A run ``(S, rows, N)`` of steps, beginning at ``t``, into ``out (rows, T, N)``, whose rows lie far apart."""
    for r in range(out.shape[0]):
        for s in range(min(run.shape[0], out.shape[1] - t)):
            for n in range(out.shape[2]):
                out[r, t + s, n] = run[s, r, n]


@jit
def _add(total: Array, a: Array) -> None:
    for j in range(total.shape[0]):
        total[j] += a[j]


# ---------------------------------------------------------------- Elman
_NONLINEARITIES = ("relu", "tanh", "sigmoid")


@jit
def _rnn_step(h: Array, slope: Array, keep: bool, nonlinearity: int) -> None:
    for j in range(h.shape[0]):
        if nonlinearity == 0:
            h[j] = _ZERO if h[j] < _ZERO else h[j]
        elif nonlinearity == 1:
            h[j] = _tanh(h[j])
        else:
            h[j] = _sigmoid(h[j])
    if keep:
        for j in range(h.shape[0]):
            if nonlinearity == 0:
                slope[j] = _ONE if h[j] > _ZERO else _ZERO
            elif nonlinearity == 1:
                slope[j] = _ONE - h[j] * h[j]
            else:
                slope[j] = h[j] - h[j] * h[j]


@jit
def _rnn_walk(w: Matrix, columns: Array, idle: Array, factors: Array, width: int, nonlinearity: int) -> None:
    steps, (rows, batch), keep = columns.shape[0] - 1, columns.shape[1:], factors.shape[0] > 0
    slopes = factors.reshape(factors.shape[0], width * batch)
    for t in range(steps):
        h = columns[t + 1, rows - width :]
        product(w, columns[t], h)
        _rnn_step(h.reshape(width * batch), slopes[t if keep else 0 : t + 1].reshape(-1), keep, nonlinearity)
        if idle.shape[0]:
            _hold(h, columns[t, rows - width :], idle[t])


@jit
def _rnn_walk_back(w: Matrix, factors: Array, gys: Array, idle: Array, out: Array, gh: Array) -> None:
    steps, _, width, batch = factors.shape
    size = width * batch
    g, slopes, given = gh.reshape(size), factors.reshape(steps, size), gys.reshape(gys.shape[0], size)
    run, before = np.empty((_RUN, width, batch), gh.dtype), np.empty_like(gh)
    for t in range(steps - 1, -1, -1):
        if gys.shape[0]:
            _add(g, given[t])
        gz, slope = run[t % _RUN], slopes[t]
        z = gz.reshape(size)
        for j in range(size):
            z[j] = g[j] * slope[j]
        if idle.shape[0]:
            before[:] = gh
        product(w, gz, gh)
        if idle.shape[0]:
            _let_pass(gh, before, idle[t])
        if t % _RUN == 0:
            _put(run, out, t)


# ---------------------------------------------------------------- LSTM
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
def _lstm_walk(w: Matrix, columns: Array, c: Array, idle: Array, factors: Array) -> None:
    steps, rows = columns.shape[0] - 1, columns.shape[1]
    width, batch = c.shape
    z, c_old, kept = np.empty((4 * width, batch), c.dtype), np.empty_like(c), factors.reshape(factors.shape[0], -1)
    for t in range(steps):
        h = columns[t + 1, rows - width :]
        product(w, columns[t], z)
        if idle.shape[0]:
            c_old[:] = c
        if kept.shape[0]:
            _lstm_step_with_factors(z.reshape(-1), c.reshape(-1), h.reshape(-1), kept[t])
        else:
            _lstm_step(z.reshape(-1), c.reshape(-1), h.reshape(-1))
        if idle.shape[0]:
            _hold(c, c_old, idle[t])
            _hold(h, columns[t, rows - width :], idle[t])


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
def _lstm_walk_back(w: Matrix, factors: Array, gys: Array, idle: Array, out: Array, gh: Array, gc: Array) -> None:
    steps, _, width, batch = factors.shape
    size = width * batch
    g, kept, given = gh.reshape(size), factors.reshape(steps, 6 * size), gys.reshape(gys.shape[0], size)
    run, before = np.empty((_RUN, 4 * width, batch), gh.dtype), np.empty_like(gh)
    for t in range(steps - 1, -1, -1):
        if gys.shape[0]:
            _add(g, given[t])
        gz = run[t % _RUN]
        _lstm_step_back(g, gc.reshape(size), kept[t], gz.reshape(4 * size))
        if idle.shape[0]:
            before[:] = gh
        product(w, gz, gh)
        if idle.shape[0]:
            _let_pass(gh, before, idle[t])
        if t % _RUN == 0:
            _put(run, out, t)


# ---------------------------------------------------------------- GRU
@jit
def _gru_step(a: Array, b: Array, h_old: Array, h: Array) -> None:
    size = h.shape[0]
    for j in range(size):
        r, z = _sigmoid(a[j] + b[j]), _sigmoid(a[size + j] + b[size + j])
        n = _tanh(a[2 * size + j] + r * b[2 * size + j])
        h[j] = n + z * (h_old[j] - n)


@jit
def _gru_step_with_factors(a: Array, b: Array, h_old: Array, h: Array, factors: Array) -> None:
    size = h.shape[0]
    for j in range(size):
        r, z = _sigmoid(a[j] + b[j]), _sigmoid(a[size + j] + b[size + j])
        n = _tanh(a[2 * size + j] + r * b[2 * size + j])
        d = h_old[j] - n
        h[j] = n + z * d
        of_n = (_ONE - n * n) * (_ONE - z)
        factors[j] = of_n
        factors[size + j] = (r - r * r) * b[2 * size + j] * of_n
        factors[2 * size + j] = (z - z * z) * d
        factors[3 * size + j] = of_n * r
        factors[4 * size + j] = z


@jit
def _gru_walk(w_x: Matrix, w_h: Matrix, columns: Array, idle: Array, factors: Array, width: int) -> None:
    steps, (rows, batch) = columns.shape[0] - 1, columns.shape[1:]
    a, b = np.empty((3 * width, batch), columns.dtype), np.empty((3 * width, batch), columns.dtype)
    kept = factors.reshape(factors.shape[0], 5 * width * batch)
    for t in range(steps):
        h_old, h = columns[t, rows - width :], columns[t + 1, rows - width :]
        product(w_x, columns[t, : rows - width], a)
        product(w_h, columns[t, rows - width - 1 :], b)
        if kept.shape[0]:
            _gru_step_with_factors(a.reshape(-1), b.reshape(-1), h_old.reshape(-1), h.reshape(-1), kept[t])
        else:
            _gru_step(a.reshape(-1), b.reshape(-1), h_old.reshape(-1), h.reshape(-1))
        if idle.shape[0]:
            _hold(h, h_old, idle[t])


@jit
def _gru_step_back(g: Array, factors: Array, z: Array, held: Array) -> None:
    size = g.shape[0]
    for j in range(size):
        for k in range(4):
            z[k * size + j] = g[j] * factors[k * size + j]
        held[j] = g[j] * factors[4 * size + j]


@jit
def _gru_walk_back(w: Matrix, factors: Array, gys: Array, out: Array, gh: Array) -> None:
    steps, _, width, batch = factors.shape
    size = width * batch
    g, kept, given = gh.reshape(size), factors.reshape(steps, 5 * size), gys.reshape(gys.shape[0], size)
    run, held = np.empty((_RUN, 4 * width, batch), gh.dtype), np.empty(size, gh.dtype)
    for t in range(steps - 1, -1, -1):
        if gys.shape[0]:
            _add(g, given[t])
        gz = run[t % _RUN]
        _gru_step_back(g, kept[t], gz.reshape(4 * size), held)
        product(w, gz[width:], gh)
        _add(g, held)
        if t % _RUN == 0:
            _put(run, out, t)


# ---------------------------------------------------------------- cells
def _or_none(a: Array | None, *shape: int, dtype: Any = np.float32) -> Array:
    """Give compiled code, which wants one type, an array without steps for None."""
    return np.empty((0, *shape), dtype) if a is None else np.ascontiguousarray(a)


class Rnn(recurrent.Rnn):
    """``recurrent.Rnn``, compiled."""

    def walk(self, columns: Array, states: Arrays, idle: Array | None, factors: Array | None) -> Arrays:
        """Fill in every ``h`` and the factors; return the other final states."""
        (h,) = states
        width, batch = h.shape
        resting, kept = _or_none(idle, batch, dtype=np.bool_), _or_none(factors, 1, width, batch)
        nonlinearity = _NONLINEARITIES.index(self.nonlinearity)
        _rnn_walk(lay_out(self.w, batch, len(columns)), columns, resting, kept, width, nonlinearity)
        return ()

    @classmethod
    def walk_back(
        cls, w: Array, factors: Array, gys: Array | None, idle: Array | None, states: Arrays, out: Array
    ) -> None:
        """Gradients of the gates into ``out (rows, T, n)``, of the states in place."""
        width, batch = states[0].shape
        resting = _or_none(idle, batch, dtype=np.bool_)
        _rnn_walk_back(lay_out(w.T, batch, len(factors)), factors, _or_none(gys, width, batch), resting, out, *states)


class Lstm(recurrent.Lstm):
    """``recurrent.Lstm``, compiled."""

    def walk(self, columns: Array, states: Arrays, idle: Array | None, factors: Array | None) -> Arrays:
        """Fill in every ``h`` and the factors; return the other final states."""
        c = np.array(states[1], order="C")
        batch = c.shape[1]
        resting, kept = _or_none(idle, batch, dtype=np.bool_), _or_none(factors, 6, *c.shape)
        _lstm_walk(lay_out(self.w, batch, len(columns)), columns, c, resting, kept)
        return (c,)

    @classmethod
    def walk_back(
        cls, w: Array, factors: Array, gys: Array | None, idle: Array | None, states: Arrays, out: Array
    ) -> None:
        """Gradients of the gates into ``out (rows, T, n)``, of the states in place."""
        width, batch = states[0].shape
        resting = _or_none(idle, batch, dtype=np.bool_)
        _lstm_walk_back(lay_out(w.T, batch, len(factors)), factors, _or_none(gys, width, batch), resting, out, *states)


class Gru(recurrent.Gru):
    """``recurrent.Gru``, compiled."""

    def walk(self, columns: Array, states: Arrays, idle: Array | None, factors: Array | None) -> Arrays:
        """Fill in every ``h`` and the factors; return the other final states."""
        (h,) = states
        width, batch = h.shape
        resting, kept = _or_none(idle, batch, dtype=np.bool_), _or_none(factors, 5, width, batch)
        _gru_walk(
            lay_out(self.w_x, batch, len(columns)),
            lay_out(self.w_h, batch, len(columns)),
            columns,
            resting,
            kept,
            width,
        )
        return ()

    @classmethod
    def walk_back(
        cls, w: Array, factors: Array, gys: Array | None, idle: Array | None, states: Arrays, out: Array
    ) -> None:
        """Gradients of the gates into ``out (rows, T, n)``, of the states in place."""
        width, batch = states[0].shape
        _gru_walk_back(lay_out(w.T, batch, len(factors)), factors, _or_none(gys, width, batch), out, *states)


CELLS = {recurrent.Rnn: Rnn, recurrent.Lstm: Lstm, recurrent.Gru: Gru}
