"""Lookups whose rows are read later: values of the moment of the call, and the mean without the rows."""

import pickle
import threading

import numpy as np
import pytest

import framework as fw
from backends import get_backend
from backends._numpy.embedding import MUCH
from framework import nn, optim
from tests.at_once import at_once

pytestmark = pytest.mark.cpu("rows wait to be read on NumPy alone")

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


def write_array(table):
    table.weight.data[...] = 0


def write_replaced(table):
    table.weight.data = np.zeros_like(WEIGHT)


@pytest.mark.parametrize("write", [write_array, write_replaced])
def test_arrays_of_the_table_are_written_behind_the_frameworks_back(write):
    table = layer()
    rows = table(IDS)
    write(table)
    assert not table.weight.detach().numpy().any()
    assert not table(IDS).detach().numpy().any()
    np.testing.assert_array_equal(rows.detach().numpy(), WEIGHT[IDS])


@pytest.mark.parametrize(
    "take",
    [
        lambda w: w.data,
        lambda w: w.data[3:],
        lambda w: w.T,
        lambda w: w.detach().numpy(),
        lambda w: memoryview(w.data),
        lambda w: np.from_dlpack(w.detach()),
    ],
)
@pytest.mark.parametrize("rows", [V, 50 * V])
def test_rows_do_not_wait_where_somebody_has_the_memory(take, rows, monkeypatch):
    table = nn.Embedding(rows, D, dtype="float64")
    with fw.no_grad():
        for _ in range(2):  # once with the memory taken, once without
            taken, calls = take(table.weight), count_lookups(monkeypatch)
            y, expected = table(IDS), table.weight.data[IDS].mean(axis=1)
            assert calls
            np.asarray(taken.data if isinstance(taken, fw.Tensor) else taken)[...] = 0
            np.testing.assert_allclose(y.mean(axis=1).numpy(), expected, rtol=1e-12, atol=1e-14)
            del taken, calls[:]
            assert table(IDS).mean(axis=1).shape == (N, D)
            assert not calls


def test_memory_of_another_library_is_never_waited_for():
    torch = pytest.importorskip("torch")
    theirs = torch.from_numpy(WEIGHT.copy())
    table = layer()
    table.weight.data = np.from_dlpack(theirs)
    rows = table(IDS)
    theirs.zero_()
    np.testing.assert_array_equal(rows.detach().numpy(), WEIGHT[IDS])


def test_threads_may_look_up_at_once():
    table, failures = layer(), []

    def look():
        try:
            for k in range(600):
                with fw.no_grad():
                    rows = table(IDS)
                    assert (rows.shape, table.weight.data.shape) == ((N, T, D), (V, D))
                    if k % 20 == 0:
                        found = table(IDS).mean(axis=1).numpy()
                        np.testing.assert_allclose(found, MEAN, rtol=1e-12, atol=1e-14)
        except Exception as error:
            failures.append(error)

    at_once(look)
    assert not failures


def trained():
    """A layer to whose rows an optimizer owes steps."""
    table = layer()
    optimizer = optim.SGD(table.parameters(), lr=0.1, momentum=0.9)
    for ids in IDS[:5]:
        optimizer.zero_grad()
        table(ids[:3]).sum().backward()
        optimizer.step()
    return table


@pytest.mark.parametrize(
    ("look", "kernel"),
    [
        (lambda table: table(IDS[0, :2]), "take_advanced_rows"),
        (lambda table: table(IDS).mean(axis=1), "embedding_bag_forward"),
    ],
    ids=["rows", "mean"],
)
def test_nobody_pays_what_is_owed_while_rows_are_read(look, kernel, monkeypatch):
    table, other = trained(), trained()
    _ = other.weight.data
    expected, found = look(other).detach().numpy(), getattr(type(get_backend("cpu")), kernel)
    reader, waited = threading.Thread(target=lambda: table.weight.data), []

    def read_meanwhile(*args):
        monkeypatch.undo()
        reader.start()
        reader.join(timeout=0.5)
        waited.append(reader.is_alive())
        return found(*args)

    monkeypatch.setattr(type(get_backend("cpu")), kernel, read_meanwhile)
    np.testing.assert_allclose(look(table).detach().numpy(), expected, rtol=1e-12)
    reader.join()
    assert waited == [True]


@pytest.mark.parametrize(
    "look",
    [
        lambda table: table(IDS),
        lambda table: table(IDS).mean(axis=1),
        lambda table: nn.functional.embedding_bag(IDS, table.weight),
    ],
    ids=["rows", "mean", "bag"],
)
def test_threads_may_look_up_rows_that_an_optimizer_owes_while_others_read_the_table(look):
    other = trained()
    _ = other.weight.data
    expected = look(other).detach().numpy()
    for _ in range(30):
        table, failures, turn = trained(), [], iter(range(6))

        def work(table=table, failures=failures, turn=turn):
            try:
                if next(turn) % 2:
                    _ = table.weight.data
                np.testing.assert_allclose(look(table).detach().numpy(), expected, rtol=1e-12)
            except BaseException as error:
                failures.append(error)

        at_once(work, count=6)
        assert not failures


def test_rows_are_no_table():
    with pytest.raises(ValueError, match=r"weight must be a table of shape \(V, D\)"):
        nn.functional.embedding(IDS, layer()(IDS))
