"""The recurrent cells in float32, with each part of a batch walked through all its steps by one compiled call.

Used by ``recurrent.py`` where numba is installed (the extra ``fast``). Sequences stay as they lie, rows of features: a step
is a product of these rows (``products_compiled.py``) with weights that were laid out once, and one pass over the gates,
which leaves the factors directly. The way back gathers the gradients of the gates of a run of steps, and while they are
in cache multiplies them for those of the weights and of x.

Inside, states and gates have rows of P numbers, H and what is missing to whole strips of 16, which the weights' strips
fill with zeros. The gates of a step are blocks ``(n, P)`` one after another (``cells_compiled.py``).

Threads have a part of the batch each, or, as a team (``teams_compiled.py``), a part of the features, with the weights that
lead there. Then a thread needs what the others made of the step before. Sums go over features in the same order whoever
makes them, so the number of members changes no bit.

Importing numba takes about half a second; the first call of a cell compiles it, some seconds for each direction, and
stores the result beside this file or in ``NUMBA_CACHE_DIR``: later processes load it in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from backends._numpy import teams_compiled, threads
from backends._numpy.cells_compiled import GRU, KINDS, LSTM, block_of_h, blocks_of, factors_of, step_back, step_there
from backends._numpy.jit import inlined, jit
from backends._numpy.products_compiled import STRIP, add_rows, copy_rows, in_strips, product, put_in_strips
from backends._numpy.teams_compiled import finish, take

Array = Any
Arrays = tuple[Any, ...]
Optionals = tuple[Any, ...]

_ZERO, _ONE = np.float32(0), np.float32(1)

_TOGETHER = 64
"""Rows that are multiplied together on the way there: of few sequences, as many steps as make up so many."""

_RUN = 240
"""Rows whose gradients are multiplied together on the way back: as many steps as make up so many."""


# ---------------------------------------------------------------- resting sequences
@jit
def _fill(a: Array, resting: Array, value: Any) -> None:
    """Fill ``a (K, n, P)`` where sequences rest."""
    for n in range(resting.shape[0]):
        if resting[n]:
            a[:, n] = value


@jit
def _hold(new: Array, old: Array, resting: Array, wide: int) -> None:
    """Keep the old state, so many numbers, of resting sequences."""
    for n in range(resting.shape[0]):
        if resting[n]:
            new[n * wide : (n + 1) * wide] = old[n * wide : (n + 1) * wide]


# ---------------------------------------------------------------- layout
class _Sequence(NamedTuple):
    """``(T, N, F)`` numbers in a flat array, by the distances between steps and between sequences."""

    values: Array
    step: int
    row: int


class _Part(NamedTuple):
    """What a member of a team has of rows of P numbers: ``wide`` of each from ``first`` on, of which ``used`` hold something.

    Arrays that a team shares lie part by part: of all rows the first part, then of all rows the next.
    """

    first: int
    wide: int
    used: int


@jit
def _part(edges: Array, member: int, width: int) -> Any:
    first, wide = edges[member], edges[member + 1] - edges[member]
    return _Part(first, wide, min(wide, width - first))


@jit
def _place(part: Any, rows: int, row: int) -> int:
    """Where a row of a part lies in an array of so many rows."""
    return rows * part.first + row * part.wide  # type: ignore[no-any-return]


@jit
def _rows(a: Array, part: Any, rows: int, row: int, count: int) -> Array:
    """Some rows of a part, flat."""
    at = _place(part, rows, row)
    return a[at : at + count * part.wide]


@inlined
def _lead(
    a: Array,
    rows: int,
    row: int,
    count: int,
    edges: Array,
    width: int,
    w: Array,
    w_at: int,
    strips: int,
    out: Array,
    out_at: int,
    add: bool,
) -> None:
    """Multiply some of the rows, which hold ``width`` numbers, with weights in strips."""
    for member in range(len(edges) - 1):
        part = _part(edges, member, width)
        at, w_part, more = _place(part, rows, row), w_at + part.first * STRIP, add or member > 0
        product(
            a, at, part.wide, 1, count, part.used, w, w_part, width * STRIP, strips, out, out_at, strips * STRIP, more
        )


@jit
def _turn(w: Array, width: int, part: Any, padded: int, out: Array) -> None:
    """Put a part of ``w.T`` in strips, ``(gates, P / 16, K, 16)``, for products that lead from K features to each gate."""
    k = w.shape[1]
    for g in range(len(w) // width):
        for j in range(part.wide):
            at, row = (g * padded + part.first + j - j % STRIP) * k + j % STRIP, g * width + part.first + j
            for i in range(k):
                out[at + i * STRIP] = w[row, i] if j < part.used else _ZERO


@jit
def _cut(w: Array, width: int, part: Any, padded: int, out: Array) -> None:
    """Put a part of ``w`` in strips, ``(gates, K / 16, H, 16)``, for products that lead from each gate back to K features."""
    flat, k = w.reshape(-1), w.shape[1]
    for g in range(len(w) // width):
        at = (g * padded + part.first) * width
        out[at + part.used // STRIP * STRIP * width : at + part.wide * width] = _ZERO
        put_in_strips(flat, g * width * k + part.first, k, out, at, width * STRIP, width, part.used)


@jit
def _add_biases(kind: int, b_ih: Array, b_hh: Array, width: int, part: Any, padded: int, out: Array) -> None:
    """Put a part of the sums of the biases into ``out (blocks, P)``."""
    for b in range(len(out) // padded):
        out[b * padded + part.first : b * padded + part.first + part.wide] = _ZERO
    for g in range(len(b_ih) // width):
        add_rows(b_ih, g * width + part.first, 0, out, g * padded + part.first, 0, 1, part.used)
    for g in range(len(b_hh) // width):
        add_rows(b_hh, g * width + part.first, 0, out, block_of_h(kind, g) * padded + part.first, 0, 1, part.used)


@jit
def _fill_up(a: Array, start: int, part: Any, out: Array) -> None:
    """Put the part of a state ``(N, H)`` into rows of it; zeros where there is none."""
    out[:] = _ZERO
    if a.shape[0]:
        at, width = start * a.shape[1] + part.first, a.shape[1]
        copy_rows(a.reshape(-1), at, width, out, 0, part.wide, len(out) // part.wide, part.used)


@jit
def _give(a: Array, part: Any, start: int, out: Array) -> None:
    """Put rows of a part into the part of a state ``(N, H)``."""
    width = out.shape[1]
    at = start * width + part.first
    copy_rows(a, 0, part.wide, out.reshape(-1), at, width, len(a) // part.wide, part.used)


# ---------------------------------------------------------------- room
@jit
def _run(steps: int, size: int) -> int:
    """How many steps' shares of x are made together."""
    return max(1, min(steps, _TOGETHER // size))


@jit
def _run_back(steps: int, size: int) -> int:
    """How many steps' gradients are multiplied together."""
    runs = max(1, -(-steps * size // _RUN))
    return max(1, -(-steps // runs))


@jit
def _filled_up(numbers: int) -> int:
    """To whole strips."""
    return (numbers + STRIP - 1) // STRIP * STRIP


@jit
def _sizes_kept(kind: int, steps: int, size: int, width: int, keep: bool) -> tuple[int, int]:
    """Of the states and of the factors."""
    state = size * _filled_up(width)
    return (steps + 1 if keep else 2) * state, (steps if keep else 1) * factors_of(kind) * state


@jit
def _sizes(kind: int, gates: int, steps: int, size: int, features: int, width: int) -> tuple[int, int, int, int, int]:
    """Of w_ih and w_hh in strips, of the biases, of c, and of the gates of a run of steps."""
    padded, blocks = _filled_up(width), blocks_of(kind, gates)
    of_z = _run(steps, size) * blocks * size * padded
    return gates * padded * features, gates * padded * width, blocks * padded, size * padded, of_z


@jit
def _sizes_back(
    kind: int, gates: int, steps: int, size: int, features: int, width: int, x_too: bool
) -> tuple[int, int, int, int, int, int]:
    """Of w_ih and w_hh in strips, and of the gradients of h, of c, of the h that is held, and of the gates of a run."""
    padded, of_w_x = _filled_up(width), gates * _filled_up(features) * width if x_too else 0
    state, of_gz = size * padded, blocks_of(kind, gates) * _run_back(steps, size) * size * padded
    return of_w_x, gates * padded * width, state, state, state, of_gz


@jit
def _sizes_of_sums(
    kind: int, gates: int, steps: int, size: int, features: int, width: int, weights_too: bool
) -> tuple[int, int, int, int, int]:
    """Of the x and the h of a run of steps in strips, and of the gradients of w_ih, w_hh and the biases."""
    if not weights_too:
        return 0, 0, 0, 0, 0
    padded, wide, rows = _filled_up(width), _filled_up(features), _run_back(steps, size) * size
    return rows * wide, rows * padded, gates * padded * wide, gates * padded * padded, blocks_of(kind, gates) * padded


@lru_cache
def _length(sizes: tuple[Any, ...], *given: Any) -> int:
    """How long a flat array is for all pieces of sizes that a function gives."""
    pieces = sizes.py_func(*given)  # type: ignore[attr-defined]
    return sum(pieces) + STRIP * (len(pieces) + 1)  # type: ignore[no-any-return]


@jit
def _piece(room: Array, size: int) -> tuple[Array, Array]:
    """Cut off the next array, which begins where a line of memory does, for else many vectors lie across two; and the rest."""
    at = -(room.ctypes.data // 4) % STRIP
    return room[at : at + size], room[at + size :]


# ---------------------------------------------------------------- walks
@jit
def _shares_of_x(
    x: _Sequence,
    w: Array,
    bias: Array,
    at: int,
    way: int,
    features: int,
    run: int,
    size: int,
    gates: int,
    blocks: int,
    padded: int,
    part: Any,
    rows: int,
    z: Array,
) -> None:
    """Gates of a few steps, as far as biases and x make them: a product a step, or a sequence."""
    strips, block = part.wide // STRIP, size * part.wide
    for s in range(run):
        for b in range(blocks):
            to = _place(part, rows, (s * blocks + b) * size)
            copy_rows(bias, b * padded + part.first, 0, z, to, part.wide, size, part.wide)
    for g in range(gates):
        w_g, to = (g * padded + part.first) * features, _place(part, rows, g * size)
        if size >= run:
            for s in range(run):
                here, there = at + s * way, to + s * blocks * block
                product(
                    x.values,
                    here,
                    x.row,
                    1,
                    size,
                    features,
                    w,
                    w_g,
                    features * STRIP,
                    strips,
                    z,
                    there,
                    part.wide,
                    True,
                )
        else:
            for n in range(size):
                here, there = at + n * x.row, to + n * part.wide
                product(
                    x.values,
                    here,
                    way,
                    1,
                    run,
                    features,
                    w,
                    w_g,
                    features * STRIP,
                    strips,
                    z,
                    there,
                    blocks * block,
                    True,
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
    y_values: Array,
    y_step: int,
    y_row: int,
    h_n: Array,
    c_n: Array,
    start: int,
    stop: int,
    edges: Array,
    progress: Array,
    kept: Array,
    room: Array,
    member: int,
) -> None:
    """Outputs and final states, and the states h of ``(T + 1) n`` rows and the factors, of a step one after another."""
    x, y = _Sequence(x_values, x_step, x_row), _Sequence(y_values, y_step, y_row)
    steps, size, features, width = len(idle), stop - start, w_ih.shape[1], w_hh.shape[1]
    gates, padded = len(w_ih) // width, edges[-1]
    blocks, count, run = blocks_of(kind, gates), factors_of(kind), _run(steps, size)
    of_states, of_factors = _sizes_kept(kind, steps, size, width, keep)
    of_w_x, of_w_h, of_bias, of_c, of_z = _sizes(kind, gates, steps, size, features, width)
    states, rest = _piece(kept, of_states)
    factors, rest = _piece(rest, of_factors)
    w_x, rest = _piece(room, of_w_x)
    w_h, rest = _piece(rest, of_w_h)
    bias, rest = _piece(rest, of_bias)
    c, rest = _piece(rest, of_c)
    z, rest = _piece(rest, of_z)
    of_states, of_factors, of_z = of_states // padded, of_factors // padded, of_z // padded
    for phase in range(steps + 1):
        mine = take(progress, member, phase)
        while mine >= 0:
            part = _part(edges, mine, width)
            if phase == 0:
                _turn(w_ih, width, part, padded, w_x)
                _turn(w_hh, width, part, padded, w_h)
                _add_biases(kind, b_ih, b_hh, width, part, padded, bias)
                _fill_up(h_0, start, part, _rows(states, part, of_states, 0, size))
                if kind == LSTM:
                    _fill_up(c_0, start, part, _rows(c, part, size, 0, size))
            else:
                s, old = phase - 1, phase - 1 if keep else (phase - 1) % 2
                new, step, now = old + 1 if keep else 1 - old, s if keep else 0, s % run
                t = steps - 1 - s if reverse else s
                if now == 0:
                    at, way = t * x.step + start * x.row, -x.step if reverse else x.step
                    some = min(run, steps - s)
                    _shares_of_x(x, w_x, bias, at, way, features, some, size, gates, blocks, padded, part, of_z, z)
                for g in range(gates):
                    w_g, strips = (g * padded + part.first) * width, part.wide // STRIP
                    to = _place(part, of_z, (now * blocks + block_of_h(kind, g)) * size)
                    _lead(states, of_states, old * size, size, edges, width, w_h, w_g, strips, z, to, True)
                h_old, h_new = (
                    _rows(states, part, of_states, old * size, size),
                    _rows(states, part, of_states, new * size, size),
                )
                of_step = _rows(factors, part, of_factors, step * count * size, count * size)
                c_now = _rows(c, part, size, 0, size)
                resting = idle[t, start:stop]
                c_old = c_now.copy() if resting.shape[0] else c_now
                step_there(kind, _rows(z, part, of_z, now * blocks * size, blocks * size), c_now, h_old, h_new, of_step)
                to = t * y.step + start * y.row + part.first
                copy_rows(states, _place(part, of_states, new * size), part.wide, y.values, to, y.row, size, part.used)
                if resting.shape[0]:
                    for n in range(size):
                        if resting[n]:
                            y.values[to + n * y.row : to + n * y.row + part.used] = _ZERO
                    _hold(h_new, h_old, resting, part.wide)
                    if kind == LSTM:
                        _hold(c_now, c_old, resting, part.wide)
                    each = of_step.reshape(count, size, part.wide)
                    _fill(each, resting, _ZERO)
                    if count > 1:
                        _fill(each[count - 1 :], resting, _ONE)  # the old c, or h, is held
            if phase == steps:
                last = steps if keep else steps % 2
                h = _rows(states, part, of_states, last * size, size)
                _give(h, part, start, h_n)
                if kind == LSTM:
                    _give(_rows(c, part, size, 0, size), part, start, c_n)
            mine = finish(progress, member, phase)


@jit
def _back_to_h(
    kind: int,
    gz: Array,
    rows: int,
    place: int,
    edges: Array,
    width: int,
    gates: int,
    w_h: Array,
    part: Any,
    resting: Array,
    held: Array,
    gh: Array,
    size: int,
) -> None:
    """From the gradients of a step's gates to those of the old h."""
    own, padded = _rows(gh, part, size, 0, size), edges[-1]
    before = own.copy() if resting.shape[0] else own
    for g in range(gates):
        row, w_g = block_of_h(kind, g) * rows + place, (g * padded + part.first) * width
        all_rows = len(gz) // padded
        _lead(gz, all_rows, row, size, edges, width, w_h, w_g, part.wide // STRIP, gh, size * part.first, g > 0)
    if kind == GRU:
        own += _rows(held, part, size, 0, size)
    else:
        _hold(own, before, resting, part.wide)


@jit
def _back_to_x(
    gz: Array,
    all_rows: int,
    rows: int,
    used: int,
    edges: Array,
    width: int,
    gates: int,
    w_x: Array,
    wide: int,
    part: Any,
    first: int,
    last: int,
    reverse: bool,
    start: int,
    steps: int,
    gx: _Sequence,
) -> None:
    """From the gradients of the gates of the steps ``[first, last)`` to those of a part of x."""
    out, size = np.empty(used * part.wide, np.float32), used // (last - first)
    for g in range(gates):
        w_g = (g * wide + part.first) * width
        _lead(gz, all_rows, g * rows, used, edges, width, w_x, w_g, part.wide // STRIP, out, 0, g > 0)
    for s in range(first, last):
        to = (steps - 1 - s if reverse else s) * gx.step + start * gx.row + part.first
        copy_rows(out, (s - first) * size * part.wide, part.wide, gx.values, to, gx.row, size, part.used)


class _Sums(NamedTuple):
    """What the gradients of the weights are made from, x and h of a run of rows in strips, and where they are summed."""

    rows: int
    inputs: Array
    old: Array
    of_x: Array
    of_h: Array
    of_bias: Array


@jit
def _begin_sums(part: Any, part_of_x: Any, gates: int, blocks: int, padded: int, wide: int, sums: Any) -> None:
    """Fill a part with zeros."""
    sums.inputs[part_of_x.first * sums.rows : (part_of_x.first + part_of_x.wide) * sums.rows] = _ZERO
    sums.old[part.first * sums.rows : (part.first + part.wide) * sums.rows] = _ZERO
    for b in range(blocks):
        unit, stop = b * padded + part.first, b * padded + part.first + part.wide
        sums.of_bias[unit:stop] = _ZERO
        if b < gates:
            sums.of_x[unit * wide : stop * wide] = _ZERO
            sums.of_h[unit * padded : stop * padded] = _ZERO


@jit
def _add_weights(
    kind: int, gz: Array, part: Any, gates: int, blocks: int, used: int, padded: int, wide: int, sums: Any
) -> None:
    """Add what a run of steps gives to the gradients of a part's weights."""
    rows, strip = sums.rows, sums.rows * STRIP
    for b in range(blocks):
        at = _place(part, blocks * rows, b * rows)
        add_rows(gz, at, part.wide, sums.of_bias, b * padded + part.first, 0, used, part.wide)
        turned = in_strips(_rows(gz, part, blocks * rows, b * rows, used).reshape(used, part.wide)).reshape(-1)
        g = b - 1 if kind == GRU and b == 3 else b
        for j in range(part.wide // STRIP):
            at, unit = j * used * STRIP, part.first + j * STRIP
            if b < gates:
                to, strips = (b * padded + unit) * wide, wide // STRIP
                product(turned, at, 1, STRIP, STRIP, used, sums.inputs, 0, strip, strips, sums.of_x, to, wide, True)
            if b == block_of_h(kind, g):
                to, strips = (g * padded + unit) * padded, padded // STRIP
                product(turned, at, 1, STRIP, STRIP, used, sums.old, 0, strip, strips, sums.of_h, to, padded, True)


@jit
def _give_weights(
    kind: int, sums: Any, part: Any, padded: int, wide: int, gw_ih: Array, gw_hh: Array, gb_ih: Array, gb_hh: Array
) -> None:
    """Put a part of the sums where they are wanted."""
    features, width = gw_ih.shape[1], gw_hh.shape[1]
    to_x, to_h = gw_ih.reshape(-1), gw_hh.reshape(-1)
    for g in range(len(gb_ih) // width):
        at, unit, h = g * width + part.first, g * padded + part.first, block_of_h(kind, g) * padded + part.first
        copy_rows(sums.of_x, unit * wide, wide, to_x, at * features, features, part.used, features)
        copy_rows(sums.of_h, unit * padded, padded, to_h, at * width, width, part.used, width)
        copy_rows(sums.of_bias, unit, 0, gb_ih, at, 0, 1, part.used)
        copy_rows(sums.of_bias, h, 0, gb_hh, at, 0, 1, part.used)


@jit
def walk_back(
    kind: int,
    x_values: Array,
    x_step: int,
    x_row: int,
    gy_values: Array,
    gy_step: int,
    gy_row: int,
    gh_n: Array,
    gc_n: Array,
    w_ih: Array,
    w_hh: Array,
    idle: Array,
    reverse: bool,
    gx_values: Array,
    gx_step: int,
    gx_row: int,
    gh_0: Array,
    gc_0: Array,
    gw_ih: Array,
    gw_hh: Array,
    gb_ih: Array,
    gb_hh: Array,
    start: int,
    stop: int,
    edges: Array,
    edges_of_x: Array,
    progress: Array,
    kept: Array,
    room: Array,
    for_sums: Array,
    member: int,
) -> None:
    """Gradients of x and of the weights, if there is room for them, and of the initial states.

    A phase leads from the gradients of a step's gates back to h, and on to those of the gates of the step before. After a run
    of steps the former goes with what the run gives to x and to the weights.
    """
    x = _Sequence(x_values, x_step, x_row)
    gy, gx = _Sequence(gy_values, gy_step, gy_row), _Sequence(gx_values, gx_step, gx_row)
    steps, size, features, width = len(idle), stop - start, w_ih.shape[1], w_hh.shape[1]
    gates, padded, wide = len(w_ih) // width, edges[-1], edges_of_x[-1]
    blocks, count, run = blocks_of(kind, gates), factors_of(kind), _run_back(steps, size)
    x_too, weights_too, rows = len(gx.values) > 0, len(gb_ih) > 0, run * size
    of_states, of_factors = _sizes_kept(kind, steps, size, width, True)
    of_w_x, of_w_h, of_gh, of_gc, of_held, of_gz = _sizes_back(kind, gates, steps, size, features, width, x_too)
    states, rest = _piece(kept, of_states)
    factors, rest = _piece(rest, of_factors)
    w_x, rest = _piece(room, of_w_x)
    w_h, rest = _piece(rest, of_w_h)
    gh, rest = _piece(rest, of_gh)
    gc, rest = _piece(rest, of_gc)
    held, rest = _piece(rest, of_held)
    gz, rest = _piece(rest, of_gz)
    of_inputs, of_old, of_x, of_h, of_bias = _sizes_of_sums(kind, gates, steps, size, features, width, weights_too)
    inputs, rest = _piece(for_sums, of_inputs)
    old, rest = _piece(rest, of_old)
    to_x, rest = _piece(rest, of_x)
    to_h, rest = _piece(rest, of_h)
    to_bias, rest = _piece(rest, of_bias)
    sums = _Sums(rows, inputs, old, to_x, to_h, to_bias)
    of_states, of_factors, of_gz = of_states // padded, of_factors // padded, of_gz // padded
    phase = 0
    mine = take(progress, member, phase)
    while mine >= 0:
        part, part_of_x = _part(edges, mine, width), _part(edges_of_x, mine, features)
        _cut(w_hh, width, part, padded, w_h)
        _fill_up(gh_n, start, part, _rows(gh, part, size, 0, size))
        if kind == LSTM:
            _fill_up(gc_n, start, part, _rows(gc, part, size, 0, size))
        if x_too:
            _cut(w_ih, width, part_of_x, wide, w_x)
        if weights_too:
            _begin_sums(part, part_of_x, gates, blocks, padded, wide, sums)
        mine = finish(progress, member, phase)
    for last in range(steps, 0, -run):
        first = max(0, last - run)
        used = (last - first) * size
        for s in range(last - 1, first - 2, -1):
            phase += 1
            t = steps - 1 - s if reverse else s
            mine = take(progress, member, phase)
            while mine >= 0:
                part, part_of_x = _part(edges, mine, width), _part(edges_of_x, mine, features)
                if s < last - 1:
                    resting = idle[t - 1 if reverse else t + 1, start:stop]
                    _back_to_h(
                        kind, gz, rows, (s + 1 - first) * size, edges, width, gates, w_h, part, resting, held, gh, size
                    )
                if s >= first:
                    place, resting = (s - first) * size, idle[t, start:stop]
                    if len(gy.values):
                        at, to = t * gy.step + start * gy.row + part.first, size * part.first
                        if resting.shape[0] == 0:
                            add_rows(gy.values, at, gy.row, gh, to, part.wide, size, part.used)
                        for n in range(len(resting)):
                            if not resting[n]:
                                add_rows(gy.values, at + n * gy.row, 0, gh, to + n * part.wide, 0, 1, part.used)
                    own, of_step = (
                        _rows(gh, part, size, 0, size),
                        _rows(factors, part, of_factors, s * count * size, count * size),
                    )
                    at, block = _place(part, of_gz, place), rows * part.wide
                    step_back(kind, own, gc, of_step, gz, at, block, held, size * part.first)
                    if weights_too:
                        at, to = t * x.step + start * x.row + part_of_x.first, part_of_x.first * rows + place * STRIP
                        put_in_strips(x.values, at, x.row, inputs, to, rows * STRIP, size, part_of_x.used)
                    if weights_too and s == first:
                        at, to = _place(part, of_states, s * size), part.first * rows
                        put_in_strips(states, at, part.wide, old, to, rows * STRIP, used, part.wide)
                else:
                    if weights_too:
                        _add_weights(kind, gz, part, gates, blocks, used, padded, wide, sums)
                    if x_too:
                        _back_to_x(
                            gz,
                            of_gz,
                            rows,
                            used,
                            edges,
                            width,
                            gates,
                            w_x,
                            wide,
                            part_of_x,
                            first,
                            last,
                            reverse,
                            start,
                            steps,
                            gx,
                        )
                mine = finish(progress, member, phase)
    phase += 1
    mine = take(progress, member, phase)
    while mine >= 0:
        part = _part(edges, mine, width)
        _give(_rows(gh, part, size, 0, size), part, start, gh_0)
        if kind == LSTM:
            _give(_rows(gc, part, size, 0, size), part, start, gc_0)
        if weights_too:
            _give_weights(kind, sums, part, padded, wide, gw_ih, gw_hh, gb_ih, gb_hh)
        mine = finish(progress, member, phase)


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


_CACHED = 3 << 19
"""Bytes of recurrent weights that stay in a core's second-level cache from step to step, beside what else a step reads."""

_PART_WORK = 1 << 19
"""Multiplications of one step below which a member does not pay."""


@lru_cache
def _edges(numbers: int, members: int) -> Array:
    """Cut rows of so many numbers, filled up to whole strips, into a part for each member."""
    strips = -(-numbers // STRIP)
    return np.asarray([strips * k // members * STRIP for k in range(members + 1)])


def _teams(parts: Sequence[slice], w_ih: Array, w_hh: Array) -> tuple[Sequence[slice], int]:
    """Parts of a batch, and how many members walk each.

    Threads that have a part of the batch each need not wait for each other, but each reads all weights at every step.
    Where these are too large for that, or the batch for parts, the members of a team have a part of the features each.
    """
    batch = parts[-1].stop
    work = batch * (w_ih.size + w_hh.size)
    if work < 2 * _PART_WORK or (len(parts) > 1 and w_hh.nbytes <= _CACHED) or not teams_compiled.CAN_YIELD:
        return parts, 1
    return [slice(0, batch)], max(1, min(threads.cores(), work // _PART_WORK, -(-w_hh.shape[1] // STRIP)))


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
    (steps, batch, features), width, number = x.shape, states[0].shape[1], KINDS.index(kind)
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
    results = (*outputs, *finals) if len(states) == 2 else (*outputs, *finals, _NO_STATE)
    parts, members = _teams(parts, w_ih, w_hh)
    edges, gates = _edges(width, members), len(w_ih) // width
    teams = []
    for some in parts:
        size = some.stop - some.start
        kept = np.empty(_length(_sizes_kept, number, steps, size, width, keep), np.float32)
        room = np.empty(_length(_sizes, number, gates, steps, size, features, width), np.float32)
        teams.append((some.start, some.stop, edges, teams_compiled.progress(members), kept, room))

    def part(item: tuple[Arrays, int]) -> None:
        of_team, member = item
        walk(*given, resting, reverse, keep, *results, *of_team, member)  # type: ignore[call-arg]

    threads.each(part, [(of_team, member) for of_team in teams for member in range(members)])
    if not keep:
        return y, finals, ()
    of_teams = [(start, stop, edges, kept) for start, stop, edges, _, kept, _ in teams]
    return y, finals, (backward, w_ih, w_hh, number, resting, reverse, inputs, turned, of_teams)


def backward(saved: Arrays, gy: Array | None, grads: Optionals, needs: tuple[bool, ...]) -> Optionals:
    """Gradients of x, the initial states, w_ih, w_hh, b_ih, b_hh."""
    _, w_ih, w_hh, kind, idle, reverse, inputs, turned, of_teams = saved
    steps, batch, features, (rows, width) = len(idle), of_teams[-1][1], w_ih.shape[1], w_hh.shape
    gx, of_inputs = _room(steps, batch, features, turned) if needs[0] else (None, _NO_SEQUENCE)
    of_outputs = _NO_SEQUENCE if gy is None else _sequence(gy)[0]
    starts, no_c = [np.empty((batch, width), np.float32) for _ in grads], [_NO_STATE] * (2 - len(grads))
    given = (kind, *inputs, *of_outputs, *map(_own, grads), *no_c, _own(w_ih), _own(w_hh), idle, reverse)
    results = (*of_inputs, *starts, *no_c)
    weights_too = any(needs[-4:])
    shapes: list[Any] = [w_ih.shape, w_hh.shape, rows, rows] if weights_too else [(0, 0), (0, 0), 0, 0]
    gates, members = rows // width, len(of_teams[0][2]) - 1
    edges_of_x = _edges(features, members)
    teams = []
    for start, stop, edges, kept in of_teams:
        sizes = kind, gates, steps, stop - start, features, width
        room = np.empty(_length(_sizes_back, *sizes, needs[0]), np.float32)
        for_sums = np.empty(_length(_sizes_of_sums, *sizes, weights_too), np.float32)
        of_weights = [np.empty(shape, np.float32) for shape in shapes]
        progress = teams_compiled.progress(members)
        teams.append((*of_weights, start, stop, edges, edges_of_x, progress, kept, room, for_sums))

    def part(item: tuple[Arrays, int]) -> None:
        of_team, member = item
        walk_back(*given, *results, *of_team, member)  # type: ignore[call-arg]

    threads.each(part, [(of_team, member) for of_team in teams for member in range(members)])
    of_weights, *others = [list(of_team[:4]) for of_team in teams]
    for more in others:
        for total, g in zip(of_weights, more):
            total += g
    return tuple([g if need else None for g, need in zip((gx, *starts, *of_weights), needs)])
