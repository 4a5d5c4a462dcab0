"""Dropout: its mask, its scale, its gradient, and when it does nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import framework as fw
from framework import nn
from framework.nn import functional


def test_entries_are_zero_or_scaled_and_so_are_gradients(arrays):
    fw.manual_seed(0)
    x = arrays.make(np.full((40, 50), 3.0), requires_grad=True)
    y = nn.Dropout(0.25)(x)
    y.sum().backward()
    values, gradients = y.detach().cpu().numpy(), x.grad.cpu().numpy()
    np.testing.assert_allclose(np.unique(values), [0, 4])
    np.testing.assert_allclose(gradients, values / 3)
    assert stats.binomtest(int((values == 0).sum()), values.size, 0.25).pvalue > 0.01


def test_masks_are_the_same_on_every_device(device):
    masks = []
    for where in ("cpu", device):
        fw.manual_seed(3)
        masks.append(functional.dropout(fw.ones((5, 7), device=where), 0.5).cpu().numpy())
    np.testing.assert_array_equal(*masks)


def test_nothing_happens_in_evaluation_or_without_probability():
    x = fw.ones((3,))
    state = fw.random.get_state()
    assert nn.Dropout(0.9).eval()(x) is x
    assert nn.Dropout(0.0)(x) is x
    assert fw.random.get_state() == state


def test_everything_goes_with_probability_one():
    x = fw.ones((3,)).requires_grad_()
    y = nn.Dropout(1.0)(x)
    y.sum().backward()
    assert y.tolist() == x.grad.tolist() == [0, 0, 0]


def test_in_place():
    x = fw.ones((8,))
    assert nn.Dropout(0.5, inplace=True)(x) is x
    assert set(x.tolist()) <= {0.0, 2.0}


def test_in_place_in_a_graph(arrays):
    x = arrays.make(np.arange(1.0, 9.0), requires_grad=True)
    held = x * 3 if not arrays.read_only else (x * 3).clone()
    fw.manual_seed(5)
    y = functional.dropout(held, 0.5, inplace=True)
    (y * y).sum().backward()
    fw.manual_seed(5)
    mask = functional.dropout(fw.ones((8,)), 0.5).numpy()
    np.testing.assert_allclose(y.detach().cpu().numpy(), np.arange(3.0, 27.0, 3) * mask)
    np.testing.assert_allclose(x.grad.cpu().numpy(), 18 * np.arange(1.0, 9.0) * mask**2)


def test_gradients_of_gradients(arrays):
    x = arrays.make(np.arange(1.0, 9.0), requires_grad=True)
    y = functional.dropout(x * x * x, 0.5)
    (first,) = fw.autograd.grad(y.sum(), [x], create_graph=True)
    (second,) = fw.autograd.grad(first.sum(), [x])
    mask = (y.detach().cpu().numpy() != 0) * 2.0
    np.testing.assert_allclose(second.cpu().numpy(), 6 * np.arange(1.0, 9.0) * mask)


def test_the_graph_keeps_the_mask_alone():
    x = fw.ones((3, 4)).requires_grad_() * 1
    y = functional.dropout(x, 0.5)
    with fw.no_grad():
        x *= 7  # would raise in backward, were it kept
    y.sum().backward()
    assert fw.random.get_state()[1] == 2  # 12 half words are 6 words, in blocks of four


def test_one_number(device):
    y = functional.dropout(fw.asarray(3.0, device=device), 0.5)
    assert (y.shape, y.device) == ((), device)
    assert y.item() in (0.0, 6.0)


def test_errors_of_a_library_name_the_operation():
    with pytest.raises(TypeError, match=r"dropout: .*; the arguments were array_api_strict\.int64"):
        functional.dropout(fw.asarray([1, 2], device="strict"), 0.5)


@pytest.mark.parametrize("batch_first", [False, True])
def test_locked_dropout_has_one_mask_for_all_time_steps(arrays, batch_first):
    fw.manual_seed(1)
    layer = nn.LockedDropout(0.5, batch_first=batch_first)
    y = layer(arrays.make(np.ones((4, 5, 6)))).cpu().numpy()
    y = np.swapaxes(y, 0, 1) if batch_first else y
    assert (y == y[0]).all()
    assert set(np.unique(y)) == {0.0, 2.0}
    assert len(np.unique(y[0], axis=0)) > 1
    x = fw.ones((4, 5, 6))
    assert layer.eval()(x) is x
    assert repr(layer) == f"LockedDropout(p=0.5, batch_first={batch_first})"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Dropout(1.5), r"Dropout: p must be a probability in \[0, 1\], got 1.5"),
        (lambda: nn.LockedDropout(-1), "LockedDropout: p must be"),
        (lambda: functional.dropout(fw.ones((2,)), float("nan")), "dropout: p must be .* got nan"),
        (lambda: nn.LockedDropout()(fw.ones((2, 3))), r"expected an input \(T, N, D\), got shape \(2, 3\)"),
        (lambda: nn.LockedDropout(batch_first=True)(fw.ones((2,))), r"expected an input \(N, T, D\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
