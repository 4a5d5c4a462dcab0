"""Losses: their limits and their complaints. The numbers are compared with PyTorch's in ``test_functional``."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as fw
from framework import nn
from framework.nn import functional as F


def test_bce_bounds_its_logarithms_as_pytorch_does(arrays):
    torch = pytest.importorskip("torch")
    x, t = np.array([0.0, 1.0, 0.0, 1.0, 1e-60]), np.array([1.0, 0.0, 0.0, 1.0, 1.0])
    ours, theirs = arrays.make(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    a = F.binary_cross_entropy(ours, arrays.make(t), reduction="none")
    b = torch.nn.functional.binary_cross_entropy(theirs, torch.tensor(t), reduction="none")
    np.testing.assert_allclose(a.detach().cpu().numpy(), b.detach().numpy(), rtol=1e-12)
    a.sum().backward()
    b.sum().backward()
    np.testing.assert_allclose(ours.grad.cpu().numpy(), theirs.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_logits_stay_finite(device, dtype):
    x = fw.asarray([[1e4, -1e4], [-1e4, 1e4]], dtype=dtype, device=device).requires_grad_()
    losses = [
        F.cross_entropy(x, fw.asarray([1, 1], device=device), reduction="none"),
        F.binary_cross_entropy_with_logits(x, fw.zeros_like(x), reduction="none")[:, 0],
        -F.log_softmax(x, dim=1)[:, 1],
        -F.logsigmoid(-x)[:, 0],
    ]
    for loss, expected in zip(losses, ([2e4, 0], [1e4, 0], [2e4, 0], [1e4, 0])):
        assert loss.tolist() == expected
        (g,) = fw.autograd.grad(loss.sum(), x)
        assert np.isfinite(g.cpu().numpy()).all()


def test_the_mean_over_nothing_is_nan_without_gradient(device):
    x = fw.ones((2, 3), device=device).requires_grad_()
    for function in (F.cross_entropy, F.nll_loss):
        x.grad = None
        loss = function(x, fw.asarray([-100, -100], device=device))
        loss.backward()
        assert math.isnan(loss.item())
        assert x.grad.tolist() == [[0] * 3] * 2


def test_ignored_rows_cost_nothing():
    x = fw.random.randn(3, 4)
    some = F.cross_entropy(x, fw.asarray([1, -100, 2]))
    assert some.item() == pytest.approx(F.cross_entropy(x[fw.asarray([0, 2])], fw.asarray([1, 2])).item())
    assert F.cross_entropy(x, fw.asarray([1, -100, 2]), reduction="none")[1].item() == 0


def test_masked_classes_make_no_nan():
    x = fw.asarray([[0.0, -math.inf, 1.0]]).requires_grad_()
    F.cross_entropy(x, fw.asarray([2])).backward()
    assert np.isfinite(x.grad.numpy()).all()
    assert x.grad[0, 1].item() == 0


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_targets_of_any_integer_dtype(dtype):
    x = fw.random.randn(3, 4)
    expected = F.cross_entropy(x, fw.asarray([1, 0, 3])).item()
    assert F.cross_entropy(x, fw.asarray([1, 0, 3], dtype=dtype)).item() == expected
    assert F.cross_entropy(x, [1, 0, 3]).item() == expected


def test_weights_move_with_the_loss(device):
    loss = nn.CrossEntropyLoss(weight=fw.asarray([1.0, 2.0])).to(device)
    assert loss.weight.device == device
    assert list(loss.state_dict()) == ["weight"]
    assert list(nn.CrossEntropyLoss().state_dict()) == []
    assert loss(fw.zeros((1, 2), device=device), fw.asarray([0], device=device)).item() == pytest.approx(math.log(2))


def test_the_common_losses_are_one_node():
    x = fw.random.randn(3, 4).requires_grad_()
    assert F.cross_entropy(x, [1, 0, 3]).node.inputs[0] is x
    assert F.mse_loss(x, fw.zeros_like(x)).node.inputs[0] is x


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x, y: F.mse_loss(x, fw.zeros((3,))), ValueError, r"one shape, got \(2, 3\) and \(3,\); reshape one"),
        (
            lambda x, y: F.l1_loss(x, fw.zeros((2, 3), dtype="int64")),
            TypeError,
            "target must be .* got int64; cast with .to",
        ),
        (lambda x, y: F.mse_loss(x, x, reduction="avg"), ValueError, "one of 'none', 'mean', 'sum', got 'avg'"),
        (lambda x, y: F.mse_loss(x, x, weight=fw.ones((4, 2, 3))), ValueError, r"weight must broadcast to \(2, 3\)"),
        (lambda x, y: nn.MSELoss(reduction="avg"), ValueError, "MSELoss: reduction must be one of .* got 'avg'"),
        (lambda x, y: nn.KLDivLoss("avg"), ValueError, "'batchmean', got 'avg'"),
        (lambda x, y: F.smooth_l1_loss(x, x, beta=-1), ValueError, "beta must not be negative, got -1"),
        (lambda x, y: F.huber_loss(x, x, delta=0), ValueError, "delta must be positive, got 0"),
        (
            lambda x, y: F.binary_cross_entropy(x - 1, x),
            ValueError,
            r"probabilities in \[0, 1\], got values from -1 to -1",
        ),
        (lambda x, y: F.binary_cross_entropy_with_logits(x, fw.zeros((2,))), ValueError, r"got \(2, 3\) and \(2,\)"),
        (
            lambda x, y: F.binary_cross_entropy_with_logits(x, x, pos_weight=fw.ones((2, 2, 3))),
            ValueError,
            r"pos_weight must broadcast to \(2, 3\)",
        ),
        (lambda x, y: F.cross_entropy(x, fw.asarray([0, 3])), IndexError, r"cross_entropy.* 3 .*\[0, 3\)"),
        (lambda x, y: F.cross_entropy(x, fw.asarray([0, -1])), IndexError, r"-1 .*\[0, 3\)"),
        (lambda x, y: F.nll_loss(x, fw.asarray([7, 0])), IndexError, r"nll_loss.* 7 .*\[0, 3\)"),
        (
            lambda x, y: F.cross_entropy(x, fw.asarray([0, 1, 2])),
            ValueError,
            r"needs a target of shape \(2,\), got \(3,\)",
        ),
        (
            lambda x, y: F.cross_entropy(x, fw.asarray([0.0, 1.0])),
            TypeError,
            r"integer dtype and shape \(2,\), got float32",
        ),
        (lambda x, y: F.cross_entropy(fw.zeros((2, 3), dtype="int64"), y), TypeError, "input must be .* got int64"),
        (
            lambda x, y: F.cross_entropy(x, y, label_smoothing=2),
            ValueError,
            r"label_smoothing must be in \[0, 1\], got 2",
        ),
        (lambda x, y: F.cross_entropy(x, y, weight=fw.ones((2,))), ValueError, r"each of 3 classes, got shape \(2,\)"),
        (lambda x, y: F.cross_entropy(fw.asarray(1.0), 0), ValueError, "got a 0-d tensor"),
        (lambda x, y: F.cross_entropy(x, y.to("strict")), RuntimeError, r"' but target on 'strict'; move one"),
        (lambda x, y: F.cross_entropy(fw.zeros((2, 0)), y), ValueError, "input has no classes"),
        (
            lambda x, y: F.cross_entropy(fw.zeros((2, 0)), fw.zeros((2, 0)), label_smoothing=0.1),
            ValueError,
            "input has no classes",
        ),
        (
            lambda x, y: F.cross_entropy(x, x, ignore_index=0),
            ValueError,
            "holds probabilities, among which there is no ignore_index=0",
        ),
    ],
)
def test_errors(call, error, message, raises):
    with raises(error, match=message):
        call(fw.zeros((2, 3)), fw.asarray([0, 1]))


def test_a_bad_class_is_named_with_its_position(raises):
    x = fw.zeros((2, 3, 4))
    target = np.zeros((2, 4), dtype="int64")
    target[1, 2] = 9
    with raises(IndexError, match=r"9 at position .*1.*2.*\[0, 3\)"):
        F.cross_entropy(x, fw.asarray(target))
