"""The graph and the backward pass."""

import gc
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import framework as fw
from tests.at_once import at_once


def leaf(values, **options):
    return fw.Tensor(np.asarray(values, dtype=np.float64), requires_grad=True, **options)


def test_gradients_of_a_shared_value_add_up(arrays):
    a, b, c = (arrays.make(np.arange(5.0), requires_grad=True) for _ in range(3))
    d, e = a + b, b + c
    (d + e).backward(np.ones(5))
    np.testing.assert_array_equal(b.grad.cpu().numpy(), np.full(5, 2.0))
    np.testing.assert_array_equal(a.grad.cpu().numpy(), np.ones(5))


def test_a_tensor_used_a_thousand_times_costs_a_thousand_additions(monkeypatch):
    from framework.autograd import engine

    calls = []
    add = engine._add
    monkeypatch.setattr(engine, "_add", lambda *args: calls.append(1) or add(*args))
    x = leaf([1.0, 2.0])
    sum((x * float(i) for i in range(1000)), fw.zeros(2, dtype="float64")).sum().backward()
    assert len(calls) == 999
    np.testing.assert_array_equal(x.grad.numpy(), np.full(2, sum(range(1000))))


def test_shared_subgraphs_are_walked_once():
    x = y = leaf(1.0)
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_a_chain_of_a_million_operations_needs_no_recursion():
    x = y = leaf([1.0])
    for _ in range(1_000_000):
        y = y + 1.0
    y.backward()
    assert x.grad.item() == 1.0
    del y


def test_graphs_die_by_reference_count():
    gc.disable()
    try:
        x = leaf([1.0, 2.0])
        y = (x * x).tanh()
        node, values = weakref.ref(y), weakref.ref(y.data)
        del y
        assert node() is None
        assert values() is None
        a, b, c = fw.linalg.svd(leaf(np.eye(3) + 1), full_matrices=False)
        alive = [weakref.ref(t) for t in (a, b, c)]
        del a, b, c
        assert all(ref() is None for ref in alive)
    finally:
        gc.enable()


def test_training_does_not_grow_in_memory():
    w = leaf(np.ones((50, 50)))

    def step():
        w.grad = None
        (w @ w).tanh().sum().backward()

    gc.disable()
    try:
        step()
        tracemalloc.start()
        for _ in range(50):
            step()
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    finally:
        gc.enable()
    assert grown < 200_000


def test_backward_keeps_only_what_rules_ask_for():
    x = leaf([1.0, 2.0])
    middle = x + 1.0
    values = weakref.ref(middle.data)
    total = (middle + 2.0).sum()
    del middle
    assert values() is None
    total.backward()


def test_a_second_backward_through_a_freed_graph_is_an_error():
    x = leaf([1.0])
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"freed.*retain_graph=True"):
        y.backward()
    assert x.grad.item() == 2.0


def test_retain_graph_allows_another():
    x = leaf([3.0])
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0


def test_seeds():
    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"shape \(2,\).*sum\(\)"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"must have the tensor's shape \(2,\), got \(3,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        fw.Tensor([1.0]).backward()
    (x * 2).backward([1.0, 10.0])
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 20.0])


def test_an_error_on_the_way_changes_nothing():
    x, y = leaf([1.0]), leaf([2.0])
    middle = x * 2

    def fail(g):
        raise ZeroDivisionError

    middle.register_hook(fail)
    with pytest.raises(ZeroDivisionError):
        (middle * y).backward()
    assert x.grad is None
    assert y.grad is None


def test_gradients_do_not_share_memory():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    seed = fw.Tensor(np.ones(2))
    (a + b).backward(seed)
    with fw.no_grad():
        a.grad.mul_(5.0)
    np.testing.assert_array_equal(b.grad.numpy(), [1.0, 1.0])
    np.testing.assert_array_equal(seed.numpy(), [1.0, 1.0])
    c = leaf(np.ones((2, 3)))
    c.sum().backward()
    c.grad.data[0, 0] = 7.0
    np.testing.assert_array_equal(c.grad.numpy().ravel(), [7, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_share_no_memory_with_seeds_hooks_and_each_other(create_graph):
    a, b, c, seed, kept = leaf([1.0, 2.0]), leaf([3.0, 4.0]), leaf([5.0, 6.0]), np.ones(2), fw.Tensor(np.ones(2))
    c.register_hook(lambda g: kept)
    x, y = a + b, c + 0
    for t in (x, y):
        t.retain_grad()
    (x + y).backward(seed, create_graph=create_graph)
    a.backward(fw.asarray(seed), create_graph=create_graph)
    with fw.no_grad():
        for t in (a, b, c, x, y):
            t.grad.mul_(2.0)
    assert [t.grad.tolist() for t in (a, b, c, x, y)] == [[4.0, 4.0]] + [[2.0, 2.0]] * 4
    np.testing.assert_array_equal([seed, kept.numpy()], np.ones((2, 2)))


def test_hooks_see_and_replace_gradients():
    seen = []
    x = leaf([1.0, 2.0])
    y = x * 3
    remove = y.register_hook(lambda g: seen.append(g.numpy().copy()))
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    (y * 2).sum().backward()
    np.testing.assert_array_equal(seen, [[2.0, 2.0]])
    np.testing.assert_array_equal(x.grad.numpy(), [61.0, 61.0])
    remove()
    (y.detach().requires_grad_() * 2).sum().backward()
    assert len(seen) == 1


def test_a_leafs_hook_runs_once_on_the_sum():
    seen = []
    x = leaf([1.0])
    x.register_hook(lambda g: seen.append(g.item()))
    (x + x * 2).backward()
    assert seen == [3.0]


def test_retain_grad():
    x = leaf([2.0])
    y = x * x
    y.retain_grad()
    y.retain_grad()
    (y * 3).backward()
    assert y.grad.item() == 3.0


def test_a_retained_gradient_is_what_hooks_made_of_it():
    x = leaf([2.0])
    y = x * x
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    (y * 3).backward()
    assert y.grad.item() == 30.0


def test_a_table_that_was_computed_gets_a_dense_gradient_which_its_parts_do_not_share():
    a, b, seen = leaf(np.zeros((3, 2))), leaf(np.ones((3, 2))), []
    table = a + b
    table.retain_grad()
    table.register_hook(lambda g: seen.append(g.tolist()))
    fw.nn.functional.embedding(fw.asarray([1, 2, 2]), table).sum().backward()
    rows = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    a.grad.data[:] = 7.0
    assert seen == [rows]
    assert table.grad.tolist() == b.grad.tolist() == rows


def test_a_retained_gradient_is_that_of_the_newest_values():
    x = leaf([2.0, 3.0])
    y = x * x
    y.retain_grad()
    y *= 5
    y[0] = 1.0
    (y * 3).sum().backward()
    np.testing.assert_array_equal(y.grad.numpy(), [3.0, 3.0])
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 90.0])


def test_no_grad_records_nothing_and_is_local_to_a_thread():
    x = leaf([1.0])
    results = {}

    def other():
        results["there"] = (x * 2).requires_grad

    with fw.no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        results["here"] = (x * 2).requires_grad
        with fw.enable_grad():
            results["again"] = (x * 2).requires_grad
    assert results == {"there": True, "here": False, "again": True}

    @fw.no_grad()
    def inference():
        return x * 2

    assert not inference().requires_grad
    assert fw.is_grad_enabled()


def test_generators_record_as_their_decorator_says_and_leave_others_alone():
    @fw.no_grad()
    def inside():
        got = yield fw.is_grad_enabled()
        yield fw.is_grad_enabled(), got
        return 3

    generator = inside()
    assert next(generator) is False
    assert fw.is_grad_enabled()
    assert generator.send(7) == (False, 7)
    with pytest.raises(StopIteration, match="3"):
        next(generator)


def test_threads_may_share_leaves():
    w = leaf(np.zeros(3))
    at_once(lambda: [(w * 1.0).sum().backward() for _ in range(200)])
    np.testing.assert_array_equal(w.grad.numpy(), np.full(3, 800.0))


def test_no_grad_is_left_when_an_error_passes():
    with pytest.raises(KeyError), fw.no_grad():
        raise KeyError
    assert fw.is_grad_enabled()


def test_grad_returns_a_tuple_and_touches_no_grad_attribute():
    x, y = leaf(2.0), leaf(3.0)
    gx, gy = fw.autograd.grad(x * x * y, (x, y))
    assert (gx.item(), gy.item()) == (12.0, 4.0)
    assert x.grad is None
    with pytest.raises(RuntimeError, match=r"do not depend on inputs\[1\]"):
        fw.autograd.grad(x * 2, (x, y))
    assert fw.autograd.grad(x * 2, (x, y), allow_unused=True)[1] is None


def test_grad_of_a_result_in_the_middle():
    x = leaf(2.0)
    y = x * x
    z = y * y
    (g,) = fw.autograd.grad(z, y)
    assert g.item() == 8.0


def test_an_input_that_feeds_another_input():
    x = leaf(2.0)
    y = x * 3
    gx, gy = fw.autograd.grad(y * x, (x, y))
    assert (gx.item(), gy.item()) == (12.0, 2.0)


@pytest.mark.parametrize("order", range(1, 6))
def test_derivatives_of_any_order(order, device):
    from numpy.polynomial import Polynomial

    p = Polynomial([1.0, -2.0, 0.5, 3.0, -1.0, 0.25])
    x = leaf(1.3, device=device)
    y = sum((x**k * float(c) for k, c in enumerate(p.coef)), x * 0)
    for _ in range(order):
        (y,) = fw.autograd.grad(y, x, create_graph=True)
    assert y.item() == pytest.approx(p.deriv(order)(1.3), rel=1e-12)


def test_third_derivative_of_a_composition():
    x = leaf(0.7)
    g = fw.exp(fw.sin(x) * x)
    for _ in range(3):
        (g,) = fw.autograd.grad(g, x, create_graph=True)
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        truth = mpmath.diff(lambda t: mpmath.exp(mpmath.sin(t) * t), mpmath.mpf("0.7"), 3)
    assert g.item() == pytest.approx(float(truth), rel=1e-13)


def test_create_graph_reaches_through_accumulated_gradients():
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    (g,) = fw.autograd.grad(x.grad, x)
    assert g.item() == 18.0


@pytest.mark.parametrize(
    ("a", "b"),
    [((3,), (2, 3)), ((2, 1), (1, 3)), ((), (2, 3)), ((1, 1), (4,)), ((0, 3), (1, 3)), ((2, 3), (2, 3)), ((1,), ())],
)
def test_broadcasting_is_undone(arrays, a, b):
    rng = np.random.default_rng(0)
    x, y = arrays.make(rng.normal(size=a), requires_grad=True), arrays.make(rng.normal(size=b), requires_grad=True)
    (x * y).sum().backward()
    grown = np.ones(np.broadcast_shapes(a, b))
    for t, other in ((x, y), (y, x)):
        whole = grown * other.detach().cpu().numpy()
        extra = tuple(range(whole.ndim - t.ndim))
        expected = whole.sum(axis=extra)
        expected = expected.sum(axis=tuple(i for i, n in enumerate(t.shape) if n == 1), keepdims=True)
        assert t.grad.shape == t.shape
        np.testing.assert_allclose(t.grad.cpu().numpy(), expected.reshape(t.shape))


def test_gradients_have_their_values_dtype():
    a = fw.Tensor([1.0, 2.0], requires_grad=True)
    b = leaf([1.0, 2.0])
    (a * b).sum().backward()
    assert a.grad.dtype == fw.float32
    assert b.grad.dtype == fw.float64


@pytest.mark.cpu("the message names two devices")
def test_the_gradient_moves_back_over_devices():
    x = leaf([1.0, 2.0])
    y = x.to("strict")
    assert y.device == "strict"
    (y * y).sum().backward()
    assert x.grad.device == "cpu"
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 4.0])
    z = leaf([1.5])
    (g,) = fw.autograd.grad((z.to("strict") ** 3).sum(), z, create_graph=True)
    assert fw.autograd.grad(g.sum(), z)[0].item() == pytest.approx(9.0)


@pytest.mark.cpu("the message names two devices")
def test_devices_do_not_mix():
    with pytest.raises(
        RuntimeError, match=r"add: expected all tensors on one device, got 'cpu' and 'strict'; .*\.to\("
    ):
        fw.Tensor([1.0]) + fw.Tensor([1.0], device="strict")


def test_integers_cannot_require_a_gradient():
    with pytest.raises(TypeError, match="int64"):
        fw.Tensor([1, 2], requires_grad=True)


def test_a_result_cannot_stop_requiring_a_gradient():
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        (leaf([1.0]) * 2).requires_grad_(False)


def test_nodes_can_be_read():
    x = leaf([1.0])
    y = x * x + 1
    assert y.node.name == "add"
    assert y.node.inputs[0].name == "multiply"
    assert y.node.inputs[0].inputs[0] is x


def test_set_grad_enabled_holds_from_its_call_or_in_its_block():
    seen = []
    before = fw.set_grad_enabled(False)
    seen.append(fw.is_grad_enabled())
    with before:
        seen.append(fw.is_grad_enabled())
    seen.append(fw.is_grad_enabled())
    with before, before:
        seen.append(fw.is_grad_enabled())
    decorated = fw.set_grad_enabled(False)(fw.is_grad_enabled)
    seen += [fw.is_grad_enabled(), decorated(), fw.is_grad_enabled()]
    assert seen == [False, False, True, False, True, False, True]


@pytest.mark.parametrize("result", [False, True])
@pytest.mark.parametrize(
    ("returned", "error", "match"),
    [
        (3.0, TypeError, "must return a tensor in place of the gradient, or None, got float"),
        (np.ones(2), TypeError, "got ndarray"),
        (fw.ones(3, dtype="float64"), ValueError, r"expected shape \(2,\), float64 on '.*', got shape \(3,\)"),
        (fw.ones(2), ValueError, r"got shape \(2,\), float32"),
    ],
)
def test_what_a_hook_must_not_return(result, returned, error, match):
    a = leaf([1.0, 2.0])
    x = a * 1 if result else a
    x.register_hook(lambda g: returned)
    with pytest.raises(error, match=match):
        (x * 2).sum().backward()
    assert a.grad is None
    with pytest.raises(TypeError, match="expected a function of the gradient as the hook, got int"):
        x.register_hook(3)


@pytest.mark.parametrize("seed", [[1.0, 1.0j], np.asarray([1j, 2]), fw.asarray([1j, 2j])])
def test_a_complex_seed_of_a_real_value_is_refused(seed, device):
    x = leaf([1.0, 2.0], device=device)
    with pytest.raises(TypeError, match=r"must be real, got complex.* for float64; take its real\(\) part"):
        (x * 2).backward(seed.to(device) if isinstance(seed, fw.Tensor) else seed)


def test_a_rule_whose_gradient_has_nothing_to_do_with_its_value_is_an_error():
    from framework.autograd import primitive

    @primitive
    def turned(xp, x, /):
        return xp.permute_dims(x, (1, 0))

    turned.defvjp(lambda xp, g: g)
    for create_graph in (False, True):
        with pytest.raises(ValueError, match=r"returned shape \(3, 2\) for a value of shape \(2, 3\)"):
            turned(leaf(np.ones((2, 3)))).sum().backward(create_graph=create_graph)


def test_rules_that_do_not_fit_the_operation_are_refused():
    from framework.autograd import primitive

    @primitive
    def scaled(xp, x, w, /, *, by):
        return x * w * by

    with pytest.raises(TypeError, match="scaled: expected 2 gradient rules, one or None for each of x, w, got 1"):
        scaled.defvjp(lambda xp, g, w: g * w)
    with pytest.raises(TypeError, match="asks for 'v', but there is only by, shape, w, x, y"):
        scaled.defvjp(lambda xp, g, v: g * v, None)
