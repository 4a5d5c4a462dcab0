"""Recurrent layers, one direction over a whole sequence, in the Array API alone.

A cell is a pair of functions around two affine maps, ``a = x @ w_ih.T + b_ih`` and ``b = h @ w_hh.T + b_hh``:

- forward: ``(xp, a, b, state) -> (new state, what the backward needs)``;
- backward: ``(xp, kept, gradient of the new state) -> (ga, gb, what reaches the old state past b)``.

:func:`_scan` and :func:`_scan_backward` walk any such cell through time. Shapes follow ``docs/kernels.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Array = Any
Arrays = tuple[Any, ...]
Optionals = tuple[Array | None, ...]


# ---------------------------------------------------------------- cells
def _sigmoid(xp: Any, z: Array) -> Array:
    return 0.5 * xp.tanh(0.5 * z) + 0.5  # unlike 1 / (1 + exp(-z)), this never overflows


def _split(a: Array, parts: int) -> list[Array]:
    """Cut (N, parts * H) into ``parts`` arrays (N, H)."""
    width = a.shape[1] // parts
    return [a[:, k * width : (k + 1) * width] for k in range(parts)]


_ACTIVATIONS: dict[str, Callable[[Any, Array], Array]] = {
    "tanh": lambda xp, z: xp.tanh(z),
    "relu": lambda xp, z: xp.maximum(z, xp.zeros_like(z)),
    "sigmoid": _sigmoid,
}

_SLOPES: dict[str, Callable[[Any, Array], Array]] = {
    "tanh": lambda xp, y: 1 - y * y,
    "relu": lambda xp, y: xp.astype(y > 0, y.dtype),
    "sigmoid": lambda xp, y: y * (1 - y),
}


def _rnn_cell(nonlinearity: str) -> Callable[..., tuple[Arrays, Arrays]]:
    def cell(xp: Any, a: Array, b: Array, state: Arrays) -> tuple[Arrays, Arrays]:
        h = _ACTIVATIONS[nonlinearity](xp, a + b)
        return (h,), (h,)

    return cell


def _rnn_cell_backward(nonlinearity: str) -> Callable[..., tuple[Array, Array, Arrays]]:
    def cell_backward(xp: Any, kept: Arrays, grads: Arrays) -> tuple[Array, Array, Arrays]:
        (h,), (g,) = kept, grads
        gz = g * _SLOPES[nonlinearity](xp, h)
        return gz, gz, (xp.zeros_like(g),)

    return cell_backward


def _lstm_cell(xp: Any, a: Array, b: Array, state: Arrays) -> tuple[Arrays, Arrays]:
    zi, zf, zg, zo = _split(a + b, 4)
    i, f, g, o = _sigmoid(xp, zi), _sigmoid(xp, zf), xp.tanh(zg), _sigmoid(xp, zo)
    c = f * state[1] + i * g
    s = xp.tanh(c)
    return (o * s, c), (i, f, g, o, s, state[1])


def _lstm_cell_backward(xp: Any, kept: Arrays, grads: Arrays) -> tuple[Array, Array, Arrays]:
    (i, f, g, o, s, c_old), (gh, gc) = kept, grads
    gc = gc + gh * o * (1 - s * s)
    gates = [gc * g * i * (1 - i), gc * c_old * f * (1 - f), gc * i * (1 - g * g), gh * s * o * (1 - o)]
    gz = xp.concat(gates, axis=1)
    return gz, gz, (xp.zeros_like(gh), gc * f)


def _gru_cell(xp: Any, a: Array, b: Array, state: Arrays) -> tuple[Arrays, Arrays]:
    (ar, az, an), (br, bz, bn), (h,) = _split(a, 3), _split(b, 3), state
    r, z = _sigmoid(xp, ar + br), _sigmoid(xp, az + bz)
    n = xp.tanh(an + r * bn)
    return (n + z * (h - n),), (r, z, n, bn, h)


def _gru_cell_backward(xp: Any, kept: Arrays, grads: Arrays) -> tuple[Array, Array, Arrays]:
    (r, z, n, bn, h), (g,) = kept, grads
    gn = g * (1 - z) * (1 - n * n)
    gz = g * (h - n) * z * (1 - z)
    gr = gn * bn * r * (1 - r)
    return xp.concat([gr, gz, gn], axis=1), xp.concat([gr, gz, gn * r], axis=1), (g * z,)


# ---------------------------------------------------------------- time
def _affine(x: Array, w: Array, b: Array | None) -> Array:
    return x @ w.T if b is None else x @ w.T + b


def _times(steps: int, reverse: bool) -> range:
    return range(steps - 1, -1, -1) if reverse else range(steps)


def _choose(xp: Any, valid: Array | None, new: Arrays, old: Arrays) -> Arrays:
    """Take ``new`` where the sequence has a step at this time, else ``old``."""
    return new if valid is None else tuple(xp.where(valid, n, o) for n, o in zip(new, old))


def _valid(lengths: Array | None, t: int) -> Array | None:
    return None if lengths is None else (lengths > t)[:, None]


def _blank(xp: Any, x: Array, lengths: Array | None) -> Array:
    """Zero the padding of ``x (T, N, D)``, which may hold anything."""
    if lengths is None or not x.shape[0]:
        return x
    return xp.where(xp.stack([_valid(lengths, t) for t in range(x.shape[0])]), x, xp.zeros_like(x))


def _without_padding(xp: Any, x: Array, lengths: Array | None) -> Array:
    """Zero what stands past the ends: not even a NaN there may reach the gradients of the weights."""
    if lengths is None or x.shape[0] == 0:
        return x
    return xp.stack([xp.where(lengths[:, None] > t, x[t, ...], xp.zeros_like(x[t, ...])) for t in range(x.shape[0])])


def _stack(xp: Any, steps: Sequence[Array], empty: Array) -> Array:
    """Stack arrays over a new time axis; with no step at all, (0, ...) shaped like ``empty``."""
    return xp.stack(steps) if steps else xp.zeros_like(empty[None, ...][:0, ...])


def _own(xp: Any, arrays: Arrays) -> Arrays:
    return tuple(xp.asarray(a, copy=True) for a in arrays)


def _scan(
    xp: Any, cell: Any, x: Array, state: Arrays, weights: Optionals, lengths: Array | None, reverse: bool, keep: bool
) -> tuple[Array, Arrays, Arrays]:
    """Return outputs (T, N, H), the final state and what :func:`_scan_backward` needs."""
    w_ih, w_hh, b_ih, b_hh = weights
    x = _without_padding(xp, x, lengths)
    outputs, trail = [None] * x.shape[0], []
    x, start = _blank(xp, x, lengths), state
    for t in _times(x.shape[0], reverse):
        valid = _valid(lengths, t)
        h_old = state[0]
        new, kept = cell(xp, _affine(x[t, ...], w_ih, b_ih), _affine(h_old, w_hh, b_hh), state)
        outputs[t] = new[0] if valid is None else xp.where(valid, new[0], xp.zeros_like(new[0]))
        state = _choose(xp, valid, new, state)
        if keep:
            trail.append((t, valid, h_old, kept))
    saved = (xp, x, start, w_ih, w_hh, tuple(trail)) if keep else ()
    return _stack(xp, outputs, start[0]), _own(xp, state), saved


def _scan_backward(
    cell_backward: Any, saved: Arrays, gy: Array | None, grads: Optionals, needs: tuple[bool, ...]
) -> Optionals:
    """Gradients of x, the initial state (one or two arrays), w_ih, w_hh, b_ih, b_hh."""
    xp, x, start, w_ih, w_hh, trail = saved
    state_grads = tuple(xp.zeros_like(s) if g is None else g for s, g in zip(start, grads))
    ga, gb, h_olds = ([None] * x.shape[0] for _ in range(3))
    for t, valid, h_olds[t], kept in reversed(trail):
        total = state_grads if gy is None else (state_grads[0] + gy[t, ...], *state_grads[1:])
        within = _choose(xp, valid, total, tuple(xp.zeros_like(g) for g in total))
        ga[t], gb[t], past = cell_backward(xp, kept, within)
        state_grads = _choose(xp, valid, (gb[t] @ w_hh + past[0], *past[1:]), state_grads)
    one_step = start[0] @ w_hh.T
    ga, gb, h_old = _stack(xp, ga, one_step), _stack(xp, gb, one_step), _stack(xp, h_olds, start[0])
    n = len(start)
    need_x, need_w_ih, need_w_hh, need_b_ih, need_b_hh = needs[0], *needs[1 + n :]
    return (
        ga @ w_ih if need_x else None,
        *(g if need else None for g, need in zip(_own(xp, state_grads), needs[1 : 1 + n])),
        xp.tensordot(ga, x, axes=((0, 1), (0, 1))) if need_w_ih else None,
        xp.tensordot(gb, h_old, axes=((0, 1), (0, 1))) if need_w_hh else None,
        xp.sum(ga, axis=(0, 1)) if need_b_ih else None,
        xp.sum(gb, axis=(0, 1)) if need_b_hh else None,
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
    """Elman network: ``h = nonlinearity(w_ih x + b_ih + w_hh h + b_hh)``; ``(y (T, N, H), h_n (N, H), saved)``."""
    cell, weights = _rnn_cell(nonlinearity), (w_ih, w_hh, b_ih, b_hh)
    y, (h_n,), saved = _scan(backend.xp, cell, x, (h0,), weights, lengths, reverse, keep)
    return y, h_n, (nonlinearity, saved) if keep else ()


def rnn_backward(
    backend: Any, saved: Arrays, gy: Array | None, gh_n: Array | None, needs: tuple[bool, ...]
) -> Optionals:
    """Gradients ``(gx, gh0, gw_ih, gw_hh, gb_ih, gb_hh)``."""
    nonlinearity, scanned = saved
    return _scan_backward(_rnn_cell_backward(nonlinearity), scanned, gy, (gh_n,), needs)


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
    """Long short-term memory with gates i, f, g, o; ``(y (T, N, H), h_n (N, H), c_n (N, H), saved)``."""
    weights = (w_ih, w_hh, b_ih, b_hh)
    y, (h_n, c_n), saved = _scan(backend.xp, _lstm_cell, x, (h0, c0), weights, lengths, reverse, keep)
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
    return _scan_backward(_lstm_cell_backward, saved, gy, (gh_n, gc_n), needs)


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
    """Gated recurrent unit with gates r, z, n; ``(y (T, N, H), h_n (N, H), saved)``.

    The reset gate acts after the product: ``n = tanh(w_in x + b_in + r * (w_hn h + b_hn))``.
    """
    weights = (w_ih, w_hh, b_ih, b_hh)
    y, (h_n,), saved = _scan(backend.xp, _gru_cell, x, (h0,), weights, lengths, reverse, keep)
    return y, h_n, saved


def gru_backward(
    backend: Any, saved: Arrays, gy: Array | None, gh_n: Array | None, needs: tuple[bool, ...]
) -> Optionals:
    """Gradients ``(gx, gh0, gw_ih, gw_hh, gb_ih, gb_hh)``."""
    return _scan_backward(_gru_cell_backward, saved, gy, (gh_n,), needs)
