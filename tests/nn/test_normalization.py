"""LayerNorm and RMSNorm against PyTorch, and fused against composite."""

import numpy as np
import pytest

import framework as fw
from framework import nn
from framework.nn import functional as F


@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm"])
@pytest.mark.parametrize(
    ("shape", "normalized"), [((4, 5), 5), ((2, 3, 4), (3, 4)), ((0, 3), 3), ((2, 1), 1), ((6,), 6)]
)
def test_layers_equal_pytorchs(name, shape, normalized, device):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    ours = getattr(nn, name)(normalized, dtype="float64", device=device)
    theirs = getattr(torch.nn, name)(normalized, dtype=torch.float64)
    assert repr(ours) == repr(theirs)
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.tensor(rng.normal(size=tuple(p.shape))))
    ours.load_state_dict({key: fw.asarray(p.numpy(), device=device) for key, p in theirs.state_dict().items()})
    values, factors = rng.normal(size=shape), rng.normal(size=shape)
    x, t = fw.Tensor(values, requires_grad=True, device=device), torch.tensor(values, requires_grad=True)
    y, u = ours(x), theirs(t)
    np.testing.assert_allclose(y.detach().cpu().numpy(), u.detach().numpy(), rtol=1e-9, atol=1e-12)
    (y * fw.asarray(factors, device=device)).sum().backward()
    (u * torch.tensor(factors)).sum().backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), t.grad.numpy(), rtol=1e-9, atol=1e-11)
    for p, q in zip(ours.parameters(), theirs.parameters()):
        np.testing.assert_allclose(p.grad.cpu().numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_second_gradients(name):
    rng = np.random.default_rng(1)
    x, w = (fw.Tensor(rng.normal(size=shape), requires_grad=True) for shape in ((2, 4), (4,)))
    assert fw.autograd.gradcheck(lambda x, w: getattr(F, name)(x, (4,), w), [x, w])
    assert fw.autograd.gradgradcheck(lambda x, w: getattr(F, name)(x, (4,), w), [x, w])


def test_without_weights():
    assert len(list(nn.LayerNorm(4, elementwise_affine=False).parameters())) == 0
    assert nn.LayerNorm(4, bias=False).bias is None
    x = fw.Tensor(np.arange(8.0).reshape(2, 4))
    np.testing.assert_allclose(nn.LayerNorm(4, elementwise_affine=False)(x).numpy().mean(1), 0, atol=1e-12)


def test_a_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"last axes must be \(4,\), got shape \(2, 3\)"):
        nn.LayerNorm(4)(fw.ones((2, 3)))


@pytest.mark.parametrize("shape", [(3, 2), (6,), (1,), ()])
@pytest.mark.parametrize("what", ["weight", "bias"])
def test_factors_of_another_shape_are_refused(what, shape):
    with pytest.raises(ValueError, match=rf"layer_norm: {what} must have shape \(2, 3\), got"):
        F.layer_norm(fw.ones((4, 2, 3)), (2, 3), **{what: fw.ones(shape)})
    if what == "weight":
        with pytest.raises(ValueError, match=r"rms_norm: weight must have shape \(2, 3\), got"):
            F.rms_norm(fw.ones((4, 2, 3)), (2, 3), fw.ones(shape))


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_integers_are_refused(name):
    with pytest.raises(TypeError, match=f"{name}: input must be of a real floating dtype, got int64"):
        getattr(F, name)(fw.ones((2, 3), dtype="int64"), (3,))
