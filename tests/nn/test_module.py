"""Modules: attributes, trees, moves, copies, hooks."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import framework as fw
from framework import nn


class Net(nn.Module):
    """Every kind of member."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter([1.0, 2.0])
        self.first = nn.Linear(2, 3)
        self.register_buffer("count", fw.asarray(0))
        self.register_buffer("scratch", fw.zeros((2,)), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("absent", None)
        self.tail = nn.Sequential(nn.Tanh(), nn.Linear(3, 1, bias=False))

    def forward(self, x):
        return self.tail(self.first(x * self.scale))


NAMES = ["scale", "first.weight", "first.bias", "tail.1.weight"]


# ---------------------------------------------------------------- attributes
def test_members_are_found_by_their_type():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert next(net.named_parameters(prefix="net")) == ("net.scale", net.scale)
    assert [name for name, _ in net.named_buffers()] == ["count", "scratch"]
    assert [name for name, _ in net.named_children()] == ["first", "tail"]
    assert [name for name, _ in net.named_modules()] == ["", "first", "tail", "tail.0", "tail.1"]
    assert next(net.modules()) is net
    assert [type(module) for module in net.children()] == [nn.Linear, nn.Sequential]


def test_members_come_and_go_with_their_attributes():
    net = Net()
    net.scale = None
    del net.first
    net.extra = nn.Parameter(1.0)
    del net.count
    assert [name for name, _ in net.named_parameters()] == ["extra", "tail.1.weight"]
    assert [name for name, _ in net.named_buffers()] == ["scratch"]


def test_a_tensor_is_a_parameter_or_a_buffer():
    net = nn.Module()
    net.register_buffer("scale", fw.asarray([1.0]))
    net.scale = nn.Parameter([2.0])
    assert list(net.buffers()) == []
    assert [name for name, _ in net.named_parameters()] == list(net.state_dict()) == ["scale"]
    net.register_buffer("shift", nn.Parameter([3.0]))
    assert [name for name, _ in net.named_buffers()] == ["shift"]
    assert [name for name, _ in net.named_parameters()] == ["scale"]


def test_shared_members_come_once():
    net = nn.Module()
    net.a = nn.Linear(2, 2)
    net.b = net.a
    net.c = nn.Linear(2, 2)
    net.c.weight = net.a.weight
    assert [name for name, _ in net.named_parameters()] == ["a.weight", "a.bias", "c.bias"]
    assert len(list(net.modules())) == 3
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)] == [
        f"{m}.{p}" for m in "abc" for p in ("weight", "bias")
    ]
    assert list(net.state_dict()) == [f"{m}.{p}" for m in "abc" for p in ("weight", "bias")]


def test_looking_up_by_dotted_name():
    net = Net()
    assert net.get_submodule("tail.1") is net.tail[1]
    assert net.get_submodule("") is net
    assert net.get_parameter("first.bias") is net.first.bias
    with pytest.raises(AttributeError, match=r"no submodule 'tail.7'; it has first, tail, tail.0, tail.1"):
        net.get_submodule("tail.7")
    with pytest.raises(AttributeError, match=r"no parameter 'first.bia'; it has scale, first.weight"):
        net.get_parameter("first.bia")


class Forgetful(nn.Module):
    def __init__(self, value):
        self.layer = value
        super().__init__()


@pytest.mark.parametrize("value", [nn.Parameter(1.0), nn.Identity()], ids=["parameter", "module"])
def test_members_before_init_are_refused(value):
    with pytest.raises(AttributeError, match=r"cannot set 'layer' before super\(\).__init__\(\) .* Forgetful.__init__"):
        Forgetful(value)


def test_a_module_without_init_cannot_be_called():
    class Lazy(nn.Module):
        def __init__(self):
            pass

        def forward(self, x):
            return x

    with pytest.raises(AttributeError, match=r"cannot call the module before super\(\).__init__\(\)"):
        Lazy()(1)


def test_forward_must_be_defined():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty does not define forward\(\)"):
        Empty()(1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda m: setattr(m, "scale", fw.zeros((2,))),
            TypeError,
            "Net.scale is a Parameter.*by Tensor; assign a Param",
        ),
        (lambda m: setattr(m, "first", 3), TypeError, "Net.first is a Module, which cannot be replaced by int"),
        (lambda m: setattr(m, "count", 3), TypeError, "Net.count is a Tensor, which cannot be replaced by int"),
        (lambda m: m.register_buffer("a.b", fw.zeros((1,))), KeyError, "neither empty nor contain"),
        (lambda m: m.register_buffer("forward", fw.zeros((1,))), KeyError, "already has an attribute 'forward'"),
        (lambda m: m.register_buffer("scale", fw.zeros((1,))), KeyError, "already has an attribute 'scale'"),
        (lambda m: m.register_buffer("x", 3), TypeError, "must be a Tensor or None, got int"),
        (lambda m: m.register_parameter("x", fw.zeros((1,))), TypeError, "must be an nn.Parameter or None, got Tensor"),
        (lambda m: m.register_parameter("first", nn.Parameter(1.0)), KeyError, "already has an attribute 'first'"),
        (lambda m: m.add_module("", nn.Identity()), KeyError, "neither empty"),
        (lambda m: m.add_module("x", 3), TypeError, "must be an nn.Module or None, got int"),
        (lambda m: m.train("yes"), TypeError, "mode must be True or False, got 'yes'"),
        (lambda m: m.to("int64"), TypeError, "floating and complex dtypes only, got int64"),
        (lambda m: m.register_forward_hook(3), TypeError, "must be callable, got int"),
    ],
)
def test_bad_changes_are_refused_and_change_nothing(change, error, message):
    net = Net()
    before = dict(vars(net))
    with pytest.raises(error, match=message):
        change(net)
    del before["_hooks"]
    assert all(vars(net)[name] is value for name, value in before.items())


# ---------------------------------------------------------------- whole trees
def test_train_and_eval_reach_everything():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train() is net
    assert all(module.training for module in net.modules())


def test_apply_goes_bottom_up():
    net, seen = Net(), []
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "Tanh", "Linear", "Sequential", "Net"]


def test_zero_grad():
    net = Net()
    net(fw.ones((4, 2))).sum().backward()
    net.zero_grad(set_to_none=False)
    assert [p.grad.tolist() for p in net.parameters()] == [fw.zeros_like(p).tolist() for p in net.parameters()]
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_freezing():
    net = Net().requires_grad_(False)
    assert not net(fw.ones((1, 2))).requires_grad
    assert net.requires_grad_()(fw.ones((1, 2))).requires_grad


def test_to_keeps_the_parameters_themselves(device):
    net = Net()
    net(fw.ones((1, 2))).sum().backward()
    before, gradient = list(net.parameters()), net.scale.grad.tolist()
    assert net.to(device, fw.float64) is net
    assert [id(p) for p in net.parameters()] == [id(p) for p in before]
    assert all((p.device, p.dtype, p.requires_grad) == (device, fw.float64, True) for p in before)
    assert (net.scale.grad.device, net.scale.grad.dtype) == (device, fw.float64)
    assert net.scale.grad.tolist() == gradient
    assert (net.count.device, net.count.dtype, net.scratch.dtype) == (device, fw.int64, fw.float64)
    assert net(fw.ones((1, 2), device=device, dtype="float64")).device == device


@pytest.mark.cpu("the layers are on two devices")
def test_what_cannot_be_cast_whole_stays_as_it_is():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].to("strict")
    with pytest.raises(TypeError, match="'strict' has no dtype float16"):
        net.half()
    assert all(p.dtype == fw.float32 for p in net.parameters())


def test_other_ways_to_cast():
    net = Net()
    assert net.double().scale.dtype == fw.float64
    assert net.float().scale.dtype == fw.float32
    assert net.half().scale.dtype == fw.float16
    assert net.to(fw.zeros((1,), dtype="float64")).cpu().scale.dtype == fw.float64


def test_copies_are_independent_and_keep_sharing():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    net[0].weight.requires_grad_(False)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other[1].weight is other[0].weight is not net[0].weight
        assert type(other[0].weight) is nn.Parameter
        assert not other[0].weight.requires_grad
        assert other[0].bias.requires_grad
        assert repr(other) == repr(net)
        assert other[0].bias.tolist() == net[0].bias.tolist()
        with fw.no_grad():
            other[0].bias.fill_(7)
        assert net[0].bias.tolist() != other[0].bias.tolist()


def test_a_module_dies_by_reference_count():
    gc.disable()
    try:
        net = Net()
        y = net(fw.ones((1, 2)))
        weight = weakref.ref(net.first.weight)
        del net, y
        assert weight() is None
    finally:
        gc.enable()


# ---------------------------------------------------------------- parameters
def test_parameters_copy_what_they_are_made_of():
    source = np.ones(2)
    p = nn.Parameter(source)
    source[0] = 5
    assert p.tolist() == [1, 1]
    assert (p.requires_grad, p.is_leaf, p.dtype) == (True, True, fw.float64)
    assert type(p * 2) is type(p.detach()) is fw.Tensor


def test_integer_parameters_need_no_gradient():
    with pytest.raises(TypeError, match="int64"):
        nn.Parameter([1, 2])
    assert nn.Parameter([1, 2], requires_grad=False).dtype == fw.int64


@pytest.mark.cpu("the text names no other device")
def test_parameter_repr():
    assert repr(nn.Parameter([1.0])) == "Parameter containing:\nTensor([1.], requires_grad=True)"


# ---------------------------------------------------------------- hooks
def test_forward_hooks_see_and_replace():
    layer, seen = nn.Tanh(), []
    x = fw.asarray([1.0])
    pre = layer.register_forward_pre_hook(lambda module, args: seen.append((module, args)))
    post = layer.register_forward_hook(lambda module, args, y: seen.append((module, args, y)))
    y = layer(x)
    assert seen == [(layer, (x,)), (layer, (x,), y)]
    double = layer.register_forward_pre_hook(lambda module, args: args[0] * 2)
    less = layer.register_forward_hook(lambda module, args, y: y - 1)
    np.testing.assert_allclose(layer(x).tolist(), np.tanh([2.0]) - 1, rtol=1e-6)
    for handle in (pre, post, double, less, less):
        handle.remove()
    assert layer(x).tolist() == y.tolist()
    assert len(seen) == 4


class Product(nn.Module):
    def forward(self, a, b, scale=1.0):
        return a * b * scale, a + b


@pytest.mark.parametrize("create_graph", [False, True])
def test_backward_hooks_see_and_replace(create_graph):
    seen = []
    module = Product()
    handle = module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a, b = fw.asarray([2.0]).requires_grad_(), fw.asarray([3.0])
    product, total = module(a, b, scale=5.0)
    (product + 7 * total).sum().backward(create_graph=create_graph)
    ((grad_a, grad_b), (grad_product, grad_total)) = seen[0]
    assert (grad_a.tolist(), grad_b, grad_product.tolist(), grad_total.tolist()) == ([22.0], None, [1.0], [7.0])
    assert a.grad.tolist() == [22.0]
    handle.remove()

    module.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10, None))
    a.grad = None
    module(a, b)[0].sum().backward(create_graph=create_graph)
    assert a.grad.tolist() == [30.0]
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        ((), ValueError, "backward hook of Tanh: expected None or 1 gradients, one for each argument, got 0"),
        ((None, None), ValueError, "got 2"),
        (3, TypeError, "expected gradients as tensors or None, got int"),
        (fw.ones(3), ValueError, r"expected a gradient of shape \(2,\), got \(3,\)"),
    ],
)
def test_backward_hooks_that_return_something_else(returned, error, message):
    layer = nn.Tanh()
    layer.register_full_backward_hook(lambda m, gi, go: returned)
    with pytest.raises(error, match=message):
        layer(fw.asarray([1.0, 2.0]).requires_grad_()).sum().backward()


def test_backward_hooks_of_a_first_layer_get_no_input_gradient():
    seen = []
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    layer(fw.ones((1, 2))).sum().backward()
    assert seen == [((None,), [[1.0]])]
    with fw.no_grad():
        layer(fw.ones((1, 2)))
    assert len(seen) == 1


def test_hooks_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    results = []
    for library, make in ((fw, fw.asarray), (torch, torch.tensor)):
        seen = []
        model = library.nn.Sequential(library.nn.Tanh(), library.nn.Sigmoid())
        for layer in model:
            layer.register_full_backward_hook(
                lambda m, gi, go, seen=seen: seen.append((gi[0].tolist(), go[0].tolist()))
            )
        model(make([0.5, -1.0]).requires_grad_()).sum().backward()
        results.append(seen)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)
