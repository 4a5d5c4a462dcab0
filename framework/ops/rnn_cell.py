"""One step of an Elman network, as a single node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from framework.autograd.fused import fused
from framework.autograd.precision import precision
from framework.ops.affine import affine
from framework.ops.elementwise import relu, sigmoid, tanh

Array = Any

_ACTIVATIONS: dict[str, Any] = {"tanh": tanh, "relu": relu, "sigmoid": sigmoid}

_SLOPES: dict[str, Callable[[Any, Array], Array]] = {
    "tanh": lambda xp, y: 1 - y * y,
    "relu": lambda xp, y: xp.astype(y > 0, y.dtype),
    "sigmoid": lambda xp, y: y * (1 - y),
}


def _forward(
    backend: Any,
    x: Array,
    h: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array,
    b_hh: Array,
    *,
    keep: bool,
    nonlinearity: str = "tanh",
) -> tuple[Array, Any]:
    xp = backend.xp
    z = xp.matmul(x, w_ih.T)
    z += b_ih
    b = xp.matmul(h, w_hh.T)
    b += b_hh
    z += b
    y = _ACTIVATIONS[nonlinearity].op.fun(xp, z)
    return y, (x, h, w_ih, w_hh, y) if keep else None


def _backward(
    backend: Any, saved: Any, g: Array, needs: tuple[bool, ...], *, nonlinearity: str = "tanh"
) -> Sequence[Array | None]:
    xp = backend.xp
    x, h, w_ih, w_hh, y = saved
    a = g * _SLOPES[nonlinearity](xp, y)
    bias = xp.sum(a, axis=0) if needs[4] or needs[5] else None
    return (
        xp.matmul(a, w_ih) if needs[0] else None,
        xp.matmul(a, w_hh) if needs[1] else None,
        xp.matmul(a.T, x) if needs[2] else None,
        xp.matmul(a.T, h) if needs[3] else None,
        bias,
        # A leaf's gradient must share its memory with no other's.
        xp.asarray(bias, copy=True) if needs[4] and needs[5] else bias,
    )


def rnn_cell(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, /, *, nonlinearity: str = "tanh") -> Any:
    """``nonlinearity(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)``.

    Shapes: input x (N, D); state h (N, H); weights w_ih (H, D) and w_hh (H, H); biases (H,). The non-linearity is
    ``"tanh"``, ``"relu"`` or ``"sigmoid"``.
    """
    return _ACTIVATIONS[nonlinearity](affine(x, w_ih, b_ih) + affine(h, w_hh, b_hh))


rnn_cell = precision("low")(fused(forward=_forward, backward=_backward, composite=rnn_cell))
