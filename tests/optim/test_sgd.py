"""SGD: PyTorch's numbers, and row-sparse steps equal to dense ones."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import framework as fw
from framework.ops.embedding import embedding
from framework.optim import SGD
from framework.optim import owed as owed_module

V, D = 11, 3
OPTIONS = [
    {},
    {"momentum": 0.9},
    {"weight_decay": 0.1},
    {"momentum": 0.9, "weight_decay": 0.1},
    {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    {"momentum": 0.9, "weight_decay": 0.1, "dampening": 0.3},
    {"momentum": 0.5, "weight_decay": 0.2, "maximize": True},
]


def train(w, optimizer, batches, *, dense=False, rates=None):
    """Steps on batches of (ids, factors); the loss is quadratic, so a stale row would show."""
    for t, (ids, factors) in enumerate(batches):
        if rates is not None:
            optimizer.param_groups[0]["lr"] = rates[t]
        optimizer.zero_grad()
        (embedding(ids, w) ** 2 * factors).sum().backward()
        if dense:
            assert w.grad.shape == (V, D)
        optimizer.step()


def make_batches(steps, seed=0, low=0, shape=(2, 2)):
    rng = np.random.default_rng(seed)
    return [(rng.integers(low, V, shape), fw.asarray(rng.normal(size=(*shape, D)))) for _ in range(steps)]


def table(seed=0):
    return np.random.default_rng(seed).normal(size=(V, D))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_sparse_steps_equal_pytorchs_dense_ones(options):
    torch = pytest.importorskip("torch")
    rates = [0.05 * (1 + 0.2 * (t % 3)) for t in range(40)]
    ours = fw.Tensor(table(), requires_grad=True)
    batches = make_batches(40)
    train(ours, SGD([ours], lr=0.05, **options), batches, rates=rates)
    theirs = torch.tensor(table(), requires_grad=True)
    optimizer = torch.optim.SGD([theirs], lr=0.05, **options)
    for (ids, factors), lr in zip(batches, rates):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        rows = torch.nn.functional.embedding(torch.tensor(ids), theirs)
        (rows**2 * torch.tensor(factors.numpy())).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("shape", [(2, 2), (8, 4)], ids=["few ids", "more ids than rows"])
@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_sparse_equals_dense_with_its_state(options, shape, device):
    states = []
    for dense in (False, True):
        w = fw.Tensor(table(), requires_grad=True, device=device)
        optimizer = SGD([w], lr=0.1, **options)
        batches = [
            (fw.asarray(i, device=device), fw.asarray(f, device=device)) for i, f in make_batches(12, shape=shape)
        ]
        train(w, optimizer, batches, dense=dense)
        saved = optimizer.state_dict()["state"]
        states.append((w.detach().cpu().numpy(), saved[0]["momentum_buffer"].cpu().numpy() if saved else 0))
    np.testing.assert_allclose(states[0][0], states[1][0], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(states[0][1], states[1][1], rtol=1e-12, atol=1e-13)


def test_the_table_of_products_may_overflow(monkeypatch):
    monkeypatch.setattr(owed_module, "CAPACITY", 5)
    results = []
    for dense in (False, True):
        w = fw.Tensor(table(), requires_grad=True)
        train(w, SGD([w], lr=0.1, momentum=0.9, weight_decay=0.1), make_batches(23), dense=dense)
        results.append(w.detach().numpy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


@given(st.lists(st.sampled_from(["sparse", "dense", "read", "save", "none", "replace"]), min_size=1, max_size=12))
def test_sparse_and_dense_steps_may_alternate(kinds):
    results = []
    for always_dense in (False, True):
        w = fw.Tensor(table(), requires_grad=True)
        optimizer = SGD([w], lr=0.1, momentum=0.8, weight_decay=0.05)
        for t, kind in enumerate(kinds):
            if kind == "read":
                w.detach().numpy().sum()
            elif kind == "save":
                optimizer.load_state_dict(optimizer.state_dict())
            elif kind == "none":
                optimizer.zero_grad()
                optimizer.step()
            elif kind == "replace":
                w.data = w.data.copy()
            else:
                train(w, optimizer, make_batches(1, seed=t), dense=always_dense or kind == "dense")
        results.append(w.detach().numpy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


@pytest.mark.cpu("looks at NumPy's array below")
def test_rows_wait_until_they_are_read():
    w = fw.Tensor(table(), requires_grad=True)
    optimizer = SGD([w], lr=0.1, momentum=0.9)
    before = w.data
    fresh = table()
    train(w, optimizer, [(np.array([[1]]), np.ones((1, 1, D))), (np.array([[2]]), np.ones((1, 1, D)))])
    behind = before[1].copy()
    read = embedding(np.array([[3, 1]]), w).detach().numpy()[0]
    assert (read[0] == fresh[3]).all()
    assert (before[1] == behind).all()
    assert (read[1] != behind).all()
    assert w.data is before
    np.testing.assert_allclose(before[1], read[1], rtol=1e-14)


def test_gradients_accumulate_before_a_step():
    grads = []
    for together in (True, False):
        w = fw.Tensor(table(), requires_grad=True)
        a, b = make_batches(2)
        if together:
            ((embedding(a[0], w) * a[1]).sum() + (embedding(b[0], w) * b[1]).sum()).backward()
        else:
            (embedding(a[0], w) * a[1]).sum().backward()
            (embedding(b[0], w) * b[1]).sum().backward()
        grads.append(w.grad.numpy())
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-14)


def test_a_table_used_densely_too_gets_both_gradients():
    w = fw.Tensor(table(), requires_grad=True)
    ((embedding(np.array([1, 1, 4]), w) * 2).sum() + (w * 3).sum()).backward()
    expected = np.full((V, D), 3.0)
    expected[1] += 4
    expected[4] += 2
    np.testing.assert_array_equal(w.grad.numpy(), expected)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_dense_steps_equal_pytorchs(options):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(2).normal(size=(4, 3))
    ours, theirs = fw.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    mine, other = SGD([ours], lr=0.1, **options), torch.optim.SGD([theirs], lr=0.1, **options)
    for _ in range(6):
        for w, optimizer in ((ours, mine), (theirs, other)):
            optimizer.zero_grad()
            ((w**2).sum() * 0.5 + (w * w * w).sum() * 0.1).backward()
            optimizer.step()
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-12)


def test_state_dict_continues_where_it_was():
    batches = make_batches(10)
    whole = fw.Tensor(table(), requires_grad=True)
    train(whole, SGD([whole], lr=0.1, momentum=0.9), batches)
    first = fw.Tensor(table(), requires_grad=True)
    optimizer = SGD([first], lr=0.1, momentum=0.9)
    train(first, optimizer, batches[:5])
    second = fw.Tensor(first.detach(), requires_grad=True)
    resumed = SGD([second], lr=7.0)
    resumed.load_state_dict(optimizer.state_dict())
    train(second, resumed, batches[5:])
    np.testing.assert_allclose(second.detach().numpy(), whole.detach().numpy(), rtol=1e-12)


def test_state_dicts_have_pytorchs_shape():
    torch = pytest.importorskip("torch")
    w = fw.Tensor([1.0], requires_grad=True)
    v = torch.ones(1, requires_grad=True)
    states = []
    for p, optimizer in ((w, SGD([w], lr=0.1, momentum=0.9)), (v, torch.optim.SGD([v], lr=0.1, momentum=0.9))):
        (p * 2).sum().backward()
        optimizer.step()
        states.append(optimizer.state_dict())
    ours, theirs = states
    assert set(ours) == set(theirs)
    assert set(ours["state"][0]) == set(theirs["state"][0])
    assert set(ours["param_groups"][0]) <= set(theirs["param_groups"][0])


def test_groups_have_options_of_their_own():
    a, b = (fw.Tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = SGD([{"params": [a]}, {"params": [b], "lr": 1.0}], lr=0.1)
    (a + b).sum().backward()
    optimizer.step()
    assert a.item() == pytest.approx(0.9)
    assert b.item() == pytest.approx(0.0)


def test_parameters_without_a_gradient_stay():
    a = fw.Tensor([1.0], requires_grad=True)
    SGD([a], lr=0.1, weight_decay=1.0).step()
    assert a.item() == 1.0


def test_frozen_parameters_stay_until_they_are_thawed():
    """As in PyTorch: of a model whose embedding came from a file, say, all parameters are given."""
    model = fw.nn.Sequential(fw.nn.Embedding.from_pretrained(np.ones((3, 2))), fw.nn.Linear(2, 1, dtype="float64"))
    table, weight, _ = model.parameters()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.5)

    def step():
        optimizer.zero_grad()
        model(fw.asarray([0, 2])).sum().backward()
        optimizer.step()

    before = weight.tolist()
    step()
    assert table.tolist() == np.ones((3, 2)).tolist()
    assert weight.tolist() != before
    table.requires_grad_()
    step()
    assert table.tolist()[0] != [1.0, 1.0]
    optimizer.load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda w: SGD([], lr=0.1), ValueError, "no parameters"),
        (lambda w: SGD(w, lr=0.1), TypeError, "iterable"),
        (lambda w: SGD([w, w], lr=0.1), ValueError, "given twice"),
        (lambda w: SGD([w.detach()], lr=0.1), ValueError, "no parameter requires a gradient"),
        (lambda w: SGD([w * 2], lr=0.1), ValueError, "only leaves"),
        (lambda w: SGD([3.0], lr=0.1), TypeError, "must be a Tensor"),
        (lambda w: SGD([w], lr=-1), ValueError, "lr must be a number of at least 0, got -1"),
        (lambda w: SGD([w], lr=0.1, nesterov=True), ValueError, "nesterov needs momentum"),
        (lambda w: SGD([{"params": [w], "rl": 1}], lr=0.1), TypeError, "unknown option 'rl'"),
        (lambda w: SGD({w}, lr=0.1), TypeError, "must come in an order"),
        (lambda w: SGD([{"params": {w}}], lr=0.1), TypeError, "must come in an order"),
        (lambda w: SGD([w], lr=0.1, dampening=float("nan")), ValueError, "dampening must be a finite number, got nan"),
        (lambda w: SGD([w], lr=0.1, dampening="0.1"), ValueError, "dampening must be a finite number"),
        (lambda w: SGD([w], lr=0.1, maximize="no"), ValueError, "maximize must be True or False, got 'no'"),
    ],
)
def test_mistakes_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make(fw.Tensor([1.0], requires_grad=True))


def test_a_state_of_another_model_is_refused_and_changes_nothing():
    a, b = fw.Tensor([1.0, 2.0], requires_grad=True), fw.Tensor([1.0], requires_grad=True)
    first, second = SGD([a], lr=0.1, momentum=0.9), SGD([b], lr=0.5, momentum=0.5)
    a.sum().backward()
    first.step()
    with pytest.raises(ValueError, match="shape"):
        second.load_state_dict(first.state_dict())
    assert second.param_groups[0]["lr"] == 0.5
    assert not second.state


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: s["param_groups"][0].update(lr=-1.0), ValueError, "lr must be a number of at least 0"),
        (lambda s: s["state"].update({7: {}}), ValueError, "state of parameter 7"),
        (lambda s: s.pop("state"), TypeError, "with the keys 'state' and 'param_groups'"),
        (lambda s: s["param_groups"][0].pop("params"), TypeError, "a list of groups with their 'params'"),
        (lambda s: s["state"].update({0: 3.0}), TypeError, "a dict by number"),
        (lambda s: s["state"][0].update(momentum_buffer=1.5), ValueError, "must be an array, got float 1.5"),
        (lambda s: s["state"][0].update(momentum_buffer=np.array(1.5)), ValueError, r"has shape \(\), its parameter"),
        (
            lambda s: s["state"][0].update(momentum_buffer=table() * 1j),
            ValueError,
            "is complex128, its parameter float64",
        ),
        (lambda s: s["state"][0].update(exp_avg=1.0), ValueError, "has 'exp_avg', so it is another optimizer's"),
    ],
)
def test_a_broken_state_dict_is_refused_and_changes_nothing(change, error, words):
    w = fw.Tensor(table(), requires_grad=True)
    optimizer = SGD([w], lr=0.1, momentum=0.9)
    train(w, optimizer, make_batches(3))
    before = optimizer.state_dict()
    broken = copy.deepcopy(before)
    change(broken)
    with pytest.raises(error, match=words):
        optimizer.load_state_dict(broken)
    assert repr(optimizer.state_dict()) == repr(before)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_of_table_and_optimizer_go_on_as_the_originals(duplicate):
    w = fw.Tensor(table(), requires_grad=True)
    optimizer = SGD([w], lr=0.1, momentum=0.9, weight_decay=0.1)
    train(w, optimizer, make_batches(3))
    twin, other = duplicate((w, optimizer))
    assert other.param_groups[0]["params"][0] is twin
    for table_, stepper in ((w, optimizer), (twin, other)):
        train(table_, stepper, make_batches(3, seed=1))
    np.testing.assert_array_equal(twin.detach().numpy(), w.detach().numpy())


def test_pytorchs_state_dict_is_continued():
    torch = pytest.importorskip("torch")
    theirs = torch.tensor(table(), requires_grad=True)
    other = torch.optim.SGD([theirs], lr=0.1, momentum=0.9)
    (theirs**2).sum().backward()
    other.step()
    ours = fw.Tensor(theirs.detach().numpy(), requires_grad=True)
    optimizer = SGD([ours], lr=0.5)
    optimizer.load_state_dict(other.state_dict())
    ours.grad = fw.asarray(theirs.grad.numpy())
    other.step()
    optimizer.step()
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-12)


def test_a_closure_is_recorded_inside_no_grad():
    w = fw.Tensor([1.0, 2.0], requires_grad=True)
    optimizer = SGD([w], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with fw.no_grad():
        assert optimizer.step(closure).item() == 5.0
    assert w.tolist() == [0.5, 1.0]


def test_gradients_set_to_zero_are_zero_whatever_they_were():
    layer = fw.nn.Linear(2, 1, bias=False)
    for owner in (SGD(layer.parameters(), lr=0.1), layer):
        layer.weight.grad = fw.asarray([[np.nan, np.inf]])
        owner.zero_grad(set_to_none=False)
        assert layer.weight.grad.tolist() == [[0.0, 0.0]]


def test_numbers_of_numpy_leave_the_dtype_alone():
    w = fw.Tensor([1.0, 2.0], requires_grad=True)
    optimizer = SGD([w], lr=np.float64(0.1), momentum=np.float32(0.5), weight_decay=np.float64(0.1))
    (w * w).sum().backward()
    optimizer.step()
    assert optimizer.state[w]["momentum_buffer"].dtype == w.dtype == fw.float32


@pytest.mark.cpu("the message names two devices")
def test_a_model_moved_away_from_its_state_is_an_error_that_says_so():
    w = fw.Tensor(table(), requires_grad=True)
    optimizer = SGD([w], lr=0.1, momentum=0.9)
    (w * w).sum().backward()
    optimizer.step()
    moved = w.detach().to("strict")
    w.data, w.backend, w.grad = moved.data, moved.backend, moved
    with pytest.raises(RuntimeError, match=r"'strict'.*'momentum_buffer' on 'cpu'.*load_state_dict"):
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step()
