"""The lessons' tensor: what it shows, and what its gradients are."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import framework as fw
from benchmarks import founding
from framework.autograd import RowSparse
from framework.dialects import grokking
from framework.dialects.grokking import Tensor


@pytest.fixture(autouse=True)
def seeded(global_seed):
    global_seed(0)


def host(x):
    """A tensor's values as a NumPy array."""
    return fw.asarray(x.data).numpy()


def leaf(values, device=None):
    return Tensor(np.array(values, dtype=float), autograd=True, device=device)


# ---------------------------------------------------------------- construction and attributes
@pytest.mark.parametrize(
    "data", [[1.0, 2.0], (1.0, 2.0), np.array([1.0, 2.0]), Tensor([1.0, 2.0]), fw.Tensor([1.0, 2.0])]
)
def test_values_of_many_kinds(data):
    x = Tensor(data)
    assert host(x).tolist() == [1.0, 2.0]
    assert (x.autograd, x.grad, x.creators, x.parents, x.creation_op, dict(x.children)) == (
        False,
        None,
        None,
        None,
        None,
        {},
    )


def test_floats_are_double_and_whole_numbers_stay_whole():
    assert Tensor([1.0]).data.dtype == np.float64
    assert Tensor(1.5).data.dtype == np.float64
    a, b = Tensor([1, 2, 3], autograd=True), Tensor([2, 2, 2], autograd=True)
    for whole in (a, a + b, -(a * b), a - b, a.sum(0), a.expand(0, 2).transpose(), a.relu(), a.index_select(b - b)):
        assert whole.data.dtype == np.int64
    assert str(a + b) == "[3 4 5]"
    assert repr(a + b) == "array([3, 4, 5])"
    assert a.sigmoid().data.dtype == np.float64


def test_data_is_copied_in(device):
    values = np.ones(3)
    x = Tensor(values, device=device)
    values[0] = 5
    assert host(x).tolist() == [1, 1, 1]


def test_ids_are_drawn_as_in_the_lessons():
    """Tensors and results draw one each, in the order in which they are made; what is only looked at draws none."""
    expected = np.random.RandomState(0)
    a, b = leaf([1.0]), leaf([2.0])
    c = a * b
    d = Tensor([1], id=7)
    e = c + b
    e.backward()
    _ = a.grad, e.creators, str(e), a.data
    assert (a.id, b.id, c.id, d.id, e.id) == (*expected.randint(100, size=3), 7, expected.randint(100))
    assert np.random.rand() == expected.rand()


@pytest.mark.parametrize(
    ("make", "name", "count"),
    [
        (lambda a, b: a + b, "add", 2),
        (lambda a, b: a - b, "sub", 2),
        (lambda a, b: a * b, "mul", 2),
        (lambda a, b: -a, "neg", 1),
        (lambda a, b: a.mm(b), "mm", 2),
        (lambda a, b: a.transpose(), "transpose", 1),
        (lambda a, b: a.sum(0), "sum_0", 1),
        (lambda a, b: a.sum(1), "sum_1", 1),
        (lambda a, b: a.expand(0, 3), "expand_0", 1),
        (lambda a, b: a.expand(2, 3), "expand_2", 1),
        (lambda a, b: a.sigmoid(), "sigmoid", 1),
        (lambda a, b: a.tanh(), "tanh", 1),
        (lambda a, b: a.relu(), "relu", 1),
        (lambda a, b: a.index_select(Tensor([1, 0, 1])), "index_select", 1),
        (lambda a, b: a.cross_entropy(Tensor([1, 0])), "cross_entropy", 1),
    ],
)
def test_operations_equal_the_lessons_own(device, make, name, count):
    """Value, record and gradients, against the lessons' algorithm in plain NumPy."""
    rng = np.random.default_rng(1)
    values = [rng.standard_normal((2, 2)) for _ in range(2)]
    a, b = (Tensor(v, autograd=True, device=device) for v in values)
    a0, b0 = (founding.Tensor(v, autograd=True) for v in values)
    out, expected = make(a, b), make(a0, b0)
    np.testing.assert_allclose(host(out), expected.data, rtol=0, atol=1e-14)
    assert out.creation_op == expected.creation_op == name
    assert out.creators == [a, b][:count]
    assert out.parents is out.creators
    assert dict(a.children) == {out.id: 1}
    assert not a.all_children_grads_accounted_for()
    assert not a.all_grads_propagated()
    g = rng.standard_normal(expected.data.shape)
    if name == "cross_entropy":
        g = np.ones_like(g)
    out.backward(Tensor(g))
    expected.backward(founding.Tensor(g))
    assert a.all_children_grads_accounted_for()
    for mine, theirs in ((out, expected), *zip((a, b)[:count], (a0, b0))):
        np.testing.assert_allclose(host(mine.grad), theirs.grad.data, rtol=0, atol=1e-14)
    assert not a.grad.autograd


def test_without_autograd_nothing_is_recorded():
    a, b = Tensor([1.0]), Tensor([2.0])
    c = a + b
    assert (c.autograd, c.creators, c.creation_op) == (False, None, None)
    assert dict(a.children) == {}
    c.backward()
    assert c.grad is None
    with fw.no_grad():
        d = leaf([1.0]) * leaf([2.0])
    assert not d.autograd
    assert d.creators is None


def test_one_operand_with_autograd_is_enough():
    a, b = leaf([2.0]), Tensor([3.0])
    (a * b).backward()
    assert host(a.grad).tolist() == [3.0]
    assert b.grad is None


# ---------------------------------------------------------------- data
def test_data_changed_in_place_counts(device):
    x = leaf([1.0, 2.0], device)
    x.data += 1
    x.data[0] = 5
    y = x * x
    assert host(y).tolist() == [25.0, 9.0]
    y.backward()
    assert host(x.grad).tolist() == [10.0, 6.0]


def test_data_assigned_counts(device):
    x = leaf([1.0, 2.0], device)
    x.data = [3.0, 4.0, 5.0]
    (x * x).backward()
    assert host(x.grad).tolist() == [6.0, 8.0, 10.0]
    x = leaf([1.0], device)
    x.data = np.array([3])
    assert host(x).dtype == np.int64


def test_whole_numbers_changed_in_place_count():
    x = Tensor([1, 2, 3], autograd=True)
    x.data[0] = 10
    y = x * x
    y.backward()
    assert host(y).tolist() == [100, 4, 9]
    assert host(x.grad).tolist() == [20.0, 4.0, 6.0]
    x.data = np.array([0.5])
    assert host(x + x).tolist() == [1.0]


def test_copies_can_be_changed_without_changing_what_was_copied():
    x = leaf([1.0, 2.0])
    y = x.expand(0, 2)
    y.data[0, 0] = 9.0
    assert host(y).tolist() == [[9.0, 2.0], [1.0, 2.0]]
    assert host(x).tolist() == [1.0, 2.0]
    assert host(y + y).tolist() == [[18.0, 4.0], [2.0, 4.0]]


# ---------------------------------------------------------------- grad
def test_gradients_add_up_until_they_are_cleared(device):
    x = leaf([1.0, 2.0], device)
    for times in (1, 2):
        (x * x).backward()
        assert host(x.grad).tolist() == [2.0 * times, 4.0 * times]
    x.grad.data *= 0
    assert host(x.grad).tolist() == [0.0, 0.0]
    (x * x).backward()
    assert host(x.grad).tolist() == [2.0, 4.0]
    x.grad = None
    assert x.grad is None


def test_grad_can_be_replaced_and_its_data_assigned(device):
    x = leaf([1.0, 2.0], device)
    (x * x).backward()
    x.grad.data = fw.asarray(np.array([7.0, 8.0]), device=device).data
    assert host(x.grad).tolist() == [7.0, 8.0]
    x.grad = Tensor([1, 2], device=device)
    assert host(x.grad).tolist() == [1.0, 2.0]
    (x * x).backward()
    assert host(x.grad).tolist() == [3.0, 6.0]


def test_gradients_of_results_can_be_changed_without_changing_others():
    a, b = leaf([1.0]), leaf([2.0])
    c = a + b
    d = c.sum(0)
    d.backward()
    assert c.grad is c.grad
    c.grad.data[0] = 100.0
    assert host(c.grad).tolist() == [100.0]
    assert host(a.grad).tolist() == host(b.grad).tolist() == [1.0]
    c.grad = None
    assert c.grad is None


def test_a_lookup_in_a_large_table_leaves_a_row_sparse_gradient():
    table = Tensor(np.ones((50_000, 8)), autograd=True)
    rows = Tensor(np.array([[3, 4], [3, 49_999]]))
    table.index_select(rows).backward()
    assert isinstance(table._values._grad, RowSparse)
    assert host(table.grad).sum() == 32
    assert host(table.grad)[3].tolist() == [2.0] * 8


@pytest.mark.parametrize("shape", [(5,), (5, 2), (5, 2, 3)])
@pytest.mark.parametrize("indices", [2, [1, 1, 4], [[0, 1], [2, 1]], []])
def test_lookups_of_any_shape(shape, indices):
    values = np.random.default_rng(0).standard_normal(shape)
    indices = np.array(indices, dtype=int)
    table = Tensor(values, autograd=True)
    out = table.index_select(Tensor(indices))
    np.testing.assert_array_equal(host(out), values[indices])
    g = np.random.default_rng(1).standard_normal(out.data.shape)
    out.backward(Tensor(g))
    expected = np.zeros(shape)
    np.add.at(expected, indices, g)
    np.testing.assert_allclose(host(table.grad), expected, rtol=0, atol=1e-14)


def test_cross_entropy_shows_the_mean_and_has_the_gradient_of_the_sum(device):
    values = np.random.default_rng(0).standard_normal((4, 3))
    target = np.array([0, 2, 1, 1])
    x = leaf(values, device)
    loss = x.cross_entropy(Tensor(target, autograd=True, device=device))
    y = fw.Tensor(values, requires_grad=True)
    mean = fw.nn.functional.cross_entropy(y, fw.asarray(target))
    fw.nn.functional.cross_entropy(y, fw.asarray(target), reduction="sum").backward()
    loss.backward()
    np.testing.assert_allclose(host(loss), mean.item(), rtol=1e-14)
    np.testing.assert_allclose(host(x.grad), y.grad.numpy(), rtol=0, atol=1e-14)
    assert host(loss.grad) == 1.0


def test_cross_entropy_over_sequences_and_of_large_logits():
    values = np.random.default_rng(0).standard_normal((2, 3, 4))
    target = np.array([[0, 1, 2], [3, 3, 0]])
    x, flat = leaf(values), leaf(values.reshape(6, 4))
    x.cross_entropy(Tensor(target)).backward()
    flat.cross_entropy(Tensor(target.reshape(-1))).backward()
    assert host(x.grad).shape == (2, 3, 4)
    np.testing.assert_array_equal(host(x.grad).reshape(6, 4), host(flat.grad))
    assert host(leaf([[1e4, -1e4]]).cross_entropy(Tensor([1]))) == 2e4


# ---------------------------------------------------------------- backward
def test_backward_starts_from_ones_or_from_what_is_given(device):
    x = leaf([1.0, 2.0], device)
    (x * x).backward()
    assert host(x.grad).tolist() == [2.0, 4.0]
    for g in (Tensor([1.0, 3.0]), Tensor([1, 3], device=device), np.array([1.0, 3.0]), [1.0, 3.0]):
        x.grad = None
        (x * x).backward(g)
        assert host(x.grad).tolist() == [2.0, 12.0]


def test_the_gradient_of_one_element_may_have_another_shape():
    x = leaf([[1.0, 2.0]])
    loss = x.cross_entropy(Tensor([0]))
    loss.backward(Tensor(np.array([1.0])))
    assert x.grad is not None


def test_a_gradient_of_another_size_is_refused():
    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match="reshape"):
        (x * x).backward(Tensor(np.ones(3)))
    assert x.grad is None


def test_a_gradient_must_not_have_one():
    x = leaf([1.0])
    with pytest.raises(RuntimeError, match="gradient of its own"):
        (x * x).backward(leaf([1.0]))
    assert x.grad is None


def test_children_count_each_use():
    a, b, c = leaf([1.0]), leaf([2.0]), leaf([3.0])
    d = a + b
    e = b + c
    f = d * d
    g = f + e
    assert dict(d.children) == {f.id: 2}
    assert sum(b.children.values()) == 2
    g.backward()
    for x in (a, b, c, d, e, f):
        assert dict(x.children) == {}
        assert x.all_grads_propagated()
    assert host(b.grad).tolist() == [2 * 3.0 + 1]


@pytest.mark.parametrize("again", [lambda x, y, z: z, lambda x, y, z: y, lambda x, y, z: z + z])
def test_backward_twice_is_an_error(again):
    x = leaf([1.0, 2.0])
    y = x * x
    z = y.sum(0)
    z.backward()
    with pytest.raises(RuntimeError, match="cannot backprop more than once"):
        again(x, y, z).backward()
    assert host(x.grad).tolist() == [2.0, 4.0]


def test_backward_from_inside_and_then_from_above_is_an_error():
    x = leaf([1.0, 2.0])
    y = x * x
    z = y.sum(0)
    y.backward()
    with pytest.raises(RuntimeError, match="cannot backprop more than once"):
        z.backward()
    assert host(x.grad).tolist() == [2.0, 4.0]


def test_two_losses_above_one_result_add_up():
    """The lessons' tensor waits for both; here each flows on at once, to the same sum."""
    x = leaf([3.0])
    shared = x * x
    first, second = shared * shared, shared + x
    first.backward()
    second.backward()
    assert host(x.grad).tolist() == [4 * 27.0 + 2 * 3.0 + 1]
    assert host(shared.grad).tolist() == [2 * 9.0 + 1]
    assert x.all_grads_propagated()
    with pytest.raises(RuntimeError, match="cannot backprop more than once"):
        second.backward()


def test_an_unused_branch_holds_nothing_back():
    x = leaf([3.0])
    shared = x * x
    unused = shared + x
    (shared * shared).backward()
    assert host(x.grad).tolist() == [4 * 27.0]
    assert unused.grad is None
    assert dict(shared.children) == {unused.id: 1}


def test_leaves_take_gradients_by_hand_any_number_of_times():
    x = leaf([1.0])
    x.backward(Tensor([2.0]))
    x.backward(Tensor([3.0]))
    assert host(x.grad).tolist() == [5.0]


def test_backward_by_hand_on_behalf_of_a_child():
    """As the lessons' operations call it: each child sends its gradient once."""
    a, b = leaf([2.0]), leaf([3.0])
    c = a * b
    left, right = c + a, c + b
    c.backward(Tensor([1.0]), left)
    assert host(c.grad).tolist() == [1.0]
    assert dict(c.children) == {right.id: 1}
    c.backward(Tensor([10.0]), grad_origin=right)
    assert host(c.grad).tolist() == [11.0]
    assert host(a.grad).tolist() == [33.0]
    for origin in (left, right, Tensor([1.0], id=-1)):
        with pytest.raises(RuntimeError, match="cannot backprop more than once"):
            c.backward(Tensor([1.0]), origin)


def test_creators_named_by_hand(device):
    """A tensor whose values were computed outside, with its origin named as the lessons' operations do."""
    rng = np.random.default_rng(0)
    a, b = leaf(rng.standard_normal((2, 2)), device), leaf(rng.standard_normal((2, 2)), device)
    values = {
        "add": host(a) + host(b),
        "sub": host(a) - host(b),
        "mul": host(a) * host(b),
        "mm": host(a) @ host(b),
        "neg": -host(a),
        "transpose": host(a).T,
        "tanh": np.tanh(host(a)),
        "sum_1": host(a).sum(1),
        "expand_1": host(a)[:, None].repeat(3, 1),
    }
    for op, value in values.items():
        creators = [a, b] if op in ("add", "sub", "mul", "mm") else [a]
        a.grad = None
        out = Tensor(value, autograd=True, parents=creators, creation_op=op, device=device)
        np.testing.assert_array_equal(host(out), value)
        assert (out.creation_op, out.creators) == (op, creators)
        assert dict(a.children) == {out.id: 1}
        out.backward()
        a2, b2 = leaf(host(a)), leaf(host(b))
        again = {"sum_1": a2.sum(1), "expand_1": a2.expand(1, 3)}.get(op) or a2._apply(op, *[b2][: len(creators) - 1])
        again.backward()
        np.testing.assert_array_equal(host(a.grad), host(a2.grad))


@pytest.mark.parametrize("op", ["index_select", "cross_entropy", "mystery", None])
def test_an_origin_that_cannot_be_told_from_its_name_is_refused(op):
    a = leaf([1.0])
    with pytest.raises(ValueError, match="creation_op must be one of add"):
        Tensor([1.0], autograd=True, creators=[a], creation_op=op)
    assert dict(a.children) == {}


def test_creators_without_autograd_are_only_noted():
    a = Tensor([1.0])
    out = Tensor([2.0], creators=[a], creation_op="mystery", id=5)
    assert out.creators == [a]
    assert dict(a.children) == {5: 1}


UNARY = ["neg", "sigmoid", "tanh", "relu", "transpose"]
BINARY = ["add", "sub", "mul", "mm"]


@given(
    st.lists(
        st.tuples(st.sampled_from(UNARY + BINARY), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=12
    )
)
def test_programs_equal_the_main_api(steps):
    """Any program of these operations, with values used any number of times, has the main API's values and gradients."""
    state = np.random.get_state()
    rng = np.random.default_rng(0)
    start = [rng.standard_normal((3, 3)) / 2 for _ in range(2)]
    mine, theirs = [leaf(v) for v in start], [fw.Tensor(v, requires_grad=True) for v in start]
    for op, i, j in steps:
        picks = [i % len(mine), j % len(mine)][: 2 if op in BINARY else 1]
        mine.append(mine[picks[0]]._apply(op, *[mine[k] for k in picks[1:]]))
        theirs.append(grokking._OPERATIONS[op](*[theirs[k] for k in picks]))
    for t in theirs[2:]:
        t.retain_grad()
    mine[-1].backward()
    theirs[-1].backward(np.ones((3, 3)))
    for a, b in zip(mine, theirs):
        np.testing.assert_array_equal(host(a), b.detach().numpy())
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            np.testing.assert_allclose(host(a.grad), b.grad.numpy(), rtol=1e-12, atol=1e-14)
    np.random.set_state(state)


# ---------------------------------------------------------------- size and life of the graph
def test_a_tensor_used_many_times():
    x = leaf([1.0])
    total = x
    for _ in range(300):
        total = total + x
    total.backward()
    assert host(x.grad).tolist() == [301.0]


def test_a_long_chain_needs_no_recursion():
    x = leaf([1.0])
    y = x
    for _ in range(20_000):
        y = -y
    y.backward()
    assert host(x.grad).tolist() == [1.0]
    del y


def test_results_die_with_their_last_user():
    x = leaf(np.ones(3))
    gc.disable()
    try:
        y = (x * x).sum(0)
        y.backward()
        _ = y.grad, y.creators[0].grad
        dead = weakref.ref(y), weakref.ref(y.creators[0])
        del y
        assert [ref() for ref in dead] == [None, None]
    finally:
        gc.enable()


# ---------------------------------------------------------------- devices
@pytest.mark.cpu("sets the default device itself")
def test_the_default_device_is_where_everything_goes():
    fw.set_default_device("strict")
    try:
        x = Tensor(np.ones((2, 2)), autograd=True)
        y = x.mm(x).sum(0)
        y.backward(Tensor(np.ones(2), device="cpu"))
        assert x.device == y.device == x.grad.device == fw.get_default_device()
    finally:
        fw.set_default_device("cpu")


def test_devices_do_not_mix():
    with pytest.raises(RuntimeError, match="one device"):
        leaf([1.0], "cpu") + leaf([1.0], "strict")
