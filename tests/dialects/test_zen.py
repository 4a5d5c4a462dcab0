"""The Zen dialect: its operators, its questions, and the published code's defects put right."""

from __future__ import annotations

import gc
import operator
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import framework as fw
from framework.dialects import zen
from framework.dialects.zen import Tensor


def host(array):
    return fw.asarray(array).detach().cpu().numpy()


# ---------------------------------------------------------------- construction and attributes
@pytest.mark.parametrize("value", [3, 2.5, [1, 2], [[1.0], [2.0]], np.arange(4), np.float64(1.5), (1, 2), True])
def test_values_become_floats(device, value):
    x = Tensor(value, device=device)
    assert host(x.value).dtype == np.float64
    np.testing.assert_array_equal(host(x.value), np.array(value))
    assert x.shape == np.shape(value)
    assert (x.dependencies, x.trainable) == ([], True)
    assert x.gradient == 0


def test_ids_rise():
    a, b = Tensor(1), Tensor(2)
    c = a + b
    assert a.id < b.id < c.id


def test_value_is_copied_in_and_can_be_assigned_and_changed():
    values = np.ones(2)
    x = Tensor(values)
    values[0] = 9
    assert x.value.tolist() == [1.0, 1.0]
    x.value -= 0.5
    x.value[0] = 3
    assert (x * x).grad(x).tolist() == [6.0, 1.0]
    x.value = [4]
    assert (x * x).grad(x).tolist() == [8.0]


def test_repr():
    assert repr(Tensor(2.0, trainable=False)) == "Tensor(2.0, trainable=False)"


# ---------------------------------------------------------------- operators
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
SHAPES = [
    ((), ()),
    ((3,), ()),
    ((), (3,)),
    ((2, 3), (3,)),
    ((2, 3), (2, 1)),
    ((1, 3), (2, 1)),
    ((3,), (4, 2, 3)),
    ((2, 3), (2, 3)),
]


def positive(shape, seed):
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape)


def slopes(function, values, g):
    """The gradient by central differences."""
    step, out = 1e-6, np.zeros_like(values)
    for at in np.ndindex(values.shape):
        up, down = values.copy(), values.copy()
        up[at] += step
        down[at] -= step
        out[at] = ((function(up) - function(down)) * g).sum() / (2 * step)
    return out


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("op", OPERATORS)
def test_operators_on_tensors_and_arrays(device, op, shapes):
    """With a tensor on both sides or one; gradients have the shape of their tensor, whatever was broadcast."""
    a, b = positive(shapes[0], 0), positive(shapes[1], 1)
    x, y = Tensor(a, device=device), Tensor(b, device=device)
    g = positive(np.broadcast_shapes(*shapes), 2)
    by_a, by_b = slopes(lambda v: op(v, b), a, g), slopes(lambda v: op(a, v), b, g)
    for left, right, targets in ((x, y, (x, y)), (x, b, (x,)), (a, y, (y,))):
        out = op(left, right)
        assert isinstance(out, Tensor)
        assert out.dependencies == list(targets)
        np.testing.assert_allclose(host(out.value), op(a, b), rtol=1e-14)
        out.get_gradients(g)
        for target in targets:
            expected = by_a if target is x else by_b
            assert target.gradient.shape == target.shape
            np.testing.assert_allclose(host(target.gradient), expected, rtol=1e-6, atol=1e-8)
            np.testing.assert_array_equal(host(out.grad(target, g)), host(target.gradient))


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("number", [2, 2.5, np.float64(2.5), np.int64(2), [2.5, 0.5]])
@pytest.mark.cpu("reads the lesson's raw arrays with NumPy")
def test_operators_on_plain_numbers_and_lists(op, number):
    x = Tensor([1.5, 2.0])
    for out, function in (
        (op(x, number), lambda v: op(v, np.array(number))),
        (op(number, x), lambda v: op(np.array(number), v)),
    ):
        np.testing.assert_allclose(out.value, function(x.value), rtol=1e-14)
        np.testing.assert_allclose(out.grad(x), slopes(function, x.value, np.ones(2)), rtol=1e-6)


def test_number_minus_tensor():
    x = Tensor([1.0, 2.0])
    out = 10 - x
    assert out.value.tolist() == [9.0, 8.0]
    assert out.grad(x).tolist() == [-1.0, -1.0]
    assert (-x).grad(x).tolist() == [-1.0, -1.0]


@pytest.mark.parametrize(
    "shapes", [((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4))]
)
@pytest.mark.cpu("reads the lesson's raw arrays with NumPy")
def test_matrix_products(shapes):
    a, b = positive(shapes[0], 0), positive(shapes[1], 1)
    x, y = Tensor(a), Tensor(b)
    for out in (x @ y, x @ b, a @ y):
        np.testing.assert_allclose(out.value, a @ b, rtol=1e-14)
        out.get_gradients()
    np.testing.assert_allclose(x.gradient, slopes(lambda v: v @ b, a, 1), rtol=1e-6)
    np.testing.assert_allclose(y.gradient, slopes(lambda v: a @ v, b, 1), rtol=1e-6)


# ---------------------------------------------------------------- gradients
def test_the_published_example(device):
    a, b = Tensor(10, device=device), Tensor(5, device=device)
    c = a * b
    d = c**2
    d.get_gradients()
    assert [float(t.gradient) for t in (a, b, c, d)] == [500.0, 1000.0, 100.0, 1.0]
    assert float(d.grad(c)) == 100.0
    assert float(d.grad(d)) == 1.0


def test_any_tensor_of_the_graph_can_be_differentiated():
    a = Tensor(3.0)
    b = a * a
    c = b * a
    b.get_gradients()
    assert float(a.gradient) == 6.0
    assert c.gradient == 0
    c.get_gradients()
    assert (float(a.gradient), float(b.gradient)) == (27.0, 3.0)


def test_each_call_replaces_the_gradients():
    a = Tensor([1.0, 2.0])
    b = a * a
    for _ in range(3):
        b.get_gradients()
        assert a.gradient.tolist() == [2.0, 4.0]
    b.get_gradients([10.0, 0.0])
    assert a.gradient.tolist() == [20.0, 0.0]


def test_gradients_share_memory_with_nothing():
    a, b = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    c = a + b
    d = c + a
    d.get_gradients()
    c.gradient += 1
    b.gradient += 2
    assert a.gradient.tolist() == [2.0, 2.0]
    assert d.gradient.tolist() == [1.0, 1.0]
    assert c.value.tolist() == [4.0, 6.0]


def test_shared_results_cost_one_visit_each():
    """With one walk for each path this would take 2**200 steps."""
    x = Tensor(1.0)
    y = x
    for _ in range(200):
        y = y + y
    y.get_gradients()
    assert float(x.gradient) == 2.0**200
    assert y.depends_on(x)
    assert float(y.grad(x)) == 2.0**200


def test_a_long_chain_needs_no_recursion():
    x = Tensor(1.0)
    y = x
    for _ in range(20_000):
        y = -y
    assert y.depends_on(x)
    y.get_gradients()
    assert float(x.gradient) == 1.0


@pytest.mark.cpu("reads the lesson's raw arrays with NumPy")
def test_prefix_shapes():
    """A bias (3,) beside a batch (2, 3) gets the sum over the batch, also where its length equals the batch's."""
    for batch in (2, 3):
        bias, x = Tensor(np.zeros(3)), Tensor(np.ones((batch, 3)))
        g = np.arange(batch * 3.0).reshape(batch, 3)
        (x + bias).get_gradients(g)
        np.testing.assert_array_equal(bias.gradient, g.sum(0))
        np.testing.assert_array_equal(x.gradient, g)


def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="shape"):
        (Tensor([1.0, 2.0]) * 2).get_gradients([1.0, 2.0, 3.0])


# ---------------------------------------------------------------- what depends on what
def test_depends_on():
    a, b, c = Tensor(1), Tensor(2), Tensor(3)
    d = a * b
    e = d + 1
    assert e.dependencies == [d]
    assert d.dependencies == [a, b]
    assert e.depends_on(a)
    assert e.depends_on(d)
    assert e.depends_on(e)
    assert not e.depends_on(c)
    assert not d.depends_on(e)
    assert float(e.grad(c)) == 0.0
    assert float(d.grad(e)) == 0.0


def test_gradients_stop_at_what_is_not_trainable():
    x, w = Tensor([1.0, 2.0], trainable=False), Tensor([3.0, 4.0])
    out = x * w
    out.get_gradients()
    assert x.gradient == 0
    assert w.gradient.tolist() == [1.0, 2.0]
    assert out.grad(x).tolist() == [0.0, 0.0]
    assert out.depends_on(x)


def test_a_result_that_is_not_trainable_stops_the_walk():
    a, b = Tensor(2.0), Tensor(3.0)
    c = a * b
    d = c * a
    c.trainable = False
    d.get_gradients()
    assert (float(a.gradient), b.gradient, c.gradient) == (6.0, 0, 0)
    assert float(d.grad(b)) == 0.0
    assert float(d.grad(a)) == 6.0
    c.trainable = True
    d.get_gradients()
    assert (float(a.gradient), float(b.gradient), float(c.gradient)) == (12.0, 4.0, 2.0)


def test_a_leaf_can_be_frozen_and_thawed():
    w = Tensor(2.0)
    w.trainable = False
    assert not w.trainable
    (w * w).get_gradients()
    assert w.gradient == 0
    w.trainable = True
    (w * w).get_gradients()
    assert float(w.gradient) == 4.0


def test_results_of_constants():
    a = Tensor(2.0, trainable=False)
    b = a * 3
    c = b * b
    c.get_gradients()
    assert (a.gradient, float(b.gradient)) == (0, 12.0)


def test_a_tensor_that_is_not_trainable_takes_no_gradient():
    a = Tensor(2.0, trainable=False)
    a.get_gradients()
    assert a.gradient == 0


def test_graphs_die_with_their_last_user():
    x = Tensor(np.ones(3))
    gc.disable()
    try:
        y = (x * x) @ x
        y.get_gradients()
        dead = weakref.ref(y), weakref.ref(y.dependencies[0])
        del y
        assert [ref() for ref in dead] == [None, None]
    finally:
        gc.enable()


@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=12))
@pytest.mark.cpu("reads the lesson's raw arrays with NumPy")
def test_programs_equal_the_main_api(steps):
    ops = {"+": operator.add, "-": operator.sub, "*": operator.mul}
    start = [np.array([[0.5], [1.5]]), np.array([2.0, -1.0, 0.5])]
    mine, theirs = [Tensor(v) for v in start], [fw.Tensor(v, requires_grad=True) for v in start]
    for op, i, j in steps:
        for values in (mine, theirs):
            values.append(ops[op](values[i % len(values)], values[j % len(values)]))
    for t in theirs[2:]:
        t.retain_grad()
    mine[-1].get_gradients()
    theirs[-1].backward(np.ones(theirs[-1].shape))
    for a, b in zip(mine, theirs):
        expected = 0 if b.grad is None else b.grad.numpy()
        np.testing.assert_allclose(a.gradient, expected, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- functions and programs
@pytest.mark.cpu("reads the lesson's raw arrays with NumPy")
def test_lifted_functions():
    x = Tensor([0.5, 1.0])
    for function, derivative in (
        (zen.exp, np.exp),
        (zen.log, lambda v: 1 / v),
        (zen.sin, np.cos),
        (zen.cos, lambda v: -np.sin(v)),
        (zen.tanh, lambda v: 1 - np.tanh(v) ** 2),
        (zen.sigmoid, lambda v: np.exp(-v) / (1 + np.exp(-v)) ** 2),
        (zen.relu, np.ones_like),
        (zen.sum, np.ones_like),
        (zen.mean, lambda v: np.ones_like(v) / 2),
        (zen.lift(fw.reshape), np.ones_like),
    ):
        out = function(x, (2, 1)) if function.__name__ == "reshape" else function(x)
        np.testing.assert_allclose(out.grad(x), derivative(x.value), rtol=1e-12)
    assert zen.softmax(Tensor([[0.0, 0.0]]), axis=1).value.tolist() == [[0.5, 0.5]]
    assert zen.sum(Tensor(np.ones((2, 3))), axis=0).shape == (3,)


@pytest.mark.cpu("reads the lesson's raw arrays with NumPy")
def test_a_digit_recogniser_in_small():
    """Two layers learn which quarter of a picture is bright."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 64)
    pictures = rng.uniform(0, 0.5, (64, 4, 4)) + np.eye(4)[labels][:, :, None]
    x, y = Tensor(pictures.reshape(64, 16), trainable=False), np.eye(4)[labels]
    parameters = w0, b0, w1, b1 = [Tensor(rng.normal(0, 0.3, shape)) for shape in ((16, 8), (8,), (8, 4), (4,))]
    for _ in range(150):
        p = zen.softmax(zen.relu(x @ w0 + b0) @ w1 + b1, axis=1)
        loss = -zen.sum(y * zen.log(p)) / 64
        loss.get_gradients()
        for parameter in parameters:
            parameter.value -= 0.5 * parameter.gradient
    assert (p.value.argmax(1) == labels).all()


def test_a_recurrent_network_learns_a_wave():
    """``sin(x) cos(x)`` from windows of 50, as the course does; here with a few windows."""
    wave = np.sin(np.linspace(0, 12, 120)) * np.cos(np.linspace(0, 12, 120))
    windows = np.lib.stride_tricks.sliding_window_view(wave, 51)
    inputs, target = windows[:, :50], windows[:, 50:]
    rng = np.random.default_rng(0)
    parameters = w, u, b, v = [Tensor(rng.normal(0, 0.3, shape)) for shape in ((1, 8), (8, 8), (8,), (8, 1))]
    losses = []
    for _ in range(60):
        h = np.zeros((len(inputs), 8))
        for t in range(50):
            h = zen.tanh(inputs[:, t : t + 1] @ w + h @ u + b)
        loss = zen.mean((h @ v - target) ** 2)
        loss.get_gradients()
        for p in parameters:
            p.value -= 0.2 * p.gradient
        losses.append(float(loss.value))
    assert losses[-1] < 0.05 * losses[0]
