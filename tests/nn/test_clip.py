"""Clipping gradients: PyTorch's numbers, without making row-sparse ones dense."""

import numpy as np
import pytest

import framework as fw
from framework.autograd import RowSparse
from framework.nn.utils import clip_grad_norm_, clip_grad_value_
from framework.ops.embedding import embedding

NORMS = [1.0, 2.0, 3.0, float("inf"), 0.5]


def gradients(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in [(3, 4), (), (5,), (0, 2)]]


def ours(grads, dtype="float64"):
    params = [fw.Tensor(np.zeros(g.shape), dtype=dtype, requires_grad=True) for g in grads]
    for p, g in zip(params, grads):
        p.grad = fw.Tensor(g, dtype=dtype)
    return params


@pytest.mark.parametrize("norm_type", NORMS)
@pytest.mark.parametrize("max_norm", [0.1, 1.0, 100.0])
def test_norms_are_pytorchs(norm_type, max_norm):
    torch = pytest.importorskip("torch")
    grads = gradients()[: 3 if norm_type == float("inf") else 4]
    theirs = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in grads]
    for p, g in zip(theirs, grads):
        p.grad = torch.tensor(g)
    mine = ours(grads)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert clip_grad_norm_(iter(mine), max_norm, norm_type).item() == pytest.approx(expected.item(), rel=1e-12)
    for p, q in zip(mine, theirs):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)


def test_values_are_pytorchs():
    torch = pytest.importorskip("torch")
    theirs = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in gradients()]
    for p, g in zip(theirs, gradients()):
        p.grad = torch.tensor(g)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    mine = ours(gradients())
    clip_grad_value_(mine, 0.3)
    for p, q in zip(mine, theirs):
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())


@pytest.mark.parametrize("clip", [lambda ps: clip_grad_norm_(ps, 0.5), lambda ps: clip_grad_value_(ps, 0.5)])
@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_row_sparse_gradients_stay_so_and_give_the_dense_result(clip, device):
    results = []
    for dense in (False, True):
        w = fw.Tensor(np.arange(40.0).reshape(10, 4), requires_grad=True, device=device)
        v = fw.Tensor([1.0, 2.0], requires_grad=True, device=device, dtype="float64")
        ids = fw.asarray([[1, 1, 3]], device=device)
        ((embedding(ids, w) ** 2).sum() + (v * v).sum()).backward()
        if dense:
            assert w.grad.shape == (10, 4)
        clip([w, v])
        assert type(w._grad) is (fw.Tensor if dense else RowSparse)
        results.append([w.grad.cpu().numpy(), v.grad.cpu().numpy()])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_parameters_without_a_gradient_are_passed_over():
    p = fw.Tensor([1.0], requires_grad=True)
    assert clip_grad_norm_(p, 1.0).item() == 0.0
    clip_grad_value_([p], 1.0)
    assert p.grad is None


def test_dtypes_may_be_mixed():
    params = [*ours(gradients()[:1], "float32"), *ours(gradients()[2:3])]
    norm = clip_grad_norm_(params, 1.0).item()
    assert norm == pytest.approx(np.sqrt((gradients()[0] ** 2).sum() + (gradients()[2] ** 2).sum()), rel=1e-6)
    assert [p.grad.dtype.name for p in params] == ["float32", "float64"]


def test_a_norm_beyond_16_bits_is_found_and_clipped():
    (p,) = ours([np.array([3e4, 4e4])], "float16")
    (q,) = ours([np.array([12e4])], "float32")
    assert clip_grad_norm_([p, q], 13.0).item() == pytest.approx(13e4, rel=1e-3)
    assert [*p.grad.tolist(), *q.grad.tolist()] == pytest.approx([3.0, 4.0, 12.0], rel=1e-3)


def test_numbers_may_be_given_as_pytorch_takes_them():
    (p,) = ours([np.array([3.0, -4.0])])
    assert clip_grad_norm_(p, "2", "inf").item() == 4.0
    assert p.grad.tolist() == pytest.approx([1.5, -2.0], rel=1e-6)


def test_a_norm_that_is_not_finite_is_told_if_wanted():
    (p,) = ours([np.array([1.0, np.nan])])
    with pytest.raises(RuntimeError, match=r"the norm of order 2\.0 of the gradients is nan"):
        clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(p.grad.numpy(), [1.0, np.nan])


@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_bounds_are_checked(value):
    (p,) = given = ours([np.array([3.0, -4.0])])
    with pytest.raises(ValueError, match="max_norm must be at least 0"):
        clip_grad_norm_(given, value)
    with pytest.raises(ValueError, match="norm_type must be a number such as"):
        clip_grad_norm_(given, 1.0, float("nan"))
    assert p.grad.tolist() == [3.0, -4.0]
    with pytest.raises(ValueError, match="clip_value must be at least 0"):
        clip_grad_value_(ours(gradients()), value)


@pytest.mark.cpu("NumPy's arrays can be made read-only")
def test_read_only_memory_is_found_before_anything_is_scaled():
    first, last = ours([np.array([3.0]), np.array([4.0])])
    last.grad.data.flags.writeable = False
    for clip in (clip_grad_norm_, clip_grad_value_):
        with pytest.raises(ValueError, match=r"a gradient of shape \(1,\) is in read-only memory"):
            clip([first, last], 1.0)
    assert [first.grad.tolist(), last.grad.tolist()] == [[3.0], [4.0]]


def test_complex_values_have_no_bounds():
    (real,), (other,) = ours([np.array([3.0])]), ours([np.array([3 + 4j])], "complex128")
    with pytest.raises(TypeError, match="complex numbers have no order, got a gradient of complex128; clip by norm"):
        clip_grad_value_([real, other], 1.0)
    assert [real.grad.tolist(), other.grad.tolist()] == [[3.0], [3 + 4j]]
    assert clip_grad_norm_([other], 1.0).item() == 5.0


def test_only_tensors_are_taken():
    with pytest.raises(TypeError, match="expected tensors, got float"):
        clip_grad_norm_([1.0], 1.0)
