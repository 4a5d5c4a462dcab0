"""Autocast as a state, and what layers do in it; PyTorch's autocast on the CPU, in bfloat16, is the oracle."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import framework as fw
from framework import nn
from framework.autograd import checkpoint, detect_anomaly
from framework.nn import functional

pytestmark = pytest.mark.cpu("autocast is entered for a device by name")

ROOT = Path(__file__).parents[2]
CUDA = pytest.param("cuda", marks=pytest.mark.gpu)


@pytest.fixture(params=["cpu", CUDA])
def device(request):
    """Devices with 16-bit floats, which array-api-strict lacks."""
    return request.param


def product(device="cpu", dtype="float32", **options):
    """The dtype that a product of matrices gives now."""
    x = fw.ones((2, 2), dtype=dtype, device=device, **options)
    return (x @ x).dtype.name


def half(device="cpu", **options):
    return fw.amp.autocast(device, fw.float16, **options)


# ---------------------------------------------------------------- the state
def test_inside_and_outside(device):
    assert product(device) == "float32"
    with half(device):
        assert product(device) == "float16"
    assert product(device) == "float32"


def test_the_default_dtypes_are_pytorchs(device):
    if device == "cpu":
        pytest.importorskip("ml_dtypes")
    with fw.amp.autocast(device):
        assert product(device) == {"cpu": "bfloat16", "cuda": "float16"}[device]


def test_blocks_nest(device):
    with half(device):
        with half(device, enabled=False):
            assert product(device) == "float32"
            with half(device):
                assert product(device) == "float16"
            assert product(device) == "float32"
        assert product(device) == "float16"


def test_one_block_object_may_be_entered_again_and_inside_itself():
    block = half()
    for _ in range(2):
        with block:
            with block:
                assert product() == "float16"
            assert product() == "float16"
        assert product() == "float32"


def test_an_exception_restores():
    with pytest.raises(KeyError), half():
        raise KeyError
    assert product() == "float32"


def test_decorator(device):
    calls = []

    @half(device)
    def function(depth):
        calls.append(product(device))
        if depth:
            function(depth - 1)
        calls.append(product(device))

    function(2)
    assert calls == ["float16"] * 6
    assert product(device) == "float32"


def test_decorated_generator_leaves_its_caller_alone():
    @half()
    def generate():
        got = yield product()
        yield product() + got

    running = generate()
    assert next(running) == "float16"
    assert product() == "float32"
    assert running.send("!") == "float16!"
    assert product() == "float32"
    running.close()
    assert product() == "float32"


def test_threads_have_states_of_their_own():
    found = []
    with half():
        thread = threading.Thread(target=lambda: found.append(product()))
        thread.start()
        thread.join()
        assert product() == "float16"
    assert found == ["float32"]


def test_other_devices_are_left_alone():
    with half("cpu"):
        assert product("strict") == "float32"
        assert product("cpu") == "float16"


def test_wide_and_whole_numbers_are_left_alone():
    with half():
        assert product(dtype="float64") == "float64"
        assert product(dtype="complex64") == "complex64"
        assert product(dtype="int32") == "int32"
        assert fw.exp(fw.ones(2, dtype="float64")).dtype == fw.float64
        assert (fw.ones((2, 2)) @ fw.ones((2, 2), dtype="float64")).dtype == fw.float64
        assert fw.sum(fw.ones(2, dtype="int32")).dtype == fw.int64


def test_other_16_bits_are_cast_too():
    pytest.importorskip("ml_dtypes")
    with half():
        assert product(dtype=fw.bfloat16) == "float16"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("cpu", "float32"), TypeError, "float16 or bfloat16, got float32"),
        (("cpu", fw.int16), TypeError, "float16 or bfloat16, got int16"),
        (("strict", "float16"), TypeError, "'strict' has no dtype float16"),
        (("nowhere",), ValueError, "unknown device"),
        ((fw.float16,), TypeError, "device must be a string"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        fw.amp.autocast(*arguments)


def test_a_device_that_is_not_there_may_be_switched_off():
    with fw.amp.autocast("cuda", enabled=False):
        assert product() == "float32"


def test_without_ml_dtypes_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(RuntimeError, match="pip install ml_dtypes"):
        fw.amp.autocast("cpu")
    with pytest.raises(RuntimeError, match="pip install ml_dtypes"):
        _ = fw.bfloat16
    with half():
        assert product() == "float16"


def test_nothing_is_paid_until_autocast_is_used():
    code = (
        "import sys, framework as fw\n"
        "ops = [fw.matmul, fw.exp, fw.sum]\n"
        "def look():\n"
        "    for op in ops:\n"
        "        op(*[fw.eye(2)] * (2 if op is fw.matmul else 1))\n"
        "    return {'casts' in op.__code__.co_names for op in ops}\n"
        "assert look() == {False}\n"
        "assert 'framework.amp' not in sys.modules and 'ml_dtypes' not in sys.modules\n"
        "fw.amp.autocast('cpu', 'float16')\n"
        "assert look() == {True}\n"
        "import framework.linalg\n"
        "with fw.amp.autocast('cpu', 'float16'):\n"
        "    assert fw.linalg.inv(fw.eye(2, dtype='float16')).dtype == fw.float32\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# ---------------------------------------------------------------- gradients
def test_casts_are_recorded(device):
    w = fw.Tensor([[0.5, 1.0], [2.0, 3.0]], requires_grad=True, device=device)
    with half(device):
        y = w @ w
        loss = y.sum()
    assert (y.dtype.name, loss.dtype.name) == ("float16", "float32")
    loss.backward()
    expected = np.ones((2, 2)) @ w.detach().cpu().numpy().T + w.detach().cpu().numpy().T @ np.ones((2, 2))
    assert w.grad.dtype == fw.float32
    np.testing.assert_allclose(w.grad.cpu().numpy(), expected)


@pytest.mark.parametrize("inside", [True, False])
def test_a_backward_runs_in_the_dtypes_of_the_forward(inside):
    """The rule of exp multiplies two float32 arrays; were autocast on, those of matmul would be cast again."""
    seen = []
    w = fw.Tensor([[1e-3, 0.0], [0.0, 1e-3]], requires_grad=True)
    w.register_hook(lambda g: seen.append(product()))
    with half():
        y = w @ w
        y.register_hook(lambda g: seen.append(g.dtype.name))
        if inside:
            fw.sum(y).backward()
            assert product() == "float16"
    if not inside:
        fw.sum(y).backward()
    assert seen == ["float16", "float32"]


def test_gradients_of_higher_order(device):
    x = fw.Tensor([[0.5, 0.25], [0.5, 1.0]], requires_grad=True, device=device)
    with half(device):
        y = fw.exp(x @ x).sum()
        (g,) = fw.autograd.grad(y, [x], create_graph=True)
        assert g.dtype == fw.float32
    (gg,) = fw.autograd.grad((g * g).sum(), [x])
    wide = x.detach().to("float64").requires_grad_()
    (h,) = fw.autograd.grad(fw.exp(wide @ wide).sum(), [wide], create_graph=True)
    (hh,) = fw.autograd.grad((h * h).sum(), [wide])
    np.testing.assert_allclose(gg.cpu().numpy(), hh.cpu().numpy(), rtol=2e-2)


def test_higher_order_through_a_fused_operation():
    fw.manual_seed(0)
    lstm, x = nn.LSTM(2, 3), fw.rand((4, 2, 2)).requires_grad_()

    def second(block):
        with block:
            y, _ = lstm(x)
            (g,) = fw.autograd.grad((y * y).sum(), [x], create_graph=True)
        return fw.autograd.grad((g * g).sum(), [lstm.weight_hh_l0])[0]

    a, b = second(half()), second(half(enabled=False))
    assert a.dtype == fw.float32
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=5e-2, atol=2e-2 * np.abs(b.numpy()).max())


@pytest.mark.parametrize("inside", [True, False])
def test_checkpoint_computes_again_in_the_same_state(inside):
    w = fw.Tensor([[0.5, 1.0], [2.0, 3.0]], requires_grad=True)
    seen = []

    def function(x):
        y = x @ w
        seen.append(y.dtype.name)
        return fw.exp(-y)

    with half():
        y = checkpoint(function, fw.ones((2, 2)).requires_grad_())
        if inside:
            y.sum().backward()
    if not inside:
        y.sum().backward()
    assert seen == ["float16", "float16"]
    kept, w.grad = w.grad, None
    with half():
        plain = fw.exp(-(fw.ones((2, 2)) @ w)).sum()
    plain.backward()
    np.testing.assert_array_equal(kept.numpy(), w.grad.numpy())


def test_checkpoint_outside_computes_outside_though_backward_is_inside():
    w, seen = fw.ones((2, 2)).requires_grad_(), []

    def function(x):
        y = x @ x
        seen.append(y.dtype.name)
        return y

    y = checkpoint(function, w)
    with half():
        fw.sum(y).backward()
    assert seen == ["float32", "float32"]


def test_anomalies_are_found_inside():
    x = fw.Tensor([[0.0]], requires_grad=True)
    for outer, inner in ((half(), detect_anomaly()), (detect_anomaly(), half())):
        with outer, inner, pytest.raises(FloatingPointError, match="'log'"):
            fw.log(x @ x)
    with half():
        assert (x @ x).dtype == fw.float16


# ---------------------------------------------------------------- a parameter is cast once
@pytest.fixture
def casts(monkeypatch):
    """How often the values of a parameter were cast."""
    from framework.autograd.precision import Casts

    count = []
    monkeypatch.setattr(
        "framework.autograd.precision._Kept",
        lambda *fields, make=Casts.__call__.__globals__["_Kept"]: count.append(1) or make(*fields),
    )
    return count


def weight():
    return fw.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)


def test_a_parameter_is_cast_once_in_a_block(casts):
    w, x = weight(), fw.ones((2, 2))
    with half():
        for _ in range(5):
            x = x @ w
        with half():
            x = x @ w
    assert len(casts) == 1
    with half():
        x @ w
    assert len(casts) == 2


def test_each_use_has_its_gradient_and_its_own_graph(casts):
    w = weight()
    with half():
        first, second = ((fw.ones((2, 2)) @ w).sum() for _ in range(2))
        first.backward()
        second.backward()
        (fw.ones((2, 2)) @ w).sum().backward()
    assert len(casts) == 1
    np.testing.assert_array_equal(w.grad.numpy(), np.full((2, 2), 6.0))


@pytest.mark.parametrize("write", ["optimizer", "assign", "data", "load"])
def test_a_written_parameter_is_cast_again(write):
    module = nn.Linear(2, 2, bias=False)
    optimizer = fw.optim.SGD(module.parameters(), lr=1.0)
    with half():
        module(fw.ones((1, 2))).sum().backward()
        if write == "optimizer":
            optimizer.step()
        elif write == "assign":
            with fw.no_grad():
                module.weight[...] = 3.0
        elif write == "data":
            module.weight.data = np.full((2, 2), 5.0, np.float32)
        else:
            module.load_state_dict({"weight": fw.full((2, 2), 7.0)})
        y = module(fw.ones((1, 2)))
    np.testing.assert_allclose(y.detach().numpy(), module(fw.ones((1, 2))).detach().numpy(), rtol=2e-3)


def test_what_was_cast_without_a_graph_has_one_later(casts):
    w = weight()
    with half():
        with fw.no_grad():
            assert not (w @ w).requires_grad
        (w @ w).sum().backward()
    assert len(casts) == 1
    assert w.grad is not None


def test_a_write_between_forward_and_backward_does_not_reach_the_cast_values():
    w, x = weight(), fw.ones((1, 2)).requires_grad_()
    with half():
        y = (x @ w).sum()
    with fw.no_grad():
        w[...] = 0.0
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[3.0, 7.0]])


def test_the_block_lets_go_of_what_it_cast():
    import weakref

    w = weight()
    seen = weakref.ref(w)
    with half():
        w @ w
    del w
    assert seen() is None


# ---------------------------------------------------------------- layers
def test_a_recurrent_layer_takes_what_a_linear_one_gives(device):
    linear, lstm, cell = nn.Linear(3, 4).to(device), nn.LSTM(4, 5).to(device), nn.GRUCell(5, 5).to(device)
    with half(device):
        y, (h, c) = lstm(linear(fw.ones((6, 2, 3), device=device)))
        z = cell(y[0], fw.zeros((2, 5), device=device))
        assert [t.dtype.name for t in (y, h, c, z)] == ["float16"] * 4
    with pytest.raises(TypeError, match="the input is float16"):
        lstm(fw.ones((6, 2, 4), dtype="float16", device=device))


def test_embeddings_are_not_cast_and_their_gradients_stay_rows(device):
    from framework.autograd import RowSparse

    table = nn.Embedding(50, 4).to(device)
    with half(device):
        rows = table(fw.asarray([1, 2, 1], device=device))
        loss = (rows @ fw.ones((4, 2), device=device)).sum()
    assert rows.dtype == fw.float32
    loss.backward()
    assert type(table.weight._grad) is RowSparse
    np.testing.assert_allclose(table.weight.grad.cpu().numpy()[:4, 0], [0, 4, 2, 0])


def test_a_table_that_is_owed_updates_is_read_up_to_date():
    """The head of a language model that shares its weights with the embedding."""
    results = []
    for block in (half(), half(enabled=False)):
        fw.manual_seed(0)
        table = nn.Embedding(40, 4)
        optimizer = fw.optim.SGD(table.parameters(), lr=0.1, momentum=0.9)
        for ids in ([1, 2], [3, 1]):
            optimizer.zero_grad()
            table(fw.asarray(ids)).sum().backward()
            optimizer.step()
        with block:
            results.append((fw.ones((1, 4)) @ table.weight.T).detach().numpy())
    np.testing.assert_allclose(*results, rtol=5e-3, atol=5e-3)


# ---------------------------------------------------------------- PyTorch's autocast on the CPU
def of(library, x, dtype=None):
    torch = pytest.importorskip("torch")
    if library is torch:
        return torch.tensor(x, dtype=None if dtype is None else getattr(torch, dtype))
    return fw.asarray(x, dtype=None if dtype is None else getattr(fw, dtype))


X = np.random.default_rng(0).normal(size=(4, 3)).astype("f4")
Y = np.random.default_rng(1).normal(size=(3, 4)).astype("f4")
P = np.random.default_rng(2).uniform(0.1, 0.9, size=(4, 3)).astype("f4")
LABELS = np.array([0, 2, 1, 1])


def f(library):
    return functional if library is fw else library.nn.functional


SAME = {
    "matmul": (lambda t, x, y: t.matmul(x, y), X, Y),
    "matmul-vector": (lambda t, x, y: t.matmul(x, y[:, 0]), X, Y),
    "matmul-batch": (lambda t, x, y: t.matmul(x[None], y[None]), X, Y),
    "einsum": (lambda t, x, y: t.einsum("ij,jk->ik", x, y), X, Y),
    "vecdot": (lambda t, x, y: t.linalg.vecdot(x, y), X, X + 1),
    "linear": (lambda t, x, w: f(t).linear(x, w), X, X),
    "add": (lambda t, x, y: x + y, X, X),
    "multiply": (lambda t, x, y: x * y * 0.5, X, X),
    "tanh": (lambda t, x: t.tanh(x), X),
    "sigmoid": (lambda t, x: t.sigmoid(x), X),
    "relu": (lambda t, x: f(t).relu(x), X),
    "leaky_relu": (lambda t, x: f(t).leaky_relu(x), X),
    "silu": (lambda t, x: f(t).silu(x), X),
    "elu": (lambda t, x: f(t).elu(x, 0.7), X),
    "gelu": (lambda t, x: f(t).gelu(x), X),
    "gelu-tanh": (lambda t, x: f(t).gelu(x, approximate="tanh"), X),
    "logsigmoid": (lambda t, x: f(t).logsigmoid(x), X),
    "hardtanh": (lambda t, x: f(t).hardtanh(x), X),
    "where": (lambda t, x: t.where(x > 0, x, 0.0), X),
    "concat": (lambda t, x, y: t.concat([x, y]), X, X),
    "mse_loss": (lambda t, x, y: f(t).mse_loss(x, y), X, X + 1),
    "l1_loss": (lambda t, x, y: f(t).l1_loss(x, y), X, X + 1),
    "smooth_l1_loss": (lambda t, x, y: f(t).smooth_l1_loss(x, y), X, X + 1),
    "huber_loss": (lambda t, x, y: f(t).huber_loss(x, y), X, X + 1),
    "nll_loss": (lambda t, x, y: f(t).nll_loss(x, y), X, LABELS),
    "binary_cross_entropy": (lambda t, x, y: f(t).binary_cross_entropy(x, y), P, 1 - P),
    "prod": (lambda t, x: t.prod(x), X),
    "inv": (lambda t, x: t.linalg.inv(x[:3]), X),
    "svdvals": (lambda t, x: t.linalg.svdvals(x), X),
    "cholesky": (lambda t, x: t.linalg.cholesky(x[:1, :1] * x[:1, :1] + 1), X),
}
"""What PyTorch does alike on the CPU, whose list of operations in float32 is shorter than that for CUDA."""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", SAME)
def test_dtypes_and_values_are_pytorchs(name, dtype):
    torch = pytest.importorskip("torch")
    pytest.importorskip("ml_dtypes")
    call, *arrays = SAME[name]
    results = []
    for library, block in (
        (fw, fw.amp.autocast("cpu", "bfloat16")),
        (torch, torch.amp.autocast("cpu", torch.bfloat16)),
    ):
        arguments = [of(library, x, dtype if x.dtype.kind == "f" else None) for x in arrays]
        with block:
            results.append(call(library, *arguments))
    ours, theirs = results
    assert str(theirs.dtype) == f"torch.{ours.dtype.name}"
    np.testing.assert_allclose(
        ours.to("float32").numpy(), theirs.float().numpy(), rtol=2e-2, atol=2e-2 * float(theirs.abs().max())
    )


@pytest.mark.parametrize("name", ["elu", "gelu", "gelu-tanh", "logsigmoid"])
def test_activations_of_16_bits_keep_their_dtype_and_send_it_back(name, device):
    call, x = SAME[name]
    for block in (half(device), half(device, enabled=False)):
        narrow = fw.asarray(x, dtype="float16", device=device).requires_grad_()
        with block:
            y = call(fw, narrow)
        assert y.dtype == fw.float16
        y.to("float32").sum().backward()
        assert narrow.grad.dtype == fw.float16


@pytest.mark.filterwarnings("ignore:TF32 acceleration:UserWarning")
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_recurrent_layers_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    pytest.importorskip("ml_dtypes")
    theirs = getattr(torch.nn, name)(3, 5)
    ours = getattr(nn, name)(3, 5)
    ours.load_state_dict({key: fw.asarray(value.numpy()) for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(6, 4, 3)).astype("f4")
    with fw.amp.autocast("cpu", "bfloat16"):
        a, _ = ours(fw.asarray(x))
    # oneDNN has no LSTM in bfloat16 on every machine; without it states stay float32 on the CPU, unlike on a GPU.
    with torch.backends.mkldnn.flags(enabled=False), torch.amp.autocast("cpu", torch.bfloat16):
        b, _ = theirs(torch.tensor(x))
    assert a.dtype == fw.bfloat16
    assert b.dtype == (torch.bfloat16 if name == "RNN" else torch.float32)
    np.testing.assert_allclose(a.detach().to("float32").numpy(), b.detach().float().numpy(), atol=2e-2)
    a.to("float32").sum().backward()
    b.float().sum().backward()
    for key, p in theirs.named_parameters():
        g = getattr(ours, key).grad
        assert g.dtype == fw.float32
        np.testing.assert_allclose(g.numpy(), p.grad.numpy(), rtol=3e-2, atol=2e-2 * float(p.grad.abs().max()))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_losses_do_not_overflow(name, device):
    x, t = (fw.full((3,), value, dtype="float16", device=device) for value in (60000.0, -60000.0))
    with half(device):
        loss = getattr(functional, name)(x, t)
    assert loss.dtype == fw.float32
    assert np.isfinite(loss.item())
    assert loss.item() >= 119999.0


def test_weighted_losses_and_targets_by_keyword_are_cast(device):
    x = fw.full((3,), 300.0, dtype="float16", device=device)
    with half(device):
        loss = functional.mse_loss(x, target=-x, weight=fw.full((3,), 2.0, dtype="float16", device=device))
        assert functional.l1_loss(input=x, target=-x).dtype == fw.float32
    assert loss.item() == 720000.0
