"""The lessons' layers and optimizer, against the lessons' own algorithm and the main API."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

import framework as fw
from benchmarks import founding
from framework.dialects import grokking
from framework.dialects.grokking import (
    SGD,
    CrossEntropyLoss,
    Embedding,
    Layer,
    Linear,
    MSELoss,
    Relu,
    RNNCell,
    Sequential,
    Sigmoid,
    Tanh,
    Tensor,
)


@pytest.fixture(autouse=True)
def seeded(global_seed):
    global_seed(0)


def host(x):
    """A tensor's values as a NumPy array, without reading ``data``, so that nothing is held to be exposed."""
    return x._held.detach().cpu().numpy()


def same(mine, theirs):
    np.testing.assert_allclose(host(mine), theirs.data, rtol=0, atol=1e-13)


def walk(tensor):
    """The tensor and all below it by way of creators, each in the order of its place in a list of creators."""
    yield tensor
    for creator in tensor.creators or ():
        yield from walk(creator)


def computed(tensor):
    return "_values" in vars(tensor)


# ---------------------------------------------------------------- layers
@pytest.mark.parametrize("build", [lambda m: m.Linear(4, 3), lambda m: m.Embedding(5, 2), lambda m: m.RNNCell(3, 4, 2)])
def test_initial_values_and_draws_are_the_lessons(build):
    mine = build(grokking)
    after = np.random.rand()
    np.random.seed(0)
    theirs = build(founding)
    assert np.random.rand() == after
    assert len(mine.get_parameters()) == len(theirs.get_parameters())
    for p, q in zip(mine.get_parameters(), theirs.get_parameters()):
        np.testing.assert_array_equal(host(p), q.data)
        assert p.id == q.id
        assert p.autograd


def test_linear_is_the_lessons_three_operations():
    """Value, record, ids, children and gradients of all tensors, looked at before or after the backward pass."""
    x = np.random.default_rng(0).standard_normal((5, 4))
    for look_first in (True, False):
        runs = []
        for m in (grokking, founding):
            np.random.seed(0)
            layer, data = m.Linear(4, 3), m.Tensor(x, autograd=True)
            out = layer.forward(data)
            if look_first:
                assert [t.creation_op for t in walk(out)] == ["add", "mm", None, None, "expand_0", None]
            out.backward(m.Tensor(np.arange(15.0).reshape(5, 3)))
            runs.append(list(walk(out)))
        for mine, theirs in zip(*runs):
            assert (mine.creation_op, mine.id) == (theirs.creation_op, theirs.id)
            assert mine.all_grads_propagated()
            same(mine, theirs)
            same(mine.grad, theirs.grad)


def test_linear_counts_children_as_the_lessons_do():
    layer, x = Linear(2, 2), Tensor(np.ones((1, 2)), autograd=True)
    out = layer.forward(x)
    product, copies = out.creators
    assert dict(x.children) == dict(layer.weight.children) == {product.id: 1}
    assert dict(layer.bias.children) == {copies.id: 1}
    assert dict(product.children) == dict(copies.children) == {out.id: 1}
    out.backward()
    for t in walk(out):
        assert dict(t.children) == {}


def test_linear_without_bias():
    layer = Linear(2, 3, bias=False)
    assert layer.get_parameters() == [layer.weight]
    assert not layer.use_bias
    assert layer.forward(Tensor(np.ones((1, 2)))).creation_op == "mm"


def test_linear_of_linear_of_whole_numbers(device):
    first, second = Linear(2, 3, device=device), Linear(3, 1, device=device)
    out = second.forward(first.forward(Tensor([[1, 2]], device=device)))
    expected = (np.array([[1.0, 2.0]]) @ host(first.weight)) @ host(second.weight)
    np.testing.assert_allclose(host(out), expected, rtol=1e-14)


def test_sequential():
    model = Sequential([Linear(2, 2)])
    model.add(Relu())
    model.add(Linear(2, 1))
    assert Sequential().layers == []
    assert model.get_parameters() == model.layers[0].get_parameters() + model.layers[2].get_parameters()
    assert model.forward(Tensor(np.ones((3, 2)))).data.shape == (3, 1)
    layers = [Tanh()]
    assert Sequential(layers).layers is layers


def test_a_layer_of_ones_own():
    class Scale(Layer):
        def __init__(self):
            super().__init__()
            self.factor = Tensor(np.array([2.0]), autograd=True)
            self.parameters.append(self.factor)

        def forward(self, input):
            return input * self.factor.expand(0, len(input.data))

    model = Sequential([Scale(), Scale()])
    out = model.forward(Tensor(np.ones((3, 1)), autograd=True))
    out.backward()
    assert [host(p.grad).tolist() for p in model.get_parameters()] == [[6.0], [6.0]]


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_recurrent_cell_equals_its_parts(device, activation):
    rng = np.random.default_rng(0)
    cell = RNNCell(3, 4, 2, activation, device=device)
    x = Tensor(rng.standard_normal((5, 3)), autograd=True, device=device)
    h = cell.init_hidden(5)
    assert h.device == x.device
    assert h.autograd
    h.data += rng.standard_normal((5, 4)) if device == "cpu" else 0.5
    results = []
    for whole in (True, False):
        if whole:
            output, new = cell.forward(input=x, hidden=h)
        else:
            combined = cell.w_ih.forward(x) + cell.w_hh.forward(h)
            new = cell.activation.forward(combined)
            output = cell.w_ho.forward(new)
        (output.sum(0).sum(0) + (new * new).sum(0).sum(0)).backward()
        tensors = [x, h, *cell.get_parameters(), new]
        results.append([host(output), host(new), *(host(t.grad) for t in tensors)])
        for t in tensors:
            t.grad = None
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


def test_recurrent_cell_draws_the_ids_of_its_parts():
    cell = RNNCell(2, 3, 1)
    x, h = Tensor(np.ones((1, 2)), autograd=True), cell.init_hidden()
    state = np.random.get_state()
    _, new = cell.forward(x, h)
    expected = np.random.RandomState()
    expected.set_state(state)
    assert new.id == expected.randint(100, size=8)[-1]
    expected.randint(100, size=3)
    assert np.random.rand() == expected.rand()


def test_recurrent_cell_with_another_activation():
    class Negative(Layer):
        def forward(self, input):
            return -input

    cell = RNNCell(2, 3, 1)
    cell.activation = Negative()
    _, new = cell.forward(Tensor(np.ones((1, 2)), autograd=True), cell.init_hidden())
    assert new.creation_op == "neg"
    np.testing.assert_allclose(host(new), -host(cell.w_ih.weight).sum(0, keepdims=True), rtol=1e-14)


def test_recurrent_cell_refuses_other_activations_by_name():
    with pytest.raises(ValueError, match="'sigmoid' or 'tanh', got 'relu'"):
        RNNCell(2, 3, 1, activation="relu")


def test_recurrent_cell_sees_an_assigned_weight():
    cell = RNNCell(2, 3, 1)
    x, h = Tensor(np.ones((1, 2)), autograd=True), cell.init_hidden()
    cell.forward(x, h)
    cell.w_ih.weight.data = np.zeros((2, 3))
    _, new = cell.forward(x, h)
    assert host(new).tolist() == [[0.5, 0.5, 0.5]]
    new.backward()
    assert host(cell.w_ih.weight.grad).tolist() == [[0.25] * 3] * 2


def test_a_frozen_weight_gets_no_gradient():
    cell = RNNCell(2, 3, 1)
    x, h = Tensor(np.ones((1, 2)), autograd=True), cell.init_hidden()
    cell.forward(x, h)
    for layer in (cell.w_ih, cell.w_ho):
        layer.weight.autograd = False
    output, _ = cell.forward(x, h)
    output.backward()
    assert cell.w_ih.weight.grad is None
    assert cell.w_ho.weight.grad is None
    assert cell.w_hh.weight.grad is not None
    assert cell.w_ih.bias.grad is not None


def test_a_frozen_layer_records_nothing():
    layer, x = Linear(2, 2), Tensor(np.ones((1, 2)))
    for p in layer.get_parameters():
        p.autograd = False
    out = layer.forward(x)
    assert (out.autograd, out.creators, out.creation_op) == (False, None, None)


def test_recurrent_cell_under_no_grad():
    cell = RNNCell(2, 3, 1)
    with fw.no_grad():
        output, new = cell.forward(Tensor(np.ones((1, 2))), cell.init_hidden())
    assert not output.autograd
    assert not new.autograd
    assert dict(cell.w_hh.weight.children) == {}


# ---------------------------------------------------------------- results that nobody has read yet
def test_what_is_never_read_is_never_computed():
    layer, x = Linear(2, 2), Tensor(np.ones((1, 2)), autograd=True)
    out = layer.forward(x)
    assert not computed(out)
    assert host(out).shape == (1, 2)
    assert computed(out)


@pytest.mark.parametrize(
    "change",
    [
        lambda layer, x, optim: optim.step(),
        lambda layer, x, optim: layer.weight.data.fill(0.0),
        lambda layer, x, optim: layer.bias.data.__iadd__(1.0),
        lambda layer, x, optim: x.data.fill(0.0),
        lambda layer, x, optim: setattr(layer.weight, "data", np.zeros((2, 2))),
    ],
)
def test_values_are_those_of_the_moment_of_the_call(change):
    layer, x = Linear(2, 2), Tensor(np.ones((1, 2)), autograd=True)
    optim = SGD(layer.get_parameters(), alpha=0.5)
    expected = host(layer.weight).sum(0, keepdims=True)
    layer.forward(x).backward()
    out = layer.forward(x)
    change(layer, x, optim)
    np.testing.assert_array_equal(host(out), expected)


@pytest.mark.cpu("reads the lesson's raw arrays with NumPy")
def test_an_array_that_was_handed_out_may_change_at_any_time():
    layer, x = Linear(2, 2), Tensor(np.ones((1, 2)), autograd=True)
    weight = layer.weight.data
    expected = weight.sum(0, keepdims=True)
    out = layer.forward(x)
    weight[:] = 0
    np.testing.assert_array_equal(host(out), expected)


def test_gradients_reach_what_was_put_off():
    layer, x = Linear(2, 2), Tensor(np.ones((1, 2)), autograd=True)
    out = layer.forward(x)
    assert not computed(out)
    with fw.no_grad():
        assert host(out).shape == (1, 2)
    out.backward()
    assert host(layer.weight.grad).tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert host(out.grad).tolist() == [[1.0, 1.0]]


# ---------------------------------------------------------------- losses and SGD
def test_losses_equal_the_main_api():
    rng = np.random.default_rng(0)
    pred, target, labels = rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), np.array([0, 2, 1, 1])
    squared = MSELoss().forward(Tensor(pred), Tensor(target))
    assert host(squared).shape == (3,)
    F = fw.nn.functional
    expected = F.mse_loss(fw.asarray(pred), fw.asarray(target), reduction="sum").item()
    np.testing.assert_allclose(host(squared).sum(), expected, rtol=1e-14)
    expected = F.cross_entropy(fw.asarray(pred), fw.asarray(labels)).item()
    np.testing.assert_allclose(host(CrossEntropyLoss().forward(Tensor(pred), Tensor(labels))), expected, rtol=1e-14)


def one_step(optim, p, **options):
    (p * p).backward()
    optim.step(**options)


def test_sgd_steps_and_clears(device):
    p = Tensor([1.0, -2.0], autograd=True, device=device)
    optim = SGD([p], alpha=0.25)
    assert (optim.parameters, optim.alpha) == ([p], 0.25)
    one_step(optim, p)
    assert host(p).tolist() == [0.5, -1.0]
    assert host(p.grad).tolist() == [0.0, 0.0]
    optim.alpha = 0.5
    one_step(optim, p, zero=False)
    assert host(p).tolist() == [0.0, 0.0]
    assert host(p.grad).tolist() == [1.0, -2.0]
    optim.zero()
    assert host(p.grad).tolist() == [0.0, 0.0]


def test_sgd_zeroes_the_gradient_that_was_shown():
    p = Tensor([1.0], autograd=True)
    optim = SGD([p])
    (p * p).backward()
    shown = p.grad
    optim.zero()
    assert host(shown).tolist() == [0.0]
    (p * p).backward()
    assert host(p.grad).tolist() == [2.0]
    assert host(shown).tolist() == [0.0]


def test_sgd_changes_the_array_in_place():
    p = Tensor([1.0], autograd=True)
    array = p.data
    one_step(SGD([p], alpha=0.25), p)
    assert array.tolist() == [0.5]


def test_sgd_takes_a_parameter_twice_as_once():
    p = Tensor([1.0], autograd=True)
    one_step(SGD([p, p], alpha=0.25), p)
    assert host(p).tolist() == [0.5]


def test_sgd_refuses_what_cannot_go_down():
    with pytest.raises(TypeError, match="parameter 1 holds whole numbers"):
        SGD([Tensor([1.0], autograd=True), Tensor([1], autograd=True)])
    with pytest.raises(ValueError, match="no parameter requires a gradient"):
        SGD([Tensor([1.0])])


# ---------------------------------------------------------------- whole programs
def next_word_losses(lesson, words, steps):
    program = founding.next_word_steps(lesson, words)
    return [next(program) for _ in range(steps)]


def test_the_next_word_program_equals_the_lessons_algorithm_and_the_main_api():
    words = np.random.default_rng(0).integers(0, founding.VOCABULARY, (20, 6))
    runs = []
    for lesson in (grokking, founding):
        np.random.seed(1)
        runs.append(next_word_losses(lesson, words, 20))
    np.random.seed(1)
    state = np.random.get_state()
    draws = grokking.Embedding(founding.VOCABULARY, founding.HIDDEN), RNNCell(16, 16, founding.VOCABULARY)
    np.random.set_state(state)
    program = founding.main_api_steps(words, [p.data for layer in draws for p in layer.get_parameters()])
    runs.append([next(program) for _ in range(20)])
    np.testing.assert_allclose(runs[0], runs[1], rtol=0, atol=1e-11)
    np.testing.assert_allclose(runs[0], runs[2], rtol=0, atol=1e-11)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.cpu("reads the lesson's raw arrays with NumPy")
def test_small_nets_equal_the_lessons_algorithm(seed):
    x, y = (np.random.default_rng(seed).standard_normal(shape) for shape in ((6, 3), (6, 2)))
    runs = []
    for m in (grokking, founding):
        np.random.seed(seed)
        layers = [m.Linear(3, 4), m.Linear(4, 2)]
        data, target = m.Tensor(x, autograd=True), m.Tensor(y, autograd=True)
        optim = m.SGD([p for layer in layers for p in layer.get_parameters()], alpha=0.05)
        losses = []
        for _ in range(10):
            pred = layers[1].forward(layers[0].forward(data).relu()).tanh()
            loss = ((pred - target) * (pred - target)).sum(0)
            loss.backward(m.Tensor(np.ones_like(loss.data)))
            optim.step()
            losses.append(loss.data)
        runs.append(np.array(losses))
    np.testing.assert_allclose(runs[0], runs[1], rtol=0, atol=1e-12)


@pytest.mark.cpu("counts the bytes of the host")
def test_memory_does_not_grow_with_the_number_of_steps():
    """Not with the collector off either: nothing waits for it."""
    words = np.random.default_rng(0).integers(0, founding.VOCABULARY, (20, 6))
    program = founding.next_word_steps(grokking, words)
    sizes = []
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(4):
            for _ in range(25):
                next(program)
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
        gc.enable()
    # A step makes some hundred thousand bytes.
    assert sizes[-1] - sizes[0] < 20_000


def test_a_program_that_only_looks_ahead_keeps_nothing():
    layer, x = Linear(2, 2), Tensor(np.ones((1, 2)), autograd=True)
    for _ in range(300):
        layer.forward(x)
    assert len(grokking._pending) == 0
    assert len(layer.weight.children) <= 100


@pytest.mark.cpu("sets the default device itself")
def test_layers_run_on_the_default_device():
    fw.set_default_device("strict")
    try:
        model = Sequential([Embedding(5, 3), Tanh(), Linear(3, 2), Sigmoid()])
        optim = SGD(model.get_parameters(), alpha=0.5)
        loss = MSELoss().forward(model.forward(Tensor(np.array([1, 2]))), Tensor(np.ones((2, 2))))
        loss.backward()
        optim.step()
        assert {p.device for p in model.get_parameters()} == {loss.device} == {fw.get_default_device()}
    finally:
        fw.set_default_device("cpu")
