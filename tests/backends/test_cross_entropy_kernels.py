"""Cross-entropy: every implementation against PyTorch, the NumPy kernels against the reference."""

from __future__ import annotations

import itertools
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends._numpy import cross_entropy as fast

pytestmark = pytest.mark.cpu("NumPy's own kernels, but for tests with the fixture `kernels`")

TOPIC = "cross_entropy"
IGNORE = -100
SHAPES = [(0, 3), (1, 1), (5, 1), (1, 7), (6, 4), (30, 90), (700, 50), (3, 40_000)]


@pytest.fixture(autouse=True, scope="module", params=[fast._MUCH, 1], ids=["little", "much"])
def much(request):
    """How many logits are enough for compiled loops."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "_MUCH", request.param)
        yield


def case(shape, *, weighted=False, dtype=np.float64, scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    n, classes = shape
    logits = (scale * rng.standard_normal(shape)).astype(dtype)
    target = rng.integers(0, classes, n)
    target[::3] = IGNORE
    return logits, target, rng.uniform(0.5, 2, classes).astype(dtype) if weighted else None


def torch_losses_and_gradient(logits, target, weight, ignore_index, smoothing, g):
    torch = pytest.importorskip("torch")
    leaf = torch.tensor(logits, requires_grad=True)
    losses = torch.nn.functional.cross_entropy(
        leaf,
        torch.tensor(target),
        None if weight is None else torch.tensor(weight),
        ignore_index=ignore_index,
        reduction="none",
        label_smoothing=smoothing,
    )
    losses.backward(torch.tensor(g))
    return losses.detach().numpy(), leaf.grad.numpy()


def losses_and_gradient(kernels, *args, g):
    losses, saved = kernels.cross_entropy_forward(*args, "none")
    return losses, kernels.cross_entropy_backward(saved, g)


OPTIONS = list(itertools.product(SHAPES, [False, True], [0.0, 0.3, 1.0]))


@pytest.mark.parametrize(("shape", "weighted", "smoothing"), OPTIONS)
def test_as_pytorch(kernels, shape, weighted, smoothing):
    logits, target, weight = case(shape, weighted=weighted)
    g = np.random.default_rng(1).standard_normal(shape[0])
    expected = torch_losses_and_gradient(logits, target, weight, IGNORE, smoothing, g)
    found = losses_and_gradient(kernels, logits, target, weight, IGNORE, smoothing, g=g)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_stable_at_huge_logits(kernels, dtype, smoothing):
    logits = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4], [-1e4, 1e4, 0]], dtype)
    target = np.array([0, 1, 2, 0])
    g = np.ones(4, dtype)
    expected = torch_losses_and_gradient(logits, target, None, IGNORE, smoothing, g)
    found = losses_and_gradient(kernels, logits, target, None, IGNORE, smoothing, g=g)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-6, atol=1e-7)


def test_ignore_index_may_be_a_class(kernels):
    logits, _, _ = case((6, 4))
    target, g = np.array([0, 1, 2, 2, 3, 2]), np.ones(6)
    expected = torch_losses_and_gradient(logits, target, None, 2, 0.0, g)
    found = losses_and_gradient(kernels, logits, target, None, 2, 0.0, g=g)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-14)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-14)


def test_masked_classes_have_no_gradient(kernels):
    logits = np.array([[-np.inf, 1.0, 2.0], [3.0, -np.inf, 1.0]])
    losses, gradient = losses_and_gradient(kernels, logits, np.array([1, IGNORE]), None, IGNORE, 0.0, g=np.ones(2))
    np.testing.assert_allclose(losses, [np.log1p(np.e), 0])
    np.testing.assert_allclose(gradient, [[0, -np.e / (1 + np.e), np.e / (1 + np.e)], [0, 0, 0]], atol=1e-15)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "uint64"])
def test_targets_of_any_integer_type(kernels, kind):
    logits, target, weight = case((6, 4), weighted=True)
    target = np.where(target == IGNORE, 3, target)
    expected, _ = kernels.cross_entropy_forward(logits, target, weight, 3, 0.1, "none")
    found, _ = kernels.cross_entropy_forward(logits, target.astype(kind), weight, 3, 0.1, "none")
    np.testing.assert_array_equal(found, expected)


def test_backward_can_be_walked_twice(kernels):
    logits, target, weight = case((30, 9), weighted=True)
    _, saved = kernels.cross_entropy_forward(logits, target, weight, IGNORE, 0.1, "none")
    g = np.linspace(-1, 1, 30)
    first = kernels.cross_entropy_backward(saved, g)
    np.testing.assert_array_equal(kernels.cross_entropy_backward(saved, g), first)


def test_arrays_of_any_layout(kernels):
    logits, target, weight = case((30, 9), weighted=True)
    g = np.linspace(-1, 1, 30)
    expected = losses_and_gradient(kernels, logits, target, weight, IGNORE, 0.1, g=g)
    strided = [np.asfortranarray(logits), np.repeat(target, 2)[::2], weight[::-1].copy()[::-1]]
    found = losses_and_gradient(kernels, *strided, IGNORE, 0.1, g=np.repeat(g, 2)[::2])
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize(("weighted", "smoothing"), [(False, 0.0), (True, 0.3)])
def test_reduced_as_pytorch(kernels, dtype, reduction, weighted, smoothing):
    torch = pytest.importorskip("torch")
    tolerance = 1e-12 if dtype is np.float64 else 2e-6
    logits, target, weight = case((30, 90), weighted=weighted, dtype=dtype)
    for labels in (target, np.full(30, IGNORE)):
        leaf, w = torch.tensor(logits, requires_grad=True), None if weight is None else torch.tensor(weight)
        expected = torch.nn.functional.cross_entropy(
            leaf, torch.tensor(labels), w, ignore_index=IGNORE, reduction=reduction, label_smoothing=smoothing
        )
        (3 * expected).backward()
        loss, saved = kernels.cross_entropy_forward(logits, labels, weight, IGNORE, smoothing, reduction)
        assert (loss.shape, loss.dtype) == ((), dtype)
        np.testing.assert_allclose(loss, expected.detach().numpy(), rtol=tolerance)
        gradient = kernels.cross_entropy_backward(saved, np.asarray(3, dtype))
        assert gradient.dtype == dtype
        np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("wrong", [90, -1, 2**40])
def test_what_is_no_class_is_refused(kernels, dtype, wrong):
    logits, target, _ = case((30, 90), dtype=dtype)
    target[7] = wrong
    for labels, place in ((target, "7"), (target.reshape(3, 10), r"\(0, 7\)")):
        with pytest.raises(IndexError, match=rf"cross_entropy: .*{wrong}.*{place}.*\[0, 90\)"):
            kernels.cross_entropy_forward(logits, labels, None, IGNORE, 0.0, "mean")


@given(
    shape=st.tuples(st.integers(0, 40), st.integers(1, 100)),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    scale=st.sampled_from([0.0, 1.0, 1e4]),
    seed=st.integers(0, 2**32),
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6), (np.float16, 1e-3)])
def test_numpy_as_reference(pair, dtype, tolerance, shape, weighted, smoothing, scale, seed):
    scale = min(scale, 1e3) if dtype is np.float16 else scale
    logits, target, weight = case(shape, weighted=weighted, dtype=dtype, scale=scale, seed=seed)
    g = np.random.default_rng(seed).standard_normal(shape[0]).astype(dtype)
    found, expected = (losses_and_gradient(k, logits, target, weight, IGNORE, smoothing, g=g) for k in pair)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max(initial=0)))


def test_compiled_exponential_is_that_of_numpy():
    pytest.importorskip("numba", reason="the compiled loops need numba")
    exp = import_module("backends._numpy.cross_entropy_compiled").exp
    x = np.concatenate([-np.geomspace(1e-20, 87, 5000), [-0.0, -88, -200, -1e5, -np.inf]]).astype(np.float32)
    np.testing.assert_allclose([exp(v) for v in x], np.exp(x), rtol=3e-7, atol=1e-37)
    assert np.isnan(exp(np.float32(np.nan)))


@pytest.mark.parametrize("place", range(11))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_any_logit_may_be_extreme(pair, place, value):
    logits, target, _ = case((5, 11), dtype=np.float32)
    logits[2:4, place] = value
    with np.errstate(invalid="ignore"):
        found, expected = (losses_and_gradient(k, logits, target, None, IGNORE, 0.0, g=np.ones(5)) for k in pair)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)
