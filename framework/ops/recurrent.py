"""Recurrent layers: one direction of one layer over a whole sequence, as a single node.

Each of ``rnn``, ``lstm`` and ``gru`` is a kernel of the backend with, beside it, the same function in ordinary
operations: a *step*, which a cell is too, walked through time by :func:`_scan`. A step gets the affine maps
``a = x @ w_ih.T + b_ih`` and ``b = h @ w_hh.T + b_hh`` and the old state, and gives the new state, whose first part is
the output.

Shapes: input x (T, N, D), or (N, T, D) if ``batch_first``, and outputs likewise; states (N, H); weights w_ih (G * H, D) and
w_hh (G * H, H); biases (G * H,) or None, with G the number of gates; lengths (N,) integers or None, the number of valid steps
of each sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from framework.autograd.fused import Fused, fused
from framework.autograd.precision import precision
from framework.ops import manipulation
from framework.ops.affine import affine
from framework.ops.elementwise import relu, sigmoid, tanh, where
from framework.ops.manipulation import expand_dims, stack

Array = Any
Arrays = tuple[Any, ...]
Step = Callable[[Any, Any, Arrays], Arrays]

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"tanh": tanh, "relu": relu, "sigmoid": sigmoid}
"""The non-linearities of :func:`rnn`, by name."""

# ------------------------------------------------------------------------------------------------- time


def _scan(step: Step, x: Any, state: Arrays, weights: Arrays, lengths: Any, reverse: bool) -> Arrays:
    """Outputs (T, N, H) and the final state; a sequence holds its state, and gives zeros, where it has no step."""
    w_ih, w_hh, b_ih, b_hh = weights
    outputs: list[Any] = [None] * x.shape[0]
    start = state[0]
    for t in reversed(range(len(outputs))) if reverse else range(len(outputs)):
        valid = None if lengths is None else (lengths > t)[:, None]
        new = step(affine(_choose(valid, x[t, ...], 0), w_ih, b_ih), affine(state[0], w_hh, b_hh), state)
        outputs[t] = _choose(valid, new[0], 0)
        state = tuple(_choose(valid, n, old) for n, old in zip(new, state))
    return (stack(outputs) if outputs else expand_dims(start, axis=0)[:0, ...]), *state


def _choose(valid: Any, new: Any, old: Any) -> Any:
    return new if valid is None else where(valid, new, old)


def _layer(name: str, composite: Callable[..., Arrays]) -> Fused:
    """The backend's kernels of that name with their composite; the last array, ``lengths``, has no gradient."""
    there, back = f"{name}_forward", f"{name}_backward"

    def forward(
        backend: Any, x: Array, *others: Array, keep: bool, batch_first: bool = False, **options: Any
    ) -> tuple[Arrays, Arrays]:
        x = _exchanged(backend.xp, x, batch_first)
        y, *states, saved = getattr(backend, there)(x, *others, keep=keep, **options)
        return (_exchanged(backend.xp, y, batch_first), *states), saved

    def backward(
        backend: Any, saved: Arrays, grads: Arrays, needs: tuple[bool, ...], batch_first: bool = False, **options: Any
    ) -> Arrays:
        gy, *g_states = grads
        gx, *others = getattr(backend, back)(saved, _exchanged(backend.xp, gy, batch_first), *g_states, needs[:-1])
        return (_exchanged(backend.xp, gx, batch_first), *others, None)

    @wraps(composite)
    def whole(x: Any, *others: Any, batch_first: bool = False, **options: Any) -> Arrays:
        y, *states = composite(_exchanged(manipulation, x, batch_first), *others, **options)
        return _exchanged(manipulation, y, batch_first), *states

    return precision("low")(fused(forward=forward, backward=backward, composite=whole))


def _exchanged(xp: Any, x: Any, batch_first: bool) -> Any:
    """``x`` with its first two axes exchanged if the batch is first: time first from the caller's order, or back."""
    return xp.permute_dims(x, (1, 0, 2)) if batch_first and x is not None else x


# -------------------------------------------------------------------------------------------------- rnn


def rnn_step(a: Any, b: Any, state: Arrays, *, nonlinearity: str) -> Arrays:
    """Elman network: ``h = nonlinearity(w_ih x + b_ih + w_hh h + b_hh)``."""
    return (ACTIVATIONS[nonlinearity](a + b),)


def _rnn(
    x: Any,
    h0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    lengths: Any,
    /,
    *,
    nonlinearity: str,
    reverse: bool,
) -> Arrays:
    """Elman network over a sequence: outputs (T, N, H) and the final h (N, H)."""
    step = partial(rnn_step, nonlinearity=nonlinearity)
    return _scan(step, x, (h0,), (w_ih, w_hh, b_ih, b_hh), lengths, reverse)


rnn = _layer("rnn", _rnn)

# ------------------------------------------------------------------------------------------------- lstm


def lstm_step(a: Any, b: Any, state: Arrays) -> Arrays:
    """Long short-term memory [1]_: ``c = f c + i g`` and ``h = o tanh(c)``, with the gates in the order i, f, g, o.

    References
    ----------
    .. [1] Gers, Schmidhuber, Cummins, "Learning to forget: continual prediction with LSTM", 2000.
    """
    i, f, g, o = _gates(a + b, 4)
    c = sigmoid(f) * state[1] + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def _gates(z: Any, count: int) -> list[Any]:
    """Cut (..., count * H) into ``count`` parts (..., H)."""
    width = z.shape[-1] // count
    return [z[..., k * width : (k + 1) * width] for k in range(count)]


def _lstm(
    x: Any,
    h0: Any,
    c0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    lengths: Any,
    /,
    *,
    reverse: bool,
) -> Arrays:
    """Long short-term memory over a sequence: outputs (T, N, H), the final h (N, H) and the final c (N, H)."""
    return _scan(lstm_step, x, (h0, c0), (w_ih, w_hh, b_ih, b_hh), lengths, reverse)


lstm = _layer("lstm", _lstm)

# -------------------------------------------------------------------------------------------------- gru


def gru_step(a: Any, b: Any, state: Arrays) -> Arrays:
    """Gated recurrent unit [1]_: ``h = (1 - z) n + z h``, with the gates in the order r, z, n.

    The reset gate acts after the product, as in PyTorch: ``n = tanh(w_in x + b_in + r * (w_hn h + b_hn))``.

    References
    ----------
    .. [1] Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, version 3.
    """
    (ar, az, an), (br, bz, bn) = _gates(a, 3), _gates(b, 3)
    z = sigmoid(az + bz)
    n = tanh(an + sigmoid(ar + br) * bn)
    return (n + z * (state[0] - n),)


def _gru(
    x: Any,
    h0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    lengths: Any,
    /,
    *,
    reverse: bool,
) -> Arrays:
    """Gated recurrent unit over a sequence: outputs (T, N, H) and the final h (N, H)."""
    return _scan(gru_step, x, (h0,), (w_ih, w_hh, b_ih, b_hh), lengths, reverse)


gru = _layer("gru", _gru)
