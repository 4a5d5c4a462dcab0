"""Floats of 16 bits on NumPy: sums and products as from float32, rounded once; bfloat16 a float like any other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import framework as fw
from framework import nn
from framework.nn import functional

ml_dtypes = pytest.importorskip("ml_dtypes")
ROOT = Path(__file__).parents[2]
EPS = {"float16": 2.0**-11, "bfloat16": 2.0**-8}


@pytest.fixture(params=["float16", "bfloat16"])
def dtype(request):
    return np.dtype(getattr(fw, request.param))


def values(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(size=shape) * scale


def near(ours, exact, dtype):
    """Within one rounding of the exact result."""
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours.to("float64").numpy(), exact, rtol=1.01 * EPS[dtype.name], atol=1e-5)


def pair(dtype, *shapes):
    """Tensors of a dtype, and their values in float64."""
    tensors = [fw.asarray(values(*shape, seed=i), dtype=dtype) for i, shape in enumerate(shapes)]
    return tensors, [x.to("float64").numpy() for x in tensors]


# ---------------------------------------------------------------- sums and products
@pytest.mark.parametrize("shapes", [((5, 300), (300, 4)), ((300,), (300,)), ((2, 5, 300), (300, 4)), ((0, 3), (3, 2))])
def test_products_are_rounded_once(dtype, shapes):
    (x, y), (a, b) = pair(dtype, *shapes)
    near(x @ y, a @ b, dtype)


def test_other_products_are_rounded_once(dtype):
    (x, y), (a, b) = pair(dtype, (6, 300), (6, 300))
    near(fw.vecdot(x, y), np.vecdot(a, b), dtype)
    near(fw.tensordot(x, y, axes=((1,), (1,))), np.tensordot(a, b, ((1,), (1,))), dtype)
    near(fw.inner(x, y), np.inner(a, b), dtype)
    near(fw.einsum("ij,kj->ik", x, y), a @ b.T, dtype)
    near(functional.linear(x, y), a @ b.T, dtype)
    near(fw.convolve(x[0], y[0]), np.convolve(a[0], b[0]), dtype)
    near(fw.trace(x), np.trace(a), dtype)


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "prod"])
def test_reductions_are_rounded_once(dtype, name, axis):
    (x,), (a,) = pair(dtype, (40, 30))
    if name == "prod":
        x, a = 1 + x / 128, (1 + x / 128).to("float64").numpy()
    near(getattr(fw, name)(x, axis=axis), getattr(np, name)(a, axis=axis), dtype)


def test_many_are_counted(dtype):
    """In 16 bits a sum of ones stays at 2048 in float16 and at 256 in bfloat16."""
    ones = fw.ones((4096, 3), dtype=dtype)
    assert fw.sum(ones, axis=0).tolist() == [4096.0] * 3
    assert fw.sum(ones, axis=0, dtype=dtype).tolist() == [4096.0] * 3
    assert fw.sum(ones, axis=0, dtype="float32").dtype == fw.float32
    assert fw.cumulative_sum(ones, axis=0)[-1].tolist() == [4096.0] * 3
    assert fw.mean(ones).item() == 1.0
    assert fw.convolve(ones[:, 0], ones[:, 0], "valid").tolist() == [4096.0]
    assert fw.trace(fw.ones((4096, 4096), dtype=dtype)).item() == 4096.0


def test_the_gradient_of_a_bias_is_a_whole_sum(dtype):
    bias = fw.zeros(3, dtype=dtype).requires_grad_()
    (fw.ones((4096, 3), dtype=dtype) + bias).sum().backward()
    assert bias.grad.tolist() == [4096.0] * 3


def test_what_is_too_large_becomes_infinite_without_a_warning():
    x = fw.full((2, 2), 300.0, dtype="float16")
    assert (x @ x).tolist() == [[np.inf] * 2] * 2
    assert fw.sum(fw.full((2,), 6e4, dtype="float16")).item() == np.inf
    assert fw.asarray([1e5]).to("float16").tolist() == [np.inf]


def test_small_sigmoids_keep_their_digits(dtype):
    x = fw.asarray([-9.0, -5.0, -1.0, 0.0, 5.0], dtype=dtype)
    near(fw.sigmoid(x), 1 / (1 + np.exp(-x.to("float64").numpy())), dtype)


# ---------------------------------------------------------------- a float like any other
X = np.array([[0.5, -1.5], [2.0, 0.25]], dtype="f4")
SAME = {
    "number-right": lambda t, x: x * 2.5,
    "number-left": lambda t, x: 2.5 - x,
    "integer": lambda t, x: x / 3 + 1,
    "power": lambda t, x: x**2,
    "bool": lambda t, x: x + True,
    "float32": lambda t, x: x * t.ones((2,), dtype=t.float32),
    "float64": lambda t, x: x * t.ones((2,), dtype=t.float64),
    "where": lambda t, x: t.where(x > 0, x, 0.0),
    "where-left": lambda t, x: t.where(x > 0, 1.0, x),
    "clip": lambda t, x: t.clip(x, -0.3, 0.7),
    "clip-max": lambda t, x: t.clip(x, None, 0.7) if t is fw else t.clip(x, max=0.7),
    "sigmoid": lambda t, x: t.sigmoid(x),
    "matmul": lambda t, x: t.matmul(x, x),
    "max": lambda t, x: t.max(x),
    "exp": lambda t, x: t.exp(x),
    "concat": lambda t, x: t.concat([x, x]),
    "sort": lambda t, x: t.sort(x, **({"axis": 0} if t is fw else {"dim": 0})) if t is fw else t.sort(x, dim=0).values,
    "comparison": lambda t, x: x > 0.1,
    "tanh": lambda t, x: t.tanh(x),
}


@pytest.mark.parametrize("name", SAME)
def test_dtypes_and_values_are_pytorchs(name, dtype):
    torch = pytest.importorskip("torch")
    ours = SAME[name](fw, fw.asarray(X, dtype=dtype))
    theirs = SAME[name](torch, torch.tensor(X, dtype=getattr(torch, dtype.name)))
    assert str(theirs.dtype) == f"torch.{ours.dtype.name}"
    np.testing.assert_allclose(
        ours.to("float64").numpy(), theirs.double().numpy(), rtol=2 * EPS[dtype.name], atol=EPS[dtype.name] / 8
    )


def test_questions_about_dtypes():
    bfloat16 = fw.bfloat16
    assert bfloat16.name == "bfloat16"
    assert fw.isdtype(bfloat16, "real floating")
    assert fw.isdtype(bfloat16, ("integral", "numeric"))
    assert not fw.isdtype(bfloat16, "complex floating")
    assert fw.isdtype(bfloat16, bfloat16)
    assert (fw.finfo(bfloat16).eps, fw.finfo(bfloat16).bits) == (2.0**-7, 16)
    assert fw.result_type(fw.ones(1, dtype=bfloat16), fw.float32) == fw.float32
    xp = fw.ones(1, dtype=bfloat16).backend.xp
    assert xp.isdtype(np.dtype("float32"), "real floating")
    assert not xp.isdtype(bfloat16, "bool")


def test_nothing_whole_is_overwritten_with_fractions(dtype):
    x = fw.asarray([1, 2])
    with pytest.raises(TypeError, match="cannot be written in place"):
        x += fw.ones(2, dtype=dtype) / 2
    y = fw.ones(2)
    y += fw.ones(2, dtype=dtype) / 2
    assert y.tolist() == [1.5, 1.5]


def test_arrays_of_numpys_come_as_they_are():
    """In a fresh process, so that an array is the first that the framework sees of the dtype."""
    code = (
        "import ml_dtypes, numpy as np, framework as fw\n"
        "x = fw.asarray(np.ones((300, 2), ml_dtypes.bfloat16))\n"
        "assert (x * 0.5).dtype == x.dtype and x.sum(axis=0).tolist() == [300.0, 300.0]\n"
        "y = fw.asarray(np.ones((4096, 2), np.float16))\n"
        "assert y.sum(axis=0).tolist() == [4096.0, 4096.0]\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_anomalies_are_seen():
    x = fw.asarray([0.0], dtype=fw.bfloat16)
    with fw.autograd.detect_anomaly(), pytest.raises(FloatingPointError, match="'log'"):
        fw.log(x)


# ---------------------------------------------------------------- kernels and layers
def gradients(module, *inputs, call=None):
    """Output, and gradients of the parameters and floating inputs, of a sum with weights."""
    leaves = [x.requires_grad_() if x.dtype.kind in "fV" else x for x in inputs]
    y = (call or module)(*leaves)
    y = y[0] if isinstance(y, tuple) else y
    weights = fw.asarray(values(*y.shape, seed=9), dtype=y.dtype)
    (y * weights).sum().backward()
    return [y, *[x.grad for x in leaves if x.requires_grad], *[p.grad for p in module.parameters()]]


IDS = [[1, 2, 1], [4, 0, 3]]
LAYERS = {
    "linear": (lambda: nn.Linear(6, 4), (5, 6)),
    "rnn": (lambda: nn.RNN(6, 4), (7, 3, 6)),
    "rnn-relu": (lambda: nn.RNN(6, 4, nonlinearity="relu", bidirectional=True), (7, 3, 6)),
    "lstm": (lambda: nn.LSTM(6, 4, num_layers=2), (7, 3, 6)),
    "gru": (lambda: nn.GRU(6, 4, bidirectional=True), (7, 3, 6)),
    "lstm-cell": (lambda: nn.LSTMCell(6, 4), (3, 6)),
    "layer-norm": (lambda: nn.LayerNorm(6), (5, 6)),
    "rms-norm": (lambda: nn.RMSNorm(6, eps=1e-5), (5, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_16_bits_give_nearly_the_float32_result(name, dtype):
    make, shape = LAYERS[name]
    fw.manual_seed(0)
    module = make()
    wide = make()
    module = module.bfloat16() if dtype == fw.bfloat16 else module.half()
    wide.load_state_dict({key: value.to("float32") for key, value in module.state_dict().items()})
    x = fw.asarray(values(*shape), dtype=dtype)
    found, expected = gradients(module, x), gradients(wide, x.detach().to("float32"))
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        a, b = a.detach().to("float64").numpy(), b.detach().numpy()
        np.testing.assert_allclose(a, b, rtol=16 * EPS[dtype.name], atol=8 * EPS[dtype.name] * np.abs(b).max())


@pytest.mark.parametrize("call", ["lookup", "bag", "bag-max"])
def test_tables_in_16_bits(call, dtype):
    results = []
    for kind in (dtype, "float32"):
        table = fw.asarray(values(9, 4), dtype=dtype).to(kind).detach().requires_grad_()
        if call == "lookup":
            y = functional.embedding(fw.asarray(IDS), table)
        else:
            y = functional.embedding_bag(fw.asarray(IDS), table, mode="max" if call == "bag-max" else "mean")
        y.sum().backward()
        assert y.dtype == table.grad.dtype == kind
        results.append([y.detach().to("float32").numpy(), table.grad.to("float32").numpy()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=2 * EPS[dtype.name], atol=EPS[dtype.name])


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"reduction": "sum"}])
def test_losses_in_16_bits(options, dtype):
    logits, labels = fw.asarray(values(6, 5), dtype=dtype), fw.asarray([0, 1, 4, 2, 2, 3])
    found, expected = [], []
    for x, out in ((logits.detach().requires_grad_(), found), (logits.to("float32").requires_grad_(), expected)):
        loss = functional.cross_entropy(x, labels, **options)
        loss.backward()
        assert loss.dtype == x.grad.dtype == x.dtype
        out += [loss.item(), *x.grad.to("float32").numpy().ravel()]
    np.testing.assert_allclose(found, expected, rtol=4 * EPS[dtype.name], atol=EPS[dtype.name])


def test_a_model_of_16_bits_trains(dtype):
    fw.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(12, 8), nn.Flatten(), nn.Linear(24, 16), nn.Sigmoid(), nn.Dropout(0.1), nn.Linear(16, 12)
    )
    model = model.to(dtype=dtype)
    optimizer = fw.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    x = fw.randint(0, 12, (40, 3))
    for _ in range(60):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), x[:, 0])
        loss.backward()
        optimizer.step()
    assert all(p.dtype == dtype for p in model.parameters())
    assert loss.item() < 0.5
