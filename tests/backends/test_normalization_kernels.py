"""Layer norm and RMS norm: every implementation against PyTorch, the NumPy kernels against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.cpu("NumPy's own kernels, but for tests with the fixture `kernels`")

TOPIC = "normalization"
EPS = 1e-5
SHAPES = [(0, 3), (1, 1), (4, 1), (1, 6), (5, 7), (700, 64), (3, 5000), (2, 40_000)]
AFFINE = {"layer_norm": ["", "weight", "bias", "weight bias"], "rms_norm": ["", "weight"]}
KINDS = [(norm, affine) for norm in AFFINE for affine in AFFINE[norm]]


def case(norm, shape, affine, *, dtype=np.float64, seed=0, shift=0.0):
    """Draw an upstream gradient, and the kernel's arrays."""
    rng = np.random.default_rng(seed)
    g = rng.standard_normal(shape).astype(dtype)
    x = (shift + rng.standard_normal(shape)).astype(dtype)
    weight = rng.standard_normal(shape[1]).astype(dtype) if "weight" in affine else None
    bias = rng.standard_normal(shape[1]).astype(dtype) if "bias" in affine else None
    return g, [x, weight, bias] if norm == "layer_norm" else [x, weight]


def output_and_gradients(kernels, norm, g, arrays):
    y, saved = getattr(kernels, f"{norm}_forward")(*arrays, EPS)
    needs = tuple(array is not None for array in arrays)
    return y, *getattr(kernels, f"{norm}_backward")(saved, g, needs)


def torch_output_and_gradients(norm, g, arrays):
    torch = pytest.importorskip("torch")
    leaves = [None if array is None else torch.tensor(array, requires_grad=True) for array in arrays]
    y = getattr(torch.nn.functional, norm)(leaves[0], (g.shape[1],), *leaves[1:], eps=EPS)
    y.backward(torch.tensor(g))
    return y.detach().numpy(), *(None if leaf is None else leaf.grad.numpy() for leaf in leaves)


def assert_close(found, expected, tolerance):
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max(initial=0)))


@pytest.mark.parametrize(("norm", "affine"), KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_as_pytorch(kernels, norm, affine, shape):
    g, arrays = case(norm, shape, affine)
    assert_close(
        output_and_gradients(kernels, norm, g, arrays), torch_output_and_gradients(norm, g, arrays), tolerance=1e-9
    )


def test_layer_norm_far_from_zero_errs_by_the_rounding_of_the_mean_alone(kernels):
    _, (x, *_) = case("layer_norm", (6, 300), "", dtype=np.float32, shift=1e3)
    y, _ = kernels.layer_norm_forward(x, None, None, EPS)
    exact, _ = kernels.layer_norm_forward(x.astype(np.float64), None, None, EPS)
    np.testing.assert_allclose(y, exact, rtol=1e-6, atol=2 * np.spacing(np.float32(1e3)))


@pytest.mark.parametrize("norm", AFFINE)
def test_constant_rows(kernels, norm):
    arrays = [np.full((2, 4), 3.0), None, None][: 3 if norm == "layer_norm" else 2]
    y, *_ = output_and_gradients(kernels, norm, np.ones((2, 4)), arrays)
    np.testing.assert_allclose(y, np.full((2, 4), 0.0 if norm == "layer_norm" else 3 / np.sqrt(9 + EPS)), rtol=1e-12)


@pytest.mark.parametrize("norm", AFFINE)
def test_only_what_is_needed_comes_back(kernels, norm):
    g, arrays = case(norm, (5, 7), "weight bias")
    _, saved = getattr(kernels, f"{norm}_forward")(*arrays, EPS)
    backward = getattr(kernels, f"{norm}_backward")
    every = backward(saved, g, (True,) * len(arrays))
    for i in range(len(arrays)):
        found = backward(saved, g, tuple(j == i for j in range(len(arrays))))
        assert [gradient is None for gradient in found] == [j != i for j in range(len(arrays))]
        np.testing.assert_array_equal(found[i], every[i])


@pytest.mark.parametrize(("norm", "affine"), KINDS)
def test_backward_can_be_walked_twice_and_the_output_may_change(kernels, norm, affine):
    g, arrays = case(norm, (5, 7), affine)
    y, saved = getattr(kernels, f"{norm}_forward")(*arrays, EPS)
    backward, needs = getattr(kernels, f"{norm}_backward"), tuple(array is not None for array in arrays)
    first = backward(saved, g, needs)
    if y.flags.writeable:
        y[...] = 0
    assert_close(backward(saved, g, needs), first, tolerance=0)


@pytest.mark.parametrize("norm", AFFINE)
def test_arrays_of_any_layout(kernels, norm):
    g, arrays = case(norm, (50, 70), "weight bias")
    strided = [np.asfortranarray(arrays[0]), *(array.copy()[::-1].copy()[::-1] for array in arrays[1:])]
    found = output_and_gradients(kernels, norm, np.repeat(g, 2, axis=1)[:, ::2], strided)
    assert_close(found, output_and_gradients(kernels, norm, g, arrays), tolerance=1e-12)


@given(
    kind=st.sampled_from(KINDS),
    shape=st.tuples(st.integers(0, 40), st.integers(1, 100)),
    shift=st.sampled_from([0.0, 1.0]),
    seed=st.integers(0, 2**32),
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6), (np.float16, 1e-3)])
def test_numpy_as_reference(pair, dtype, tolerance, kind, shape, shift, seed):
    g, arrays = case(kind[0], shape, kind[1], dtype=dtype, seed=seed, shift=shift)
    found, expected = (output_and_gradients(kernels, kind[0], g, arrays) for kernels in pair)
    assert_close(found, expected, tolerance)
