"""The founding programs that the Zen dialect has the operations for give the founding figures in it."""

from __future__ import annotations

import pytest

import framework as fw
from framework.dialects import zen
from framework.dialects.zen import Tensor
from tests.founding.traces import TRACES, Trace


def fit(trace, parameters, loss_of):
    losses = []
    for _ in trace.losses:
        loss = loss_of()
        loss.get_gradients()
        for p in parameters:
            p.value -= trace.learning_rate * p.gradient
        losses.append(float(loss.value))
    trace.check(losses)


def two_matrices(trace, device):
    w0, w1 = [Tensor(w, device=device) for w in trace.initial]
    x = Tensor(trace.inputs, trainable=False, device=device)
    fit(trace, [w0, w1], lambda: zen.sum((x @ w0 @ w1 - trace.targets) ** 2))


def small_net(trace, device):
    w0, b0, w1, b1 = parameters = [Tensor(p, device=device) for p in trace.initial]
    x = Tensor(trace.inputs, trainable=False, device=device)
    out = lambda: zen.sigmoid(zen.tanh(x @ w0 + b0) @ w1 + b1)  # noqa: E731
    fit(trace, parameters, lambda: zen.sum((out() - trace.targets) ** 2))


def zen_scalar(trace, device):
    a, b = Tensor(trace.a, device=device), Tensor(trace.b, device=device)
    d = (a * b) ** 2
    d.get_gradients()
    assert (float(a.gradient), float(b.gradient)) == (trace.grad_a, trace.grad_b)
    assert (float(d.grad(a)), float(d.grad(b))) == (trace.grad_a, trace.grad_b)


def repeated_use(trace, device):
    a, b, c = (Tensor([1, 2, 3, 4, 5], device=device) for _ in range(3))
    ((a + b) + (b + c)).get_gradients()
    assert fw.asarray(b.gradient).tolist() == trace.grad_b
    assert fw.asarray(a.gradient).tolist() == trace.grad_a


PROGRAMS = {
    "two_matrices": two_matrices,
    "tanh_sigmoid_net": small_net,
    "xor": small_net,
    "zen_scalar": zen_scalar,
    "repeated_use": repeated_use,
}
WITH_LOOKUPS = {"embedding_mse", "embedding_cross_entropy", "babi_rnn", "embedding_rows"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_replay(device, name):
    PROGRAMS[name](Trace(name), device)


def test_only_programs_with_lookups_are_left_out():
    assert PROGRAMS.keys() | WITH_LOOKUPS == TRACES.keys()
