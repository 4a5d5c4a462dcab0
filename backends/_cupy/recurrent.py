"""Recurrent layers: the whole sequence in one launch where the hidden weights fit on the chip, else step by step.

Products over all steps at once, those with the inputs and those for the weights' gradients, are left to cuBLAS; so is,
step by step, the product with the hidden weights. ``kernels/recurrent.cu`` describes the arrays.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from backends._cupy.compiler import Grid
from backends._cupy.launching import blocks, dense, dense_or_none, supported, wide
from backends.reference import recurrent as reference

Array = Any
Arrays = tuple[Any, ...]
Optionals = tuple[Array | None, ...]

_NONLINEARITIES = {"tanh": 0, "relu": 1, "sigmoid": 2}
_ROWS = 4
_CHUNK = 128
_MOST_THREADS = 512
_LANES = 128
_WAIT = 1500


class _Cell(NamedTuple):
    """Name, number of gates, what is kept of each unit and step, whether the input's gate gradients are their own."""

    name: str
    gates: int
    kept: int
    two_gradients: bool


_RNN, _LSTM, _GRU = _Cell("rnn", 1, 0, False), _Cell("lstm", 4, 4, False), _Cell("gru", 3, 4, True)


# ---------------------------------------------------------------- how a sequence is spread over the chip
class Plan(NamedTuple):
    """A launch of a whole-sequence kernel."""

    grid: Grid
    block: Grid
    shared: int


def plan(chip: Any, columns: int, terms: int, batch: int, hidden: int, itemsize: int) -> Plan | None:
    """Return how to spread products of ``columns`` numbers a unit, each of ``terms`` terms; None if they do not fit.

    `chip` has so many ``multiprocessors``, with ``shared_per_block`` bytes for a block. All blocks must be resident at
    once, one a multiprocessor, with their units' weights in shared memory. Of the ways to do that the one with the
    shortest step is taken, by an estimate in cycles: terms to multiply, terms to load, waiting for other blocks.
    """
    found: list[tuple[float, int, Plan]] = []
    for units, groups in product((1, 2, 4, 8, 16, 32), repeat=2):
        sequences = groups * _ROWS
        shares = max(1, min(8, _MOST_THREADS // (units * groups)))
        threads = units * groups * shares
        weights = columns * units * (blocks(terms, 4) * 4 + 4)
        room = max(sequences * (_CHUNK + 4), shares * sequences * columns * units)
        grid = (blocks(hidden, units), blocks(batch, sequences), 1)
        chosen = Plan(grid, (units, groups, shares), itemsize * (weights + room))
        fits = grid[0] * grid[1] <= chip.multiprocessors and chosen.shared <= chip.shared_per_block
        if fits and threads <= _MOST_THREADS:
            work = units * sequences * columns * terms / min(threads, _LANES) + 4 * sequences * terms / threads
            found.append((work + (_WAIT if grid[0] > 1 else 0), grid[0] * grid[1], chosen))
    return min(found)[2] if found else None


def _run(
    backend: Any, cell: _Cell, way: str, arguments: Arrays, w_hh: Array, lead: Any, shape: tuple[int, int, int]
) -> Array | None:
    """Walk through time, ``way`` "forward" or "backward"; the products of the last step, if they are not yet added.

    ``lead(step)`` gives the left factor of the product with the hidden weights before that step, or None.
    """
    steps, batch, hidden = shape
    dtype = w_hh.dtype.name
    forward = way == "forward"
    columns, terms = (cell.gates, hidden) if forward else (1, cell.gates * hidden)
    if not steps or not batch or not hidden:
        return None
    chosen = plan(backend, columns, terms, batch, hidden, wide(w_hh).itemsize)
    if chosen is not None:
        arrivals = backend.xp.zeros((chosen.grid[1],), dtype=backend.xp.uint32)
        name = f"recurrent.{cell.name}_{way}_sequence"
        backend.launch(
            name,
            dtype,
            chosen.grid,
            chosen.block,
            (*arguments, w_hh, arrivals),
            shared=chosen.shared,
            cooperative=True,
        )
        return None
    factor = w_hh.T if forward else w_hh
    name, products = f"recurrent.{cell.name}_{way}_step", None
    grid, block = (blocks(hidden, 128), batch, 1), (128, 1, 1)
    for step in range(steps) if forward else reversed(range(steps)):
        left = lead(step)
        products = None if left is None else dense(backend.xp.matmul(left, factor))
        backend.launch(name, dtype, grid, block, (*arguments, step, products))
    return None if forward else backend.xp.matmul(lead(-1), factor)


# ---------------------------------------------------------------- forward
def _blank(xp: Any, x: Array, lengths: Array | None) -> Array:
    """Zero the padding of ``x (T, N, D)``, which may hold anything."""
    if lengths is None:
        return x
    valid = xp.arange(x.shape[0], dtype=xp.int64)[:, None] < lengths[None, :]
    return xp.where(valid[:, :, None], x, xp.zeros((), dtype=x.dtype))


def _forward(
    backend: Any,
    cell: _Cell,
    x: Array,
    states: Arrays,
    weights: Arrays,
    lengths: Array | None,
    nonlinearity: int,
    reverse: bool,
    keep: bool,
) -> tuple[Array, Arrays, Arrays]:
    """Outputs, final states and what :func:`_backward` needs."""
    xp, (steps, batch, inputs), hidden = backend.xp, x.shape, states[0].shape[1]
    w_ih, w_hh = weights[0], dense(weights[1])
    b_ih, b_hh = (dense_or_none(b) for b in weights[2:])
    lengths = None if lengths is None else dense(xp.astype(lengths, xp.int64, copy=False))
    x = dense(_blank(xp, x, lengths))
    x_part = dense(xp.matmul(xp.reshape(x, (steps * batch, inputs)), w_ih.T))
    room = steps + 1 if keep else 2
    walls = [xp.empty((room, batch, hidden), dtype=x.dtype) for _ in states]
    for wall, state in zip(walls, states):
        wall[(steps if reverse else 0) % room] = state
    h, c = (*walls, None)[:2]
    kept = xp.empty((steps, batch, cell.kept * hidden), dtype=x.dtype) if keep and cell.kept else None
    y = xp.empty((steps, batch, hidden), dtype=x.dtype)
    sizes = (steps, batch, hidden, room, int(reverse), nonlinearity)
    arguments = (x_part, b_ih, b_hh, h, c, kept, y, lengths, *sizes)

    def lead(step: int) -> Array:
        return h[(steps - step if reverse else step) % room]

    _run(backend, cell, "forward", arguments, w_hh, lead, (steps, batch, hidden))
    finals = tuple(wall[(0 if reverse else steps) % room].copy() for wall in walls)
    saved = (x, w_ih, w_hh, h, c, kept, lengths, *sizes[3:]) if keep else ()
    return y, finals, saved


# ---------------------------------------------------------------- backward
def _backward(
    backend: Any, cell: _Cell, saved: Arrays, gy: Array | None, grads: Optionals, needs: tuple[bool, ...]
) -> Optionals:
    """Gradients of x, the initial states, w_ih, w_hh, b_ih, b_hh."""
    xp, (x, w_ih, w_hh, h, c, kept, lengths, room, reverse, nonlinearity) = backend.xp, saved
    steps, (_, batch, hidden) = x.shape[0], h.shape
    carried = [_carried(xp, g, (batch, hidden), wide(x)) for g in grads]
    gh, gc = (*carried, None)[:2]
    gb = xp.empty((steps, batch, cell.gates * hidden), dtype=x.dtype)
    ga = xp.empty_like(gb) if cell.two_gradients else None
    gy = None if gy is None else dense(xp.astype(gy, x.dtype, copy=False))
    sizes = (steps, batch, hidden, room, reverse, nonlinearity)
    arguments = (h, c, kept, gy, gh, gc, ga, gb, lengths, *sizes)

    def lead(step: int) -> Array | None:
        after = step + 1
        return None if after == steps else gb[steps - 1 - after if reverse else after]

    rest = _run(backend, cell, "backward", arguments, w_hh, lead, (steps, batch, hidden))
    if rest is not None:
        carried[0] += rest
    initial = tuple(xp.astype(g, x.dtype, copy=False) for g in carried)
    h_old = h[1:] if reverse else h[:steps]
    return _of_weights(xp, needs, initial, gb if ga is None else ga, gb, x, h_old, w_ih)


def _carried(xp: Any, g: Array | None, shape: tuple[int, int], dtype: Any) -> Array:
    """An array of our own, to be changed step by step."""
    return xp.zeros(shape, dtype=dtype) if g is None else dense(xp.astype(g, dtype, copy=True))


def _of_weights(
    xp: Any, needs: tuple[bool, ...], initial: Arrays, ga: Array, gb: Array, x: Array, h_old: Array, w_ih: Array
) -> Optionals:
    """Products over all steps and sequences at once."""
    need_x, *need_states, need_w_ih, need_w_hh, need_b_ih, need_b_hh = needs
    ga, gb, inputs, h_old = (xp.reshape(a, (a.shape[0] * a.shape[1], a.shape[2])) for a in (ga, gb, x, h_old))
    return (
        xp.reshape(xp.matmul(ga, w_ih), x.shape) if need_x else None,
        *(g if need else None for g, need in zip(initial, need_states)),
        xp.matmul(ga.T, inputs) if need_w_ih else None,
        xp.matmul(gb.T, h_old) if need_w_hh else None,
        xp.sum(ga, axis=0) if need_b_ih else None,
        xp.sum(gb, axis=0) if need_b_hh else None,
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
    """Elman network; ``(y (T, N, H), h_n (N, H), saved)``."""
    weights = (w_ih, w_hh, b_ih, b_hh)
    if not supported(x, h0, *weights):
        y, h_n, saved = reference.rnn_forward(
            backend, x, h0, *weights, lengths, nonlinearity=nonlinearity, reverse=reverse, keep=keep
        )
        return y, h_n, (None, saved)
    kind = _NONLINEARITIES[nonlinearity]
    y, (h_n,), saved = _forward(backend, _RNN, x, (h0,), weights, lengths, kind, reverse, keep)
    return y, h_n, saved


def rnn_backward(
    backend: Any, saved: Arrays, gy: Array | None, gh_n: Array | None, needs: tuple[bool, ...]
) -> Optionals:
    """Gradients ``(gx, gh0, gw_ih, gw_hh, gb_ih, gb_hh)``."""
    if saved[0] is None:
        return reference.rnn_backward(backend, saved[1], gy, gh_n, needs)
    return _backward(backend, _RNN, saved, gy, (gh_n,), needs)


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
    if not supported(x, h0, c0, *weights):
        y, h_n, c_n, saved = reference.lstm_forward(backend, x, h0, c0, *weights, lengths, reverse=reverse, keep=keep)
        return y, h_n, c_n, (None, saved)
    y, (h_n, c_n), saved = _forward(backend, _LSTM, x, (h0, c0), weights, lengths, 0, reverse, keep)
    return y, h_n, c_n, saved


def lstm_backward(
    backend: Any,
    saved: Arrays,
    gy: Array | None,
    gh_n: Array | None,
    gc_n: Array | None,
    needs: tuple[bool, ...],
) -> Optionals:
    """Gradients ``(gx, gh0, gc0, gw_ih, gw_hh, gb_ih, gb_hh)``."""
    if saved[0] is None:
        return reference.lstm_backward(backend, saved[1], gy, gh_n, gc_n, needs)
    return _backward(backend, _LSTM, saved, gy, (gh_n, gc_n), needs)


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
    if not supported(x, h0, *weights):
        y, h_n, saved = reference.gru_forward(backend, x, h0, *weights, lengths, reverse=reverse, keep=keep)
        return y, h_n, (None, saved)
    y, (h_n,), saved = _forward(backend, _GRU, x, (h0,), weights, lengths, 0, reverse, keep)
    return y, h_n, saved


def gru_backward(
    backend: Any, saved: Arrays, gy: Array | None, gh_n: Array | None, needs: tuple[bool, ...]
) -> Optionals:
    """Gradients ``(gx, gh0, gw_ih, gw_hh, gb_ih, gb_hh)``."""
    if saved[0] is None:
        return reference.gru_backward(backend, saved[1], gy, gh_n, needs)
    return _backward(backend, _GRU, saved, gy, (gh_n,), needs)
