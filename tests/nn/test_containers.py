"""Containers: they behave as Python's lists and dictionaries, compute in order, and print as PyTorch's."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import framework as fw
from framework import nn


def test_sequential_applies_in_order():
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 2), nn.ReLU())
    x = fw.random.randn(4, 2, 3)
    expected = model[2](model[1](x.reshape(4, 6)))
    assert model(x).tolist() == expected.tolist()


def test_sequential_indexing():
    layers = [nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)]
    model = nn.Sequential(*layers)
    assert len(model) == 3
    assert list(model) == layers
    assert model[-1] is layers[2]
    assert list(model[1:]) == layers[1:]
    assert list(model[1:].state_dict()) == ["2.weight", "2.bias"]
    model[1] = nn.ReLU()
    assert type(model[1]) is nn.ReLU
    model.append(nn.Sigmoid()).extend([nn.Tanh()])
    model.insert(1, nn.Identity())
    assert [type(m).__name__ for m in model] == ["Linear", "Identity", "ReLU", "Linear", "Sigmoid", "Tanh"]
    assert type(model.pop()) is nn.Tanh
    del model[1:3]
    assert [name for name, _ in model.named_children()] == ["0", "1", "2"]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_sequential_with_names():
    model = nn.Sequential(OrderedDict(encode=nn.Linear(2, 3), act=nn.Tanh()))
    assert list(model.state_dict()) == ["encode.weight", "encode.bias"]
    assert model[0] is model.encode
    assert model(fw.zeros((1, 2))).shape == (1, 3)
    del model[0]
    assert [name for name, _ in model.named_children()] == ["act"]


def test_the_same_module_twice():
    act = nn.Tanh()
    model = nn.Sequential(act, act)
    assert len(model) == 2
    x = fw.asarray([0.5])
    assert model(x).tolist() == fw.tanh(fw.tanh(x)).tolist()


def test_empty_containers():
    x = fw.asarray([0.5])
    assert nn.Sequential()(x) is x
    assert (len(nn.ModuleList()), len(nn.ModuleDict())) == (0, 0)


def test_module_list():
    layers = nn.ModuleList(nn.Linear(i + 1, 1) for i in range(12))
    assert [layer.in_features for layer in layers] == list(range(1, 13))
    layers.insert(0, nn.Identity())
    assert [name for name, _ in layers.named_children()] == [str(i) for i in range(13)]
    assert layers[11].in_features == 11
    layers += [nn.Tanh()]
    assert type(layers[-1]) is nn.Tanh
    more = layers + list(nn.Sequential(nn.Tanh()))
    assert (type(more), len(more)) == (nn.ModuleList, 15)
    assert len(layers) == 14
    assert type(layers[:2]) is nn.ModuleList
    with pytest.raises(NotImplementedError, match="ModuleList does not define forward"):
        layers(1)


def test_module_dict():
    modules = nn.ModuleDict([("a", nn.Tanh()), ("b", nn.Linear(1, 1))])
    modules.update({"a": nn.ReLU()})
    assert modules.keys() == ["a", "b"]
    assert type(modules["a"]) is nn.ReLU
    assert "b" in modules
    assert "c" not in modules
    assert list(modules) == ["a", "b"]
    assert [type(m) for m in modules.values()] == [nn.ReLU, nn.Linear]
    assert type(modules.pop("a")) is nn.ReLU
    assert len(modules) == 1
    modules.clear()
    assert modules.items() == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Sequential(nn.Tanh(), 3), TypeError, "Sequential expects nn.Module instances, got int 3"),
        (lambda: nn.Sequential(nn.Tanh)(1), TypeError, "got type <class"),
        (lambda: nn.ModuleList([nn.Tanh()])[1], IndexError, "index 1 is out of range for 1 modules"),
        (lambda: nn.ModuleList([nn.Tanh()])["0"], TypeError, "ModuleList: expected an integer as index here, got '0'"),
        (lambda: nn.Sequential().__setitem__(slice(0, 1), []), TypeError, "expected an integer as index"),
        (lambda: nn.ModuleDict({"a": nn.Tanh()})["b"], KeyError, "no module 'b'; it has 'a'"),
        (lambda: nn.ModuleDict({"training": nn.Tanh()}), KeyError, "already has an attribute 'training'"),
        (lambda: nn.ModuleDict({"a.b": nn.Tanh()}), KeyError, "contain"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_part_grows_without_losing_a_module():
    part = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Tanh())[1:]
    part.append(nn.Sigmoid()).extend([nn.SiLU()])
    assert [type(m) for m in part] == [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.SiLU]
    part.insert(1, nn.GELU())
    assert [type(m) for m in part] == [nn.ReLU, nn.GELU, nn.Tanh, nn.Sigmoid, nn.SiLU]


@pytest.mark.parametrize(
    ("container", "grow"),
    [
        (nn.Sequential(nn.Tanh()), lambda c: c.extend([nn.ReLU(), 3])),
        (nn.ModuleList([nn.Tanh()]), lambda c: c.__iadd__([nn.ReLU(), 3])),
        (nn.ModuleDict({"a": nn.Tanh()}), lambda c: c.update({"b": nn.ReLU(), "c": 3})),
        (nn.ModuleDict({"a": nn.Tanh()}), lambda c: c.update({"b": nn.ReLU(), "training": nn.ReLU()})),
    ],
)
def test_what_does_not_fit_whole_is_not_taken_in_part(container, grow):
    with pytest.raises((TypeError, KeyError)):
        grow(container)
    assert [type(m) for m in container.children()] == [nn.Tanh]


def test_a_module_dict_of_another():
    heads = nn.ModuleDict({"tag": nn.Linear(1, 1)})
    copied = nn.ModuleDict(heads)
    assert copied["tag"] is heads["tag"]
    copied.update(nn.ModuleDict({"word": nn.Tanh()}))
    assert copied.keys() == ["tag", "word"]


def build(nn):
    """Modules whose repr is compared, from either library."""

    class Lines(nn.Module):
        def __init__(self, child=False):
            super().__init__()
            if child:
                self.child = nn.Identity()

        def extra_repr(self):
            return "one,\ntwo"

    return [
        nn.Sequential(
            nn.Linear(2, 8), nn.Tanh(), nn.Sequential(nn.ReLU(), nn.ReLU(inplace=True)), nn.Linear(8, 1, False)
        ),
        nn.Sequential(OrderedDict(a=nn.Softmax(dim=1), b=nn.LogSoftmax(dim=-1), c=nn.Sequential())),
        nn.ModuleList(
            [nn.Linear(1, 1), nn.Linear(1, 1), nn.Tanh(), nn.Sequential(nn.Tanh()), nn.Sequential(nn.Tanh())]
        ),
        nn.ModuleDict({"x": nn.ModuleList(), "y": nn.ModuleDict(), "z": nn.Dropout(0.2)}),
        nn.Sequential(nn.Flatten(), nn.Flatten(0, 1), nn.Unflatten(1, (2, 3)), nn.Identity(3), nn.Sigmoid()),
        nn.Sequential(nn.LeakyReLU(0.2), nn.ELU(), nn.Softplus(), nn.Hardtanh(), nn.SiLU(), nn.LogSigmoid(), nn.GELU()),
        nn.ModuleList([nn.MSELoss(), nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss(), nn.KLDivLoss(), nn.BCELoss()]),
        nn.ModuleList([nn.CrossEntropyLoss(), nn.NLLLoss(), nn.BCEWithLogitsLoss()]),
        Lines(),
        Lines(child=True),
    ]


def test_print_is_pytorchs():
    torch = pytest.importorskip("torch")
    assert [repr(module) for module in build(nn)] == [repr(module) for module in build(torch.nn)]
