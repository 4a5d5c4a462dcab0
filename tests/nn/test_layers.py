"""Layers: modules compute what their functions compute, and what PyTorch's modules compute."""

from __future__ import annotations

import numpy as np
import pytest

import framework as fw
from framework import nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
P = RNG.uniform(0.1, 0.9, size=(3, 4))
LOG_P = np.log(P / P.sum(axis=1, keepdims=True))
Y = np.array([1, 3, 0])
W = np.array([0.5, 1.0, 2.0, 0.1])

# Name, constructor arguments, inputs.
LAYERS = [
    ("ReLU", {}, (X,)),
    ("Tanh", {}, (X,)),
    ("Sigmoid", {}, (X,)),
    ("LogSigmoid", {}, (X,)),
    ("SiLU", {}, (X,)),
    ("GELU", {"approximate": "tanh"}, (X,)),
    ("LeakyReLU", {"negative_slope": 0.3}, (X,)),
    ("ELU", {"alpha": 0.7}, (X,)),
    ("Softplus", {"beta": 3.0, "threshold": 2.0}, (X,)),
    ("Hardtanh", {"min_val": -0.2, "max_val": 0.4}, (X,)),
    ("Softmax", {"dim": 1}, (X,)),
    ("LogSoftmax", {"dim": 0}, (X,)),
    ("Flatten", {"start_dim": 0}, (X,)),
    ("Unflatten", {"dim": 1, "unflattened_size": (2, -1)}, (X,)),
    ("Identity", {}, (X,)),
    ("MSELoss", {"reduction": "sum"}, (X, P)),
    ("L1Loss", {"reduction": "none"}, (X, P)),
    ("SmoothL1Loss", {"beta": 0.4}, (X, P)),
    ("HuberLoss", {"delta": 0.4}, (X, P)),
    ("CrossEntropyLoss", {"weight": W, "ignore_index": 3, "label_smoothing": 0.2}, (X, Y)),
    ("NLLLoss", {"weight": W, "ignore_index": 3, "reduction": "sum"}, (LOG_P, Y)),
    ("BCELoss", {"weight": W}, (P, P[::-1].copy())),
    ("BCEWithLogitsLoss", {"weight": W, "pos_weight": W + 1, "reduction": "sum"}, (X, P)),
    ("KLDivLoss", {"reduction": "batchmean", "log_target": True}, (LOG_P, LOG_P[::-1].copy())),
]


@pytest.mark.parametrize(("name", "options", "inputs"), LAYERS, ids=[name for name, *_ in LAYERS])
def test_modules_are_pytorchs(arrays, name, options, inputs):
    torch = pytest.importorskip("torch")

    def run(module, make):
        made = {k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        return module(**made)(*map(make, inputs))

    ours, theirs = run(getattr(nn, name), arrays.make), run(getattr(torch.nn, name), torch.tensor)
    np.testing.assert_allclose(ours.cpu().numpy(), theirs.numpy(), rtol=1e-9, atol=1e-9)


def test_linear_is_pytorchs(arrays):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Linear(4, 2, dtype=torch.float64)
    ours = nn.Linear(4, 2, dtype="float64", device=arrays.device)
    ours.load_state_dict(theirs.state_dict())
    x, peer = arrays.make(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    for model, tensor in ((ours, x), (theirs, peer)):
        (model(tensor) ** 2).sum().backward()
    pairs = [(x.grad, peer.grad), (ours.weight.grad, theirs.weight.grad), (ours.bias.grad, theirs.bias.grad)]
    for a, b in pairs:
        np.testing.assert_allclose(a.cpu().numpy(), b.numpy(), rtol=1e-12)


@pytest.mark.parametrize("make", [np.asarray, list])
def test_inputs_may_be_arrays_and_lists(make):
    x, rows = make([0.25, 0.5, 0.75]), make([[0.25, 0.5, 0.75]])
    layer, t = nn.Linear(3, 2, dtype="float64"), fw.asarray([0.25, 0.5, 0.75], dtype="float64")
    np.testing.assert_allclose(layer(x).detach().numpy(), layer(t).detach().numpy(), rtol=1e-6)
    assert nn.Dropout(1.0)(x).tolist() == [0.0, 0.0, 0.0]
    assert nn.functional.mse_loss(x, t.to(dtype=fw.asarray(x).dtype)).item() == 0.0
    assert nn.functional.cross_entropy(rows, [1]).item() == pytest.approx(nn.functional.cross_entropy(t, 1).item())
    assert nn.functional.nll_loss(rows, [1]).item() == -0.5


def test_sizes_may_be_numpys():
    size = np.arange(5).max()
    layers = [nn.Linear(size, size), nn.Embedding(size, size), nn.LSTM(size, size), nn.LayerNorm(size)]
    assert [next(layer.parameters()).shape for layer in layers] == [(4, 4), (4, 4), (16, 4), (4,)]
    assert repr(layers[0]) == "Linear(in_features=4, out_features=4, bias=True)"


def test_linear_without_bias():
    layer = nn.Linear(3, 2, bias=False)
    assert layer.bias is None
    assert list(layer.state_dict()) == ["weight"]
    assert repr(layer) == "Linear(in_features=3, out_features=2, bias=False)"


def test_a_view_is_as_good_as_a_copy(arrays):
    base = arrays.make(np.asfortranarray(RNG.normal(size=(6, 5))))
    layer = nn.Linear(3, 2, dtype="float64", device=arrays.device)
    view = base[::2, 1:4]
    np.testing.assert_allclose(
        layer(view).detach().cpu().numpy(), layer(view.clone()).detach().cpu().numpy(), rtol=1e-12
    )


def test_relu_in_place_writes_its_input():
    x = fw.asarray([-1.0, 1.0])
    assert nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [0.0, 1.0]


def test_one_hot(device):
    ids = fw.asarray([[0, 2], [1, 0]], device=device)
    x = nn.functional.one_hot(ids)
    assert (x.dtype, x.device) == (fw.int64, device)
    assert x.tolist() == np.eye(3)[[[0, 2], [1, 0]]].tolist()
    assert nn.functional.one_hot(ids[:0], 4).shape == (0, 2, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Linear(3, 2)(fw.zeros((4, 5))), ValueError, r"\(H, D\), got \(4, 5\) and \(2, 3\)"),
        (lambda: nn.Linear(3, 2)(fw.asarray(1.0)), ValueError, r"got \(\) and \(2, 3\)"),
        (lambda: nn.Linear(3, -2), ValueError, "Linear: out_features must be at least 0, got -2"),
        (lambda: nn.Linear("3", 2), TypeError, "Linear: in_features must be an int, got str '3'"),
        (lambda: nn.Embedding(2.5, 2), TypeError, r"Embedding: num_embeddings must be an int, got float 2\.5"),
        (lambda: nn.EmbeddingBag(2, True), TypeError, "EmbeddingBag: embedding_dim must be an int, got bool True"),
        (lambda: nn.LayerNorm((2, 3.0)), TypeError, r"LayerNorm: normalized_shape must be an int, got float 3\.0"),
        (lambda: nn.RMSNorm(-1), ValueError, "RMSNorm: normalized_shape must be at least 0, got -1"),
        (lambda: nn.Softmax()(fw.zeros((2, 2))), ValueError, "softmax: say which axis, such as dim=-1"),
        (lambda: nn.Softmax(dim=2)(fw.zeros((2, 2))), IndexError, r"dim must be in \[-2, 2\) .* got 2"),
        (lambda: nn.Hardtanh(1, 1)(fw.zeros((2,))), ValueError, "min_val must be below max_val, got 1 and 1"),
        (lambda: nn.GELU("erf")(fw.zeros((2,))), ValueError, "'none' or 'tanh', got 'erf'"),
        (lambda: nn.functional.one_hot(fw.asarray([1, 5]), 3), IndexError, r"one_hot.* 5 .*\[0, 3\)"),
        (lambda: nn.functional.one_hot(fw.asarray([1]), 2.5), TypeError, r"num_classes must be an int, got float 2\.5"),
        (lambda: nn.functional.one_hot(fw.zeros((0,), dtype="int64")), ValueError, "num_classes cannot be found"),
        (lambda: nn.Flatten(2)(fw.zeros((2, 2))), IndexError, "axis 2 is out of range"),
        (lambda: nn.Flatten(1, 0)(fw.zeros((2, 2))), ValueError, "start_dim 1 comes after end_dim 0"),
        (lambda: nn.Unflatten(0, (-2, -2)), ValueError, "unflattened_size must be at least -1, got -2"),
        (lambda: nn.Unflatten(1, (3, -1))(fw.zeros((2, 4))), ValueError, r"length 4 cannot be made \(3, -1\)"),
    ],
)
def test_errors(call, error, message, raises):
    with raises(error, match=message):
        call()


@pytest.mark.cpu("the message names two devices")
def test_an_input_on_another_device_is_refused():
    with pytest.raises(RuntimeError, match=r"'cpu' and 'strict'; move one of them with .to"):
        nn.Linear(3, 2)(fw.zeros((4, 3), device="strict"))
