"""Sums, means and maxima of the rows of bags, without the rows in between."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from backends import Backend
from framework.autograd.deferred import lock
from framework.autograd.fused import Fused
from framework.autograd.graph import Variable, make_tensor
from framework.autograd.rows import OwedRows, RowSparse
from framework.ops.elementwise import where
from framework.ops.embedding import index_tensor, padding_row
from framework.ops.indexing import take, take_along_axis
from framework.ops.manipulation import astype, expand_dims, squeeze
from framework.ops.reduction import argmax, sum

Array = Any
MODES = ("sum", "mean", "max")


def _forward(
    backend: Backend,
    weight: Array,
    ids: Array,
    offsets: Array,
    factors: Array | None,
    *,
    keep: bool,
    mode: str,
    padding_idx: int | None,
    length: int | None,
    owed: OwedRows | None,
) -> tuple[Array, Any]:
    behind = None if owed is None else owed.behind()
    y, saved = backend.embedding_bag_forward(weight, ids, offsets, factors, mode, padding_idx, behind)
    return y, (saved, ids, weight.shape)


def _backward(
    backend: Backend,
    saved: Any,
    g: Array,
    needs: tuple[bool, ...],
    *,
    mode: str,
    padding_idx: int | None,
    length: int | None,
    owed: OwedRows | None,
) -> Sequence[Any]:
    kept, ids, shape = saved
    if length:  # every row of a bag has the same gradient: a view, whose rows need not be brought together
        xp = backend.xp
        rows = xp.expand_dims(g / length if mode == "mean" else g, axis=1)
        rows = xp.broadcast_to(rows, (g.shape[0], length, g.shape[1]))
        return RowSparse(backend, xp.reshape(ids, rows.shape[:2]), rows, tuple(shape)), None, None, None
    some, factors = backend.embedding_bag_backward(kept, g, (needs[0], needs[3]))
    table = None if some is None else RowSparse(backend, *some, tuple(shape))
    return table, None, None, factors


def _composite(
    weight: Any,
    ids: Any,
    offsets: Any,
    factors: Any,
    *,
    mode: str,
    padding_idx: int | None,
    length: int | None,
    owed: OwedRows | None,
) -> Any:
    """The rows of all bags side by side, each bag filled up to the longest, then reduced."""
    if owed is not None:
        with lock:
            owed.pay_rows(ids.data)
    backend, n = ids.backend, ids.shape[0]
    starts = np.asarray(backend.to_numpy(offsets.data))
    lengths = np.diff(np.append(starts, n))
    width = int(lengths.max(initial=0))
    if not n or not width:
        return sum(weight) * 0 + make_tensor(
            backend, backend.xp.zeros((len(starts), weight.shape[1]), dtype=weight.data.dtype)
        )
    places = np.minimum(starts[:, None] + np.arange(width), n - 1)
    valid: Any = np.arange(width) < lengths[:, None]
    if padding_idx is not None:
        valid &= backend.to_numpy(ids.data)[places] != padding_idx
    index = make_tensor(backend, backend.asarray(places))
    mask = expand_dims(make_tensor(backend, backend.asarray(valid)), axis=-1)
    rows = take(weight, take(ids, index, axis=0), axis=0)
    if mode == "max":
        lowest = where(mask, rows, -float("inf"))
        best = take_along_axis(rows, argmax(lowest, axis=1, keepdims=True), axis=1)
        some = make_tensor(backend, backend.asarray(valid.any(axis=1)[:, None]))
        return where(some, squeeze(best, 1), 0.0)
    if factors is not None:
        rows = rows * expand_dims(take(factors, index, axis=0), axis=-1)
    total = sum(where(mask, rows, 0.0), axis=1)
    if mode == "sum":
        return total
    counts = np.maximum(valid.sum(axis=1, keepdims=True), 1)
    return total / astype(make_tensor(backend, backend.asarray(counts)), weight.dtype)


_composite.__name__ = "embedding_bag"


class _Bag(Fused):
    """Reads the table as it is, without making it pay for the rows that are behind: those named are told ``owed``."""

    def unwrap(self, args: Sequence[Any]) -> tuple[Backend, list[Any], int]:
        """What the base class says."""
        weight = args[0]
        if weight._owed is None:
            return super().unwrap(args)
        table = make_tensor(weight.backend, weight._owed.array)
        table.requires_grad, table._cut = weight.requires_grad, weight._cut
        return super().unwrap((table, *args[1:]))


_bag = _Bag(_forward, _backward, _composite)


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = True,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Sum, mean or maximum of the rows of each bag.

    Parameters
    ----------
    input : (B, L) or (n,) integer Tensor or array
        Row numbers: one bag a row, or all bags one after another, begun at ``offsets``.
    weight : (V, D) Tensor
        The table; its gradient is row-sparse.
    offsets : (B,) integer Tensor or array, optional
        Where each bag begins in a 1-d ``input``; rising, the first 0.
    mode : {"mean", "sum", "max"}
        How the rows of a bag become one. An empty bag gives zeros.
    per_sample_weights : Tensor or array, optional
        Factors of the rows, of ``input``'s shape; only for ``"sum"``.
    include_last_offset : bool
        Whether ``offsets`` ends with one more entry, where the last bag ends: at most the length of ``input``.
    padding_idx : int, optional
        Entries with this number do not count, in the mean's denominator either.
    sparse : bool
        Accepted for PyTorch's sake; the gradient is row-sparse either way.
    max_norm, norm_type, scale_grad_by_freq
        Not offered for bags; see :func:`embedding`.

    Returns
    -------
    Tensor
        Of shape ``(B, D)``.

    Raises
    ------
    IndexError
        If a row number is outside ``[0, V)``.
    TypeError
        If row numbers or offsets are not integers.
    ValueError
        If shapes or offsets do not fit, or ``mode`` is unknown.

    Examples
    --------
    >>> import framework as fw
    >>> table = fw.asarray([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]])
    >>> embedding_bag(fw.asarray([1, 2, 2]), table, fw.asarray([0, 2]), mode="sum")
    Tensor([[4., 6.],
            [3., 4.]])
    """
    if mode not in MODES:
        raise ValueError(f"embedding_bag: mode must be one of {', '.join(MODES)}, got {mode!r}")
    if max_norm is not None or scale_grad_by_freq:
        raise ValueError("embedding_bag: max_norm and scale_grad_by_freq are offered by embedding() only")
    if per_sample_weights is not None and mode != "sum":
        raise ValueError(f"embedding_bag: per_sample_weights need mode='sum', got {mode!r}")
    ids = index_tensor("embedding_bag", input, weight)
    size = weight.shape[0]
    if per_sample_weights is not None and not isinstance(per_sample_weights, Variable):
        factors = weight.backend.asarray(per_sample_weights, dtype=weight.backend.native_dtype(weight.dtype))
        per_sample_weights = make_tensor(weight.backend, factors)
    if per_sample_weights is not None and per_sample_weights.shape != ids.shape:
        raise ValueError(
            f"embedding_bag: per_sample_weights must have the input's shape {ids.shape}, got {per_sample_weights.shape}"
        )
    padding_idx = padding_row("embedding_bag", padding_idx, size)
    alike = ids.ndim == 2 and mode != "max" and per_sample_weights is None and padding_idx is None
    length = ids.shape[1] if alike else None
    ends_with_last = include_last_offset and ids.ndim == 1
    ids, offsets, per_sample_weights = _flat(ids, offsets, per_sample_weights, ends_with_last)
    ids.backend.check_indices(ids.data, size, "embedding_bag")
    # Nobody may make the table pay while it is read.
    with nullcontext() if weight._owed is None else lock:
        bags = _bag(
            weight,
            ids,
            offsets,
            per_sample_weights,
            mode=mode,
            padding_idx=padding_idx,
            length=length,
            owed=weight._owed,
        )
    # What follows the last offset was in a bag of its own, which saves waiting for the number.
    return bags[:-1] if ends_with_last else bags


def _flat(ids: Any, offsets: Any, factors: Any, ends_with_last: bool) -> tuple[Any, Any, Any]:
    """All bags one after another, with the places where they begin."""
    backend = ids.backend
    if ids.ndim == 2:
        if offsets is not None:
            raise ValueError("embedding_bag: a 2-d input holds one bag a row and takes no offsets")
        count, length = ids.shape
        starts = backend.xp.arange(count, dtype=backend.xp.int64) * length
        return ids.reshape(-1), make_tensor(backend, starts), None if factors is None else factors.reshape(-1)
    if ids.ndim != 1 or offsets is None:
        raise ValueError(f"embedding_bag: expected a 2-d input, or a 1-d one with offsets, got shape {ids.shape}")
    offsets = index_tensor("embedding_bag", offsets, ids)
    if offsets.ndim != 1:
        raise ValueError(f"embedding_bag: offsets must be 1-d, got shape {offsets.shape}")
    if ends_with_last and not offsets.shape[0]:
        raise ValueError("embedding_bag: with include_last_offset there is at least one offset, got none")
    backend.check_offsets(offsets.data, ids.shape[0], "embedding_bag")
    return ids, offsets, factors
