"""Products of vectors and matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework.autograd.composed import composed
from framework.autograd.precision import precision
from framework.autograd.primitive import primitive
from framework.ops.elementwise import multiply
from framework.ops.manipulation import reshape

Array = Any


@precision("low")
@primitive
def matmul(xp: Any, x1: Array, x2: Array, /) -> Array:
    """Matrix product over the last two axes, the others broadcast; a 1-d argument is a vector.

    Parameters
    ----------
    x1 : Tensor (..., M, K) or (K,)
        A row vector if it has one dimension.
    x2 : Tensor (..., K, N) or (K,)
        A column vector if it has one dimension.

    Examples
    --------
    >>> import framework as fw
    >>> fw.matmul(fw.asarray([[1, 2], [3, 4]]), fw.asarray([1, 10]))
    Tensor([21, 43])
    """
    return xp.matmul(x1, x2)


def _first(xp: Any, g: Array, x2: Array, shape: tuple[int, ...]) -> Array:
    if x2.ndim == 1:
        return g[..., None] * x2
    if len(shape) == 1:
        return xp.matmul(x2, g[..., None])[..., 0]
    return xp.matmul(g, xp.matrix_transpose(x2))


def _second(xp: Any, g: Array, x1: Array, shape: tuple[int, ...]) -> Array:
    if x1.ndim == 1:
        return g * x1 if len(shape) == 1 else x1[:, None] * g[..., None, :]
    if len(shape) == 1:
        product = xp.matmul(xp.matrix_transpose(x1), g[..., None])[..., 0]
        return xp.sum(product, axis=tuple(range(product.ndim - 1))) if product.ndim > 1 else product
    return xp.matmul(xp.matrix_transpose(x1), g)


def _matmul_first(xp: Any, g: Array, x2: Array, shape: tuple[int, ...]) -> Array:
    if len(shape) == 1 and x2.ndim == 1:
        return g * x2
    return _first(xp, g, x2, shape)


matmul.defvjp(_matmul_first, _second)


@precision("low")
@primitive(holomorphic=False)
def _vecdot(xp: Any, x1: Array, x2: Array, /, *, axis: int) -> Array:
    return xp.vecdot(x1, x2, axis=axis)


def _spread(xp: Any, g: Array, axis: int) -> Array:
    return xp.expand_dims(g, axis=axis)


_vecdot.defvjp(
    lambda xp, g, x2, axis: xp.conj(_spread(xp, g, axis)) * x2,
    lambda xp, g, x1, axis: _spread(xp, g, axis) * x1,
)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sum of ``conj(x1) * x2`` along an axis, the others broadcast.

    Examples
    --------
    >>> import framework as fw
    >>> fw.vecdot(fw.asarray([1j, 2.0]), fw.asarray([1.0, 1.0 + 0j]))
    Tensor(2.-1.j, dtype=complex64)
    """
    return _vecdot(x1, x2, axis=axis)


@precision("low")
@primitive
def _tensordot(xp: Any, x1: Array, x2: Array, /, *, axes: Any) -> Array:
    return xp.tensordot(x1, x2, axes=axes)


def _axes_pairs(axes: Any, n1: int, n2: int) -> tuple[list[int], list[int]]:
    if isinstance(axes, int):
        return list(range(n1 - axes, n1)), list(range(axes))
    return [a % n1 for a in axes[0]], [a % n2 for a in axes[1]]


def _tensordot_first(xp: Any, g: Array, x2: Array, shape: tuple[int, ...], axes: Any) -> Array:
    a1, a2 = _axes_pairs(axes, len(shape), x2.ndim)
    free1 = [i for i in range(len(shape)) if i not in a1]
    free2 = [i for i in range(x2.ndim) if i not in a2]
    product = xp.tensordot(g, x2, axes=(list(range(len(free1), g.ndim)), free2))
    order = free1 + [a for _, a in sorted(zip(a2, a1))]
    return xp.permute_dims(product, tuple(sorted(range(len(order)), key=order.__getitem__)))


def _tensordot_second(xp: Any, g: Array, x1: Array, shape: tuple[int, ...], axes: Any) -> Array:
    a1, a2 = _axes_pairs(axes, x1.ndim, len(shape))
    free1 = [i for i in range(x1.ndim) if i not in a1]
    free2 = [i for i in range(len(shape)) if i not in a2]
    product = xp.tensordot(x1, g, axes=(free1, list(range(len(free1)))))
    order = [a for _, a in sorted(zip(a1, a2))] + free2
    return xp.permute_dims(product, tuple(sorted(range(len(order)), key=order.__getitem__)))


_tensordot.defvjp(_tensordot_first, _tensordot_second)


def tensordot(x1: Any, x2: Any, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Any:
    """Sum of products over pairs of axes.

    Parameters
    ----------
    x1, x2 : Tensor
        Their paired axes have equal lengths.
    axes : int or (axes of x1, axes of x2)
        Which axes to pair; a number pairs the last of ``x1`` with the first of ``x2``.

    Returns
    -------
    Tensor
        With the other axes of ``x1``, then those of ``x2``.

    Examples
    --------
    >>> import framework as fw
    >>> fw.tensordot(fw.ones((2, 3, 4)), fw.ones((4, 3, 5)), axes=((1, 2), (1, 0))).shape
    (2, 5)
    """
    return _tensordot(x1, x2, axes=axes)


@primitive
def outer(xp: Any, a: Array, b: Array, /) -> Array:
    """All products of an entry of ``a`` and one of ``b``, both flattened, as a matrix.

    Examples
    --------
    >>> import framework as fw
    >>> fw.outer(fw.asarray([1, 2]), fw.asarray([3, 4]))
    Tensor([[3, 4],
            [6, 8]])
    """
    return xp.multiply(xp.reshape(a, (-1, 1)), xp.reshape(b, (1, -1)))


outer.defvjp(
    lambda xp, g, b, shape: xp.reshape(xp.matmul(g, xp.reshape(b, (-1,))), shape),
    lambda xp, g, a, shape: xp.reshape(xp.matmul(xp.reshape(a, (-1,)), g), shape),
)


@precision("low")
@primitive
def _inner(xp: Any, a: Array, b: Array, /) -> Array:
    return xp.inner(a, b)


_LAST = (-1,), (-1,)
_inner.defvjp(
    lambda xp, g, b, shape: _tensordot_first(xp, g, b, shape, _LAST),
    lambda xp, g, a, shape: _tensordot_second(xp, g, a, shape, _LAST),
)


@composed
def inner(a: Any, b: Any, /) -> Any:
    """Sum of products over the last axes; of an array of no dimensions, the plain product.

    Examples
    --------
    >>> import framework as fw
    >>> fw.inner(fw.asarray([1, 2]), fw.asarray([3, 4]))
    Tensor(11)
    """
    return _inner(a, b) if a.ndim and b.ndim else multiply(a, b)


@composed
def kron(a: Any, b: Any, /) -> Any:
    """Kronecker product: every entry of ``a`` times the whole of ``b``, laid out as blocks.

    Examples
    --------
    >>> import framework as fw
    >>> fw.kron(fw.asarray([1, 10]), fw.asarray([3, 4]))
    Tensor([ 3,  4, 30, 40])
    """
    n = a.ndim if a.ndim > b.ndim else b.ndim
    left, right = ((1,) * (n - x.ndim) + tuple(x.shape) for x in (a, b))
    spread = multiply(
        reshape(a, tuple(k for length in left for k in (length, 1))),
        reshape(b, tuple(k for length in right for k in (1, length))),
    )
    return reshape(spread, tuple(i * j for i, j in zip(left, right)))
