"""Inverses, solutions of linear systems, and determinants."""

from __future__ import annotations

from typing import Any, NamedTuple

from framework.autograd.composed import composed
from framework.autograd.graph import Variable
from framework.autograd.precision import precision
from framework.autograd.primitive import primitive
from framework.linalg.decompositions import adjoint, svdvals
from framework.linalg.norms import matrix_rank
from framework.ops.elementwise import real
from framework.ops.linear import matmul, vecdot
from framework.ops.reduction import leave_one_out

Array = Any


class LstsqResult(NamedTuple):
    """A solution, its sums of squared residuals, and the rank and singular values of the matrix."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


class SlogdetResult(NamedTuple):
    """Sign (of modulus one for complex matrices) and logarithm of the modulus of a determinant."""

    sign: Any
    logabsdet: Any


@precision("float32")
@primitive
def inv(xp: Any, x: Array, /) -> Array:
    """Inverse of square matrices.

    Parameters
    ----------
    x : (..., n, n) Tensor
        Real or complex floating.

    Raises
    ------
    ValueError
        If a matrix is singular or not square.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.inv(fw.asarray([[2.0, 0.0], [0.0, 4.0]]))
    Tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return xp.linalg.inv(x)


def _inv_rule(xp: Any, g: Array, y: Array) -> Array:
    yt = xp.matrix_transpose(y)
    return -(yt @ g @ yt)


inv.defvjp(_inv_rule)


@precision("float32")
@primitive
def solve(xp: Any, x1: Array, x2: Array, /) -> Array:
    """Solution ``x`` of ``x1 @ x = x2``.

    Parameters
    ----------
    x1 : (..., n, n) Tensor
        Square matrices, real or complex floating.
    x2 : (n,) or (..., n, k) Tensor
        One vector, or matrices of k columns each; the axes before them broadcast.

    Returns
    -------
    (..., n) or (..., n, k) Tensor

    Raises
    ------
    ValueError
        If a matrix is singular or the shapes do not fit.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.solve(fw.asarray([[2.0, 0.0], [0.0, 4.0]]), fw.asarray([2.0, 2.0]))
    Tensor([1. , 0.5])
    """
    return xp.linalg.solve(x1, x2)


def _solve_transposed(xp: Any, g: Array, x1: Array, vector: bool) -> Array:
    """The gradient of the right-hand sides, as columns."""
    return xp.linalg.solve(xp.matrix_transpose(x1), g[..., None] if vector else g)


def _solve_first(xp: Any, g: Array, y: Array, x1: Array, x2: Array) -> Array:
    vector = x2.ndim == 1
    solution = y[..., None] if vector else y
    return -_solve_transposed(xp, g, x1, vector) @ xp.matrix_transpose(solution)


def _solve_second(xp: Any, g: Array, x1: Array, shape: tuple[int, ...]) -> Array:
    vector = len(shape) == 1
    columns = _solve_transposed(xp, g, x1, vector)
    return columns[..., 0] if vector else columns


solve.defvjp(_solve_first, _solve_second)


@precision("float32")
@primitive(holomorphic=False)
def _pinv(xp: Any, x: Array, /, *, rtol: Any) -> Array:
    return xp.linalg.pinv(x, rtol=rtol)


def _pinv_rule(xp: Any, g: Array, y: Array, x: Array) -> Array:
    gh, yh = adjoint(xp, g), adjoint(xp, y)
    left = gh - x @ (y @ gh)
    right = gh - (gh @ y) @ x
    return left @ y @ yh + yh @ y @ right - yh @ g @ yh


_pinv.defvjp(_pinv_rule)


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """Moore-Penrose inverse.

    Parameters
    ----------
    x : (..., m, n) Tensor
        Real or complex floating.
    rtol : float or (...) Tensor, optional
        Singular values below ``rtol`` times the largest count as zero; ``max(m, n) * eps`` by default.

    Returns
    -------
    (..., n, m) Tensor
        Its gradient supposes that the rank does not change (Golub and Pereyra, 1973).

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.pinv(fw.asarray([[2.0], [0.0]]))
    Tensor([[0.5, 0. ]])
    """
    return _pinv(x, rtol=rtol.data if isinstance(rtol, Variable) else rtol)


@composed
def lstsq(a: Any, b: Any, /, *, rtol: Any = None) -> LstsqResult:
    """Least-squares solution ``x`` of ``a @ x = b``, the shortest one where there are several.

    Parameters
    ----------
    a : (..., m, n) Tensor
        Matrices with more rows than columns or fewer, real or complex floating.
    b : (m,) or (..., m, k) Tensor
        One vector, or matrices of k columns each; the axes before them broadcast.
    rtol : float or (...) Tensor, optional
        Singular values below ``rtol`` times the largest count as zero; ``max(m, n) * eps`` by default.

    Returns
    -------
    LstsqResult
        ``solution`` (..., n) or (..., n, k); ``residuals`` (...) or (..., k), the sums of ``abs(b - a @ x)**2``, also where
        NumPy leaves them out; ``rank`` (...), integers; ``singular_values`` (..., min(m, n)). The gradients
        suppose that the rank does not change; none flows through the rank.

    Raises
    ------
    ValueError
        If ``a`` and ``b`` differ in their rows.

    Examples
    --------
    A line through three points:

    >>> import framework as fw
    >>> a = fw.asarray([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> fw.round(fw.linalg.lstsq(a, fw.asarray([1.0, 3.0, 5.0])).solution)
    Tensor([1., 2.])
    """
    vector = b.ndim == 1
    columns = b[:, None] if vector else b
    if a.ndim < 2 or columns.ndim < 2 or columns.shape[-2] != a.shape[-2]:
        raise ValueError(
            f"lstsq: expected a (..., m, n) and b (m,) or (..., m, k), got the shapes {tuple(a.shape)} and {tuple(b.shape)}"
        )
    solution = matmul(pinv(a, rtol=rtol), columns)
    misfit = columns - matmul(a, solution)
    residuals = real(vecdot(misfit, misfit, axis=-2))
    if vector:
        solution, residuals = solution[..., 0], residuals[..., 0]
    return LstsqResult(solution, residuals, matrix_rank(a, rtol=rtol), svdvals(a))


@precision("float32")
@primitive
def det(xp: Any, x: Array, /) -> Array:
    """Determinant of square matrices.

    Parameters
    ----------
    x : (..., n, n) Tensor
        Real or complex floating.

    Returns
    -------
    (...) Tensor
        Its gradient, the matrix of cofactors, also holds for singular matrices. There the second derivative
        exists for real ones whose singular values differ; else it is infinite or NaN.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.det(fw.asarray([[2.0, 1.0], [0.0, 3.0]]))
    Tensor(6.)
    """
    return xp.linalg.det(x)


def _cofactors(xp: Any, x: Array, det: Array) -> Array:
    if not xp.any(det == 0):
        return det[..., None, None] * xp.matrix_transpose(xp.linalg.inv(x))
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    others = xp.prod(leave_one_out(xp, s), axis=-1)
    unit = xp.linalg.det(u) * xp.linalg.det(vh)
    inner = (u * others[..., None, :]) @ vh
    return unit[..., None, None] * (xp.conj(inner) if xp.isdtype(inner.dtype, "complex floating") else inner)


det.defvjp(lambda xp, g, y, x: g[..., None, None] * _cofactors(xp, x, y))


@precision("float32")
@primitive(holomorphic=False)
def slogdet(xp: Any, x: Array, /) -> SlogdetResult:
    """Sign and logarithm of the modulus of the determinant of square matrices.

    Parameters
    ----------
    x : (..., n, n) Tensor
        Real or complex floating; for a gradient, not singular.

    Returns
    -------
    SlogdetResult
        ``sign`` (...), of modulus one, or 0 for a singular matrix, and ``logabsdet`` (...), real.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.slogdet(fw.asarray([[0.0, 1.0], [1.0, 0.0]])).sign
    Tensor(-1.)
    """
    return xp.linalg.slogdet(x)  # type: ignore[no-any-return]


def _slogdet_rule(xp: Any, g: tuple[Array, Array], y: tuple[Array, Array], x: Array) -> Array:
    """The logarithm is the real part, the sign's angle the imaginary part, of one holomorphic function."""
    gsign, glog = g
    weight = xp.astype(glog, x.dtype)
    if xp.isdtype(x.dtype, "complex floating"):
        weight = weight + 1j * xp.astype(xp.imag(xp.conj(y[0]) * gsign), x.dtype)
    return weight[..., None, None] * adjoint(xp, xp.linalg.inv(x))


slogdet.defvjp(_slogdet_rule)
