"""What ``framework.linalg`` returns and refuses, and gradients where they are special."""

from __future__ import annotations

import inspect
from math import inf

import numpy as np
import pytest

import framework as fw
from framework.autograd import grad

NAMES = (
    *("cholesky", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "matmul", "matrix_norm"),
    *("matrix_power", "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals"),
    *("tensordot", "trace", "vecdot", "vector_norm"),
)


def leaf(values, device="cpu"):
    return fw.asarray(np.asarray(values), device=device, copy=True).requires_grad_()


def gradient(y, x, seed=None):
    return grad(y, x, None if seed is None else fw.asarray(seed, device=x.device))[0].numpy()


# ---------------------------------------------------------------- the standard's surface
@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_standards(name):
    strict = pytest.importorskip("array_api_strict")
    theirs = inspect.signature(getattr(strict.linalg, name)).parameters
    ours = inspect.signature(getattr(fw.linalg, name)).parameters
    skip = {"xp"}
    assert [(p.name, p.kind, p.default) for p in ours.values() if p.name not in skip] == [
        (p.name, p.kind, p.default) for p in theirs.values()
    ]


def test_results_have_the_standards_names(device):
    x = fw.asarray(np.eye(2), device=device)
    assert fw.linalg.eigh(x)._fields == fw.linalg.eig(x)._fields == ("eigenvalues", "eigenvectors")
    assert fw.linalg.qr(x)._fields == ("Q", "R")
    assert fw.linalg.slogdet(x)._fields == ("sign", "logabsdet")
    assert fw.linalg.svd(x)._fields == ("U", "S", "Vh")


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_dtypes_are_kept(device, dtype):
    x = fw.asarray(np.eye(3, 3) * 2, dtype=dtype, device=device)
    real = {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)
    complex_ = {"float32": "complex64", "float64": "complex128"}.get(dtype, dtype)
    for result in (fw.linalg.inv(x), fw.linalg.det(x), fw.linalg.cholesky(x), fw.linalg.pinv(x), *fw.linalg.qr(x)):
        assert result.dtype == dtype
    assert [part.dtype for part in fw.linalg.svd(x)] == [dtype, real, dtype]
    assert [part.dtype for part in fw.linalg.eigh(x)] == [real, dtype]
    assert [part.dtype for part in fw.linalg.eig(x)] == [complex_, complex_]
    assert [part.dtype for part in fw.linalg.slogdet(x)] == [dtype, real]
    assert fw.linalg.vector_norm(x).dtype == fw.linalg.matrix_norm(x).dtype == real


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_gradients_have_the_dtype_of_the_argument(device, dtype):
    x = leaf((np.eye(3) * 2 + np.tri(3)).astype(dtype), device)
    u, s, _ = fw.linalg.svd(x)
    total = fw.sum(fw.real(u * fw.conj(u))[0]) + fw.sum(s) + fw.linalg.slogdet(x)[1] + fw.linalg.vector_norm(x)
    assert grad(total, x)[0].dtype == dtype


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 3, 3)])
def test_empty_matrices(device, shape):
    x = fw.asarray(np.zeros(shape), device=device)
    batch, n = shape[:-2], shape[-1]
    assert fw.linalg.inv(x).shape == fw.linalg.matrix_power(x, 3).shape == fw.linalg.pinv(x).shape == shape
    assert fw.linalg.det(x).numpy().tolist() == np.ones(batch).tolist()
    assert fw.linalg.svdvals(x).shape == fw.linalg.eigvalsh(x).shape == (*batch, n)
    assert fw.linalg.trace(x).shape == fw.linalg.matrix_norm(x).shape == batch
    assert fw.linalg.matrix_rank(x).numpy().tolist() == np.zeros(batch).tolist()


def test_ranks(device):
    x = fw.asarray(np.stack([np.diag([1.0, 1e-3, 0]), np.eye(3), np.zeros((3, 3))]), device=device)
    assert fw.linalg.matrix_rank(x).tolist() == [2, 3, 0]
    assert fw.linalg.matrix_rank(x, rtol=0.1).tolist() == [1, 3, 0]
    assert fw.linalg.matrix_rank(x, rtol=fw.asarray([0.1, 0.1, 0.1], dtype="float64", device=device)).tolist() == [
        1,
        3,
        0,
    ]


def test_tolerance_of_the_pseudo_inverse(device):
    x = fw.asarray(np.diag([1.0, 1e-3]), device=device)
    np.testing.assert_allclose(fw.linalg.pinv(x).numpy(), np.diag([1.0, 1e3]))
    np.testing.assert_allclose(fw.linalg.pinv(x, rtol=0.1).numpy(), np.diag([1.0, 0]))
    rtol = fw.asarray(0.1, dtype="float64", device=device)
    np.testing.assert_allclose(fw.linalg.pinv(x, rtol=rtol).numpy(), np.diag([1.0, 0]))


@pytest.mark.parametrize("n", [-2, -1, 0, 1, 2, 3, 4, 7, 12])
def test_powers(device, n):
    x = np.array([[1.0, 0.5], [0.25, 2.0]])
    result = fw.linalg.matrix_power(fw.asarray(x, device=device), n)
    np.testing.assert_allclose(result.numpy(), np.linalg.matrix_power(x, n), rtol=1e-13)


def test_first_power_is_a_copy(device):
    x = fw.asarray(np.eye(2), device=device)
    y = fw.linalg.matrix_power(x, 1)
    y[0, 0] = 5.0
    assert x[0, 0].item() == 1.0


@pytest.mark.parametrize("offset", range(-4, 6))
@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 2), (3, 0), (0, 3), (1, 1)])
def test_diagonals_and_traces(device, shape, offset):
    x = np.arange(np.prod(shape)).reshape(shape)
    t = fw.asarray(x, device=device)
    diagonal = np.linalg.diagonal(x, offset=offset)
    np.testing.assert_array_equal(fw.linalg.diagonal(t, offset=offset).numpy(), diagonal)
    np.testing.assert_array_equal(fw.linalg.trace(t, offset=offset).numpy(), np.trace(x, offset, -2, -1))


def test_trace_in_another_dtype(device):
    assert fw.linalg.trace(fw.asarray([[1, 2], [3, 4]], dtype="int8", device=device)).dtype == "int64"
    assert fw.linalg.trace(fw.asarray([[1, 2], [3, 4]], device=device), dtype=fw.float32).dtype == "float32"


@pytest.mark.parametrize("axis", [-3, -2, 0, 1])
def test_cross_product_along_an_axis(device, axis):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 3, 2))
    result = fw.linalg.cross(fw.asarray(x, device=device), fw.asarray(y, device=device), axis=axis)
    np.testing.assert_allclose(result.numpy(), np.linalg.cross(x, y, axis=axis), rtol=1e-13)


# ---------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x, v: fw.linalg.inv(x), ValueError, r"inv: .*\(2, 3\)"),
        (lambda x, v: fw.linalg.solve(x, v), ValueError, r"solve: .*\(2, 3\)"),
        (lambda x, v: fw.linalg.cholesky(-x[:, :2]), ValueError, "cholesky: .*positive.definite"),
        (lambda x, v: fw.linalg.inv(0 * x[:, :2]), ValueError, "inv: Singular"),
        (lambda x, v: fw.linalg.det(v), ValueError, "det: "),
        (lambda x, v: fw.linalg.qr(x, mode="raw"), ValueError, "'reduced' or 'complete', got 'raw'"),
        (lambda x, v: fw.linalg.cross(x[:, :2], x[:, :2]), ValueError, r"length 3 along axis -1, got .*\(2, 2\)"),
        (lambda x, v: fw.linalg.cross(v, v, axis=1), ValueError, r"axis 1, got .*\(3,\)"),
        (lambda x, v: fw.linalg.outer(x, v), ValueError, r"two vectors, got .*\(2, 3\) and \(3,\)"),
        (lambda x, v: fw.linalg.diagonal(v), ValueError, r"two axes, got .*\(3,\)"),
        (lambda x, v: fw.linalg.matrix_norm(v), ValueError, r"two axes, got .*\(3,\)"),
        (lambda x, v: fw.linalg.matrix_norm(x, ord=3), ValueError, "got 3"),
        (lambda x, v: fw.linalg.matrix_power(x, 2), ValueError, r"square matrices, got .*\(2, 3\)"),
        (lambda x, v: fw.linalg.matrix_power(x[:, :2], 1.5), TypeError, "float"),
    ],
)
def test_bad_arguments(device, call, error, match):
    x = fw.asarray(np.arange(1.0, 7).reshape(2, 3), device=device)
    with pytest.raises(error, match=match):
        call(x, x[0])


@pytest.mark.parametrize(
    "shapes", [((2, 2), (3, 2, 1)), ((3, 2, 2), (2, 1)), ((3, 2, 2), (2,)), ((2, 1, 2, 2), (3, 2, 4))]
)
def test_solve_broadcasts_the_axes_before_the_matrices(device, shapes):
    a, b = (np.random.default_rng(0).normal(size=shape) for shape in shapes)
    found = fw.linalg.solve(fw.asarray(a, device=device), fw.asarray(b, device=device)).cpu().numpy()
    np.testing.assert_allclose(found, np.linalg.solve(a, b), rtol=1e-12)


# ---------------------------------------------------------------- gradients at special points
def test_gradients_of_singular_determinants(device):
    for values in ([[1.0, 2.0], [2.0, 4.0]], [[1.0, 2.0j], [2.0j, -4.0]], [[0.0, 0.0], [0.0, 1.0]], [[0.0]]):
        a = np.asarray(values)
        x = leaf(a, device)
        cofactors = np.array([[1.0]]) if a.size == 1 else np.array([[a[1, 1], -a[1, 0]], [-a[0, 1], a[0, 0]]])
        y = fw.linalg.det(x)
        np.testing.assert_allclose(gradient(y, x, np.ones((), y.dtype)), np.conj(cofactors), atol=1e-14)


def test_gradient_of_a_batch_with_a_singular_matrix(device):
    x = leaf(np.array([[[1.0, 2.0], [2.0, 4.0]], [[2.0, 0.0], [1.0, 3.0]]]), device)
    y = fw.linalg.det(x)
    np.testing.assert_allclose(gradient(y, x, np.ones(2)), [[[4, -2], [-2, 1]], [[3, -1], [0, 2]]], atol=1e-14)


@pytest.mark.parametrize("ord", [1, 1.5, 2, 3])
def test_norm_of_zero_has_gradient_zero(device, ord):
    x = leaf(np.zeros(3), device)
    assert gradient(fw.linalg.vector_norm(x, ord=ord), x).tolist() == [0, 0, 0]


def test_entries_that_tie_share_the_gradient_of_the_largest(device):
    x = leaf(np.array([-2.0, 1.0, 2.0]), device)
    assert gradient(fw.linalg.vector_norm(x, ord=inf), x).tolist() == [-0.5, 0.0, 0.5]


def test_values_alone_have_gradients_where_they_are_equal(device):
    seed = np.array([1.0, 2.0])
    for function in (
        fw.linalg.eigvalsh,
        fw.linalg.svdvals,
        lambda x: fw.linalg.eigh(x)[0],
        lambda x: fw.linalg.svd(x)[1],
    ):
        x = leaf(np.eye(2), device)
        np.testing.assert_allclose(np.sort(np.diag(gradient(function(x), x, seed))), seed)


@pytest.mark.parametrize("function", [fw.linalg.eigh, fw.linalg.svd])
def test_vectors_of_equal_values_have_no_gradient(function):
    x = leaf(np.eye(2))
    vectors = function(x)[-1]
    with np.errstate(all="ignore"):
        assert not np.isfinite(gradient(vectors, x, np.array([[1.0, 2.0], [3.0, 4.0]]))).all()


@pytest.mark.parametrize("name", ["cholesky", "eigh", "eigvalsh"])
def test_gradients_of_hermitian_matrices_are_hermitian(device, name):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    x = leaf(a @ a.conj().T + np.diag([1, 2, 3]), device)
    y = getattr(fw.linalg, name)(x)
    y = fw.real(y[1] * fw.conj(y[1])) if name == "eigh" else y
    seed = rng.normal(size=y.shape).astype(y.dtype)
    g = gradient(y, x, seed)
    np.testing.assert_allclose(g, g.conj().T, atol=1e-12)


@pytest.mark.parametrize("shape", [(5, 2), (2, 5), (3, 3), (4, 1)])
@pytest.mark.parametrize("columns", [(), (1,), (3,)])
def test_least_squares_are_numpys(device, shape, columns):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=shape), rng.normal(size=(shape[0], *columns))
    ours = fw.linalg.lstsq(fw.asarray(a, device=device), fw.asarray(b, device=device))
    x, residuals, rank, s = np.linalg.lstsq(a, b)
    np.testing.assert_allclose(ours.solution.numpy(), x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.singular_values.numpy(), s, rtol=1e-12)
    assert ours.rank.item() == rank
    assert ours.residuals.shape == columns
    if residuals.size:
        np.testing.assert_allclose(ours.residuals.numpy(), residuals.reshape(columns), rtol=1e-12)
    else:
        np.testing.assert_allclose(ours.residuals.numpy(), 0, atol=1e-20)


def test_the_shortest_solution_of_a_matrix_that_lacks_rank(device):
    a, b = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]), np.array([1.0, 2.0, 6.0])
    found = fw.linalg.lstsq(fw.asarray(a, device=device), fw.asarray(b, device=device))
    np.testing.assert_allclose(found.solution.numpy(), [1.5, 1.5])
    assert (found.rank.item(), found.residuals.item()) == (1, pytest.approx(14.0))
    nearly = fw.asarray(a + np.array([[1e-6, 0], [0, 0], [0, 0]]), device=device)
    assert [fw.linalg.lstsq(nearly, fw.asarray(b, device=device), rtol=r).rank.item() for r in (None, 1e-3)] == [2, 1]


@pytest.mark.parametrize(("a", "b"), [((3, 2), (2,)), ((3, 2), (2, 3)), ((3,), (3,)), ((3, 2), ())])
def test_least_squares_of_arguments_that_do_not_fit(a, b):
    with pytest.raises(ValueError, match=r"lstsq: expected a \(..., m, n\) and b \(m,\) or"):
        fw.linalg.lstsq(fw.ones(a), fw.ones(b))


def test_signs_and_ranks_are_constants(device):
    x = leaf(np.eye(2), device)
    assert not fw.linalg.matrix_rank(x).requires_grad
    assert gradient(fw.linalg.slogdet(x).sign, x).tolist() == [[0, 0], [0, 0]]
    assert gradient(fw.linalg.slogdet(x).logabsdet, x).tolist() == [[1, 0], [0, 1]]


def test_third_derivative_of_an_inverse():
    x = leaf(np.array([[2.0]]))
    y = fw.linalg.inv(x)
    for _ in range(3):
        (y,) = grad(y, x, create_graph=True)
    np.testing.assert_allclose(y.detach().numpy(), [[-6 / 2.0**4]])


def test_third_derivative_of_a_determinant():
    x = leaf(np.diag([2.0, 3.0, 5.0]))
    y = fw.linalg.det(x)
    for i in range(3):
        (g,) = grad(y, x, create_graph=True)
        y = g[i, i]
    assert y.item() == pytest.approx(1.0)


def test_arguments_of_any_layout(arrays):
    a = np.random.default_rng(0).normal(size=(4, 3, 3)).transpose(2, 0, 1)[::2]
    x = arrays.make(a, requires_grad=True)
    s = fw.linalg.svdvals(x)
    np.testing.assert_allclose(s.detach().numpy(), np.linalg.svdvals(a), rtol=1e-12)
    assert grad(fw.sum(s), x)[0].shape == a.shape
