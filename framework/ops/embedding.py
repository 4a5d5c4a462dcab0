"""Lookup of rows in a table, whose gradient is row-sparse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework.autograd.graph import Node, Variable, make_tensor, next_seq
from framework.autograd.modes import mode
from framework.autograd.primitive import Op, edges
from framework.autograd.rows import RowSparse

Array = Any


class Lookup(Op):
    """``weight[ids]``; only the ids are kept, and only the rows read are paid for where an optimizer owes updates."""

    def __call__(self, weight: Any, ids: Any, *, padding_idx: int | None = None, by_frequency: bool = False) -> Any:
        table = rows_of(weight, ids)
        backend = weight.backend
        y = backend.take_rows(table, ids.data)
        if not (weight.requires_grad and mode.grad):
            return make_tensor(backend, y)
        node = Node()
        node.op = self
        node.backend = backend
        node.inputs = edges((weight, ids), 1)
        node.args = (None, ids.data)
        node.kwargs = {"padding_idx": padding_idx, "by_frequency": by_frequency, "table": tuple(table.shape)}
        node.y = None
        node.hooks = None
        node.seq = next_seq()
        node.shape = y.shape
        node.dtype = y.dtype
        return make_tensor(backend, y, node)

    def pull(self, node: Node, g: Any, xp: Any, tensors: bool) -> Sequence[Any]:
        ids, shape = node.args[1], node.kwargs["table"]
        weights = _row_weights(node, ids)
        if tensors:
            ids = make_tensor(node.backend, ids)
            weights = None if weights is None else make_tensor(node.backend, weights)
        if weights is not None:
            g = g * xp.astype(xp.reshape(weights, (*weights.shape, *(1,) * (len(shape) - 1))), g.dtype)
        if tensors:
            return xp.scatter(g, (ids,), shape), None
        flat = xp.reshape(ids, (-1,))
        return RowSparse(node.backend, flat, xp.reshape(g, (*flat.shape, *shape[1:])), shape), None


def _row_weights(node: Node, ids: Array) -> Array | None:
    """What each row of the gradient is multiplied by: 0 for padding, 1 over its frequency if that is asked for."""
    xp, padding_idx = node.backend.xp, node.kwargs["padding_idx"]
    weights = None
    if node.kwargs["by_frequency"]:
        _, _, inverse, counts = xp.unique_all(ids)
        counts = xp.astype(counts, xp.float64)
        weights = 1 / xp.reshape(xp.take(counts, xp.reshape(inverse, (-1,))), ids.shape)
    if padding_idx is not None:
        kept = xp.astype(ids != padding_idx, xp.float64)
        weights = kept if weights is None else weights * kept
    return weights


def rows_of(weight: Variable, ids: Variable) -> Array:
    """The table, with at least the rows ``ids`` up to date."""
    owed = weight._owed
    if owed is None:
        return weight.data
    owed.pay_rows(ids.data)
    return owed.array


def embedding() -> None:
    """Rows of a table."""


lookup = Lookup(embedding)
