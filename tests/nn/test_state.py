"""State dicts: PyTorch's keys, all or nothing, errors that list every problem."""

from __future__ import annotations

import numpy as np
import pytest

import framework as fw
from framework import nn


def make_net(library=nn, **options):
    class Net(library.Module):
        def __init__(self):
            super().__init__()
            self.body = library.Sequential(library.Linear(2, 3, **options), library.ReLU())
            self.heads = library.ModuleDict({"a": library.Linear(3, 1, **options), "b": library.Identity()})
            self.more = library.ModuleList([library.Linear(3, 2, bias=False, **options) for _ in range(2)])

        def forward(self, x):
            h = self.body(x)
            return self.heads["a"](h), self.more[1](h)

    return Net()


KEYS = ["body.0.weight", "body.0.bias", "heads.a.weight", "heads.a.bias", "more.0.weight", "more.1.weight"]


def test_values_are_detached_and_share_memory():
    net = make_net()
    state = net.state_dict()
    assert list(state) == KEYS
    assert all(type(x) is fw.Tensor and not x.requires_grad for x in state.values())
    with fw.no_grad():
        net.heads["a"].bias.fill_(5)
    assert state["heads.a.bias"].tolist() == [5.0]
    assert net.state_dict(keep_vars=True)["body.0.bias"] is net.body[0].bias
    assert next(iter(net.state_dict(prefix="net."))) == "net.body.0.weight"


def test_round_trip(device):
    source, target = make_net().double(), make_net().to(device)
    before = dict(target.named_parameters())
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    for name, p in target.named_parameters():
        assert p is before[name]
        assert (p.device, p.dtype, p.requires_grad) == (device, fw.float32, True)
        np.testing.assert_array_equal(
            p.detach().cpu().numpy(), source.get_parameter(name).detach().to("float32").numpy()
        )


def test_buffers():
    def make(value):
        module = nn.Module()
        module.register_buffer("num_batches_tracked", fw.asarray(value))
        module.register_buffer("cache", fw.zeros((1,)), persistent=False)
        module.register_buffer("unset", None)
        return module

    module = make(0)
    assert list(module.state_dict()) == ["num_batches_tracked"]
    module.load_state_dict(make(3).state_dict())
    assert module.num_batches_tracked.item() == 3
    assert module.num_batches_tracked.dtype == fw.int64


def test_with_pytorch_in_both_directions():
    torch = pytest.importorskip("torch")
    theirs, ours = make_net(torch.nn, dtype=torch.float64), make_net(dtype="float64")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).normal(size=(4, 2))
    for a, b in zip(ours(fw.asarray(x)), theirs(torch.tensor(x))):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)
    fresh = make_net(dtype="float64")
    theirs.load_state_dict({name: torch.tensor(x.numpy()) for name, x in fresh.state_dict().items()})
    for a, b in zip(fresh(fw.asarray(x)), theirs(torch.tensor(x))):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


def test_every_problem_is_listed_and_nothing_is_loaded():
    net = make_net()
    before = {name: x.numpy().copy() for name, x in net.state_dict().items()}
    state = {name: np.full(x.shape, 9.0) for name, x in before.items()}
    del state["body.0.bias"], state["more.1.weight"]
    state |= {"extra": np.zeros(1), "heads.a.weight": np.zeros((2, 3)), "heads.a.bias": np.zeros(1, "complex64")}
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Net:\n"
        '\tMissing key(s) in state_dict: "body.0.bias", "more.1.weight". \n'
        '\tUnexpected key(s) in state_dict: "extra". \n'
        "\tsize mismatch for heads.a.weight: copying a param with shape (2, 3) from checkpoint, the shape in current "
        "model is (1, 3).\n"
        "\tdtype mismatch for heads.a.bias: complex64 in checkpoint cannot be stored as float32."
    )
    for name, x in net.state_dict().items():
        np.testing.assert_array_equal(x.numpy(), before[name])


def test_the_error_is_pytorchs():
    torch = pytest.importorskip("torch")
    messages = []
    for library in (nn, torch.nn):
        net = make_net(library)
        state = net.state_dict()
        state["other"] = state.pop("body.0.bias")
        state["heads.a.bias"] = state["heads.a.weight"]
        with pytest.raises(RuntimeError) as caught:
            net.load_state_dict(state)
        messages.append(str(caught.value).replace("torch.Size([1, 3])", "(1, 3)").replace("torch.Size([1])", "(1,)"))
    assert messages[0] == messages[1]


def test_not_strict_loads_what_fits_by_name():
    net = make_net()
    result = net.load_state_dict({"body.0.bias": [1.0, 2.0, 3.0], "other": np.zeros(1)}, strict=False)
    assert result.missing_keys == [key for key in KEYS if key != "body.0.bias"]
    assert result.unexpected_keys == ["other"]
    assert "missing_keys=" in repr(result)
    assert net.body[0].bias.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(RuntimeError, match=r"size mismatch for body\.0\.bias"):
        net.load_state_dict({"body.0.bias": np.zeros(2)}, strict=False)


def test_what_is_no_state_dict_is_refused():
    with pytest.raises(TypeError, match="mapping of names to tensors, got list"):
        make_net().load_state_dict([1])
    with pytest.raises(TypeError, match=r'state_dict\["body.0.bias"\] must be a Tensor or an array, got str'):
        make_net().load_state_dict({"body.0.bias": "x"}, strict=False)


@pytest.mark.cpu("NumPy's arrays can be made read-only")
def test_read_only_memory_is_found_before_anything_is_loaded():
    net = make_net()
    before = {key: value.tolist() for key, value in net.state_dict().items()}
    net.heads["a"].bias.data.flags.writeable = False
    with pytest.raises(RuntimeError, match=r"heads\.a\.bias of the current model is in read-only memory"):
        net.load_state_dict({key: np.zeros(value.shape) for key, value in net.state_dict().items()})
    assert {key: value.tolist() for key, value in net.state_dict().items()} == before
