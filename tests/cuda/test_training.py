"""The framework on an emulated GPU: training gives what it gives on the CPU, captured or not."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import backends
import framework as fw
from backends._cupy import indexing
from framework import nn
from framework.optim import SGD, Adagrad
from tests.cuda import emulation

pytestmark = pytest.mark.skipif(
    emulation.COMPILER is None, reason="kernels are run on the CPU with g++, which is missing"
)

GPU = emulation.EmulatedBackend()
backends.register("emulated", lambda rest: GPU)


class Words(nn.Module):
    """Embedding, normalization, a recurrent layer and a classifier."""

    def __init__(self, kind, dropout):
        super().__init__()
        self.table = nn.Embedding(50, 8)
        self.norm = nn.LayerNorm(8)
        self.drop = nn.Dropout(dropout)
        self.recurrent = getattr(nn, kind)(8, 12, batch_first=True)
        self.out = nn.Linear(12, 7)

    def forward(self, ids):
        y, _ = self.recurrent(self.drop(self.norm(self.table(ids))))
        return self.out(y[:, -1, :])


def training(device, kind, *, captured=False, rehearsals=0, steps=6, dropout=0.0, momentum=0.9, precision=None):
    """Train from a fixed seed, the first batch so many times before; returns the losses and the parameters."""
    block = fw.amp.autocast(device, precision, enabled=precision is not None)
    fw.random.manual_seed(3)
    model = Words(kind, dropout).to(device)
    optimizer = SGD(model.parameters(), lr=0.5, momentum=momentum)
    rng = np.random.default_rng(0)
    data = [(rng.integers(0, 50, (5, 4)), rng.integers(0, 7, 5)) for _ in range(steps)]
    data = [tuple(fw.asarray(part, device=device) for part in pair) for pair in data]

    def step(ids, target):
        optimizer.zero_grad()
        with block:
            loss = nn.functional.cross_entropy(model(ids), target)
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    for _ in range(rehearsals):
        step(*data[0])
    run = fw.cuda.graph(step, *data[0], warmup=1) if captured else step
    losses = [run(*pair)["loss"].item() for pair in data]
    return losses, [p.detach().numpy() for p in model.parameters()]


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_training_gives_what_the_cpu_gives(kind, dropout):
    (losses, parameters), (expected, theirs) = (
        training(device, kind, dropout=dropout) for device in ("emulated", "cpu")
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for a, b in zip(parameters, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_training_without_a_fixed_order_of_sums(captured, momentum):
    expected = training("emulated", "GRU", rehearsals=2, momentum=momentum, steps=4)
    assert fw.cuda.are_deterministic_algorithms_enabled("emulated")
    fw.cuda.use_deterministic_algorithms(False, "emulated")
    try:
        GPU.launch.log.clear()
        rehearsals = 0 if captured else 2
        losses, parameters = training(
            "emulated", "GRU", captured=captured, rehearsals=rehearsals, momentum=momentum, steps=4
        )
    finally:
        fw.cuda.use_deterministic_algorithms(True, "emulated")
    # With momentum rows are in one launch with everything else, but for a captured step, whose gradient is dense.
    assert ("embedding.add_rows_atomic" in GPU.launch.log) == (not momentum or captured)
    np.testing.assert_allclose(losses, expected[0], rtol=1e-5)
    for a, b in zip(parameters, expected[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_mixed_precision_gives_nearly_what_the_cpu_gives(kind, precision):
    if precision == "bfloat16":
        pytest.importorskip("ml_dtypes")
    GPU.launch.log.clear()
    losses, parameters = training("emulated", kind, precision=precision)
    assert f"recurrent.{kind.lower()}_forward_sequence" in GPU.launch.log
    for other in (precision, None):
        expected, theirs = training("cpu", kind, precision=other)
        tolerance = 3e-2 if precision == "bfloat16" else 4e-3
        np.testing.assert_allclose(losses, expected, rtol=tolerance)
        for a, b in zip(parameters, theirs, strict=True):
            assert a.dtype == np.float32
            np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max())


def test_mixed_precision_in_a_captured_step():
    """The cast of a parameter is part of the recording: kept from outside it would show the values of then."""
    captured, theirs = training("emulated", "LSTM", captured=True, precision="float16")
    losses, parameters = training("emulated", "LSTM", rehearsals=2, precision="float16")
    np.testing.assert_allclose(captured, losses, rtol=4e-3)
    for a, b in zip(theirs, parameters, strict=True):
        np.testing.assert_allclose(a, b, atol=4e-3 * np.abs(b).max())


def test_a_cast_kept_by_a_block_is_not_used_in_a_recording():
    weight = fw.ones((2, 2), device="emulated").requires_grad_()
    x = fw.ones((1, 2), device="emulated")
    with fw.amp.autocast("emulated", "float16"), fw.no_grad():
        x @ weight
        step = fw.cuda.graph(lambda x: x @ weight, x, warmup=1)
        weight.data[...] = 3.0
        assert step(x).tolist() == [[6.0, 6.0]]


def test_our_kernels_are_the_ones_that_run():
    GPU.launch.log.clear()
    training("emulated", "LSTM", steps=1, dropout=0.5)
    fw.random.uniform(shape=(3,), device="emulated")
    names = {name.partition(".")[2] for name in GPU.launch.log}
    assert names >= {
        *("check_indices", "take_rows_16", "norm_forward", "lstm_forward_sequence", "cross_entropy_forward"),
        *("cross_entropy_backward", "lstm_backward_sequence", "norm_backward", "advance_rows"),
        *("sgd_step", "dropout_forward", "random_uniform"),
    }


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_captured_step_gives_what_the_step_gives(dropout, momentum):
    captured, theirs = training("emulated", "LSTM", captured=True, dropout=dropout, momentum=momentum)
    # Beside the rehearsal the emulated recording, too, runs the step; with random numbers that the next run draws again.
    if dropout:
        assert np.isfinite(captured).all()
        return
    losses, parameters = training("emulated", "LSTM", rehearsals=2, momentum=momentum)
    np.testing.assert_allclose(captured, losses, rtol=1e-4)
    for a, b in zip(theirs, parameters, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_captured_step_repeats_bit_for_bit(momentum):
    results = []
    for falling in (False, True):
        GPU.launch.falling = falling
        try:
            results.append(training("emulated", "GRU", captured=True, momentum=momentum))
        finally:
            GPU.launch.falling = False
    (losses, parameters), (again, theirs) = results
    assert losses == again
    for a, b in zip(parameters, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_captured_step_touches_the_rows_it_names():
    """Without momentum; what a table's other rows are owed would not be the same each time."""
    for momentum, rows in ((0.0, True), (0.9, False)):
        GPU.launch.log.clear()
        training("emulated", "RNN", captured=True, momentum=momentum, steps=1)
        assert "sorting.sort_tiles" in GPU.launch.log
        assert ("embedding.sum_runs" not in GPU.launch.log) == rows


# ------------------------------------------------------------------ tables
BAGS = {
    "mean": {"mode": "mean"},
    "padding": {"mode": "mean", "padding_idx": 3},
    "max": {"mode": "max"},
    "max with padding": {"mode": "max", "padding_idx": 3},
    "weighted": {"mode": "sum"},
}
OPTIMIZERS = {
    "SGD": partial(SGD, lr=0.5),
    "momentum": partial(SGD, lr=0.5, momentum=0.9, weight_decay=0.01),
    "Adagrad": partial(Adagrad, lr=0.5),
    "Adagrad up": partial(Adagrad, lr=0.5, lr_decay=0.1, maximize=True),
}


def bag_training(device, bag, optimizer, *, ragged, captured=False, rehearsals=0):
    """Train a table by bags of its rows, with the gradients clipped; returns the losses and the table."""
    options, rng = BAGS[bag], np.random.default_rng(0)
    shape = 12 if ragged else (4, 3)
    table = fw.asarray(rng.standard_normal((40, 5)).astype(np.float32), device=device).requires_grad_()
    other = fw.asarray(rng.standard_normal(5).astype(np.float32), device=device).requires_grad_()
    optimizer = OPTIMIZERS[optimizer]([table, other])
    data = []
    for _ in range(4):
        offsets = np.sort(rng.integers(0, 13, 4)) * (np.arange(4) > 0)
        data.append((rng.integers(0, 40, shape) % 17, rng.standard_normal(shape).astype(np.float32), offsets))
    data = [tuple(fw.asarray(part, device=device) for part in parts) for parts in data]

    def step(ids, factors, offsets):
        optimizer.zero_grad()
        bags = nn.functional.embedding_bag(
            ids,
            table,
            offsets if ragged else None,
            per_sample_weights=factors if bag == "weighted" else None,
            **options,
        )
        loss = (fw.tanh(bags) * other).sum()
        loss.backward()
        norm = nn.utils.clip_grad_norm_([table, other], 0.7)
        optimizer.step()
        return loss, norm

    for _ in range(rehearsals):
        step(*data[0])
    run = fw.cuda.graph(step, *data[0], warmup=1) if captured else step
    results = [[part.item() for part in run(*parts)] for parts in data]
    return results, table.detach().numpy()


@pytest.mark.parametrize("bag", BAGS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("ragged", [False, True])
def test_bags_clipping_and_optimizers_give_what_the_cpu_gives(bag, optimizer, ragged):
    (found, table), (expected, theirs) = (
        bag_training(device, bag, optimizer, ragged=ragged) for device in ("emulated", "cpu")
    )
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(table, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bag", BAGS)
@pytest.mark.parametrize("optimizer", ["SGD", "momentum", "Adagrad"])
@pytest.mark.parametrize("ragged", [False, True])
def test_bags_clipping_and_optimizers_in_a_captured_step(bag, optimizer, ragged):
    captured, table = bag_training("emulated", bag, optimizer, ragged=ragged, captured=True)
    # Beside the rehearsal the emulated recording, too, runs the step.
    expected, theirs = bag_training("cpu", bag, optimizer, ragged=ragged, rehearsals=2)
    np.testing.assert_allclose(captured, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(table, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([0, 3, 2], r"embedding_bag \(lengths of bags\): index -1 at position 1 is outside the valid range \[0, 5\)"),
        ([1, 2, 3], r"embedding_bag \(first offset\): index 1 at position 0 is outside the valid range \[0, 1\)"),
        ([0, 2, 9], r"embedding_bag \(lengths of bags\): index 7 at position 1 is outside the valid range \[0, 5\)"),
        ([-(2**40), 2, 2**40], r"embedding_bag \(first offset\): index -1099511627776 at position 0 "),
    ],
)
def test_wrong_offsets_in_a_captured_step_are_raised_where_the_host_reads(offsets, message):
    table = fw.ones((6, 2), device="emulated").requires_grad_()
    ids, right = (fw.asarray(a, device="emulated") for a in ([1, 2, 3, 1], [0, 2, 3]))

    def step(ids, offsets):
        table.grad = None
        nn.functional.embedding_bag(ids, table, offsets, mode="mean").sum().backward()

    run = fw.cuda.graph(step, ids, right, warmup=1)
    run(ids, fw.asarray(offsets, device="emulated"))
    with pytest.raises(IndexError, match=message):
        fw.ones((1,), device="emulated").numpy()
    run(ids, right)
    np.testing.assert_allclose(table.grad.numpy().sum(), 6.0, rtol=1e-6)


def scaled(inputs, **options):
    """Capture a step that adds to a total what it is given, twice."""
    total = fw.zeros((3,), device="emulated")

    def step(x):
        total.add_(x * 2)
        return total + fw.random.uniform(shape=(3,), device="emulated")

    return fw.cuda.graph(step, *inputs, **options), total


def test_inputs_are_copied_in_and_results_out():
    x = fw.asarray([1.0, 2.0, 3.0], device="emulated")
    step, total = scaled([x], warmup=1)
    total.data[...] = 0
    fw.random.manual_seed(fw.random.get_state()[0])
    first, second = step(x), step(x * 10)
    fw.random.manual_seed(fw.random.get_state()[0])
    drawn = [fw.random.uniform(shape=(3,)).numpy() for _ in range(2)]
    np.testing.assert_allclose(first.numpy(), np.array([2, 4, 6]) + drawn[0], rtol=1e-6)
    np.testing.assert_allclose(second.numpy(), np.array([22, 44, 66]) + drawn[1], rtol=1e-6)
    assert x.tolist() == [1, 2, 3]


def test_other_inputs_are_refused():
    x = fw.asarray([1.0, 2.0, 3.0], device="emulated")
    step, _ = scaled([x], warmup=1)
    for other in (fw.ones((2,), device="emulated"), x.to("float64"), x.cpu()):
        with pytest.raises(
            ValueError, match=r"graph: input 0 was captured as float32 of shape \(3,\) on 'emulated', got"
        ):
            step(other)
    with pytest.raises(ValueError, match="argument"):
        step(x, x)
    fw.random.manual_seed(12345)
    with pytest.raises(RuntimeError, match="captured with random seed 0, and the default generator has seed 12345"):
        step(x)


def test_what_cannot_be_captured_is_named():
    x = fw.asarray(
        [1.0, 2.0, 3.0],
        device="emulated",
    )
    with pytest.raises(RuntimeError, match=r"cannot bring a value to the host, as in the call at .*\.py:\d+;"):
        fw.cuda.graph(lambda x: x.sum().item(), x)
    ids = fw.asarray([1, 2], device="emulated")
    with pytest.raises(
        RuntimeError, match="graph: 'matmul' cannot be captured: matmul: a captured step has products of"
    ):
        fw.cuda.graph(lambda ids: ids @ ids, ids)
    generator = fw.random.Generator(77)
    with pytest.raises(RuntimeError, match=r"the default generator only, but it used the streams of seeds \[77\]"):
        fw.cuda.graph(lambda x: x + fw.random.uniform(shape=(3,), device="emulated", generator=generator), x)
    assert not GPU.capturing()


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [((), {}, ValueError), ((1.0,), {}, TypeError), (("x",), {"warmup": 0}, ValueError), (("cpu",), {}, ValueError)],
)
def test_wrong_arguments(arguments, options, error):
    made = {"x": fw.ones((2,), device="emulated"), "cpu": fw.ones((2,))}
    with pytest.raises(error, match=r"graph|expected a GPU such as"):
        fw.cuda.graph(lambda x: x, *(made.get(a, a) for a in arguments), **options)


def test_an_index_outside_is_raised_where_the_host_reads():
    table = nn.Embedding(5, 2).to("emulated")
    out = table(fw.asarray([[0, 1], [7, 2]], device="emulated"))
    total = out.sum()
    with pytest.raises(
        IndexError, match=r"embedding: index 7 at position \(1, 0\) .* in the call at .*test_training\.py:"
    ):
        total.item()
    assert np.isfinite(total.item())


@pytest.mark.parametrize("name", ["nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values"])
def test_a_shape_that_depends_on_values_cannot_be_captured(name):
    x = fw.asarray([1, 0, 1], device="emulated")
    getattr(fw, name)(x)
    with pytest.raises(
        RuntimeError, match=rf"{name}: a captured step cannot bring the length of its result.*test_training"
    ):
        fw.cuda.graph(lambda x: getattr(fw, name)(x), x)


def test_a_mask_cannot_pick_entries_in_a_captured_step(monkeypatch):
    getitem = indexing.overrides(GPU)["getitem"]
    x, mask = np.arange(3), np.array([True, False, True])
    np.testing.assert_array_equal(getitem(x, mask), [0, 2])
    monkeypatch.setattr(GPU, "capture", GPU.new_capture())
    np.testing.assert_array_equal(getitem(x, slice(1)), [0])
    with pytest.raises(
        RuntimeError, match="getitem: a captured step cannot bring the number of entries that a mask names"
    ):
        getitem(x, (mask,))
