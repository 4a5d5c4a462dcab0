"""The scale, step by step, is that of PyTorch's scaler; gradients are looked at, scaled back, and steps skipped."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as fw
from framework import nn, optim
from framework.amp import GradScaler
from framework.autograd import RowSparse
from framework.nn.utils import clip_grad_norm_, clip_grad_value_
from framework.training import load_checkpoint, save_checkpoint


def parameter(values=(1.0, 2.0), **options):
    w = fw.Tensor(list(values), requires_grad=True, **options)
    return w, optim.SGD([w], lr=0.5)


def one_step(scaler, w, optimizer, factor=1.0):
    """A step on a loss whose gradient is ``factor`` everywhere."""
    optimizer.zero_grad()
    scaler.scale((w * factor).sum()).backward()
    scaler.step(optimizer)
    scaler.update()


# ---------------------------------------------------------------- the oracle
OPTIONS = {
    "usual": {"growth_interval": 3},
    "odd": {"init_scale": 1000.0, "growth_factor": 1.7, "backoff_factor": 0.3, "growth_interval": 2},
    "largest": {"init_scale": 2.0**126, "growth_factor": 8.0, "growth_interval": 1},
    "smallest": {"init_scale": 1.0, "backoff_factor": 0.01, "growth_interval": 10},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_scales_and_values_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    bad = {1.0: 1.0, 2.0: math.inf, 3.0: math.nan, 4.0: -math.inf}
    factors = [bad.get(float(k), 0.25) for k in rng.integers(0, 12, size=40)]
    if name == "largest":
        factors = [0.0] * 4
    ours, theirs = [], []
    w, optimizer = parameter()
    scaler = GradScaler(**OPTIONS[name])
    v = torch.tensor([1.0, 2.0], requires_grad=True)
    their_optimizer, their_scaler = torch.optim.SGD([v], lr=0.5), torch.amp.GradScaler("cpu", **OPTIONS[name])
    for factor in factors:
        one_step(scaler, w, optimizer, factor)
        one_step(their_scaler, v, their_optimizer, factor)
        ours.append((scaler.get_scale(), *w.tolist()))
        theirs.append((their_scaler.get_scale(), *v.tolist()))
        assert scaler.state_dict() == their_scaler.state_dict()
    assert ours == theirs
    assert len({scale for scale, *_ in ours}) > 2 or name == "largest"


def test_states_are_exchanged_with_pytorch():
    torch = pytest.importorskip("torch")
    theirs = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=5)
    ours = GradScaler()
    ours.load_state_dict(theirs.state_dict())
    assert (ours.get_scale(), ours.growth_interval) == (8.0, 5)
    theirs.load_state_dict(GradScaler(init_scale=4.0).state_dict())
    assert theirs.get_scale() == 4.0


# ---------------------------------------------------------------- gradients
def test_gradients_are_scaled_back(device):
    w, optimizer = parameter(device=device)
    scaler = GradScaler(init_scale=4.0)
    scaler.scale((w * w).sum()).backward()
    assert w.grad.tolist() == [8.0, 16.0]
    scaler.unscale_(optimizer)
    assert w.grad.tolist() == [2.0, 4.0]
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_bad_gradient_of_one_parameter_skips_the_step_of_all(bad, device):
    w, _ = parameter(device=device)
    v = fw.Tensor([[1.0]], requires_grad=True, device=device)
    optimizer = optim.Adam([w, v])
    scaler = GradScaler(init_scale=4.0)
    w.grad, v.grad = fw.ones_like(w), fw.full((1, 1), bad, device=device)
    assert scaler.step(optimizer) is None
    scaler.update()
    assert (w.tolist(), v.tolist(), optimizer.state) == ([1.0, 2.0], [[1.0]], {})
    assert scaler.get_scale() == 2.0


def test_optimizers_are_looked_at_one_by_one():
    (w, first), (v, second) = parameter(), parameter()
    scaler = GradScaler(init_scale=4.0)
    scaler.scale(w.sum()).backward()
    v.grad = fw.full((2,), math.nan)
    scaler.step(first)
    scaler.step(second)
    scaler.update()
    assert (w.tolist(), v.tolist()) == ([0.5, 1.5], [1.0, 2.0])
    assert scaler.get_scale() == 2.0


def test_parameters_on_several_devices():
    w = fw.Tensor([1.0], requires_grad=True)
    v = fw.Tensor([1.0], requires_grad=True, device="strict")
    optimizer, scaler = optim.SGD([w, v], lr=1.0), GradScaler(init_scale=4.0)
    w.grad, v.grad = fw.asarray([4.0]), fw.asarray([math.inf], device="strict")
    scaler.step(optimizer)
    scaler.update()
    assert (w.tolist(), v.tolist(), scaler.get_scale()) == ([1.0], [1.0], 2.0)


@pytest.mark.parametrize("clip", [lambda p: clip_grad_norm_(p, 1.0), lambda p: clip_grad_value_(p, 0.1)])
def test_clipping_between_gives_what_it_gives_without_a_scale(clip):
    results = []
    for scaler in (GradScaler(init_scale=1024.0), GradScaler(enabled=False)):
        w, optimizer = parameter()
        table = fw.ones((50, 2)).requires_grad_()
        optimizer.add_param_group({"params": table})
        rows = nn.functional.embedding(fw.asarray([3, 1, 3]), table)
        scaler.scale((w * w).sum() + rows.sum()).backward()
        scaler.unscale_(optimizer)
        clip([w, table])
        scaler.step(optimizer)
        scaler.update()
        results.append((w.tolist(), table.tolist()))
    assert results[0] == results[1]


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}, {"weight_decay": 0.1}])
@pytest.mark.parametrize("bag", [False, True])
def test_rows_stay_rows(options, bag):
    results = []
    for scaler in (GradScaler(init_scale=1024.0), GradScaler(enabled=False)):
        table = fw.reshape(fw.arange(100.0), (50, 2)).requires_grad_()
        optimizer = optim.SGD([table], lr=0.5, **options)
        for ids in ([3, 1, 3], [7, 3, 0]):
            optimizer.zero_grad()
            if bag:
                y = nn.functional.embedding_bag(fw.asarray([ids]), table, mode="mean")
            else:
                y = nn.functional.embedding(fw.asarray(ids), table)
            scaler.scale((y * y).sum()).backward()
            scaler.unscale_(optimizer)
            assert type(table._grad) is RowSparse
            assert table._grad.saves_work
            scaler.step(optimizer)
            scaler.update()
        results.append(table.detach().numpy())
    np.testing.assert_array_equal(*results)


def test_a_bad_row_skips_the_step():
    table = fw.ones((50, 2)).requires_grad_()
    optimizer, scaler = optim.SGD([table], lr=0.5, momentum=0.9), GradScaler(init_scale=4.0)
    rows = nn.functional.embedding(fw.asarray([3, 1]), table)
    scaler.scale((rows * fw.asarray([[1.0], [math.inf]])).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert bool(fw.all(table == 1.0))
    assert scaler.get_scale() == 2.0


@pytest.mark.cpu("counts conversions of NumPy's arrays")
def test_one_value_is_read_a_step(monkeypatch):
    """On a GPU each read waits for the device."""
    from backends import get_backend

    reads = []
    backend = get_backend("cpu")
    own = type(backend).to_numpy
    parameters = [fw.ones((3, 2)).requires_grad_() for _ in range(10)]
    optimizer, scaler = optim.SGD(parameters, lr=0.5), GradScaler()
    monkeypatch.setattr(type(backend), "to_numpy", lambda self, array: reads.append(array.shape) or own(self, array))
    for _ in range(3):
        loss = sum((p.sum() for p in parameters[1:]), parameters[0].sum())
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        assert reads == []
        scaler.step(optimizer)
        scaler.update()
        assert reads == [()]
        reads.clear()


# ---------------------------------------------------------------- scale()
def test_trees_are_scaled():
    a, b = fw.asarray([1.0]), fw.asarray(2.0)
    scaled = GradScaler(init_scale=8.0).scale({"a": a, "rest": [b, (a,)]})
    assert {key: type(value) for key, value in scaled.items()} == {"a": fw.Tensor, "rest": list}
    assert (scaled["a"].tolist(), scaled["rest"][0].item(), scaled["rest"][1][0].tolist()) == ([8.0], 16.0, [8.0])


def test_a_16_bit_loss_is_not_scaled_out_of_its_range():
    loss = fw.asarray(2.0, dtype=fw.float16).requires_grad_()
    scaled = GradScaler().scale(loss * 2)
    assert (scaled.dtype, scaled.item()) == (fw.float32, 2.0**18)
    scaled = GradScaler(init_scale=4.0).scale(fw.asarray(2.0, dtype=fw.float64))
    assert scaled.dtype == fw.float64


def test_only_tensors_are_scaled():
    with pytest.raises(TypeError, match="expected tensors to scale, got float"):
        GradScaler().scale([1.0])


# ---------------------------------------------------------------- order of calls
def test_unscale_once():
    w, optimizer = parameter()
    scaler = GradScaler()
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_\(\) was called"):
        scaler.unscale_(optimizer)
    assert w.grad.tolist() == [1.0, 1.0]
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) was called"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) was called"):
        scaler.step(optimizer)
    scaler.update()
    scaler.scale(w.sum()).backward()
    scaler.step(optimizer)


def test_without_gradients():
    _, optimizer = parameter()
    scaler = GradScaler()
    with pytest.raises(RuntimeError, match=r"no parameter .* has a gradient"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="no gradients were looked at"):
        scaler.update()


def test_float16_parameters_are_refused_and_left_alone():
    w, v = fw.ones(2).requires_grad_(), fw.ones(2, dtype="float16").requires_grad_()
    optimizer, scaler = optim.SGD([w, v], lr=1.0), GradScaler(init_scale=4.0)
    w.grad, v.grad = fw.ones(2), fw.ones(2, dtype="float16")
    with pytest.raises(ValueError, match="keep the parameters in float32"):
        scaler.step(optimizer)
    assert w.grad.tolist() == [1.0, 1.0]


def test_it_wants_an_optimizer():
    for call in (GradScaler().unscale_, GradScaler().step):
        with pytest.raises(TypeError, match="expected an Optimizer, got Linear"):
            call(nn.Linear(1, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init_scale": 0.0}, "init_scale"),
        ({"init_scale": math.inf}, "init_scale"),
        ({"growth_factor": 1.0}, "growth_factor"),
        ({"backoff_factor": 1.0}, "backoff_factor"),
        ({"backoff_factor": 0.0}, "backoff_factor"),
        ({"growth_interval": 0}, "growth_interval"),
        ({"growth_interval": 1.5}, "growth_interval"),
        ({"growth_interval": math.inf}, "growth_interval"),
        ({"init_scale": 1e300}, "init_scale must be positive and finite in float32, got 1e\\+300"),
        ({"init_scale": 1e-50}, "init_scale must be positive"),
    ],
)
def test_numbers_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        GradScaler(**options)


@pytest.mark.parametrize("value", ["cuda", None, [2.0]])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="GradScaler: init_scale must be a number, got"):
        GradScaler(value)


def test_a_scale_never_becomes_zero():
    w, optimizer = parameter()
    scaler = GradScaler(init_scale=1e-38, backoff_factor=1e-5)
    for _ in range(4):
        w.grad = fw.full((2,), math.nan)
        scaler.step(optimizer)
        scaler.update()
    assert 0 < scaler.get_scale() < 1e-38


# ---------------------------------------------------------------- states
def test_a_disabled_scaler_does_nothing():
    w, optimizer = parameter()
    scaler = GradScaler(enabled=False)
    loss = w.sum()
    assert scaler.scale(loss) is loss
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [0.5, 1.5]
    assert (scaler.get_scale(), scaler.is_enabled(), scaler.state_dict()) == (1.0, False, {})
    scaler.load_state_dict({})


def test_update_to_a_scale_of_ones_own():
    scaler = GradScaler(growth_interval=2)
    w, optimizer = parameter()
    one_step(scaler, w, optimizer)
    scaler.update(16.0)
    assert scaler.get_scale() == 16.0
    one_step(scaler, w, optimizer)
    assert scaler.get_scale() == 32.0
    with pytest.raises(ValueError, match="init_scale"):
        scaler.update(-1.0)
    assert scaler.get_scale() == 32.0


def test_a_bad_state_changes_nothing():
    scaler = GradScaler(init_scale=4.0)
    before = scaler.state_dict()
    for bad in ({}, {**before, "scale": -1.0}, {**before, "scale": 2.0, "growth_interval": 0}):
        with pytest.raises(ValueError, match="GradScaler"):
            scaler.load_state_dict(bad)
        assert scaler.state_dict() == before
    for bad in (3, {**before, "scale": "large"}):
        with pytest.raises(TypeError, match="GradScaler"):
            scaler.load_state_dict(bad)
        assert scaler.state_dict() == before


def test_it_goes_into_training_checkpoints(tmp_path):
    w, optimizer = parameter()
    scaler = GradScaler(init_scale=4.0, growth_interval=3)
    for _ in range(4):
        one_step(scaler, w, optimizer)
    save_checkpoint(tmp_path / "run.safetensors", optimizer=optimizer, scaler=scaler)
    other = GradScaler()
    load_checkpoint(tmp_path / "run.safetensors", optimizer=optimizer, scaler=other)
    assert other.state_dict() == scaler.state_dict()
    assert (other.get_scale(), other.state_dict()["_growth_tracker"]) == (8.0, 1)
