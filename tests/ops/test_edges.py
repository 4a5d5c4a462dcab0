"""Gradients at kinks, poles, infinities and NaN, where there are no differences to compare with: PyTorch's."""

from __future__ import annotations

from itertools import product
from math import inf, nan

import numpy as np
import pytest

import framework as fw

torch = pytest.importorskip("torch")

EDGES = (-inf, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, inf, nan)
TIES = ((1.0, 3.0, 3.0, 2.0), (2.0, 2.0, 2.0, 2.0), (inf, inf, -inf, 0.0), (0.0, -0.0, 0.0, -1.0), (-inf,) * 4)
UNARY = (
    *("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "square", "reciprocal", "sin", "cos", "tan"),
    *("asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "atanh", "sigmoid"),
)
BINARY = ("add", "subtract", "multiply", "divide", "pow", "atan2", "logaddexp", "remainder", "maximum", "minimum")


def ours(call, arrays):
    leaves = [fw.asarray(np.array(x)).requires_grad_() for x in arrays]
    y = call(fw, *leaves)
    return y.detach().numpy(), [g.numpy() for g in fw.autograd.grad(y, leaves, fw.ones_like(y))]


def theirs(call, arrays):
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in arrays]
    y = call(torch, *leaves)
    return y.numpy(force=True), [g.numpy(force=True) for g in torch.autograd.grad(y, leaves, torch.ones_like(y))]


def assert_pytorchs(call, *arrays, on_torch=None):
    with np.errstate(all="ignore"):
        value, gradients = ours(call, arrays)
    expected, expected_gradients = theirs(on_torch or call, arrays)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for g, h in zip(gradients, expected_gradients):
        np.testing.assert_allclose(g, h, rtol=1e-9)


@pytest.mark.parametrize("name", UNARY)
def test_of_one_argument(name):
    assert_pytorchs(lambda xp, x: getattr(xp, name)(x), EDGES)


@pytest.mark.parametrize("name", BINARY)
def test_of_two_arguments(name):
    pairs = list(product(EDGES, EDGES))
    if name == "logaddexp":  # PyTorch says NaN for two equal infinities
        pairs = [(x, y) for x, y in pairs if not (np.isinf(x) and x == y)]
    if name == "pow":  # NumPy says NaN for negative numbers to an infinite power
        pairs = [(x, y) for x, y in pairs if not (x < 0 and np.isinf(y))]
    assert_pytorchs(lambda xp, x, y: getattr(xp, name)(x, y), *zip(*pairs))


@pytest.mark.parametrize("infinity", [inf, -inf])
def test_equal_infinities_share_the_gradient_of_their_sum(infinity):
    _, gradients = ours(lambda xp, x, y: xp.logaddexp(x, y), [infinity, infinity])
    assert [g.item() for g in gradients] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("axis", [0, 1])
def test_ties(name, axis):
    assert_pytorchs(
        lambda xp, x: getattr(xp, name)(x, axis=axis), TIES, on_torch=lambda t, x: getattr(t, f"a{name}")(x, axis)
    )


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_of_infinities(name, axis):
    assert_pytorchs(
        lambda xp, x: getattr(xp, name)(x, axis=axis), TIES, on_torch=lambda t, x: getattr(t, name)(x, axis)
    )


@pytest.mark.parametrize("ord", [0.5, 1, 1.5, 2, 3, inf, -inf, -1])
def test_norms_of_vectors_with_zeros(ord):
    assert_pytorchs(
        lambda xp, x: xp.linalg.vector_norm(x, ord=ord, axis=-1),
        [[1.0, -1.0, 1.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]],
        on_torch=lambda t, x: t.linalg.vector_norm(x, ord, -1),
    )
