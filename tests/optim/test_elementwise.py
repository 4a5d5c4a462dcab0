"""Adam, AdamW, RMSprop and Adagrad: PyTorch's numbers, states and options; row-sparse gradients as dense ones."""

import numpy as np
import pytest

import framework as fw
from framework import optim
from framework.ops.embedding import embedding
from framework.optim import elementwise

V, D = 9, 3
CASES = [
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "betas": (0.5, 0.6)}),
    ("Adam", {"lr": 0.1, "maximize": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.7, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.05, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.05, "momentum": 0.9, "centered": True, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.05, "centered": True, "maximize": True, "alpha": 0.5}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.1, "maximize": True}),
]
cases = pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value))


def values(seed=0, shape=(V, D)):
    return np.random.default_rng(seed).normal(size=shape)


def batches(steps, low=0, high=V):
    rng = np.random.default_rng(1)
    return [(rng.integers(low, high, (2, 2)), fw.asarray(rng.normal(size=(2, 2, D)))) for _ in range(steps)]


def train(w, optimizer, lookup, given):
    for ids, factors in given:
        optimizer.zero_grad()
        (lookup(ids, w) ** 2 * factors).sum().backward()
        optimizer.step()


@cases
def test_numbers_and_states_are_pytorchs(name, options):
    torch = pytest.importorskip("torch")
    ours, theirs = fw.Tensor(values(), requires_grad=True), torch.tensor(values(), requires_grad=True)
    mine, other = getattr(optim, name)([ours], **options), getattr(torch.optim, name)([theirs], **options)
    given = batches(12)
    train(ours, mine, embedding, given)
    as_torch = [(torch.tensor(ids), torch.tensor(factors.numpy())) for ids, factors in given]
    train(theirs, other, torch.nn.functional.embedding, as_torch)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
    state, expected = mine.state_dict(), other.state_dict()
    assert set(state["state"][0]) == set(expected["state"][0])
    assert set(state["param_groups"][0]) <= set(expected["param_groups"][0])
    for key, value in expected["state"][0].items():
        np.testing.assert_allclose(np.asarray(state["state"][0][key]), value.numpy(), rtol=1e-10, atol=1e-14)


@cases
@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_row_sparse_gradients_give_the_dense_result(name, options, device):
    results = []
    for dense in (False, True):
        w = fw.Tensor(values(), requires_grad=True, device=device)
        optimizer = getattr(optim, name)([w], **options)
        for ids, factors in batches(8, high=5):
            optimizer.zero_grad()
            ids, factors = fw.asarray(ids, device=device), factors.to(device)
            (embedding(ids, w) ** 2 * factors).sum().backward()
            if dense:
                assert w.grad.shape == (V, D)
            optimizer.step()
        results.append(w.detach().cpu().numpy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-13)


def test_adagrad_touches_no_other_row():
    w = fw.Tensor(values(), requires_grad=True)
    w.data[5:] = np.nan  # would spread through any dense step's norm or copy of untouched rows
    optimizer = optim.Adagrad([w])
    train(w, optimizer, embedding, [(np.array([[1]]), fw.ones((1, 1, D), dtype="float64"))])
    assert type(w._grad) is fw.autograd.RowSparse
    assert np.isfinite(w.data[:5]).all()


@cases
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (7, 5), (2, 3, 4)], ids=str)
def test_steps_in_blocks_equal_whole_ones(name, options, shape, monkeypatch):
    results = []
    for block in (1 << 20, 4):
        monkeypatch.setattr(elementwise, "BLOCK", block)
        w = fw.Tensor(values(shape=shape), requires_grad=True)
        optimizer = getattr(optim, name)([w], **options)
        for _ in range(3):
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()
        results.append(w.detach().numpy())
    np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "Adagrad"])
@pytest.mark.cpu("shares memory with NumPy")
def test_non_contiguous_parameters_are_written_in_place(name):
    whole = values(shape=(4, 6))
    w = fw.asarray(whole.T[::2], copy=False).requires_grad_()
    assert w.data.base is not None
    before = whole.copy()
    optimizer = getattr(optim, name)([w])
    (w * w).sum().backward()
    optimizer.step()
    assert (whole[:, ::2] != before[:, ::2]).all()
    assert (whole[:, 1::2] == before[:, 1::2]).all()


@cases
def test_a_resumed_run_goes_on_bit_for_bit(name, options):
    given = batches(10)
    whole = fw.Tensor(values(), requires_grad=True)
    train(whole, getattr(optim, name)([whole], **options), embedding, given)
    first = fw.Tensor(values(), requires_grad=True)
    optimizer = getattr(optim, name)([first], **options)
    train(first, optimizer, embedding, given[:4])
    second = fw.Tensor(first.detach(), requires_grad=True)
    resumed = getattr(optim, name)([second])
    resumed.load_state_dict(optimizer.state_dict())
    train(second, resumed, embedding, given[4:])
    np.testing.assert_array_equal(second.detach().numpy(), whole.detach().numpy())


def test_pytorchs_state_is_taken_over():
    torch = pytest.importorskip("torch")
    theirs = torch.tensor(values(), requires_grad=True)
    other = torch.optim.Adam([theirs], lr=0.1)
    train(theirs, other, torch.nn.functional.embedding, [(torch.tensor([[1, 2]]), torch.ones(1, 2, D))])
    state = other.state_dict()
    state["state"] = {0: {key: fw.asarray(value.numpy()) for key, value in state["state"][0].items()}}
    ours = fw.Tensor(theirs.detach().numpy(), requires_grad=True)
    mine = optim.Adam([ours])
    mine.load_state_dict(state)
    train(ours, mine, embedding, [(np.array([[1, 3]]), fw.ones((1, 2, D), dtype="float64"))])
    train(theirs, other, torch.nn.functional.embedding, [(torch.tensor([[1, 3]]), torch.ones(1, 2, D))])
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize(("name", "options"), [("SGD", {"momentum": 0.9}), ("Adam", {}), ("Adagrad", {})])
def test_pytorchs_state_of_one_number_is_taken_over(name, options):
    torch = pytest.importorskip("torch")
    theirs, ours = torch.tensor(2.0, requires_grad=True), fw.Tensor(2.0, requires_grad=True)
    other = getattr(torch.optim, name)([theirs], lr=0.1, **options)
    mine = getattr(optim, name)([ours], lr=0.5)
    for step in range(3):
        for w, optimizer in ((theirs, other), (ours, mine)):
            if step or w is theirs:
                optimizer.zero_grad()
                (w * w).backward()
                optimizer.step()
        if not step:
            mine.load_state_dict(other.state_dict())
            ours.detach()[...] = theirs.item()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)


def test_groups_have_options_of_their_own():
    a, b = (fw.Tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.Adam([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
    (a + b).sum().backward()
    optimizer.step()
    assert [a.item(), b.item()] == pytest.approx([0.9, 0.5])


def test_the_gradient_stays_as_it_was():
    for name, options in CASES:
        w = fw.Tensor(values(), requires_grad=True)
        (w * w).sum().backward()
        before = w.grad.numpy().copy()
        getattr(optim, name)([w], **options).step()
        np.testing.assert_array_equal(w.grad.numpy(), before)


def test_a_backward_after_the_step_knows_of_the_write():
    w = fw.Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    optim.Adam([w]).step()
    with pytest.raises(RuntimeError, match="overwritten in place"):
        loss.backward()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda w: optim.Adam([w], lr=-1), ValueError, "Adam: lr must be a number of at least 0, got -1"),
        (lambda w: optim.Adam([w], betas=(0.9, 1.0)), ValueError, "betas must be two numbers in"),
        (lambda w: optim.Adam([w], betas=0.9), ValueError, "betas must be two numbers in"),
        (lambda w: optim.Adam([w], betas=(0.9, "0.999")), ValueError, "betas must be two numbers in"),
        (lambda w: optim.Adam([w], amsgrad=None), ValueError, "Adam: amsgrad must be True or False, got None"),
        (lambda w: optim.RMSprop([w], centered="no"), ValueError, "RMSprop: centered must be True or False"),
        (lambda w: optim.Adagrad([w], maximize=1), ValueError, "Adagrad: maximize must be True or False"),
        (lambda w: optim.AdamW([w], eps=-1), ValueError, "AdamW: eps"),
        (lambda w: optim.RMSprop([w], alpha=-1), ValueError, "RMSprop: alpha"),
        (lambda w: optim.Adagrad([w], lr_decay=-1), ValueError, "Adagrad: lr_decay"),
        (lambda w: optim.Adam([fw.Tensor([1j], requires_grad=True)]), TypeError, "complex"),
    ],
)
def test_mistakes_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make(fw.Tensor([1.0], requires_grad=True))


@pytest.mark.parametrize("step", ["a", float("nan"), -1, 0.5])
def test_a_count_that_is_none_is_refused(step):
    w = fw.Tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([w])
    (w * w).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    state["state"][0]["step"] = step
    with pytest.raises(ValueError, match="Adam: saved 'step' must be an integer of at least 0"):
        optimizer.load_state_dict(state)
    assert optimizer.state[w]["step"] == 1


def test_another_optimizers_state_is_refused():
    w = fw.Tensor([1.0], requires_grad=True)
    (w * w).sum().backward()
    other = optim.Adagrad([w])
    other.step()
    mine = optim.Adam([w], lr=0.5)
    with pytest.raises(ValueError, match="lacks 'exp_avg'"):
        mine.load_state_dict(other.state_dict())
    assert mine.param_groups[0]["lr"] == 0.5
