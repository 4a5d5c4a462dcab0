"""In-place operations: change the buffer that views share, and move the tensor to its new place in the graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from framework.autograd.graph import RETAIN, Edge, Node, Variable, make_tensor, next_seq
from framework.autograd.modes import mode
from framework.autograd.primitive import Primitive
from framework.autograd.versions import check_views, mixed, note_write, written_since


def write(op: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> Any:
    """Make ``x`` hold ``op(x, *args)``, in its own memory.

    Parameters
    ----------
    op : callable
        The operation, whose first argument is replaced by the result.
    x : Tensor
        Written, and returned.

    Raises
    ------
    RuntimeError
        For a leaf that requires a gradient, or a view of one, while recording; for a stale view.
    TypeError
        If the result's dtype cannot be held by ``x``.
    ValueError
        If the result has another shape than ``x``.
    """
    if mode.grad:
        _check_allowed(op.__name__, x)
    old = make_tensor(x.backend, x.data, x.node) if x.requires_grad and x.node else x
    result = op(old, *args, **kwargs)
    _check_fits(op.__name__, x, result)
    node = result.node
    if node is not None:
        _keep_old_values(node, x)
    x.backend.xp.assign(x.data, ..., result.data)
    note_write(x.backend, x.data, recorded=node is not None, by_optimizer=node is None and x.node is None)
    if node is not None:
        node.dtype = x.data.dtype
        if node.y is not None:
            node.y = x.data
        _place(x, node)
    return x


def _place(x: Variable, node: Node) -> None:
    """Move ``x`` to ``node``. What ``x`` is a part of moves too: it is now its old self with ``x`` written into it."""
    node.seq = next_seq()
    x.requires_grad = True
    _move(x, node)
    if not _is_part(x):
        return
    whole, key, (getitem, setitem) = x._whole
    before = whole.node, node
    needs = 3 if whole.node else 2
    written = setitem.record(x.backend, before, (whole.data, x.data), {"key": key}, needs, whole.data)
    _place(whole, written.node)
    _move(x, getitem.record(x.backend, (whole.node, None), (whole.data, key), {}, 1, x.data).node)


def _move(x: Variable, node: Node) -> None:
    """Make ``node`` the one of ``x``, whose gradient is from now on that of its new values."""
    retain = x.node.hooks.pop(RETAIN, None) if x.node is not None and x.node.hooks else None
    if retain is not None:
        node.hooks = {RETAIN: retain}
    x.node = node


def _is_part(x: Variable) -> bool:
    """Whether ``x`` is known to be ``whole[key]``, in the memory of ``whole``."""
    return x._whole is not None and x.backend.owner(x.data) is x.backend.owner(x._whole[0].data)


def _check_allowed(name: str, x: Any) -> None:
    if x.requires_grad and x.node is None:
        raise RuntimeError(
            f"{name}: this leaf requires a gradient, so it cannot be changed in place while recording; do it under "
            "no_grad(), or work on a clone()"
        )
    below = _behind_views(x.node)
    if isinstance(below, Variable) and x.backend.owner(x.data) is x.backend.owner(below.data):
        raise RuntimeError(
            f"{name}: this tensor is a view, made by {x.node.name!r}, of a leaf that requires a gradient, so it cannot be "
            "changed in place while recording; do it under no_grad(), or work on a clone()"
        )
    while _is_part(x):
        x = x._whole[0]
        if mixed:
            check_views(x)
        if x.requires_grad and x.node is None:
            raise RuntimeError(
                f"{name}: this tensor is a part of a leaf that has required a gradient since, so it cannot be changed in place "
                "while recording; do it under no_grad(), or work on a clone()"
            )


def _behind_views(edge: Edge) -> Edge:
    """The operation (or leaf) that made the values which a chain of views shows."""
    while isinstance(edge, Node) and edge.op.view:
        edge = edge.inputs[0]
    return edge


_RANK = {"b": 0, "i": 1, "u": 2, "f": 3, "V": 3, "c": 4}


def _check_fits(name: str, x: Any, result: Any) -> None:
    if result.shape != x.shape:
        raise ValueError(
            f"{name}: the result has shape {result.shape}, which does not fit in place into {x.shape}; use the operation "
            "that returns a new tensor"
        )
    if _RANK.get(result.dtype.kind, 0) > _RANK.get(x.dtype.kind, 0):
        raise TypeError(
            f"{name}: a result of dtype {result.dtype} cannot be written in place into {x.dtype}; use the operation that "
            "returns a new tensor, or cast with .to() first"
        )


def _keep_old_values(node: Node, x: Variable) -> None:
    """The rules of the write, and of the operation that made ``x``, may need what is overwritten: keep a copy."""
    copy = partial(x.backend.xp.asarray, copy=True)
    owner = x.backend.owner(x.data)
    if node.args:
        node.args = [copy(value) if x.backend.owner(value) is owner else value for value in node.args]
    maker = _behind_views(x.node)
    if isinstance(maker, Node) and isinstance(maker.op, Primitive) and not written_since(x.backend, x.data, maker.seq):
        if type(maker.y) is tuple:
            maker.y = tuple([copy(y) if x.backend.owner(y) is owner else y for y in maker.y])
        elif maker.y is not None and x.backend.owner(maker.y) is owner:
            maker.y = copy(maker.y)
