"""Moving a tensor to another device, with the gradient moving back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backends import Backend
from framework.autograd.graph import Node, make_tensor
from framework.autograd.modes import mode
from framework.autograd.primitive import Op, recorded

Array = Any


def move(data: Array, source: Backend, target: Backend) -> Array:
    """A raw array's values as an array of another backend, in memory of its own."""
    host = source.to_numpy(data)
    return target.asarray(host, dtype=source.dtype_of(data), copy=None if host.flags.owndata else True)


class Transfer(Op):
    """The one operation whose input and output live on different backends."""

    def __call__(self, x: Any, target: Backend) -> Any:
        """What the base class says."""
        y = move(x.data, x.backend, target)
        if not (x.requires_grad and mode.grad):
            return make_tensor(target, y)
        return recorded(self, target, (x.node or x,), y, kwargs={"source": x.backend})

    def pull(self, node: Node, g: Any, xp: Any, tensors: bool) -> Sequence[Any]:
        """Gradients of the inputs; see :meth:`Op.pull`."""
        source = node.kwargs["source"]
        return (self(g, source) if tensors else move(g, node.backend, source),)


def to_device() -> None:
    """Move a tensor to another device."""


transfer = Transfer(to_device)
