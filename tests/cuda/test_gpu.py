"""On a real GPU: kernels in training, streams, captured steps, errors, memory. See docs/gpu.md."""

from __future__ import annotations

import numpy as np
import pytest

import framework as fw
from framework import nn
from tests.cuda.test_training import BAGS, OPTIMIZERS, bag_training, training

pytestmark = [pytest.mark.gpu, pytest.mark.hardware]


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_training_gives_what_the_cpu_gives(kind, dropout):
    losses, parameters = training("cuda", kind, dropout=dropout, steps=20)
    expected, theirs = training("cpu", kind, dropout=dropout, steps=20)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    for a, b in zip(parameters, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_captured_step_gives_what_the_step_gives(kind, dropout, momentum):
    captured, theirs = training("cuda", kind, captured=True, dropout=dropout, momentum=momentum)
    losses, parameters = training("cuda", kind, rehearsals=1, dropout=dropout, momentum=momentum)
    np.testing.assert_allclose(captured, losses, rtol=1e-4)
    for a, b in zip(theirs, parameters, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("captured", [False, True])
def test_training_repeats_bit_for_bit(momentum, captured):
    (losses, parameters), (again, theirs) = (
        training("cuda", "GRU", captured=captured, momentum=momentum, steps=20) for _ in range(2)
    )
    assert losses == again
    for a, b in zip(parameters, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("bag", BAGS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("captured", [False, True])
def test_bags_clipping_and_optimizers_give_what_the_cpu_gives(bag, optimizer, ragged, captured):
    found, table = bag_training("cuda", bag, optimizer, ragged=ragged, captured=captured)
    expected, theirs = bag_training("cpu", bag, optimizer, ragged=ragged, rehearsals=int(captured))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(table, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 257, 8192, 100_000])
def test_many_keys_sorted_in_a_captured_step(n, monkeypatch):
    from backends import get_backend
    from backends._cupy import sorting

    gpu = get_backend("cuda")
    keys = np.random.default_rng(n).integers(0, 50_000, n)
    monkeypatch.setattr(gpu, "capture", object())
    found = sorting.sorted_keys(gpu, gpu.asarray(keys))
    monkeypatch.setattr(gpu, "capture", None)
    order = np.argsort(keys, stable=True)
    for a, b in zip(found, (keys[order], order), strict=True):
        np.testing.assert_array_equal(gpu.to_numpy(a), b)


@pytest.mark.parametrize("counts", [[8192], [100_000, 3, 40], [1] * 5000 + [3000]])
def test_sums_of_rows_that_many_blocks_share(counts):
    from backends import get_backend

    gpu, rng = get_backend("cuda"), np.random.default_rng(0)
    ids = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    rows = rng.standard_normal((len(ids), 40))
    exact = np.zeros((len(counts), 40))
    np.add.at(exact, ids, rows)
    first = None
    for _ in range(20):
        found = gpu.to_numpy(gpu.scatter_rows(gpu.asarray(ids), gpu.asarray(rows), len(counts)))
        np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-9)
        first = found if first is None else first
        np.testing.assert_array_equal(found, first)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("shape", [(7, 5, 16, 16), (5, 64, 32, 128), (3, 33, 40, 300)])
def test_both_ways_through_time_agree(kind, shape, monkeypatch):
    from backends import get_backend
    from backends._cupy import recurrent
    from tests.backends.test_recurrent_kernels import Case

    gpu = get_backend("cuda")
    case = Case(kind, shape, dtype=np.float32, scale=0.1)
    results = []
    for limit in (gpu.shared_per_block, 0):
        monkeypatch.setattr(gpu, "shared_per_block", limit)
        *outputs, saved = case.forward(recurrent, gpu, convert=gpu.asarray)
        grads = case.backward(recurrent, saved, gpu, convert=gpu.asarray)
        results.append([gpu.to_numpy(a) for a in (*outputs, *grads)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_inputs_outputs_and_random_numbers_of_a_captured_step():
    total = fw.zeros((3,), device="cuda")

    def step(x):
        total.add_(x * 2)
        return total + fw.random.uniform(shape=(3,), device="cuda")

    x = fw.asarray([1.0, 2.0, 3.0], device="cuda")
    captured = fw.cuda.graph(step, x, warmup=1)
    total.data[...] = 0
    fw.random.manual_seed(0)
    results = [captured(x).numpy(), captured(x * 10).numpy()]
    fw.random.manual_seed(0)
    drawn = [fw.random.uniform(shape=(3,)).numpy() for _ in range(2)]
    # The captured step was recorded one rehearsal into the stream, and runs from wherever the generator is.
    np.testing.assert_allclose(results[0], np.array([2, 4, 6]) + drawn[0], rtol=1e-6)
    np.testing.assert_allclose(results[1], np.array([22, 44, 66]) + drawn[1], rtol=1e-6)


def test_what_cannot_be_captured_leaves_the_gpu_usable():
    x = fw.ones((3, 3), device="cuda")
    with pytest.raises(RuntimeError, match="a captured step cannot bring a value to the host"):
        fw.cuda.graph(lambda x: (x @ x).sum().item(), x)
    assert (x @ x).sum().item() == 27


def test_an_index_outside_is_raised_later_and_the_gpu_stays_usable():
    table = nn.Embedding(5, 2).to("cuda")
    out = table(fw.asarray([[0, 1], [7, 2]], device="cuda"))
    with pytest.raises(IndexError, match=r"embedding: index 7 at position \(1, 0\) .* in the call at .*test_gpu\.py:"):
        fw.cuda.check()
    fw.cuda.check()
    assert np.isfinite(out.detach().numpy()).all()


def test_streams():
    x = fw.ones((1000, 1000), device="cuda")
    stream, other = fw.cuda.Stream(), fw.cuda.Stream()
    stream.wait()
    with stream:
        y = x @ x
    other.wait(stream)
    with other:
        total = y.sum()
    other.synchronize()
    assert total.item() == 1e9


def test_memory():
    fw.cuda.synchronize()
    before = fw.cuda.memory_allocated()
    fw.cuda.reset_peak_memory_stats()
    x = fw.zeros((1 << 20,), device="cuda")
    assert fw.cuda.memory_allocated() - before >= 4 << 20
    del x
    assert fw.cuda.memory_allocated() == before
    assert fw.cuda.max_memory_allocated() - before >= 4 << 20
    fw.cuda.empty_cache()


def test_out_of_memory_is_an_error_after_which_work_goes_on():
    with pytest.raises(
        fw.cuda.OutOfMemoryError, match=r"out of memory on 'cuda:\d': asked for .* take a smaller batch"
    ):
        fw.zeros((1 << 42,), device="cuda")
    assert fw.ones((3,), device="cuda").sum().item() == 3


def test_devices():
    assert fw.cuda.is_available()
    assert fw.cuda.device_count() >= 1
    with fw.cuda.device(0):
        assert fw.ones((2,), device="cuda").device == "cuda:0"
    with pytest.raises(ValueError, match=f"there are {fw.cuda.device_count()} GPUs"):
        fw.cuda.set_device(fw.cuda.device_count())
