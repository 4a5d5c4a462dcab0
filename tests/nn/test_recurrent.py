"""Recurrent layers and cells against PyTorch's."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import framework as fw
from framework.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

LAYERS = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}
CELLS = {"RNNCell": RNNCell, "LSTMCell": LSTMCell, "GRUCell": GRUCell}
D, H = 3, 4


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def flat(value):
    """The tensors in nested tuples, in order."""
    return [x for part in value for x in flat(part)] if isinstance(value, tuple) else [value]


def nest(tensors):
    """A single tensor, or all as a tuple: how a layer takes its states."""
    return tuple(tensors) if len(tensors) > 1 else tensors[0]


def host(tensor):
    return tensor.detach().cpu().numpy()


def assert_close(found, expected, tolerance=1e-9):
    assert len(found) == len(expected)
    for a, b in zip(map(host, found), map(host, expected)):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def copy_of(model, arrays):
    """Our layer with the constructor arguments and the parameters of a PyTorch one."""
    name = type(model).__name__
    options = {"bias": model.bias, "dtype": fw.float64, "device": arrays.device}
    if name in LAYERS:
        options |= {key: getattr(model, key) for key in ("num_layers", "batch_first", "dropout", "bidirectional")}
    if name.startswith("RNN"):
        options["nonlinearity"] = model.nonlinearity
    ours = (LAYERS | CELLS)[name](model.input_size, model.hidden_size, **options)
    ours.load_state_dict({key: value.numpy() for key, value in model.state_dict().items()})
    for p in ours.parameters():
        p.data = arrays.make(host(p)).data
    return ours


class Peer:
    """The same computation by PyTorch and by us: outputs, gradients and second gradients of everything."""

    def __init__(self, model, arrays, x, states):
        torch = pytest.importorskip("torch")
        self.torch, self.theirs, self.ours = torch, model, copy_of(model, arrays)
        self.raw = [x, *states]
        self.their_leaves = [torch.from_numpy(a).requires_grad_() for a in self.raw]
        self.our_leaves = [arrays.make(a, requires_grad=True) for a in self.raw]

    def compare(self, run_theirs, run_ours, *, order=1):
        found, expected = flat(run_ours(*self.our_leaves)), flat(run_theirs(*self.their_leaves))
        assert_close(found, expected)
        ours, theirs = dict(self.ours.named_parameters()), dict(self.theirs.named_parameters())
        assert list(ours) == list(theirs)
        at = [*self.our_leaves, *ours.values()], [*self.their_leaves, *theirs.values()]
        for _ in range(order):
            losses = self.losses(found, expected)
            found = fw.autograd.grad(losses[0], at[0], create_graph=order > 1)
            expected = self.torch.autograd.grad(losses[1], at[1], create_graph=order > 1)
            assert_close(found, expected)

    def losses(self, found, expected):
        weights = [draw(*y.shape, seed=1) for y in found]
        ours = sum((y * y * fw.asarray(w, device=y.device)).sum() for y, w in zip(found, weights))
        return ours, sum((y * y * self.torch.from_numpy(w)).sum() for y, w in zip(expected, weights))


def make_torch(name, **options):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return getattr(torch.nn, name)(D, H, dtype=torch.float64, **options)


def initial(name, *shape):
    return [draw(*shape, seed=2 + k) for k in range(2 if name.startswith("LSTM") else 1)]


VARIANTS = [
    {"name": name, "num_layers": layers, "bidirectional": both, "batch_first": first, "bias": bias}
    for name, layers, both, (first, bias) in product(LAYERS, (1, 2), (False, True), ((False, True), (True, False)))
]
VARIANTS += [{"name": "RNN", "num_layers": 2, "bidirectional": True, "nonlinearity": "relu"}]


def shown(value):
    return "-".join(str(v) for v in value.values()) if isinstance(value, dict) else None


# ---------------------------------------------------------------- layers
@pytest.mark.parametrize("lengths", [None, [2, 5, 1, 5]], ids=["full", "ragged"])
@pytest.mark.parametrize("variant", VARIANTS, ids=shown)
def test_layer_equals_pytorch(arrays, variant, lengths):
    options = dict(variant)
    name = options.pop("name")
    model = make_torch(name, **options)
    first, count = options.get("batch_first", False), options["num_layers"] * (1 + options["bidirectional"])
    peer = Peer(model, arrays, draw(*((4, 5) if first else (5, 4)), D), initial(name, count, 4, H))

    def theirs(x, *states):
        if lengths is None:
            return model(x, nest(states))
        rnn = peer.torch.nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=False)
        y, final = model(packed, nest(states))
        return rnn.pad_packed_sequence(y, batch_first=first)[0], final

    peer.compare(theirs, lambda x, *states: peer.ours(x, nest(states), lengths))


@pytest.mark.parametrize("name", LAYERS)
def test_second_gradients_equal_pytorch(arrays, name):
    model = make_torch(name, num_layers=2, bidirectional=True, batch_first=True)
    peer = Peer(model, arrays, draw(3, 4, D), initial(name, 4, 3, H))
    peer.compare(lambda x, *s: model(x, nest(s)), lambda x, *s: peer.ours(x, nest(s)), order=2)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_single_sequence_equals_pytorch(arrays, name, bidirectional):
    model = make_torch(name, num_layers=2, bidirectional=bidirectional, batch_first=True)
    peer = Peer(model, arrays, draw(5, D), initial(name, 2 * (1 + bidirectional), H))
    peer.compare(lambda x, *s: model(x, nest(s)), lambda x, *s: peer.ours(x, nest(s)))


@pytest.mark.parametrize("shape", [(1, 3), (4, 1), (1, 1), (4, 0)], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_odd_shapes_equal_pytorch(arrays, name, shape):
    model = make_torch(name, bidirectional=True)
    peer = Peer(model, arrays, draw(*shape, D), [])
    peer.compare(model, peer.ours)


@pytest.mark.parametrize("name", LAYERS)
def test_one_feature_and_one_unit_equal_pytorch(arrays, name):
    torch = pytest.importorskip("torch")
    model = getattr(torch.nn, name)(1, 1, dtype=torch.float64)
    peer = Peer(model, arrays, draw(3, 2, 1), [])
    peer.compare(model, peer.ours)


@pytest.mark.parametrize("name", LAYERS)
def test_no_steps_leave_the_state(arrays, name):
    layer = LAYERS[name](D, H, 2, device=arrays.device, dtype=fw.float64)
    states = [arrays.make(s) for s in initial(name, 2, 3, H)]
    y, final = layer(arrays.make(np.zeros((0, 3, D))), nest(states))
    assert y.shape == (0, 3, H)
    assert_close(flat(final), states)


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    name=st.sampled_from(sorted(LAYERS)),
    first=st.booleans(),
)
def test_each_sequence_is_as_if_alone(device, lengths, name, first):
    layer = LAYERS[name](D, H, 2, bidirectional=True, batch_first=first, dtype=fw.float64, device=device)
    x = draw(len(lengths), 4, D)
    batch = fw.asarray(x if first else x.swapaxes(0, 1).copy(), device=device)
    y, final = layer(batch, lengths=fw.asarray(lengths))
    y = host(y) if first else host(y).swapaxes(0, 1)
    for k, n in enumerate(lengths):
        alone, alone_final = layer(fw.asarray(x[k, :n].copy(), device=device))
        np.testing.assert_allclose(y[k, :n], host(alone), atol=1e-12)
        assert not y[k, n:].any()
        for together, single in zip(flat(final), flat(alone_final)):
            np.testing.assert_allclose(host(together)[:, k], host(single), atol=1e-12)


@pytest.mark.parametrize("make", [list, tuple, np.asarray, fw.asarray, lambda n: np.asarray(n, dtype=np.uint8)])
def test_lengths_of_any_kind(device, make):
    layer = GRU(D, H, dtype=fw.float64, device=device)
    x = fw.asarray(draw(5, 3, D), device=device)
    found, expected = layer(x, lengths=make([2, 5, 3])), layer(x, lengths=fw.asarray([2, 5, 3], device=device))
    assert_close(found, expected, 0)


def test_inputs_may_be_arrays():
    layer, x = LSTM(D, H, dtype=fw.float64), draw(5, 3, D)
    states = tuple(initial("LSTM", 1, 3, H))
    assert_close(flat(layer(x, states)), flat(layer(fw.asarray(x), tuple(map(fw.asarray, states)))), 0)


def test_sigmoid_rnn_is_its_formula(arrays):
    layer = RNN(D, H, nonlinearity="sigmoid", dtype=fw.float64, device=arrays.device)
    w_ih, w_hh, b_ih, b_hh = map(host, layer.parameters())
    x, h = draw(5, 2, D), np.zeros((2, H))
    y, _ = layer(arrays.make(x))
    for t in range(5):
        h = 1 / (1 + np.exp(-(x[t] @ w_ih.T + b_ih + h @ w_hh.T + b_hh)))
        np.testing.assert_allclose(host(y)[t], h, rtol=1e-12)


# ---------------------------------------------------------------- dropout
def test_dropout_acts_between_layers_in_training_only():
    layer = LSTM(D, 50, 2, dropout=0.5)
    x = fw.Tensor(draw(5, 8, D).astype("float32"))
    same = [host(layer.eval()(x)[0]) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    fw.random.manual_seed(3)
    first = host(layer.train()(x)[0])
    assert np.abs(first - same[0]).max() > 1e-3
    assert np.count_nonzero(first) == first.size
    fw.random.manual_seed(3)
    np.testing.assert_array_equal(host(layer(x)[0]), first)


def test_full_dropout_hides_the_layer_below():
    layer = GRU(D, H, 2, dropout=1.0)
    a, b = (host(layer(fw.Tensor(draw(5, 2, D, seed=seed).astype("float32")))[0]) for seed in (0, 1))
    np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------- parameters
@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_parameters_are_named_shaped_and_printed_as_pytorchs(name):
    options = {} if name in CELLS else {"num_layers": 2, "bidirectional": True, "dropout": 0.25, "batch_first": True}
    for bias in (True, False):
        theirs, ours = make_torch(name, bias=bias, **options), (LAYERS | CELLS)[name](D, H, bias=bias, **options)
        expected = {key: tuple(value.shape) for key, value in theirs.state_dict().items()}
        assert list({key: value.shape for key, value in ours.state_dict().items()}.items()) == list(expected.items())
        assert repr(ours) == repr(theirs)


def test_parameters_are_drawn_within_the_bound():
    fw.random.manual_seed(0)
    layer = LSTM(200, 100)
    for p in layer.parameters():
        values = host(p) * 10
        assert np.abs(values).max() <= 1
        assert np.abs(values).max() > 0.97
        assert abs(values.mean()) < 0.1
    assert layer.weight_ih_l0.dtype == fw.float32


def test_reset_draws_anew_and_keeps_the_parameters():
    cell = GRUCell(D, H)
    weight, before = cell.weight_ih, host(cell.weight_ih).copy()
    cell.reset_parameters()
    assert cell.weight_ih is weight
    assert (host(weight) != before).any()


# ---------------------------------------------------------------- cells
@pytest.mark.parametrize("batch", [(2,), (), (0,)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_cell_equals_pytorch(arrays, name, bias, batch):
    model = make_torch(name, bias=bias)
    peer = Peer(model, arrays, draw(*batch, D), initial(name, *batch, H))
    peer.compare(lambda x, *s: model(x, nest(s)), lambda x, *s: peer.ours(x, nest(s)), order=2)


@pytest.mark.parametrize("name", CELLS)
def test_cell_starts_from_zeros(arrays, name):
    model = make_torch(name)
    peer = Peer(model, arrays, draw(2, D), [])
    peer.compare(model, peer.ours)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", "sigmoid"])
def test_steps_of_a_cell_are_the_layer(arrays, nonlinearity):
    options = {"nonlinearity": nonlinearity, "dtype": fw.float64, "device": arrays.device}
    layer, cell = RNN(D, H, **options), RNNCell(D, H, **options)
    cell.load_state_dict({key.removesuffix("_l0"): value for key, value in layer.state_dict().items()})
    x, h = arrays.make(draw(5, 2, D)), None
    y, _ = layer(x)
    for t in range(5):
        h = cell(x[t, ...], h)
        assert_close([h], [y[t, ...]], 1e-12)


# ---------------------------------------------------------------- mistakes
@pytest.mark.parametrize("cls", [*LAYERS.values(), *CELLS.values()])
def test_wrong_sizes(cls):
    with pytest.raises(ValueError, match="hidden_size must be at least 1, got 0"):
        cls(3, 0)
    with pytest.raises(TypeError, match=r"input_size must be an int, got float 3\.0"):
        cls(3.0, 4)


def test_wrong_constructor_arguments():
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        GRU(3, 4, 0)
    with pytest.raises(ValueError, match=r"dropout must be a probability between 0 and 1, got 1\.5"):
        GRU(3, 4, dropout=1.5)
    with pytest.raises(TypeError, match="dropout must be a number, got str"):
        GRU(3, 4, dropout="half")
    with pytest.raises(ValueError, match="nonlinearity must be one of 'tanh', 'relu', 'sigmoid', got 'gelu'"):
        RNN(3, 4, nonlinearity="gelu")
    with pytest.raises(ValueError, match="proj_size=2 is not supported; put a Linear"):
        LSTM(3, 4, proj_size=2)
    for cls in LAYERS.values():
        with pytest.warns(UserWarning, match="between layers, so with num_layers=1") as caught:
            cls(3, 4, dropout=0.5)
        assert caught[0].filename == __file__


def test_wrong_inputs():
    layer, cell = LSTM(3, 4, batch_first=True), RNNCell(3, 4)
    with pytest.raises(
        ValueError, match=r"LSTM: expected an input of shape \(N, T, 3\) or \(T, 3\), got 1 dimensions: \(3,\)"
    ):
        layer(fw.zeros(3))
    with pytest.raises(ValueError, match=r"LSTM: expected input_size=3 features .* got an input of shape \(2, 5, 7\)"):
        layer(fw.zeros((2, 5, 7)))
    with pytest.raises(
        TypeError, match=r"LSTM: the input is float64, but the parameters are float32; .*\.to\('float32'\)"
    ):
        layer(fw.zeros((2, 5, 3), dtype=fw.float64))
    with pytest.raises(ValueError, match=r"RNNCell: expected an input of shape \(N, 3\) or \(3,\), got 3 dimensions"):
        cell(fw.zeros((2, 5, 3)))


def test_wrong_states():
    x, zeros = fw.zeros((5, 2, 3)), fw.zeros((1, 2, 4))
    with pytest.raises(TypeError, match=r"LSTM: expected the initial state as h_0 and c_0, got 1 tensor"):
        LSTM(3, 4)(x, zeros)
    with pytest.raises(TypeError, match=r"GRU: expected the initial state as h_0, got 2 tensor"):
        GRU(3, 4)(x, (zeros, zeros))
    with pytest.raises(ValueError, match=r"LSTM: expected c_0 of shape \(1, 2, 4\), got \(2, 4\)"):
        LSTM(3, 4)(x, (zeros, fw.zeros((2, 4))))
    with pytest.raises(ValueError, match=r"GRU: expected h_0 of shape \(4, 2, 4\), got \(1, 2, 4\)"):
        GRU(3, 4, 2, bidirectional=True)(x, zeros)
    with pytest.raises(TypeError, match=r"RNN: h_0 is float64, but the parameters are float32"):
        RNN(3, 4)(x, fw.zeros((1, 2, 4), dtype=fw.float64))
    with pytest.raises(ValueError, match=r"LSTMCell: expected h of shape \(2, 4\), got \(4,\)"):
        LSTMCell(3, 4)(fw.zeros((2, 3)), (fw.zeros(4), fw.zeros(4)))


def test_wrong_lengths():
    layer, x = GRU(3, 4), fw.zeros((5, 2, 3))
    with pytest.raises(ValueError, match="GRU: lengths must lie between 0 and the input's 5 steps, got 6 at 1"):
        layer(x, lengths=[5, 6])
    with pytest.raises(ValueError, match="got -1 at 0"):
        layer(x, lengths=[-1, 6])
    with pytest.raises(ValueError, match=r"GRU: expected one length for each of 2 sequences, got shape \(3,\)"):
        layer(x, lengths=[1, 2, 3])
    with pytest.raises(TypeError, match="GRU: lengths must be integers, got float64"):
        layer(x, lengths=[1.0, 2.0])
    with pytest.raises(TypeError, match="GRU: lengths must be integers, got bool"):
        layer(x, lengths=[True, False])
    with pytest.raises(ValueError, match=r"GRU: lengths need a batch, got one sequence of shape \(5, 3\)"):
        layer(fw.zeros((5, 3)), lengths=[5])


@pytest.mark.cpu("the message names two devices")
def test_tensors_on_two_devices():
    pytest.importorskip("array_api_strict")
    with pytest.raises(RuntimeError, match="lstm: expected all tensors on one device, got 'cpu' and 'strict'"):
        LSTM(3, 4)(fw.zeros((5, 2, 3), device="strict"))
