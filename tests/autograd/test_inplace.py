"""In-place operations: right gradients, or an error."""

import operator

import numpy as np
import pytest

import framework as fw


def leaf(values, device=None):
    return fw.Tensor(np.asarray(values, dtype=np.float64), requires_grad=True, device=device)


def test_views_share_the_buffer():
    x = fw.zeros((2, 3))
    view = x[0]
    x += 1
    np.testing.assert_array_equal(view.numpy(), np.ones(3))
    view[1] = 5
    assert x[0, 1].item() == 5


def test_setitem_carries_both_gradients(device):
    a, v = leaf(np.arange(6.0).reshape(2, 3), device), leaf([10.0, 20.0, 30.0], device)
    x = a * 2
    x[1] = v * 3
    (x * x).sum().backward()
    np.testing.assert_array_equal(a.grad.cpu().numpy(), [[0, 8, 16], [0, 0, 0]])
    np.testing.assert_array_equal(v.grad.cpu().numpy(), 2 * 9 * np.array([10.0, 20, 30]))


@pytest.mark.parametrize("key", [np.array([True, False, True]), np.array([2, 0]), slice(0, 2), -1, ...])
def test_every_key(key, device):
    a, v = leaf([1.0, 2.0, 3.0], device), leaf(7.0, device)
    x = a * 1.0
    if isinstance(key, np.ndarray):
        key = fw.asarray(key, device=device)
    x[key] = v
    (x * fw.asarray([1.0, 10.0, 100.0], dtype="float64", device=device)).sum().backward()
    host = np.array([1.0, 10, 100])
    raw = key.cpu().numpy() if isinstance(key, fw.Tensor) else key
    mask = np.zeros(3, bool)
    mask[raw] = True
    assert v.grad.item() == host[mask].sum()
    np.testing.assert_array_equal(a.grad.cpu().numpy(), np.where(mask, 0, host))


def test_writing_a_recorded_value_into_a_plain_tensor_puts_it_in_the_graph():
    v = leaf(2.0)
    x = fw.zeros(3, dtype="float64")
    x[1] = v * v
    assert x.requires_grad
    x.sum().backward()
    assert v.grad.item() == 4.0


@pytest.mark.parametrize("name", ["add_", "sub_", "mul_", "div_"])
def test_augmented_operations_equal_plain_ones(name):
    plain = {
        "add_": lambda a, b: a + b,
        "sub_": lambda a, b: a - b,
        "mul_": lambda a, b: a * b,
        "div_": lambda a, b: a / b,
    }
    grads = []
    for in_place in (True, False):
        a, b = leaf([1.0, 2.0]), leaf([3.0, 5.0])
        x = a * 2
        x = getattr(x, name)(b) if in_place else plain[name](x, b)
        (x * x).sum().backward()
        grads.append((a.grad.numpy(), b.grad.numpy()))
    np.testing.assert_allclose(grads[0], grads[1])


@pytest.mark.parametrize("key", [0, -1, slice(1, None), (slice(None), 1), ..., (0, 1), (None, 0)])
@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "itruediv", "ipow"])
def test_augmented_assignments_of_parts(key, name, device):
    """Python reads the part, changes it in place, and writes it back into the memory that it is in already."""
    augmented, plain = getattr(operator, name), getattr(operator, name[1:])
    grads = []
    for in_place in (True, False):
        a, v = leaf(np.arange(1.0, 7.0).reshape(3, 2), device), leaf(1.5, device)
        x = a * 1.0
        if in_place:
            x[key] = augmented(x[key], v)
        else:
            x = fw.setitem(x, key, plain(x[key], v))
        grads.append([g.numpy() for g in fw.autograd.grad((x * x).sum(), [a, v])])
    for found, expected in zip(*grads):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_a_part_written_over_another_part_is_no_such_assignment():
    a = leaf([1.0, 2.0, 3.0])
    x = a * 1.0
    part = x[1:]
    part *= 2.0
    x[:2] = part
    (g,) = fw.autograd.grad((x * fw.asarray([1.0, 10.0, 100.0])).sum(), a)
    assert g.tolist() == [0.0, 2.0, 20.0 + 200.0]


def test_second_derivatives_go_through_writes():
    a = leaf([1.0, 2.0])
    x = a * 1.0
    x *= a
    x[0] = a[1] ** 3
    (g,) = fw.autograd.grad((x * x).sum(), a, create_graph=True)
    (h,) = fw.autograd.grad(g.sum(), a)
    np.testing.assert_allclose(g.detach().numpy(), [0, 6 * 2**5 + 4 * 2**3])
    np.testing.assert_allclose(h.numpy(), [0, 30 * 2**4 + 12 * 2**2])


def test_a_stale_value_is_an_error():
    a = leaf([1.0, 2.0])
    x = a * 1.0
    y = x * x
    x += 1
    with pytest.raises(RuntimeError, match=r"'multiply'.*overwritten in place.*clone\(\)"):
        y.sum().backward()


@pytest.mark.parametrize("key", [lambda i: i, lambda i: (slice(None), i), lambda i: (i, i)])
@pytest.mark.parametrize("writes", [False, True])
def test_an_index_that_was_overwritten_is_a_stale_value(key, writes, device):
    x = leaf(np.arange(9.0).reshape(3, 3), device)
    i = fw.asarray([0, 1], device=device)
    if writes:
        y = x * 1
        y[key(i)] = 5.0
    else:
        y = x[key(i)]
    i += 1
    with pytest.raises(RuntimeError, match="overwritten in place"):
        y.sum().backward()


def test_an_operation_keeps_the_output_that_its_gradient_needs():
    a = leaf([1.0])
    y = fw.exp(a)
    z = y + 0
    y += 1
    (z + y).backward()
    np.testing.assert_allclose(a.grad.numpy(), 2 * np.exp([1.0]))


def test_one_of_several_outputs_may_be_written():
    a = leaf([[2.0, 1.0], [1.0, 3.0]])
    _, vectors = fw.linalg.eigh(a)
    vectors *= fw.asarray([1.0, -1.0], dtype="float64")
    (vectors**2 * fw.asarray([[1.0, 2.0], [3.0, 5.0]], dtype="float64")).sum().backward()
    b = leaf([[2.0, 1.0], [1.0, 3.0]])
    (fw.linalg.eigh(b)[1] ** 2 * fw.asarray([[1.0, 2.0], [3.0, 5.0]], dtype="float64")).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy())


def test_an_output_overwritten_behind_the_graphs_back_stays_an_error():
    y = fw.exp(leaf([1.0]))
    y.detach()[0] = 3.0
    z = fw.reshape(y, (1, 1)) + 0
    z += 1
    with pytest.raises(RuntimeError, match="'exp'"):
        z.backward()


def test_writes_through_detached_and_raw_views_are_seen():
    a = leaf([1.0, 2.0])
    x = a * 1.0
    y = x * x
    x.detach()[0] = 5.0
    with pytest.raises(RuntimeError, match="overwritten"):
        y.sum().backward()


def test_a_write_after_backward_is_fine():
    a = leaf([1.0, 2.0])
    x = a * 1.0
    (x * x).sum().backward()
    x += 1
    np.testing.assert_array_equal(a.grad.numpy(), [2.0, 4.0])


def test_an_overwritten_value_that_no_rule_needs_is_fine():
    a = leaf([1.0, 2.0])
    x = a * 1.0
    y = x + 1
    x += 1
    y.sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), [1.0, 1.0])


def test_a_view_taken_before_a_write_cannot_be_used_after_it():
    a = leaf([1.0, 2.0])
    x = a * 1.0
    view = x[:1]
    x *= 3
    with pytest.raises(RuntimeError, match="through another view"):
        view * 2


def test_a_view_of_a_plain_tensor_written_with_a_gradient_cannot_be_used():
    v = leaf(2.0)
    x = fw.zeros(3, dtype="float64")
    view = x[1:]
    x[1] = v
    with pytest.raises(RuntimeError, match="would be lost"):
        view * 2


def test_leaves_and_views_in_the_graph_cannot_be_written():
    a = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"leaf requires a gradient.*no_grad\(\)"):
        a += 1
    with pytest.raises(RuntimeError, match="leaf requires a gradient"):
        a[0] = 1.0
    with pytest.raises(RuntimeError, match=r"is a view.*'getitem'.*of a leaf"):
        a[0:1].add_(1.0)
    np.testing.assert_array_equal(a.detach().numpy(), [1.0, 2.0])


@pytest.mark.parametrize("key", [0, slice(1, None), (..., 1), (0, slice(None, None, 2)), (1, 2), [1, 0]])
@pytest.mark.parametrize("plain", [False, True])
def test_augmented_assignment_to_a_part(key, plain, device):
    """``x[key] += v`` is ``x[key] = x[key] + v``, whether or not x was in the graph before."""
    grads = []
    for in_place in (True, False):
        a, v = leaf(np.arange(6.0).reshape(2, 3), device), leaf(2.5, device)
        x = fw.asarray(np.arange(6.0).reshape(2, 3) + 1, device=device, copy=True)
        x = x if plain else x * a
        where = fw.asarray(key, device=device) if isinstance(key, list) else key
        if in_place:
            x[where] *= v
        else:
            x[where] = (x[where] + 0) * v
        (x**3).sum().backward()
        grads.append((a.grad.cpu().numpy() if not plain else 0, v.grad.cpu().numpy(), x.detach().cpu().numpy()))
    for found, expected in zip(*grads):
        np.testing.assert_allclose(found, expected)


def test_a_write_to_a_part_of_a_part_reaches_the_whole():
    a, v = leaf(np.arange(12.0).reshape(2, 3, 2)), leaf([7.0, 11.0])
    x = a * 2
    row = x[1]
    entry = row[2]
    entry *= v
    (x**2).sum().backward()
    factor = np.ones((2, 3, 2))
    factor[1, 2] = [7, 11]
    np.testing.assert_allclose(a.grad.numpy(), 8 * np.arange(12.0).reshape(2, 3, 2) * factor**2)
    np.testing.assert_allclose(v.grad.numpy(), 2 * np.array([20.0, 22.0]) ** 2 * [7, 11])
    np.testing.assert_allclose((row * 1).detach().numpy(), x.detach().numpy()[1])


def test_another_view_of_a_part_that_was_written_is_stale():
    a = leaf([1.0, 2.0, 3.0])
    x = a * 1.0
    head, tail = x[:2], x[1:]
    head *= 3
    with pytest.raises(RuntimeError, match="another view"):
        tail * 2
    with pytest.raises(RuntimeError, match="another view"):
        tail += 1


def test_what_a_written_view_shows_is_stale():
    a = leaf([[1.0, 2.0], [3.0, 4.0]])
    x = a * 1.0
    turned = x.T
    turned *= 2
    turned.sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), [[2.0, 2.0], [2.0, 2.0]])
    with pytest.raises(RuntimeError, match="another view"):
        x * 2


def test_a_plain_write_into_a_buffer_that_is_in_the_graph_makes_it_stale():
    v = leaf(2.0)
    x = fw.zeros(2, dtype="float64")
    view = x[:]
    x[0] = v
    view[0] = 5.0
    with pytest.raises(RuntimeError, match="another view"):
        x * 2


def test_second_derivatives_go_through_parts():
    a = leaf([1.0, 2.0])
    x = a * 1.0
    x[1:] *= a[:1]
    (g,) = fw.autograd.grad((x**2).sum(), a, create_graph=True)
    (h,) = fw.autograd.grad(g.sum(), a)
    np.testing.assert_allclose(g.detach().numpy(), [2 * 1 + 2 * 1 * 4, 2 * 2 * 1])
    np.testing.assert_allclose(h.numpy(), [2 + 2 * 4 + 4 * 2, 2 + 4 * 2])


@pytest.mark.parametrize("part", [fw.real, fw.imag])
def test_the_real_and_imaginary_parts_of_a_leaf_are_views(part):
    z = fw.Tensor(np.asarray([1.0 + 2.0j]), requires_grad=True)
    w = part(z)
    with pytest.raises(RuntimeError, match="is a view"):
        w *= 2
    assert z.tolist() == [1.0 + 2.0j]


@pytest.mark.parametrize("others", [0, 1])
def test_views_taken_out_of_the_graph_may_be_read_whatever_else_was_written(others):
    kept = [fw.zeros(2) for _ in range(others)]
    for x in kept:
        x += leaf(1.0).to("float32")
    v, x = leaf(2.0), fw.zeros((2, 2), dtype="float64")
    with fw.no_grad():
        views = [x.T, x[0], *x]
    views += [x.detach().T, x.detach()[0], *x.detach()]
    x[0] = v
    assert [(view + 1).shape[0] for view in views] == [2] * 8
    assert fw.reshape(np.ones((2, 2)), (4,)).tolist() == [1.0] * 4


def test_second_derivatives_by_constants_taken_from_what_was_written():
    a, w = leaf([2.0]), leaf([3.0])
    x = a * 1
    x *= x
    (g,) = fw.autograd.grad(x.detach() * w**2, w, create_graph=True)
    assert fw.autograd.grad(g, w)[0].tolist() == [8.0]


def test_no_grad_may_write_leaves():
    a = leaf([1.0, 2.0])
    with fw.no_grad():
        a -= 0.5
        a[0] = 9.0
    np.testing.assert_array_equal(a.detach().numpy(), [9.0, 1.5])
    assert a.requires_grad
    assert a.node is None


def test_results_that_do_not_fit_are_refused_before_anything_changes():
    x = fw.asarray([1, 2])
    with pytest.raises(TypeError, match="float"):
        x += 0.5
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2,\)"):
        x += fw.ones((2, 2), dtype="int64")
    np.testing.assert_array_equal(x.numpy(), [1, 2])


def test_augmented_assignment_with_itself():
    a = leaf([2.0, 3.0])
    x = a * 1.0
    x *= x
    x.sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), [4.0, 6.0])


def test_fill_zero_copy():
    x = fw.ones((2, 2))
    x.fill_(3)
    assert x.sum().item() == 12
    x.zero_()
    assert x.sum().item() == 0
    x.copy_(fw.arange(2, dtype="float32"))
    np.testing.assert_array_equal(x.numpy(), [[0, 1], [0, 1]])


def test_many_writes_leave_nothing_behind():
    from framework.autograd import versions

    before = len(versions._writes), len(versions.mixed)
    for _ in range(10):
        x = fw.ones(3)
        x += 1
        del x
    assert (len(versions._writes), len(versions.mixed)) == before


def test_what_was_written_in_the_graph_may_be_read_outside_of_it():
    v = leaf(2.0)
    x = fw.zeros((2, 2), dtype="float64")
    x[0] = v * v
    cut = x.detach()
    assert (cut[0] * 2 + cut.T[0]).tolist() == [12.0, 8.0]
    with fw.no_grad():
        view = x.T
        assert (view @ x).tolist() == [[16.0, 16.0], [16.0, 16.0]]
    assert (view + 1).sum().item() == 12.0
    x.sum().backward()
    assert v.grad.item() == 8.0


def test_a_write_that_reads_what_it_overwrites():
    a = leaf([[1.0, 2.0], [3.0, 4.0]])
    x = a * 1
    x *= x.T
    (x * fw.asarray([[0.0, 1.0], [2.0, 3.0]])).sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), [[0.0, 9.0], [6.0, 24.0]])


def test_a_part_of_what_became_a_leaf_cannot_be_written():
    x, v = fw.asarray([1.0, 2.0]), fw.Tensor(3.0, requires_grad=True)
    part = x[:1]
    x.requires_grad_()
    with pytest.raises(RuntimeError, match="is a part of a leaf"):
        part += v
    assert x.is_leaf
    assert x.tolist() == [1.0, 2.0]


def test_a_part_that_is_a_leaf_of_its_own_can_be_written_into_its_whole():
    x = fw.zeros(3, dtype="float64")
    part = x[:1].requires_grad_()
    x[:1] = part
    (g,) = fw.autograd.grad((x + 1).sum(), part)
    assert g.tolist() == [1.0]


def test_a_stale_view_of_a_plain_tensor_cannot_be_written_elsewhere():
    v, x, y = leaf(2.0), fw.zeros(3, dtype="float64"), fw.zeros(2, dtype="float64")
    view = x[1:]
    x[1] = v
    with pytest.raises(RuntimeError, match="would be lost"):
        y[...] = view
    with fw.no_grad():
        y[...] = view
    assert y.tolist() == [2.0, 0.0]


def test_whole_numbers_are_written_without_a_gradient():
    v, x = leaf(2.5), fw.asarray([1, 2])
    x[0] = v
    assert x.tolist() == [2, 2]
    assert not x.requires_grad


@pytest.mark.parametrize("wrap", [lambda f, *a: f(*a), fw.autograd.checkpoint])
def test_a_leaf_that_was_given_other_data_is_stale(wrap):
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = wrap(lambda x: x * w, x).sum()
    w.data = np.asarray([5.0, 6.0])
    with pytest.raises(RuntimeError, match="was given other data"):
        fw.autograd.grad(y, x, create_graph=True)
