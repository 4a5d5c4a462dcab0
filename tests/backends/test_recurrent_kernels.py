"""The recurrent kernels: the reference against PyTorch, the NumPy kernels against the reference."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import numpy as np
import pytest

from backends.reference import recurrent as reference

CPU = SimpleNamespace(xp=np)
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("rnn", "sigmoid"), ("lstm", None), ("gru", None)]
SHAPES = [(5, 3, 4, 6), (0, 3, 2, 2), (4, 0, 2, 3), (1, 1, 1, 1), (7, 5, 1, 3), (3, 2, 5, 1), (3, 4, 0, 2)]


class Case:
    """Inputs and upstream gradients of one kernel call, from a seed."""

    def __init__(self, kind, shape, *, bias=True, lengths=False, dtype=np.float64, seed=0, scale=1.0):
        rng = np.random.default_rng(seed)
        t, n, d, h = shape
        g = GATES[kind]

        def draw(*dims):
            return (scale * rng.standard_normal(dims)).astype(dtype)

        states = 2 if kind == "lstm" else 1
        self.kind = kind
        self.x = draw(t, n, d)
        self.state = tuple(draw(n, h) for _ in range(states))
        self.weights = (draw(g * h, d), draw(g * h, h))
        self.biases = (draw(g * h), draw(g * h)) if bias else (None, None)
        self.lengths = rng.integers(0, t + 1, n) if lengths else None
        self.gy = draw(t, n, h)
        self.g_state = tuple(draw(n, h) for _ in range(states))

    @property
    def inputs(self):
        return (self.x, *self.state, *self.weights, *self.biases)

    @property
    def needs(self):
        return tuple(a is not None for a in self.inputs)

    def forward(self, module, backend=CPU, *, reverse=False, keep=True, nonlinearity=None, convert=lambda a: a):
        options = {"reverse": reverse, "keep": keep}
        if self.kind == "rnn":
            options["nonlinearity"] = nonlinearity or "tanh"
        args = [a if a is None else convert(a) for a in (*self.inputs, self.lengths)]
        return getattr(module, f"{self.kind}_forward")(backend, *args, **options)

    def backward(self, module, saved, backend=CPU, *, needs=None, grads=None, convert=lambda a: a):
        grads = (self.gy, *self.g_state) if grads is None else grads
        grads = [a if a is None else convert(a) for a in grads]
        return getattr(module, f"{self.kind}_backward")(backend, saved, *grads, needs or self.needs)


def assert_all_close(actual, expected, tolerance):
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected):
        assert (a is None) == (e is None)
        if e is not None:
            assert a.shape == e.shape
            assert a.dtype == e.dtype
            np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance * max(1.0, np.abs(e).max(initial=0)))


# ---------------------------------------------------------------- the reference
def torch_layer(case, nonlinearity, reverse):
    """PyTorch's layer with the case's weights in the direction under test."""
    torch = pytest.importorskip("torch")
    h, d = case.weights[0].shape[0] // GATES[case.kind], case.weights[0].shape[1]
    options = {"bias": case.biases[0] is not None, "bidirectional": reverse, "dtype": torch.float64}
    if case.kind == "rnn":
        options["nonlinearity"] = nonlinearity
    layer = getattr(torch.nn, case.kind.upper())(d, h, **options)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    parameters = [getattr(layer, f"{name}_l0{'_reverse' * reverse}", None) for name in names]
    with torch.no_grad():
        for parameter, value in zip(parameters, (*case.weights, *case.biases)):
            if value is not None:
                parameter.copy_(torch.from_numpy(value))
    return layer, parameters


def torch_gradients(case, nonlinearity, reverse):
    """Outputs, final states and gradients of everything, by PyTorch."""
    torch = pytest.importorskip("torch")
    layer, parameters = torch_layer(case, nonlinearity, reverse)
    leaves = [torch.from_numpy(a).requires_grad_() for a in (case.x, *case.state)]
    x, h = leaves[0], case.weights[1].shape[1]
    state = [torch.stack([torch.zeros_like(s), s] if reverse else [s]) for s in leaves[1:]]
    if case.lengths is not None:
        lengths = torch.from_numpy(case.lengths)
        x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    y, final = layer(x, tuple(state) if case.kind == "lstm" else state[0])
    if case.lengths is not None:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=case.x.shape[0])
    outputs = [y[..., -h:], *(s[-1] for s in (final if case.kind == "lstm" else (final,)))]
    loss = sum((o * torch.from_numpy(g)).sum() for o, g in zip(outputs, (case.gy, *case.g_state)))
    wanted = [*leaves, *(p for p in parameters if p is not None)]
    gradients = [g.numpy() for g in torch.autograd.grad(loss, wanted)]
    return [o.detach().numpy() for o in outputs], gradients + [None] * (len(case.inputs) - len(gradients))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, [7, 1, 3, 7, 2]])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kind", "nonlinearity"), [c for c in CELLS if c[1] != "sigmoid"])
def test_reference_equals_pytorch(kind, nonlinearity, bias, lengths, reverse):
    case = Case(kind, (7, 5, 3, 4), bias=bias)
    case.lengths = None if lengths is None else np.asarray(lengths)
    outputs, gradients = torch_gradients(case, nonlinearity, reverse)
    *found, saved = case.forward(reference, reverse=reverse, nonlinearity=nonlinearity)
    assert_all_close(found, outputs, 1e-9)
    assert_all_close(case.backward(reference, saved), gradients, 1e-9)


def test_sigmoid_rnn_equals_pytorch_autograd():
    torch = pytest.importorskip("torch")
    case = Case("rnn", (5, 3, 2, 4))
    x, h, w_ih, w_hh, b_ih, b_hh = leaves = [torch.from_numpy(a).requires_grad_() for a in case.inputs]
    ys = []
    for t in range(5):
        h = torch.sigmoid(x[t] @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
        ys.append(h)
    y = torch.stack(ys)
    loss = (y * torch.from_numpy(case.gy)).sum() + (h * torch.from_numpy(case.g_state[0])).sum()
    gradients = [g.numpy() for g in torch.autograd.grad(loss, leaves)]
    *found, saved = case.forward(reference, nonlinearity="sigmoid")
    assert_all_close(found, [y.detach().numpy(), h.detach().numpy()], 1e-9)
    assert_all_close(case.backward(reference, saved), gradients, 1e-9)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", GATES)
def test_each_sequence_of_a_ragged_batch_is_as_if_alone(kind, reverse):
    case = Case(kind, (4, 6, 3, 2))
    case.lengths = np.asarray([0, 4, 2, 0, 1, 3])
    y, *final, _ = case.forward(reference, reverse=reverse)
    for k, length in enumerate(case.lengths):
        alone = Case(kind, (4, 6, 3, 2))
        alone.x, alone.state = case.x[:length, k : k + 1], tuple(s[k : k + 1] for s in case.state)
        y_alone, *final_alone, _ = alone.forward(reference, reverse=reverse)
        np.testing.assert_allclose(y[:length, k : k + 1], y_alone, atol=1e-15)
        assert not y[length:, k].any()
        for together, single in zip(final, final_alone):
            np.testing.assert_allclose(together[k : k + 1], single, atol=1e-15)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
def test_reference_needs_only_the_array_api(kind, nonlinearity, shape, lengths, reverse):
    strict = pytest.importorskip("array_api_strict")
    backend, case = SimpleNamespace(xp=strict), Case(kind, shape, lengths=lengths)
    options = {"reverse": reverse, "nonlinearity": nonlinearity}
    *outputs, saved = case.forward(reference, **options)
    *strict_outputs, strict_saved = case.forward(reference, backend, convert=strict.asarray, **options)
    gradients = case.backward(reference, saved)
    strict_gradients = case.backward(reference, strict_saved, backend, convert=strict.asarray)
    found = [np.asarray(a) for a in (*strict_outputs, *strict_gradients)]
    assert_all_close(found, [*outputs, *gradients], 1e-13)
