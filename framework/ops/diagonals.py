"""Triangles and diagonals of matrices."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from framework.autograd.composed import composed
from framework.autograd.precision import precision
from framework.autograd.primitive import primitive
from framework.ops.manipulation import moveaxis

Array = Any


def _check_matrices(x: Array) -> None:
    """Refuse a vector, of which NumPy and CuPy would make a matrix."""
    if x.ndim < 2:
        raise ValueError(f"expected at least two dimensions, got shape {tuple(x.shape)}")


@primitive
def tril(xp: Any, x: Array, /, *, k: int = 0) -> Array:
    """The lower triangle of matrices (..., M, N): zeros above the ``k``-th diagonal."""
    _check_matrices(x)
    return xp.tril(x, k=k)


tril.defvjp(lambda xp, g, k: xp.tril(g, k=k))


@primitive
def triu(xp: Any, x: Array, /, *, k: int = 0) -> Array:
    """The upper triangle of matrices (..., M, N): zeros below the ``k``-th diagonal."""
    _check_matrices(x)
    return xp.triu(x, k=k)


triu.defvjp(lambda xp, g, k: xp.triu(g, k=k))


@lru_cache(maxsize=64)
def _place(shape: tuple[int, ...], offset: int) -> tuple[tuple[int, ...], Any, int]:
    """The shape with the last two axes as one, in which a diagonal is a slice, its key there, and its length."""
    *batch, rows, columns = shape
    length = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    start = offset if offset >= 0 else -offset * columns
    key = ..., slice(start, start + length * (columns + 1), columns + 1) if length else slice(0)
    return (*batch, rows * columns), key, length


@primitive(view=True)
def _diagonal(xp: Any, x: Array, /, *, offset: int) -> Array:
    flat, key, _ = _place(x.shape, offset)
    return xp.getitem(xp.reshape(x, flat), key)


def _diagonal_rule(xp: Any, g: Array, shape: tuple[int, ...], offset: int) -> Array:
    flat, key, _ = _place(shape, offset)
    return xp.reshape(xp.scatter(g, key, flat), shape)


_diagonal.defvjp(_diagonal_rule)


@precision("float32")
@primitive
def _trace(xp: Any, x: Array, /, *, offset: int, dtype: Any = None) -> Array:
    return xp.trace(x, offset=offset, dtype=dtype)


def _trace_rule(xp: Any, g: Array, shape: tuple[int, ...], offset: int) -> Array:
    diagonal = (*shape[:-2], _place(shape, offset)[2])
    return _diagonal_rule(xp, xp.broadcast_to(xp.expand_dims(g, axis=-1), diagonal), shape, offset)


_trace.defvjp(_trace_rule)


def _last(name: str, x: Any, axis1: int, axis2: int) -> Any:
    """``x`` with the two axes as its last ones."""
    ndim = x.ndim
    if ndim < 2:
        raise ValueError(f"{name}: expected at least two dimensions, got shape {x.shape}")
    last = (axis1 == 0 and axis2 == 1 and ndim == 2) or (axis1 == -2 and axis2 == -1)
    return x if last else moveaxis(x, (axis1, axis2), (-2, -1))


@composed
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The entries of a diagonal, as the last axis; may share memory with ``x``.

    Parameters
    ----------
    x : Tensor
        Of at least two dimensions.
    offset : int
        How far above the main diagonal.
    axis1, axis2 : int
        The axes that are rows and columns.

    Raises
    ------
    ValueError
        If there are fewer than two dimensions.

    Examples
    --------
    >>> import framework as fw
    >>> fw.diagonal(fw.asarray([[1, 2], [3, 4]]))
    Tensor([1, 4])
    """
    return _diagonal(_last("diagonal", x, axis1, axis2), offset=offset)


@composed
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """Sum of the entries of a diagonal; the arguments are those of :func:`diagonal`, and the dtype of the sum.

    Examples
    --------
    >>> import framework as fw
    >>> fw.trace(fw.asarray([[1, 2], [3, 4]]))
    Tensor(5)
    """
    return _trace(_last("trace", x, axis1, axis2), offset=offset, dtype=dtype)
