"""Products of vectors and powers of matrices, and the sums of diagonals."""

from __future__ import annotations

from operator import index
from typing import Any

from framework.autograd.composed import composed
from framework.autograd.primitive import primitive
from framework.creation import eye
from framework.linalg.solvers import inv
from framework.ops import diagonals, linear, manipulation
from framework.ops.elementwise import positive

Array = Any


@primitive
def _cross(xp: Any, x1: Array, x2: Array, /) -> Array:
    return xp.linalg.cross(x1, x2)


_cross.defvjp(lambda xp, g, x2: xp.linalg.cross(x2, g), lambda xp, g, x1: xp.linalg.cross(g, x1))


@composed
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Cross product of vectors of three components.

    Parameters
    ----------
    x1, x2 : (..., 3, ...) Tensor
        The vectors lie along ``axis``; the other axes broadcast.
    axis : int
        Counted in each argument.

    Raises
    ------
    ValueError
        If the axis does not have length 3.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.cross(fw.asarray([1, 0, 0]), fw.asarray([0, 1, 0]))
    Tensor([0, 0, 1])
    """
    for x in (x1, x2):
        if not -x.ndim <= axis < x.ndim or x.shape[axis] != 3:
            raise ValueError(f"cross: expected vectors of length 3 along axis {axis}, got the shape {tuple(x.shape)}")
    if axis == -1:
        return _cross(x1, x2)
    x1, x2 = (manipulation.moveaxis(x, axis, -1) for x in (x1, x2))
    return manipulation.moveaxis(_cross(x1, x2), -1, axis)


@composed
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Diagonals of matrices.

    Parameters
    ----------
    x : (..., m, n) Tensor
        Of any dtype.
    offset : int
        Which diagonal: 0 the main one, positive above it, negative below.

    Returns
    -------
    (..., k) Tensor
        May share memory with ``x``.

    Raises
    ------
    ValueError
        If ``x`` has fewer than two axes.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.diagonal(fw.asarray([[1, 2], [3, 4]]), offset=1)
    Tensor([2])
    """
    if x.ndim < 2:
        raise ValueError(f"diagonal: expected at least two axes, got the shape {tuple(x.shape)}")
    return diagonals.diagonal(x, offset, -2, -1)


@composed
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sums of the diagonals of matrices.

    Parameters
    ----------
    x : (..., m, n) Tensor
        Numeric.
    offset : int
        Which diagonal: 0 the main one, positive above it, negative below.
    dtype : dtype, optional
        Of the sum; chosen as ``sum`` does by default.

    Returns
    -------
    (...) Tensor

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.trace(fw.asarray([[1.0, 2.0], [3.0, 4.0]]))
    Tensor(5.)
    """
    if x.ndim < 2:
        raise ValueError(f"trace: expected at least two axes, got the shape {tuple(x.shape)}")
    return diagonals.trace(x, offset, -2, -1, dtype)


@composed
def outer(x1: Any, x2: Any, /) -> Any:
    """All products of an entry of one vector and an entry of another.

    Parameters
    ----------
    x1 : (m,) Tensor
        Numeric.
    x2 : (n,) Tensor
        Numeric.

    Returns
    -------
    (m, n) Tensor

    Raises
    ------
    ValueError
        If an argument is not a vector.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.outer(fw.asarray([1, 2]), fw.asarray([3, 4]))
    Tensor([[3, 4],
            [6, 8]])
    """
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: expected two vectors, got the shapes {tuple(x1.shape)} and {tuple(x2.shape)}")
    return linear.outer(x1, x2)


def matrix_power(x: Any, n: int, /) -> Any:
    """Square matrices multiplied with themselves ``n`` times.

    Parameters
    ----------
    x : (..., m, m) Tensor
        Numeric; real or complex floating for a negative ``n``.
    n : int
        The inverse is taken for a negative one.

    Returns
    -------
    (..., m, m) Tensor

    Raises
    ------
    ValueError
        If the matrices are not square, or singular and ``n`` negative.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.matrix_power(fw.asarray([[1, 1], [0, 1]]), 5)
    Tensor([[1, 5],
            [0, 1]])
    """
    n = index(n)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"matrix_power: expected square matrices, got the shape {tuple(x.shape)}")
    if n == 0:
        return manipulation.broadcast_to(eye(x.shape[-1], dtype=x.dtype, device=x.device), tuple(x.shape))
    return _power(inv(x) if n < 0 else x, abs(n))


def _power(x: Any, n: int) -> Any:
    """By repeated squaring, for positive ``n``."""
    if n == 1:
        return positive(x)
    half = _power(x, n // 2) if n > 3 else x
    square = linear.matmul(half, half)
    return linear.matmul(square, x) if n % 2 else square
