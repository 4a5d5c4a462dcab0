"""Lookups whose rows are read later: values of the moment of the call, and the mean without the rows."""

import pickle

import numpy as np
import pytest

import framework as fw
from backends import get_backend
from backends._numpy.embedding import MUCH
from framework import nn

V, D, N, T = 500, 32, 64, 64
RANDOM = np.random.default_rng(0)
WEIGHT, IDS = RANDOM.standard_normal((V, D)), RANDOM.integers(0, V, (N, T))
MEAN = WEIGHT[IDS].mean(axis=1)


def layer(**options):
    return nn.Embedding.from_pretrained(WEIGHT, freeze=False, **options)


def count_lookups(monkeypatch):
    """A list that grows by one with each lookup of rows."""
    calls, take = [], type(get_backend("cpu")).take_rows
    monkeypatch.setattr(type(get_backend("cpu")), "take_rows", lambda *a: calls.append(1) or take(*a))
    return calls


def test_a_mean_reads_no_rows(monkeypatch):
    calls = count_lookups(monkeypatch)
    rows = layer()(IDS)
    assert (rows.shape, rows.ndim, rows.size, rows.dtype) == ((N, T, D), 3, N * T * D, np.float64)
    np.testing.assert_allclose(rows.mean(axis=1).detach().numpy(), MEAN, rtol=1e-12, atol=1e-14)
    assert not calls
    assert IDS.size * D >= MUCH
    assert type(rows).__name__ == "Tensor"
    assert isinstance(rows, fw.Tensor)


@pytest.mark.parametrize(
    ("axis", "keepdims"), [(1, False), (-2, False), (0, False), (1, True), (None, False), ((0, 1), False)]
)
@pytest.mark.parametrize("recorded", [False, True])
def test_means_over_any_axis(axis, keepdims, recorded):
    with fw.enable_grad() if recorded else fw.no_grad():
        y = layer()(IDS).mean(axis=axis, keepdims=keepdims)
    assert y.requires_grad is recorded
    expected = WEIGHT[IDS].mean(axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("options", [{}, {"padding_idx": 3}, {"scale_grad_by_freq": True}, {"max_norm": 1.0}], ids=str)
def test_gradients_are_those_of_the_rows(options):
    grads = []
    for read in (False, True):
        table = layer(**options)
        rows = table(IDS)
        if read:
            assert rows.data.shape == (N, T, D)
        (rows.mean(axis=1) ** 3).sum().backward()
        grads.append(table.weight.grad.numpy())
    np.testing.assert_allclose(*grads, rtol=1e-10, atol=1e-14)


def test_second_derivatives():
    w = fw.Tensor(WEIGHT, requires_grad=True)
    found = []
    for read in (False, True):
        rows = nn.functional.embedding(IDS, w)
        assert not read or rows.data is not None
        (g,) = fw.autograd.grad((rows.mean(axis=1) ** 3).sum(), (w,), create_graph=True)
        found.append(fw.autograd.grad((g * g).sum(), (w,))[0].numpy())
    np.testing.assert_allclose(*found, rtol=1e-10)


def test_other_uses_see_the_rows():
    table = layer()
    np.testing.assert_array_equal((table(IDS) * 1).detach().numpy(), WEIGHT[IDS])
    np.testing.assert_array_equal(table(IDS)[2].detach().numpy(), WEIGHT[IDS[2]])
    np.testing.assert_array_equal(table(IDS).detach().numpy(), WEIGHT[IDS])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(table(IDS).detach())).numpy(), WEIGHT[IDS])
    rows = table(IDS)
    assert "Tensor" in repr(rows)
    assert type(rows) is fw.Tensor


def write_item(table):
    with fw.no_grad():
        table.weight[...] = 0


def write_all(table):
    with fw.no_grad():
        table.weight.zero_() if hasattr(table.weight, "zero_") else table.weight.mul_(0)


def write_view(table):
    table.weight.detach()[:] = 0


def load(table):
    table.load_state_dict({"weight": np.zeros((V, D))})


@pytest.mark.parametrize("write", [write_item, write_all, write_view, load])
def test_rows_are_those_of_the_moment_of_the_lookup(write):
    table = layer()
    rows = table(IDS)
    write(table)
    assert not table.weight.detach().numpy().any()
    np.testing.assert_array_equal(rows.detach().numpy(), WEIGHT[IDS])


def test_row_numbers_are_those_of_the_moment_of_the_lookup():
    table, ids = layer(), IDS.copy()
    with fw.no_grad():
        rows, more = table(ids), table(ids)
    ids[:] = 0
    np.testing.assert_array_equal(rows.numpy(), WEIGHT[IDS])
    np.testing.assert_allclose(more.mean(axis=1).numpy(), MEAN, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: fw.optim.SGD(p, lr=0.1),
        lambda p: fw.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
        lambda p: fw.optim.Adam(p, lr=0.1),
    ],
)
def test_training_keeps_rows_and_equals_that_of_rows_that_were_read(optimizer):
    ends = []
    for read in (False, True):
        table = layer()
        steps = optimizer(table.parameters())
        for k in range(4):
            before, kept = table.weight.detach().numpy().copy() if k % 2 else None, table(IDS)
            steps.zero_grad()
            rows = table((IDS + k) % V // (k + 1))
            assert not read or rows.data is not None
            (rows.mean(axis=1) ** 2).sum().backward()
            steps.step()
            if before is not None:
                np.testing.assert_allclose(kept.detach().numpy(), before[IDS], rtol=1e-12)
        ends.append(table.weight.detach().numpy())
    np.testing.assert_allclose(*ends, rtol=1e-9, atol=1e-12)
