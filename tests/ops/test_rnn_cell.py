"""The recurrent step in one node: kernel against composite, against PyTorch, and to second order."""

from __future__ import annotations

import numpy as np
import pytest

import framework as fw
from framework.ops.rnn_cell import rnn_cell

SHAPES = [(3, 2, 4), (1, 1, 1), (0, 2, 3), (2, 0, 3)]
NAMES = ("tanh", "relu", "sigmoid")


def draw(shape):
    n, d, h = shape
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s) for s in ((n, d), (n, h), (h, d), (h, h), (h,), (h,))]


def gradients(op, inputs, name, **options):
    y = op(*inputs, nonlinearity=name)
    g = np.random.default_rng(1).standard_normal(y.shape)
    wanted = [x for x in inputs if x.requires_grad]
    return y, fw.autograd.grad(y, wanted, fw.asarray(g, device=y.device), **options)


def host(x):
    return x.detach().cpu().numpy()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_kernel_equals_composite(arrays, shape, name):
    inputs = [arrays.make(a, requires_grad=True) for a in draw(shape)]
    (y, found), (expected_y, expected) = (gradients(op, inputs, name) for op in (rnn_cell, rnn_cell.composite))
    np.testing.assert_allclose(host(y), host(expected_y), rtol=1e-12, atol=1e-14)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(host(a), host(b), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("wanted", range(6))
def test_only_what_is_asked_for(wanted):
    values = draw((3, 2, 4))
    inputs = [fw.Tensor(a, requires_grad=i == wanted) for i, a in enumerate(values)]
    everything = [fw.Tensor(a, requires_grad=True) for a in values]
    (found,) = gradients(rnn_cell, inputs, "tanh")[1]
    np.testing.assert_array_equal(host(found), host(gradients(rnn_cell, everything, "tanh")[1][wanted]))


def test_biases_have_gradients_of_their_own():
    inputs = [fw.Tensor(a, requires_grad=True) for a in draw((3, 2, 4))]
    fw.sum(rnn_cell(*inputs)).backward()
    b_ih, b_hh = inputs[4:]
    before = host(b_hh.grad).copy()
    b_ih.grad.data[:] = 0
    np.testing.assert_array_equal(host(b_hh.grad), before)


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_against_pytorch(name):
    torch = pytest.importorskip("torch")
    values = draw((3, 2, 4))
    y, found = gradients(rnn_cell, [fw.Tensor(a, requires_grad=True) for a in values], name)
    peers = [torch.tensor(a, requires_grad=True) for a in values]
    expected_y = getattr(torch, f"rnn_{name}_cell")(*peers)
    expected_y.backward(torch.tensor(np.random.default_rng(1).standard_normal(y.shape)))
    np.testing.assert_allclose(host(y), expected_y.detach().numpy(), rtol=1e-12)
    for a, b in zip(found, peers):
        np.testing.assert_allclose(host(a), b.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_second_order(device, name):
    inputs = [fw.Tensor(a, requires_grad=True, device=device) for a in draw((2, 2, 3))]
    second = []
    for op in (rnn_cell, rnn_cell.composite):
        _, first = gradients(op, inputs, name, create_graph=True)
        total = sum((fw.sum(g * g) for g in first), fw.zeros((), dtype=fw.float64, device=device))
        second.append(fw.autograd.grad(total, inputs))
    for a, b in zip(*second):
        np.testing.assert_allclose(host(a), host(b), rtol=1e-12, atol=1e-14)
