"""Optimizer updates, in place: the one family of kernels that writes into what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backends._library import Library

Array = Any


def sgd_step(
    backend: Library,
    params: Sequence[Array],
    grads: Sequence[Array],
    buffers: Sequence[Array | None],
    *,
    lr: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
    weight_decay: float,
    maximize: bool,
) -> list[Array | None]:
    """One step of stochastic gradient descent on each array of ``params``, which are changed in place.

    Parameters
    ----------
    params, grads : sequence of Array
        Values and their gradients, in pairs of equal shape.
    buffers : sequence of Array or None
        Momentum buffers, changed in place; None before the first step.

    Returns
    -------
    list of Array or None
        The buffers, made where there were none.
    """
    after: list[Array | None] = []
    for param, grad, buffer in zip(params, grads, buffers):
        if maximize:
            grad = -grad
        if weight_decay:
            grad = grad + weight_decay * param
        if momentum:
            if buffer is None:
                buffer = backend.xp.asarray(grad, copy=True)
            else:
                buffer *= momentum
                buffer += grad if dampening == 0 else (1 - dampening) * grad
            grad = grad + momentum * buffer if nesterov else buffer
        param -= lr * grad
        after.append(buffer)
    return after
