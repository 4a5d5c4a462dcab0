"""The founding programs, written for the main API, give the founding figures."""

from __future__ import annotations

import numpy as np
import pytest

import framework as fw
from framework import nn
from framework.optim import SGD
from tests.founding.traces import TRACES, Losses, Trace, babi_steps, babi_words, check_babi

F64 = fw.float64


def leaf(values, device):
    return fw.Tensor(values, requires_grad=True, dtype=F64, device=device)


def train(parameters, lr, loss_of, steps) -> Losses:
    optimizer = SGD(parameters, lr=lr)
    losses = []
    for _ in range(steps):
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def linear(weight, bias, device):
    """A layer that starts with the trace's weight (in, out)."""
    layer = nn.Linear(*weight.shape, device=device, dtype=F64)
    layer.load_state_dict({"weight": fw.asarray(weight.T, device=device), "bias": fw.asarray(bias, device=device)})
    return layer


def fit(model, trace, criterion, device, dtype=None) -> Losses:
    x, y = fw.asarray(trace.inputs, dtype=dtype, device=device), fw.asarray(trace.targets, device=device)
    y = y.to(F64) if isinstance(criterion, nn.MSELoss) else y
    return train(model.parameters(), trace.learning_rate, lambda: criterion(model(x), y), len(trace.losses))


# ---------------------------------------------------------------- the programs
def two_matrices(trace, device):
    x, y = (fw.asarray(a, dtype=F64, device=device) for a in (trace.inputs, trace.targets))
    w0, w1 = [leaf(w, device) for w in trace.initial]
    trace.check(train([w0, w1], trace.learning_rate, lambda: ((x @ w0 @ w1 - y) ** 2).sum(), len(trace.losses)))


def small_net(trace, device):
    w0, b0, w1, b1 = trace.initial
    model = nn.Sequential(linear(w0, b0, device), nn.Tanh(), linear(w1, b1, device), nn.Sigmoid())
    trace.check(fit(model, trace, nn.MSELoss(reduction="sum"), device, F64))


def table(trace, device):
    return nn.Embedding.from_pretrained(fw.asarray(trace.initial[0], device=device), freeze=False)


def embedding_mse(trace, device):
    model = nn.Sequential(table(trace, device), nn.Tanh(), linear(*trace.initial[1:], device), nn.Sigmoid())
    trace.check(fit(model, trace, nn.MSELoss(reduction="sum"), device))


def embedding_cross_entropy(trace, device):
    model = nn.Sequential(table(trace, device), nn.Tanh(), linear(*trace.initial[1:], device))
    losses = fit(model, trace, nn.CrossEntropyLoss(reduction="sum"), device)
    trace.check([loss / len(trace.inputs) for loss in losses])


def babi_rnn(trace, device):
    embedding, w_ih, b_ih, w_hh, b_hh, w_ho, b_ho = trace.initial
    embed = nn.Embedding.from_pretrained(fw.asarray(embedding, device=device), freeze=False)
    rnn = nn.RNN(16, 16, nonlinearity="sigmoid", device=device, dtype=F64)
    start = zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), (w_ih.T, w_hh.T, b_ih, b_hh))
    rnn.load_state_dict({name: fw.asarray(value, device=device) for name, value in start})
    head = linear(w_ho, b_ho, device)
    words = fw.asarray(babi_words(trace.vocabulary), device=device)
    accuracies = []

    def loss():
        _, state = rnn(embed(words[:, :5].T))
        logits = head(state[0, ...])
        right = fw.argmax(logits.detach(), axis=1) == words[:, 5]
        accuracies.append(fw.mean(right.to(F64)).item())
        return nn.functional.cross_entropy(logits, words[:, 5], reduction="sum")

    parameters = [*embed.parameters(), *rnn.parameters(), *head.parameters()]
    losses = train(parameters, trace.learning_rate, loss, babi_steps(device))
    check_babi([loss / 100 for loss in losses], accuracies)


def zen_scalar(trace, device):
    a, b = leaf(trace.a, device), leaf(trace.b, device)
    ((a * b) ** 2).backward()
    assert (a.grad.item(), b.grad.item()) == (trace.grad_a, trace.grad_b)


def repeated_use(trace, device):
    a, b, c = (leaf([1, 2, 3, 4, 5], device) for _ in range(3))
    ((a + b) + (b + c)).backward(fw.ones(5, dtype=F64, device=device))
    assert b.grad.tolist() == trace.grad_b
    assert a.grad.tolist() == trace.grad_a


def embedding_rows(trace, device):
    x = leaf(np.eye(5), device)
    rows = fw.asarray([[1, 2, 3], [2, 3, 4]], device=device)
    for lookup in (lambda: x[rows], lambda: fw.take(x, rows, axis=0), lambda: nn.functional.embedding(rows, x)):
        x.grad = None
        out = lookup()
        out.backward(fw.ones_like(out.detach()))
        assert x.grad.tolist() == trace.grad


PROGRAMS = {
    "two_matrices": two_matrices,
    "tanh_sigmoid_net": small_net,
    "xor": small_net,
    "embedding_mse": embedding_mse,
    "embedding_cross_entropy": embedding_cross_entropy,
    "babi_rnn": babi_rnn,
    "zen_scalar": zen_scalar,
    "repeated_use": repeated_use,
    "embedding_rows": embedding_rows,
}


@pytest.mark.parametrize("name", TRACES)
def test_replay(device, name):
    PROGRAMS[name](Trace(name), device)
