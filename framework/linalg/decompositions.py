"""Factors of matrices: Cholesky, QR, eigenvalues and vectors, singular values and vectors.

Eigenvectors, singular vectors and the columns of Q are determined only up to a sign (a phase, for complex
matrices); the gradients are those of functions that do not depend on that choice. Where two eigenvalues or
singular values are equal their vectors have no derivative, and the gradient is infinite or NaN; gradients of
the values alone are finite everywhere. Formulas: Giles, "An extended collection of matrix derivative results"
(2008); Seeger et al., "Auto-differentiating linear algebra" (2017); Wan and Zhang, arXiv:1909.02659, for the
phases of complex singular vectors.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

from framework.autograd.graph import Variable
from framework.autograd.modes import mode
from framework.autograd.precision import precision
from framework.autograd.primitive import primitive

Array = Any


class EigResult(NamedTuple):
    """Eigenvalues (..., n) and eigenvectors (..., n, n), one a column."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """Orthonormal columns and the upper triangle that combines them."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """Left singular vectors, one a column; singular values, falling; right singular vectors, one a row, conjugated."""

    U: Any
    S: Any
    Vh: Any


# ---------------------------------------------------------------------------------------- shared by the rules


def adjoint(xp: Any, x: Array) -> Array:
    """The matrices transposed and conjugated."""
    x = xp.matrix_transpose(x)
    return xp.conj(x) if xp.isdtype(x.dtype, "complex floating") else x


def _from_lower(xp: Any, x: Array) -> Array:
    """The Hermitian matrix with the lower triangle of ``x``, and the real part of its diagonal."""
    half = (xp.tril(x) + xp.tril(x, k=-1)) / 2
    return half + adjoint(xp, half)


def _identity(xp: Any, x: Array) -> Array:
    return xp.eye(x.shape[-1], dtype=xp.bool, device=x.device)


def _is_zero(xp: Any, x: Array) -> Array:
    """For each matrix, (..., 1, 1), whether it is all zero."""
    return xp.all(x == 0, axis=(-2, -1), keepdims=True)


def _divide(xp: Any, x: Array, by: Array, unused: Array) -> Array:
    """``x / by``; where ``unused`` says that x is zero because no gradient came, it stays zero."""
    return x / xp.where(unused, xp.ones_like(by), by)


def _off_diagonal(xp: Any, x: Array) -> Array:
    return xp.where(_identity(xp, x), xp.zeros_like(x), x)


def _fold(xp: Any, q: Array, g: Array, k: int) -> tuple[Array, Array]:
    """The first ``k`` columns of a unitary ``q`` and their gradient, with that of the other columns put onto them.

    The other columns span the complement of the first, whatever their basis: when ``dq = q[:k]`` moves by d,
    they move by ``-q1 d^H q2``.
    """
    q1, g1 = q[..., :, :k], g[..., :, :k]
    if q.shape[-1] > k:
        g1 = g1 - q[..., :, k:] @ adjoint(xp, g[..., :, k:]) @ q1
    return q1, g1


# ------------------------------------------------------------------------------------------- triangular


@precision("float32")
@primitive(holomorphic=False)
def cholesky(xp: Any, x: Array, /, *, upper: bool = False) -> Array:
    """Triangular ``L`` with ``L @ L^H = x``.

    Parameters
    ----------
    x : (..., n, n) Tensor
        Hermitian, positive definite; real or complex floating.
    upper : bool
        Whether to return ``L^H``, which is upper triangular, instead.

    Returns
    -------
    (..., n, n) Tensor
        Its gradient is that of the Hermitian matrix ``x``, and itself Hermitian.

    Raises
    ------
    ValueError
        If a matrix is not positive definite or not square.

    Notes
    -----
    Gradient: Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.cholesky(fw.asarray([[4.0, 2.0], [2.0, 5.0]]))
    Tensor([[2., 0.],
            [1., 2.]])
    """
    return xp.linalg.cholesky(x, upper=upper)


def _cholesky_rule(xp: Any, g: Array, y: Array, upper: bool) -> Array:
    if upper:
        g, y = adjoint(xp, g), adjoint(xp, y)
    yh = adjoint(xp, y)
    inner = _from_lower(xp, yh @ g) / 2
    left = xp.linalg.solve(yh, inner)
    return adjoint(xp, xp.linalg.solve(yh, adjoint(xp, left)))


cholesky.defvjp(_cholesky_rule)


@precision("float32")
@primitive(holomorphic=False)
def qr(xp: Any, x: Array, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QRResult:
    """Orthonormal ``Q`` and upper triangular ``R`` with ``Q @ R = x``.

    Parameters
    ----------
    x : (..., m, n) Tensor
        Real or complex floating. For a gradient its first min(m, n) columns must be independent.
    mode : {"reduced", "complete"}
        Whether Q is (..., m, min(m, n)) or (..., m, m). The columns beyond n span the complement of the
        others; their basis is arbitrary, and the gradient that of functions that do not depend on it.

    Returns
    -------
    QRResult
        ``Q`` and ``R``.

    Raises
    ------
    ValueError
        For another mode.

    Examples
    --------
    >>> import framework as fw
    >>> q, r = fw.linalg.qr(fw.asarray([[0.0, 2.0], [1.0, 0.0]]))
    >>> abs(r)
    Tensor([[1., 0.],
            [0., 2.]])
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode must be 'reduced' or 'complete', got {mode!r}")
    return xp.linalg.qr(x, mode=mode)  # type: ignore[no-any-return]


def _qr_rule(xp: Any, g: tuple[Array, Array], y: tuple[Array, Array]) -> Array:
    (gq, gr), (q, r) = g, y
    k, n = min(q.shape[-2], r.shape[-1]), r.shape[-1]
    q, gq = _fold(xp, q, gq, k)
    square, gsquare = r[..., :k, :k], gr[..., :k, :k]
    if n == k:
        return _qr_square(xp, gq, gsquare, q, square)
    rest, grest = r[..., :k, k:], gr[..., :k, k:]
    first = _qr_square(xp, gq + q @ rest @ adjoint(xp, grest), gsquare, q, square)
    return xp.concat([first, q @ grest], axis=-1)


def _qr_square(xp: Any, gq: Array, gr: Array, q: Array, r: Array) -> Array:
    """The gradient of matrices with no more columns than rows."""
    inner = _from_lower(xp, r @ adjoint(xp, gr) - adjoint(xp, gq) @ q)
    return adjoint(xp, xp.linalg.solve(r, adjoint(xp, gq + q @ inner)))


qr.defvjp(_qr_rule)


# ------------------------------------------------------------------------------------------- eigenvalues


@precision("float32")
@primitive(holomorphic=False)
def eigh(xp: Any, x: Array, /) -> EigResult:
    """Eigenvalues and orthonormal eigenvectors of Hermitian matrices.

    Parameters
    ----------
    x : (..., n, n) Tensor
        Hermitian, real or complex floating; only one triangle is read.

    Returns
    -------
    EigResult
        ``eigenvalues``, rising, and ``eigenvectors``. The gradient is that of the Hermitian matrix ``x``, and
        itself Hermitian; that of eigenvectors of equal eigenvalues does not exist.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.eigh(fw.asarray([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    Tensor([1., 2.])
    """
    return xp.linalg.eigh(x)  # type: ignore[no-any-return]


def _eigh_rule(xp: Any, g: tuple[Array, Array], y: tuple[Array, Array]) -> Array:
    (gw, gv), (w, v) = g, y
    vh = adjoint(xp, v)
    inner = vh @ gv
    inner = _off_diagonal(xp, inner - adjoint(xp, inner)) / 2
    gaps = w[..., None, :] - w[..., :, None]
    inner = _divide(xp, inner, gaps, xp.logical_or(_is_zero(xp, gv), _identity(xp, gaps)))
    return (v @ inner + v * gw[..., None, :]) @ vh


eigh.defvjp(_eigh_rule)


@precision("float32")
@primitive(holomorphic=False)
def eigvalsh(xp: Any, x: Array, /) -> Array:
    """Eigenvalues of Hermitian matrices (..., n, n), rising.

    The gradient is Hermitian. At equal eigenvalues it is one of several subgradients.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.eigvalsh(fw.asarray([[2.0, 0.0], [0.0, 1.0]]))
    Tensor([1., 2.])
    """
    return xp.linalg.eigvalsh(x)


def _eigvalsh_rule(xp: Any, g: Array, x: Array) -> Array:
    v = xp.linalg.eigh(x)[1]
    return (v * g[..., None, :]) @ adjoint(xp, v)


eigvalsh.defvjp(_eigvalsh_rule)


@precision("float32")
@primitive(holomorphic=False)
def eig(xp: Any, x: Array, /) -> EigResult:
    """Eigenvalues and eigenvectors of square matrices, complex also for real ``x``.

    Parameters
    ----------
    x : (..., n, n) Tensor
        Real or complex floating. For a gradient the eigenvectors must be independent.

    Returns
    -------
    EigResult
        ``eigenvalues``, in no particular order, and ``eigenvectors`` of length one.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.eig(fw.asarray([[3.0, 0.0], [0.0, 1.0]])).eigenvalues
    Tensor([3.+0.j, 1.+0.j], dtype=complex64)
    """
    dtype, (w, v) = _complex_dtype(xp, x.dtype), xp.linalg.eig(x)
    return EigResult(w if w.dtype == dtype else xp.astype(w, dtype), v if v.dtype == dtype else xp.astype(v, dtype))


@lru_cache(maxsize=16)
def _complex_dtype(xp: Any, dtype: Any) -> Any:
    return xp.result_type(dtype, xp.complex64)


def _eig_rule(xp: Any, g: tuple[Array, Array], y: tuple[Array, Array]) -> Array:
    """The columns keep length one, so that of a gradient along them nothing remains."""
    (gw, gv), (w, v) = g, y
    vh = adjoint(xp, v)
    inner = vh @ gv
    along = xp.astype(xp.real(xp.linalg.diagonal(inner)), v.dtype)
    inner = _off_diagonal(xp, inner - (vh @ v) * along[..., None, :])
    gaps = xp.conj(w[..., None, :] - w[..., :, None])
    inner = _divide(xp, inner, gaps, xp.logical_or(_is_zero(xp, gv), _identity(xp, gaps)))
    return xp.linalg.solve(vh, (inner @ vh) + gw[..., :, None] * vh)


eig.defvjp(_eig_rule)


@precision("float32")
@primitive
def _eigvals(xp: Any, x: Array, /) -> Array:
    return xp.astype(xp.linalg.eigvals(x), _complex_dtype(xp, x.dtype), copy=False)


def eigvals(x: Any, /) -> Any:
    """Eigenvalues of square matrices (..., n, n), complex also for real ``x``, in no particular order.

    For a gradient the eigenvectors must be independent.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.eigvals(fw.asarray([[0.0, 1.0], [-1.0, 0.0]]))
    Tensor([0.+1.j, 0.-1.j], dtype=complex64)
    """
    recorded = mode.grad and isinstance(x, Variable) and x.requires_grad
    return eig(x).eigenvalues if recorded else _eigvals(x)


# --------------------------------------------------------------------------------------- singular values


@precision("float32")
@primitive(holomorphic=False)
def svd(xp: Any, x: Array, /, *, full_matrices: bool = True) -> SVDResult:
    """Singular value decomposition ``x = U @ diag(S) @ Vh``.

    Parameters
    ----------
    x : (..., m, n) Tensor
        Real or complex floating.
    full_matrices : bool
        Whether U is (..., m, m) and Vh (..., n, n), or both have min(m, n) singular vectors only. The
        additional ones span the complement of the others; their basis is arbitrary, and the gradient that of
        functions that do not depend on it.

    Returns
    -------
    SVDResult
        ``U``, ``S`` (..., min(m, n)), falling, and ``Vh``. The gradient of singular vectors exists where all
        singular values differ from each other and, for a matrix that is not square, from zero.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.svd(fw.asarray([[0.0, 3.0], [4.0, 0.0]])).S
    Tensor([4., 3.])
    """
    return xp.linalg.svd(x, full_matrices=full_matrices)  # type: ignore[no-any-return]


def _svd_rule(xp: Any, g: tuple[Array, ...], y: tuple[Array, ...]) -> Array:
    (gu, gs, gvh), (u, s, vh) = g, y
    k, shape = s.shape[-1], (u.shape[-2], vh.shape[-1])
    unused = xp.logical_and(_is_zero(xp, gu), _is_zero(xp, gvh))
    u, gu = _fold(xp, u, gu, k)
    v, gv = _fold(xp, adjoint(xp, vh), adjoint(xp, gvh), k)
    uh, vh = adjoint(xp, u), adjoint(xp, v)
    row, column = s[..., None, :], s[..., :, None]

    turn_u, turn_v = uh @ gu, vh @ gv
    turn_u, turn_v = turn_u - adjoint(xp, turn_u), turn_v - adjoint(xp, turn_v)
    gaps = (row - column) * (row + column)
    inner = _off_diagonal(xp, turn_u * row + column * turn_v)
    inner = _divide(xp, inner, gaps, xp.logical_or(unused, _identity(xp, gaps)))
    result = (u @ inner + u * (gs[..., None, :] + _phases(xp, turn_u, row, unused))) @ vh
    if shape[0] > k:
        result = result + _divide(xp, gu - u @ (uh @ gu), row, unused) @ vh
    if shape[1] > k:
        result = result + u @ adjoint(xp, _divide(xp, gv - v @ (vh @ gv), row, unused))
    return result


def _phases(xp: Any, turn: Array, row: Array, unused: Array) -> Any:
    """What the common phase of a complex pair of singular vectors adds; real ones have none.

    It has no derivative where the singular value is zero but for rounding: infinite, not noise over noise.
    """
    if not xp.isdtype(turn.dtype, "complex floating"):
        return 0.0
    largest = row[..., : min(1, row.shape[-1])]
    row = xp.where(row <= xp.finfo(row.dtype).eps * largest, xp.zeros_like(row), row)
    return _divide(xp, xp.linalg.diagonal(turn)[..., None, :], 2 * row, unused)


svd.defvjp(_svd_rule)


@precision("float32")
@primitive(holomorphic=False)
def svdvals(xp: Any, x: Array, /) -> Array:
    """Singular values (..., min(m, n)) of matrices (..., m, n), falling.

    At equal or zero singular values the gradient is one of several subgradients.

    Examples
    --------
    >>> import framework as fw
    >>> fw.linalg.svdvals(fw.asarray([[0.0, 3.0], [4.0, 0.0]]))
    Tensor([4., 3.])
    """
    return xp.linalg.svdvals(x)


def _svdvals_rule(xp: Any, g: Array, x: Array) -> Array:
    u, _, vh = xp.linalg.svd(x, full_matrices=False)
    return (u * g[..., None, :]) @ vh


svdvals.defvjp(_svdvals_rule)
