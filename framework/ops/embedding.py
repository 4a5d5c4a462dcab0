"""Lookup of rows in a table, whose gradient is row-sparse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework.autograd.graph import Node, Variable, edges, make_tensor
from framework.autograd.modes import mode
from framework.autograd.primitive import Op, recorded
from framework.autograd.rows import RowSparse
from framework.ops.elementwise import abs, where
from framework.ops.reduction import max, sum
from framework.ops.unread import put_off, rows_of, wait

Array = Any


class Lookup(Op):
    """``weight[ids]``; only the ids are kept, and only the rows read are paid for where an optimizer owes updates."""

    def __call__(self, weight: Any, ids: Any, *, padding_idx: int | None = None, by_frequency: bool = False) -> Any:
        """What the base class says."""
        backend, y = weight.backend, wait(weight, ids.data)
        waits = y is not None
        if not waits:
            y = rows_of(weight, ids.data)
        if weight.requires_grad and mode.grad:
            kwargs = {"padding_idx": padding_idx, "by_frequency": by_frequency, "table": weight.shape}
            rows = recorded(self, backend, edges((weight, ids), 1), y, args=(None, ids.data), kwargs=kwargs)
        else:
            rows = make_tensor(backend, y)
        return put_off(rows) if waits else rows

    def pull(self, node: Node, g: Any, xp: Any, tensors: bool) -> Sequence[Any]:
        """Gradients of the inputs; see :meth:`Op.pull`."""
        ids, shape = node.args[1], node.kwargs["table"]
        weights = _row_weights(node, ids)
        if tensors:
            ids = make_tensor(node.backend, ids)
            weights = None if weights is None else make_tensor(node.backend, weights)
        if weights is not None:
            g = g * xp.astype(xp.reshape(weights, (*weights.shape, *(1,) * (len(shape) - 1))), g.dtype)
        if tensors:
            return xp.scatter(g, (ids,), shape), None
        return RowSparse(node.backend, ids, g, shape), None


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


def _lookup() -> None:
    """Rows of a table."""


_lookup.__name__ = "embedding"
lookup = Lookup(_lookup)


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = True,
) -> Any:
    """Rows of a table.

    Parameters
    ----------
    input : integer Tensor or array
        Row numbers, of any shape.
    weight : (V, D) Tensor
        The table. Its gradient is row-sparse inside, and dense to whoever reads ``weight.grad``.
    padding_idx : int, optional
        A row that gets no gradient; negative numbers count from the end.
    max_norm : float, optional
        Rows with a larger ``norm_type``-norm are returned scaled down to it. The table itself is not changed, and
        the gradient is that of the scaled rows.
    norm_type : float
        Which norm.
    scale_grad_by_freq : bool
        Divide the gradient of each row by how often ``input`` names it.
    sparse : bool
        Accepted for PyTorch's sake; the gradient is row-sparse either way, with the dense result.

    Returns
    -------
    Tensor
        Of shape ``input.shape + (D,)``.

    Raises
    ------
    IndexError
        If a row number is outside ``[0, V)``; names it, its position and the range.
    TypeError
        If ``input`` is not of integers, or ``padding_idx`` is none.
    ValueError
        If ``weight`` has not two axes, or ``padding_idx`` is not a row of it.

    Examples
    --------
    >>> import framework as fw
    >>> table = fw.asarray([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]])
    >>> embedding(fw.asarray([[2, 1]]), table)
    Tensor([[[3., 4.],
             [1., 2.]]])
    """
    ids = index_tensor("embedding", input, weight)
    size = weight.shape
    if len(size) != 2:
        raise ValueError(f"embedding: weight must be a table of shape (V, D), got {size}")
    padding_idx = padding_row("embedding", padding_idx, size[0])
    ids.backend.check_indices(ids.data, size[0], "embedding")
    rows = lookup(weight, ids, padding_idx=padding_idx, by_frequency=scale_grad_by_freq)
    return rows if max_norm is None else _bounded(rows, float(max_norm), float(norm_type))


def _bounded(rows: Any, max_norm: float, norm_type: float) -> Any:
    """The rows, those longer than ``max_norm`` scaled down to it."""
    norm = power_sum(rows, norm_type)
    longer = norm > max_norm
    scale = where(longer, max_norm / (where(longer, norm, 1.0) + 1e-7), 1.0)
    return rows * scale


def power_sum(rows: Any, p: float) -> Any:
    """The p-norms of the rows, with the last axis kept."""
    size = abs(rows)
    return max(size, axis=-1, keepdims=True) if p == float("inf") else sum(size**p, axis=-1, keepdims=True) ** (1 / p)


def index_tensor(name: str, input: Any, weight: Any) -> Any:
    """Row numbers as a tensor beside the table."""
    if not isinstance(weight, Variable):
        raise TypeError(f"{name}: weight must be a Tensor, got {type(weight).__name__}")
    if not isinstance(input, Variable):
        input = make_tensor(weight.backend, weight.backend.asarray(input))
    if input.dtype.kind not in "iu":
        raise TypeError(f"{name}: row numbers must be integers, got {input.dtype}; cast with .to('int64')")
    if input.backend is not weight.backend:
        raise RuntimeError(
            f"{name}: the row numbers are on {input.backend.device!r} but the table is on {weight.backend.device!r}; move one "
            "with .to()"
        )
    return input


def padding_row(name: str, padding_idx: int | None, size: int) -> int | None:
    """The number of the padding row, counted from the start."""
    if padding_idx is None:
        return None
    if isinstance(padding_idx, bool) or not hasattr(padding_idx, "__index__"):
        raise TypeError(f"{name}: padding_idx must be an integer or None, got {padding_idx!r}")
    if not -size <= padding_idx < size:
        raise ValueError(f"{name}: padding_idx must be in [{-size}, {size}), got {padding_idx}")
    return padding_idx % size
