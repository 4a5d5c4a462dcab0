"""Dropout: a product with a mask that is drawn in the same pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework.autograd.graph import Node, edges, make_tensor
from framework.autograd.modes import mode
from framework.autograd.primitive import Op, recorded


class Dropout(Op):
    """``x`` times a random mask, which is all that the graph keeps; see the kernel ``dropout_forward``."""

    def __call__(self, x: Any, *, p: float, key: int, counter: int) -> Any:
        """What the base class says."""
        backend = x.backend
        try:
            y, mask = backend.dropout_forward(x.data, p, key, counter)
        except (ValueError, TypeError) as error:
            raise self.explain(error, (x.data,)) from error
        y = backend.wrap(y)
        if not (x.requires_grad and mode.grad):
            return make_tensor(backend, y)
        return recorded(self, backend, edges((x,), 1), y, args=(mask,))

    def pull(self, node: Node, g: Any, xp: Any, tensors: bool) -> Sequence[Any]:
        """Gradients of the inputs; see :meth:`Op.pull`."""
        mask = node.args[0]
        return (g * (make_tensor(node.backend, mask) if tensors else mask),)


def _dropout() -> None:
    """Zeros at random places, the rest scaled up."""


_dropout.__name__ = "dropout"
dropout: Any = Dropout(_dropout)
