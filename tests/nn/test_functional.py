"""Functions of ``nn.functional`` against PyTorch's in float64: outputs, gradients, second gradients."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import framework as fw
from framework.nn import functional
from tests.nn.table import CASES

torch = pytest.importorskip("torch")
# PyTorch warns that kl_div's "mean" will change.
pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean'")


class Ours:
    """The framework on one kind of arrays."""

    functions = functional
    grad = staticmethod(fw.autograd.grad)

    def __init__(self, arrays):
        self.tensor = arrays.make

    def host(self, x):
        return np.array(x.detach().cpu().numpy())


class PyTorch:
    """The same questions, answered by PyTorch."""

    functions = torch.nn.functional

    def tensor(self, values, *, requires_grad=False):
        return torch.tensor(values, requires_grad=requires_grad)

    def grad(self, *args, **options):
        return torch.autograd.grad(*args, **options)

    def host(self, x):
        return x.detach().numpy(force=True)


def seed_like(x, offset):
    return np.cos(np.arange(x.size, dtype=x.dtype) + offset).reshape(x.shape)


def call(library: Any, case: Any) -> tuple[Any, list[Any]]:
    """Output, and the inputs to differentiate by."""
    args = [
        library.tensor(x, requires_grad=i in case.wrt) if isinstance(x, np.ndarray) else x
        for i, x in enumerate(case.args)
    ]
    options = {k: library.tensor(v) if isinstance(v, np.ndarray) else v for k, v in case.options.items()}
    return getattr(library.functions, case.name)(*args, **options), [args[i] for i in case.wrt]


def plain_gradients(library: Any, case: Any) -> list[np.ndarray]:
    """Gradients of a backward pass that is not recorded itself: those of the kernels."""
    y, inputs = call(library, case)
    return [library.host(g) for g in library.grad(y, inputs, library.tensor(seed_like(library.host(y), 1.0)))]


def evaluate(library: Any, case: Any) -> list[np.ndarray]:
    """Output, gradients, and gradients of the gradients' product with a fixed vector."""
    y, inputs = call(library, case)
    seed = library.tensor(seed_like(library.host(y), 1.0), requires_grad=True)
    first = library.grad(y, inputs, seed, create_graph=True)
    total = sum((g * library.tensor(seed_like(library.host(g), 2.0))).sum() for g in first)
    second = library.grad(total, [*inputs, seed], allow_unused=True)
    filled = [np.zeros(x.shape) if g is None else library.host(g) for x, g in zip([*inputs, seed], second)]
    return [library.host(y), *map(library.host, first), *filled]


@cache
def expected(index: int) -> list[np.ndarray]:
    return evaluate(PyTorch(), CASES[index])


def assert_all_close(ours, theirs, tolerance, case):
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert a.shape == b.shape, (str(case), i)
        assert a.dtype == b.dtype, (str(case), i)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=f"{case}, part {i}")


@pytest.mark.parametrize("name", sorted({case.name for case in CASES}))
def test_equals_pytorch_to_second_order(arrays, name):
    library = Ours(arrays)
    for i, case in enumerate(CASES):
        if case.name == name:
            found = evaluate(library, case)
            assert_all_close(found, expected(i), 1e-9, case)
            assert_all_close(plain_gradients(library, case), found[1 : 1 + len(case.wrt)], 1e-12, case)


@pytest.mark.parametrize("name", ["sigmoid", "logsigmoid", "softplus"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_far_from_zero_keep_their_digits(name, dtype, device):
    far = np.array([-np.inf, -800.0, -50.0, -20.0, 20.0, 50.0, 800.0, np.inf], dtype=dtype)
    x, t = fw.Tensor(far, requires_grad=True, device=device), torch.tensor(far, requires_grad=True)
    y, u = getattr(functional, name)(x), getattr(torch.nn.functional, name)(t)
    y.sum().backward()
    u.sum().backward()
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y.detach().cpu().numpy(), u.detach().numpy(), rtol=8 * eps)
    # A slope y (1 - y) has no more digits than a y close to 1 has of what is missing to 1.
    slope, expected = x.grad.cpu().numpy(), t.grad.numpy()
    assert (np.abs(slope - expected) <= 8 * eps * np.abs(expected) + eps * (far > 0)).all()


def test_a_saturated_sigmoid_learns_from_bce():
    x = fw.Tensor([-20.0], requires_grad=True)
    loss = functional.binary_cross_entropy(functional.sigmoid(x), fw.ones(1))
    loss.backward()
    assert [loss.item(), x.grad.item()] == pytest.approx([20.0, -1.0], rel=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_gelu_has_a_slope_where_the_cube_is_too_large(dtype):
    x = fw.asarray([-300.0, -50.0, 50.0, 300.0]).to(dtype=getattr(fw, dtype))
    x.requires_grad_()
    y = functional.gelu(x, "tanh")
    y.sum().backward()
    assert y.tolist() == [0.0, 0.0, 50.0, 300.0]
    assert x.grad.tolist() == [0.0, 0.0, 1.0, 1.0]
