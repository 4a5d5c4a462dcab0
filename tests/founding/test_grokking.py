"""The founding programs as the lessons write them, in the dialect, give the founding figures."""

from __future__ import annotations

import numpy as np
import pytest

import framework.dialects.grokking as lesson
from framework.dialects.grokking import (
    SGD,
    CrossEntropyLoss,
    Embedding,
    Linear,
    MSELoss,
    RNNCell,
    Sequential,
    Sigmoid,
    Tanh,
    Tensor,
)
from tests.founding.traces import TRACES, Trace, babi_steps, babi_words, check_babi


def host(tensor):
    """The values of a lesson's tensor as a NumPy array."""
    return np.array(lesson.fw.asarray(tensor.data).tolist())


def check_start(trace, parameters):
    """The initial values are those that the lesson's own draws give."""
    assert len(parameters) == len(trace.initial)
    for p, start in zip(parameters, trace.initial):
        np.testing.assert_array_equal(host(p), start)


def inputs_of(trace, device):
    return Tensor(trace.inputs, autograd=True, device=device), Tensor(trace.targets, autograd=True, device=device)


def fit(trace, model, criterion, data, target):
    check_start(trace, model.get_parameters())
    optim = SGD(parameters=model.get_parameters(), alpha=trace.learning_rate)
    losses = []
    for _ in trace.losses:
        pred = model.forward(data)
        loss = criterion.forward(pred, target)
        loss.backward(Tensor(np.ones_like(host(loss))))
        optim.step()
        losses.append(float(host(loss).sum()))
    trace.check(losses)


# ---------------------------------------------------------------- the programs
def two_matrices(trace, device):
    data, target = inputs_of(trace, device)
    w = [Tensor(np.random.rand(*shape), autograd=True, device=device) for shape in ((2, 3), (3, 1))]
    check_start(trace, w)
    losses = []
    for _ in trace.losses:
        pred = data.mm(w[0]).mm(w[1])
        loss = ((pred - target) * (pred - target)).sum(0)
        loss.backward(Tensor(np.ones_like(host(loss))))
        for w_ in w:
            w_.data -= w_.grad.data * trace.learning_rate
            w_.grad.data *= 0
        losses.append(float(host(loss)[0]))
    trace.check(losses)


def small_net(trace, device):
    data, target = inputs_of(trace, device)
    model = Sequential([Linear(2, 3, device=device), Tanh(), Linear(3, 1, device=device), Sigmoid()])
    fit(trace, model, MSELoss(), data, target)


def embedding_mse(trace, device):
    data, target = inputs_of(trace, device)
    embed = Embedding(5, 3, device=device)
    fit(trace, Sequential([embed, Tanh(), Linear(3, 1, device=device), Sigmoid()]), MSELoss(), data, target)


def embedding_cross_entropy(trace, device):
    data, target = inputs_of(trace, device)
    model = Sequential([Embedding(3, 3, device=device), Tanh(), Linear(3, 4, device=device)])
    fit(trace, model, CrossEntropyLoss(), data, target)


def babi_rnn(trace, device):
    words = babi_words(trace.vocabulary)
    embed = Embedding(vocab_size=len(trace.vocabulary), dim=16, device=device)
    model = RNNCell(n_inputs=16, n_hidden=16, n_output=len(trace.vocabulary), device=device)
    criterion = CrossEntropyLoss()
    check_start(trace, embed.get_parameters() + model.get_parameters())
    optim = SGD(parameters=model.get_parameters() + embed.get_parameters(), alpha=trace.learning_rate)
    losses, accuracies = [], []
    for _ in range(babi_steps(device)):
        hidden = model.init_hidden(batch_size=len(words))
        for t in range(5):
            input = Tensor(words[:, t], autograd=True, device=device)
            output, hidden = model.forward(input=embed.forward(input=input), hidden=hidden)
        target = Tensor(words[:, 5], autograd=True, device=device)
        loss = criterion.forward(output, target)
        loss.backward()
        accuracies.append((host(output).argmax(axis=1) == words[:, 5]).mean())
        losses.append(float(host(loss)))
        optim.step()
    check_babi(losses, accuracies)


def zen_scalar(trace, device):
    a, b = (Tensor(float(x), autograd=True, device=device) for x in (trace.a, trace.b))
    c = a * b
    (c * c).backward()
    assert (host(a.grad), host(b.grad)) == (trace.grad_a, trace.grad_b)


def repeated_use(trace, device):
    a, b, c = (Tensor([1, 2, 3, 4, 5], autograd=True, device=device) for _ in range(3))
    d = a + b
    e = b + c
    f = d + e
    f.backward(Tensor(np.array([1, 1, 1, 1, 1])))
    assert (host(b.grad) == trace.grad_b).all()
    assert (host(a.grad) == trace.grad_a).all()


def embedding_rows(trace, device):
    x = Tensor(np.eye(5), autograd=True, device=device)
    x.index_select(Tensor([[1, 2, 3], [2, 3, 4]])).backward()
    assert (host(x.grad) == trace.grad).all()


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
def test_replay(device, name, global_seed):
    global_seed(0)
    PROGRAMS[name](Trace(name), device)
