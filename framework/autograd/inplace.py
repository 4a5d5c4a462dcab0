"""In-place operations: change the buffer that views share, and move the tensor to its new place in the graph."""

from __future__ import annotations

from typing import Any

from framework.autograd.graph import Variable, make_tensor, next_seq
from framework.autograd.modes import mode
from framework.autograd.primitive import Primitive
from framework.autograd.versions import note_write


def write(op: Primitive, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Make ``x`` hold ``op(x, *args)``, in its own memory.

    Parameters
    ----------
    op : Primitive
        The operation, whose first argument is replaced by the result.
    x : Tensor
        Written, and returned.

    Raises
    ------
    RuntimeError
        For a leaf that requires a gradient, or a view in the graph, while recording.
    TypeError
        If the result's dtype cannot be held by ``x``.
    ValueError
        If the result has another shape than ``x``.
    """
    if mode.grad:
        _check_allowed(op, x)
    old = make_tensor(x.backend, x.data, x.node) if x.requires_grad and x.node else x
    result = op(old, *args, **kwargs)
    _check_fits(op, x, result)
    node = result.node
    if node is not None:
        _keep_old_values(node, x)
    x.backend.xp.assign(x.data, ..., result.data)
    note_write(x.backend, x.data, recorded=node is not None, by_optimizer=node is None and x.node is None)
    if node is not None:
        node.seq = next_seq()
        node.dtype = x.data.dtype
        if node.y is not None:
            node.y = x.data
        x.node = node
        x.requires_grad = True
    return x


def _check_allowed(op: Primitive, x: Any) -> None:
    if x.requires_grad and x.node is None:
        raise RuntimeError(
            f"{op.name}: this leaf requires a gradient, so it cannot be changed in place while recording; do it under "
            "no_grad(), or work on a clone()"
        )
    if x.node is not None and x.node.op.view:
        raise RuntimeError(
            f"{op.name}: this tensor is a view, made by {x.node.name!r}, of a tensor in the graph, so it cannot be changed in "
            "place while recording; index the original (x[key] = value), or work on a clone()"
        )


def _check_fits(op: Primitive, x: Any, result: Any) -> None:
    if result.shape != x.shape:
        raise ValueError(
            f"{op.name}: the result has shape {result.shape}, which does not fit in place into {x.shape}; use the operation "
            "that returns a new tensor"
        )
    order = "biufc"
    if result.dtype.kind in order and order.index(result.dtype.kind) > order.index(x.dtype.kind):
        raise TypeError(
            f"{op.name}: a result of dtype {result.dtype} cannot be written in place into {x.dtype}; use the operation that "
            "returns a new tensor, or cast with .to() first"
        )


def _keep_old_values(node: Any, x: Variable) -> None:
    """The rules of the write may need what it overwrites: keep a copy."""
    if node.args:
        node.args = [x.backend.xp.asarray(value, copy=True) if value is x.data else value for value in node.args]
