"""Triangles and diagonals of matrices."""

from __future__ import annotations

from typing import Any

from framework.autograd.primitive import primitive
from framework.ops.manipulation import moveaxis
from framework.ops.reduction import sum

Array = Any


@primitive
def tril(xp: Any, x: Array, /, *, k: int = 0) -> Array:
    """The lower triangle of matrices (..., M, N): zeros above the ``k``-th diagonal."""
    return xp.tril(x, k=k)


tril.defvjp(lambda xp, g, k: xp.tril(g, k=k))


@primitive
def triu(xp: Any, x: Array, /, *, k: int = 0) -> Array:
    """The upper triangle of matrices (..., M, N): zeros below the ``k``-th diagonal."""
    return xp.triu(x, k=k)


triu.defvjp(lambda xp, g, k: xp.triu(g, k=k))


@primitive(view=True)
def _diagonal(xp: Any, x: Array, /, *, offset: int) -> Array:
    return xp.getitem(xp.reshape(x, _flat(x.shape)), _steps(x.shape, offset))


def _flat(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The last two axes as one, in which a diagonal is a slice."""
    *batch, rows, columns = shape
    return (*batch, rows * columns)


def _steps(shape: tuple[int, ...], offset: int) -> Any:
    """The key of a diagonal there."""
    rows, columns = shape[-2:]
    length = min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)
    start = offset if offset >= 0 else -offset * columns
    return ..., slice(start, start + length * (columns + 1), columns + 1) if length > 0 else slice(0)


def _diagonal_rule(xp: Any, g: Array, shape: tuple[int, ...], offset: int) -> Array:
    return xp.reshape(xp.scatter(g, _steps(shape, offset), _flat(shape)), shape)


_diagonal.defvjp(_diagonal_rule)


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
    if x.ndim < 2:
        raise ValueError(f"diagonal: expected at least two dimensions, got shape {x.shape}")
    last = (axis1, axis2) in ((-2, -1), (x.ndim - 2, x.ndim - 1))
    return _diagonal(x if last else moveaxis(x, (axis1, axis2), (-2, -1)), offset=offset)


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum of the entries of a diagonal; the arguments are those of :func:`diagonal`.

    Examples
    --------
    >>> import framework as fw
    >>> fw.trace(fw.asarray([[1, 2], [3, 4]]))
    Tensor(5)
    """
    return sum(diagonal(x, offset, axis1, axis2), axis=-1)
