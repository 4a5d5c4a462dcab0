"""Fused operations: a kernel for speed, a composite for truth.

::

    cross_entropy = fused(forward=..., backward=..., composite=...)

``forward(backend, *arrays, keep, **keywords) -> (outputs, saved)`` and ``backward(backend, saved, grads,
needs, **keywords) -> gradients`` call kernels on raw arrays; of several outputs, those that got no gradient
have None among ``grads``. ``composite(*tensors, **keywords)`` is the same function in ordinary operations: the
specification, the oracle of the tests, and what ``create_graph=True`` differentiates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from framework.autograd.engine import propagate
from framework.autograd.graph import Node, edges, make_tensor
from framework.autograd.modes import enable_grad, mode
from framework.autograd.primitive import Op, OutputGrads, primitive, recorded, revive


@primitive(view=True)
def identity(xp: Any, x: Any, /) -> Any:
    """The same values, as a new place in the graph."""
    return x


identity.defvjp(lambda xp, g: g)


class Fused(Op):
    """One node for a whole computation; see the module's docstring."""

    wants_zeros = False

    def __init__(
        self,
        forward: Callable[..., tuple[Any, Any]],
        backward: Callable[..., Sequence[Any]],
        composite: Callable[..., Any],
    ) -> None:
        super().__init__(composite)
        self.forward = forward
        self.backward = backward
        self.composite = composite
        self.differentiable = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the base class says."""
        if self.precision is not None and mode.casts is not None:
            args = tuple(mode.casts(self.precision, args))
        backend, raw, needs = self.unwrap(args)
        keep = bool(needs) and mode.grad
        y, saved = self.forward(backend, *raw, keep=keep, **kwargs)
        if type(y) is not tuple:
            y = backend.wrap(y)
        if not keep:
            if type(y) is tuple:
                return self.tensors(backend, y)
            return make_tensor(backend, y)
        return recorded(self, backend, edges(args, needs), y, args=raw, kwargs=kwargs, saved=saved)

    def pull(self, node: Node, g: Any, xp: Any, tensors: bool) -> Sequence[Any]:
        """Gradients of the inputs; see :meth:`Op.pull`."""
        if tensors:
            return self._pull_tensors(node, g)
        needs = tuple([edge is not None for edge in node.inputs])
        return self.backward(node.backend, node.y, g, needs, **node.kwargs)

    def _pull_tensors(self, node: Node, g: Any) -> Sequence[Any]:
        """Differentiate the composite, recorded, from fresh places in the graph just above each input."""
        with enable_grad():
            inputs = [revive(node, raw, edge) for raw, edge in zip(node.args, node.inputs)]
            cut = [identity(x) if edge is not None else x for x, edge in zip(inputs, node.inputs)]
            result = self.composite(*cut, **node.kwargs)
        results, grads = (result, g) if isinstance(result, tuple) else ((result,), (g,))
        targets = [x.node for x, edge in zip(cut, node.inputs) if edge is not None]
        roots = [(out.node, seed) for out, seed in zip(results, grads) if out.requires_grad and seed is not None]
        found = propagate(roots, targets=targets, create_graph=True)
        return [found.get(x.node) if edge is not None else None for x, edge in zip(cut, node.inputs)]


def fused(
    *,
    forward: Callable[..., tuple[Any, Any]],
    backward: Callable[..., Sequence[Any]],
    composite: Callable[..., Any],
) -> Fused:
    """Make a fused operation, named and documented by its composite."""
    return Fused(forward, backward, composite)


__all__ = ["Fused", "OutputGrads", "fused", "identity"]
