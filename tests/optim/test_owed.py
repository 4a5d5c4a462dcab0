"""Rows that owe steps: whatever is done between steps, and however a table is read, the numbers are PyTorch's."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import framework as fw
from backends._numpy import embedding, threads
from framework import nn
from framework.optim import SGD

torch = pytest.importorskip("torch")
V, D = 6, 2
OPTIONS = [
    {"momentum": 0.9, "weight_decay": 0.1},
    {"momentum": 0.9, "dampening": 0.3},
    {"momentum": 0.5, "nesterov": True, "weight_decay": 0.01},
    {"weight_decay": 0.1, "maximize": True},
    {"momentum": 0.8, "dampening": 0.5, "weight_decay": 0.2, "maximize": True},
]


@pytest.fixture(autouse=True, scope="module", params=[False, True], ids=["little", "much"])
def work(request):
    """The tables here are small: once as they are, and once as if that were much, in compiled loops if there are any."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param:
            patch.setattr(embedding, "MUCH", 1)
            patch.setattr(threads, "PART", 1)
        yield


class Pair:
    """The same table and optimizer twice: ours, and PyTorch's."""

    def __init__(self, options, seed):
        self.random = np.random.default_rng(seed)
        values = self.random.normal(size=(V, D))
        self.layer = nn.Embedding.from_pretrained(fw.asarray(values), freeze=False)
        self.theirs = torch.tensor(values, requires_grad=True)
        self.optimizer = SGD(self.layer.parameters(), lr=0.1, **options)
        self.other = torch.optim.SGD([self.theirs], lr=0.1, **options)

    def check(self, ours, theirs=None):
        theirs = self.theirs if theirs is None else theirs
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-12)

    def step(self, loss, set_to_none=True):
        """A step on ``loss(rows, table)``, which both libraries understand."""
        ids = self.random.integers(0, V, 3)
        self.step_on(
            loss(self.layer(fw.asarray(ids)), self.layer.weight),
            loss(torch.nn.functional.embedding(torch.tensor(ids), self.theirs), self.theirs),
            set_to_none,
        )

    def step_on_bags(self, **options):
        ids = self.random.integers(0, V, (2, 3))
        self.step_on(
            (fw.nn.functional.embedding_bag(fw.asarray(ids), self.layer.weight, **options) ** 2).sum(),
            (torch.nn.functional.embedding_bag(torch.tensor(ids), self.theirs, **options) ** 2).sum(),
        )

    def step_on(self, ours, theirs, set_to_none=True):
        self.optimizer.zero_grad(set_to_none)
        self.other.zero_grad(set_to_none)
        ours.backward()
        theirs.backward()
        self.optimizer.step()
        self.other.step()


def set_option(name, value):
    def change(pair):
        for optimizer in (pair.optimizer, pair.other):
            optimizer.param_groups[0][name] = value

    return change


def clip(pair):
    ours, theirs = (
        lib.nn.utils.clip_grad_norm_([p], 0.5) for lib, p in ((fw, pair.layer.weight), (torch, pair.theirs))
    )
    assert float(ours) == pytest.approx(float(theirs))


def step_on_slopes(pair):
    """A step on a gradient's square, which differentiates the composite of the bags."""
    ids = pair.random.integers(0, V, (2, 3))
    bags = fw.nn.functional.embedding_bag(fw.asarray(ids), pair.layer.weight, mode="sum")
    sums = torch.nn.functional.embedding(torch.tensor(ids), pair.theirs).sum(1)
    slopes = (
        lib.autograd.grad((bags**3).sum(), table, create_graph=True)[0]
        for lib, bags, table in ((fw, bags, pair.layer.weight), (torch, sums, pair.theirs))
    )
    pair.step_on(*((0.01 * slope**2).sum() for slope in slopes))


def step_on_weighted_bags(pair):
    ids, factors = pair.random.integers(0, V, (2, 3)), pair.random.normal(size=(2, 3))
    ours, theirs = fw.Tensor(factors, requires_grad=True), torch.tensor(factors, requires_grad=True)
    pair.step_on(
        (
            fw.nn.functional.embedding_bag(fw.asarray(ids), pair.layer.weight, mode="sum", per_sample_weights=ours) ** 2
        ).sum(),
        (
            torch.nn.functional.embedding_bag(torch.tensor(ids), pair.theirs, mode="sum", per_sample_weights=theirs)
            ** 2
        ).sum(),
    )
    pair.check(ours.grad, theirs.grad)


def scale(pair):
    with fw.no_grad(), torch.no_grad():
        pair.layer.weight.mul_(0.9)
        pair.theirs.mul_(0.9)


def write_row(pair):
    with fw.no_grad(), torch.no_grad():
        pair.layer.weight[2] = 0.5
        pair.theirs[2] = 0.5


def reload(pair):
    pair.layer.load_state_dict({name: value.clone() for name, value in pair.layer.state_dict().items()})


def replace_optimizer(pair):
    state = pair.optimizer.state_dict()
    pair.optimizer = SGD(pair.layer.parameters(), lr=1.0)
    pair.optimizer.load_state_dict(state)


def read_momentum(pair):
    for number, state in pair.other.state_dict()["state"].items():
        if state.get("momentum_buffer") is not None:
            pair.check(pair.optimizer.state_dict()["state"][number]["momentum_buffer"], state["momentum_buffer"])


ACTIONS = {
    "step": lambda pair: pair.step(lambda rows, table: (rows**2).sum()),
    "another": lambda pair: pair.step(lambda rows, table: rows.sum()),
    "zeroed": lambda pair: pair.step(lambda rows, table: rows.sum(), set_to_none=False),
    "tied": lambda pair: pair.step(lambda rows, table: ((rows @ table.T) ** 2).sum()),
    "dense": lambda pair: pair.step(lambda rows, table: (table**2).sum()),
    "bags": lambda pair: pair.step_on_bags(mode="mean"),
    "maxima of bags": lambda pair: pair.step_on_bags(mode="max"),
    "padded bags": lambda pair: pair.step_on_bags(mode="sum", padding_idx=1),
    "weighted bags": step_on_weighted_bags,
    "slopes": step_on_slopes,
    "clip": clip,
    "rate": set_option("lr", 0.05),
    "no rate": set_option("lr", 0.0),
    "no decay": set_option("weight_decay", 0.0),
    "decay": set_option("weight_decay", 0.3),
    "scale": scale,
    "write": write_row,
    "reload": reload,
    "new optimizer": replace_optimizer,
    "momentum": read_momentum,
    "detach": lambda pair: pair.check(pair.layer.weight.detach()),
    "state dict": lambda pair: pair.check(pair.layer.state_dict()["weight"]),
    "deepcopy": lambda pair: pair.check(copy.deepcopy(pair.layer).weight),
    "pickle": lambda pair: pair.check(pickle.loads(pickle.dumps(pair.layer)).weight),
    "print": lambda pair: repr(pair.layer.weight),
    "rows": lambda pair: pair.check(pair.layer(fw.asarray([1, 1, 4])), pair.theirs[[1, 1, 4]]),
    "entry": lambda pair: pair.check(pair.layer.weight[0, 1], pair.theirs[0, 1]),
}


@given(
    actions=st.lists(st.sampled_from([*ACTIONS, "step", "step", "another"]), max_size=15),
    options=st.sampled_from(OPTIONS),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_whatever_happens_between_steps(actions, options, seed):
    pair = Pair(options, seed)
    for action in actions:
        ACTIONS[action](pair)
    pair.check(pair.layer.weight)


def test_two_optimizers_may_take_turns():
    pair = Pair({"momentum": 0.9}, 0)
    second = {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.1}
    ours = (pair.optimizer, SGD(pair.layer.parameters(), **second))
    theirs = (pair.other, torch.optim.SGD([pair.theirs], **second))
    for turn in [0, 0, 1, 0, 1, 1, 0, 1]:
        pair.optimizer, pair.other = ours[turn], theirs[turn]
        ACTIONS["step"](pair)
    pair.check(pair.layer.weight)


@given(turns=st.lists(st.sampled_from([(0,), (1,), (0, 1), ()]), max_size=12), seed=st.integers(0, 99))
@settings(max_examples=30)
def test_tables_in_groups_of_their_own_may_skip_steps(turns, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, V, D))
    ours = [nn.Embedding.from_pretrained(fw.asarray(v), freeze=False).weight for v in values]
    theirs = [torch.tensor(v, requires_grad=True) for v in values]
    optimizers = [
        sgd([{"params": [tables[0]], "momentum": 0.9}, {"params": [tables[1]], "lr": 0.02}], lr=0.1, weight_decay=0.1)
        for sgd, tables in ((SGD, ours), (torch.optim.SGD, theirs))
    ]
    for turn in turns:
        for optimizer in optimizers:
            optimizer.zero_grad()
        for i in turn:
            ids = rng.integers(0, V, 3)
            (fw.nn.functional.embedding(fw.asarray(ids), ours[i]) ** 2).sum().backward()
            (torch.nn.functional.embedding(torch.tensor(ids), theirs[i]) ** 2).sum().backward()
        for optimizer in optimizers:
            optimizer.step()
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)
