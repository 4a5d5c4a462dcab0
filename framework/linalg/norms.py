"""Norms of vectors and matrices, and the rank that they define."""

from __future__ import annotations

from math import inf
from typing import Any, Literal

from framework.autograd.composed import composed
from framework.autograd.graph import Variable
from framework.autograd.precision import precision
from framework.autograd.primitive import primitive
from framework.linalg.decompositions import svdvals
from framework.ops import reduction
from framework.ops.elementwise import abs as absolute
from framework.ops.reduction import restore

Array = Any
Axis = int | tuple[int, ...] | None


@precision("float32")
@primitive(holomorphic=False)
def vector_norm(xp: Any, x: Array, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Array:
    """``sum(abs(x)**ord)**(1 / ord)`` over the given axes, or over all.

    Parameters
    ----------
    x : Tensor
        Real or complex floating, of any shape.
    axis : int or tuple of int, optional
        Axes that together hold one vector.
    keepdims : bool
        Whether to keep the reduced axes, with length one.
    ord : float
        The exponent; ``inf`` and ``-inf`` give the largest and smallest modulus, 0 the number of entries that
        are not zero.

    Returns
    -------
    Tensor
        Real. The gradient of the norm of a zero vector is 0, and entries that tie share that of an extremum.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.vector_norm(fw.asarray([3.0, 4.0]))
    Tensor(5.)
    """
    if ord == 2 and axis == (-2, -1):
        # Libraries bring several axes together first, but for a matrix, where this is its Frobenius norm.
        return xp.linalg.matrix_norm(x, keepdims=keepdims)
    return xp.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)


def _vector_norm_rule(xp: Any, g: Array, y: Array, x: Array, axis: Axis, keepdims: bool, ord: float) -> Array:
    y, g = restore(xp, y, x.shape, axis, keepdims), restore(xp, g, x.shape, axis, keepdims)
    if ord == 0:
        return xp.zeros_like(x)
    if ord == 1:
        return g * xp.sign(x)
    if ord == 2:
        return g / xp.where(y == 0, xp.ones_like(y), y) * x
    if ord in (inf, -inf):
        reached = xp.astype(xp.abs(x) == y, g.dtype)
        return g * reached / xp.sum(reached, axis=axis, keepdims=True) * xp.sign(x)
    ratio = xp.abs(x) / xp.where(y == 0, xp.ones_like(y), y)
    ratio = xp.where(ratio == 0, xp.ones_like(ratio), ratio)
    # With a negative exponent one zero makes the norm 0, whatever the other entries are.
    return xp.where(y == 0, xp.zeros_like(g), g) * ratio ** (ord - 1) * xp.sign(x)


vector_norm.defvjp(_vector_norm_rule)


@composed
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: float | Literal["fro", "nuc"] | None = "fro") -> Any:
    """Norm of each matrix.

    Parameters
    ----------
    x : (..., m, n) Tensor
        Real or complex floating.
    keepdims : bool
        Whether to keep the last two axes, with length one.
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}
        Frobenius norm; sum of the singular values; largest or smallest sum of a column (1, -1), singular value
        (2, -2) or sum of a row (inf, -inf).

    Returns
    -------
    (...) Tensor
        Real.

    Raises
    ------
    ValueError
        For another ``ord``, or if ``x`` has fewer than two axes.

    Examples
    --------
    >>> import framework as fw
    >>> x = fw.asarray([[0.0, 3.0], [4.0, 0.0]])
    >>> [fw.linalg.matrix_norm(x, ord=ord).item() for ord in ("fro", "nuc", 2, 1)]
    [5.0, 7.0, 4.0, 4.0]
    """
    if x.ndim < 2:
        raise ValueError(f"matrix_norm: expected at least two axes, got the shape {tuple(x.shape)}")
    if ord in ("fro", None):
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord == "nuc":
        return _with_axes(reduction.sum(svdvals(x), axis=-1), keepdims)
    if ord not in (1, -1, 2, -2, inf, -inf):
        raise ValueError(f"matrix_norm: ord must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}")
    extremum = reduction.max if ord > 0 else reduction.min
    if ord in (2, -2):
        return _with_axes(extremum(svdvals(x), axis=-1), keepdims)
    sums = reduction.sum(absolute(x), axis=-2 if ord in (1, -1) else -1)
    return _with_axes(extremum(sums, axis=-1), keepdims)


def _with_axes(x: Any, keepdims: bool) -> Any:
    return x[..., None, None] if keepdims else x


@precision("float32")
@primitive
def _matrix_rank(xp: Any, x: Array, /, *, rtol: Any) -> Array:
    if len(x.shape) < 2:
        raise ValueError(f"expected at least two dimensions, got shape {tuple(x.shape)}")
    if 0 in x.shape[-2:]:
        return xp.zeros(x.shape[:-2], dtype=xp.int64, device=x.device)
    return xp.linalg.matrix_rank(x, rtol=rtol)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """How many singular values of each matrix count as larger than zero. No gradient flows through it.

    Parameters
    ----------
    x : (..., m, n) Tensor
        Real or complex floating.
    rtol : float or (...) Tensor, optional
        Singular values below ``rtol`` times the largest count as zero; ``max(m, n) * eps`` by default.

    Returns
    -------
    (...) Tensor
        Integers.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.matrix_rank(fw.asarray([[1.0, 2.0], [2.0, 4.0]]))
    Tensor(1)
    """
    return _matrix_rank(x, rtol=rtol.data if isinstance(rtol, Variable) else rtol)
