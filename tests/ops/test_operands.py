"""What operations take beside tensors, and the dtypes that come out."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import pytest

import framework as fw


class Level(IntEnum):
    LOW = 2


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float32", "float64", "complex64"])
def test_numbers_do_not_promote(dtype, device):
    x = fw.asarray([1, 2], dtype=dtype, device=device)
    for y in (x + 1, 1 + x, x - Level.LOW, x**2, fw.add(x, 1), fw.where(x == 1, x, 3)):
        assert (y.dtype, y.device) == (dtype, device)
    if dtype.startswith(("float", "complex")):
        assert (x * 0.5).dtype == (2.5 / x).dtype == dtype


def test_complex_numbers_make_floats_complex(device):
    assert (fw.ones(2, device=device) * 2j).dtype == fw.complex64
    assert (fw.ones(2, dtype=fw.float64, device=device) - 1j).dtype == fw.complex128


def test_numpys_numbers_keep_their_dtype(device):
    x = fw.ones(2, device=device)
    assert (x + np.float64(1)).dtype == fw.float64
    assert (x + np.float32(1)).dtype == fw.float32
    assert (np.float64(3) * x).tolist() == [3.0, 3.0]
    assert (x * np.complex64(2j)).tolist() == [2j, 2j]


@pytest.mark.cpu("NumPy's arrays as operands")
def test_numpy_operands_keep_their_dtype():
    x = fw.ones(2)
    for y in (x + np.ones(2), np.ones(2) + x, np.float64(3) * x):
        assert isinstance(y, fw.Tensor)
        assert y.dtype == fw.float64


def test_unsigned_integers_wrap():
    x = fw.asarray([0, 255], dtype=fw.uint8)
    assert (x - 1).tolist() == [255, 254]
    assert fw.diff(x).tolist() == [255]
    assert fw.sum(x).dtype == fw.uint64


def test_0d_results_are_tensors(device):
    for y in (fw.sum(fw.ones(3, device=device)), fw.ones(3, device=device)[1], fw.asarray(2.0, device=device) * 3):
        assert isinstance(y, fw.Tensor)
        assert y.shape == ()


@pytest.mark.parametrize("operand", [None, "3", [1.0], object()], ids=lambda x: type(x).__name__)
def test_other_things_are_refused(operand):
    with pytest.raises(TypeError, match=r"add: .*(Tensor|NoneType)"):
        fw.ones(2) + operand
    assert (fw.ones(2) == "3") is False
    assert (fw.ones(2) != None) is True  # noqa: E711


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(
    "value",
    [[0.1, 2], (0.1, 2), np.asarray([0.1, 2]), np.float64(0.1), 0.1, 3, True, range(2), np.asarray([1, 0], dtype=bool)],
    ids=repr,
)
def test_what_may_be_written_into_an_array(value, recorded, device):
    x = fw.zeros(3, dtype="float64", device=device)
    x = x.requires_grad_() * 1 if recorded else x
    x[:2] = value
    expected = np.zeros(3)
    expected[:2] = value
    np.testing.assert_array_equal(x.detach().numpy(), expected)


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(
    "value", [None, "2", b"1", {}, [None], ["2"], np.asarray([None, 1.0]), 1j, [1j, 0], np.ones(2, "c16")], ids=repr
)
def test_what_may_not_be_written_into_an_array_of_floats(value, recorded, device):
    x = fw.ones(3, device=device)
    x = x.requires_grad_() * 1 if recorded else x
    with pytest.raises(TypeError, match=r"expected a number|cannot write complex values into float32"):
        x[:2] = value
    assert x.tolist() == [1.0, 1.0, 1.0]


def test_numbers_written_into_integers_are_cut_as_in_numpy(device):
    x = fw.zeros(3, dtype="uint8", device=device)
    x[:2] = 1.5
    x[2] = fw.asarray(2.5, device=device)
    assert x.tolist() == [1, 1, 2]


@pytest.mark.cpu("CuPy decides for itself what is beyond a dtype")
def test_numbers_beyond_a_dtype_are_refused():
    """NumPy imports something in the middle of this, which looks for what is built in where the operation was called."""
    with pytest.raises(OverflowError, match="300"):
        fw.asarray([1], dtype="uint8") + 300
    for value in (300, -1):
        with pytest.raises(OverflowError):
            fw.zeros(3, dtype="uint8")[0] = value


@pytest.mark.cpu("the message names two devices")
def test_two_devices_are_refused():
    with pytest.raises(RuntimeError, match=r"'cpu' and 'strict'; move one of them with \.to\("):
        fw.ones(2) + fw.ones(2, device="strict")


def test_errors_name_the_operation_and_its_arguments():
    with pytest.raises(ValueError, match=r"multiply: .*float32 \(2,\), float32 \(3,\)"):
        fw.ones(2) * fw.ones(3)
    with pytest.raises(ValueError, match=r"reshape: .*float32 \(4,\)"):
        fw.reshape(fw.ones(4), (3,))
    with pytest.raises(ValueError, match="concat: expected a non-empty list or tuple"):
        fw.concat([])
    with pytest.raises(ValueError, match="cumulative_sum: axis is needed for an array of 2 dimensions"):
        fw.cumulative_sum(fw.ones((2, 2)))
    with pytest.raises(ValueError, match="searchsorted: expected side 'left' or 'right', got 'middle'"):
        fw.searchsorted(fw.ones(2), 1.0, side="middle")
    with pytest.raises(ValueError, match="meshgrid: expected indexing 'xy' or 'ij', got 'ji'"):
        fw.meshgrid(fw.ones(2), indexing="ji")
    with pytest.raises(ValueError, match="diff: expected n >= 0, got -1"):
        fw.diff(fw.ones(2), n=-1)
    with pytest.raises(ValueError, match="unknown kind 'float'; expected one of 'bool'"):
        fw.isdtype(fw.float32, "float")


@pytest.mark.parametrize(
    "layout", [lambda x: x.T, lambda x: x[::2, ::-1], lambda x: np.broadcast_to(x[:, :1], (4, 6)), np.asfortranarray]
)
@pytest.mark.cpu("shares memory with NumPy")
def test_arrays_of_any_layout(layout):
    view = layout(np.random.default_rng(0).normal(size=(4, 6)))
    view.flags.writeable = False
    gradients = []
    for x in (fw.asarray(view, copy=False), fw.asarray(np.array(view, order="C"))):
        x.requires_grad_()
        fw.sum(fw.sort(x, axis=0) @ x.mT * fw.cumulative_sum(fw.sum(x, axis=1))).backward()
        gradients.append(x.grad.numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-12)


# ---------------------------------------------------------------- where no gradient exists
@pytest.mark.parametrize(
    "call",
    [
        lambda x: fw.argsort(x),
        lambda x: fw.argmax(x),
        lambda x: fw.nonzero(x)[0],
        lambda x: fw.unique_values(x),
        lambda x: fw.unique_all(x).values,
        lambda x: fw.searchsorted(x, x),
        lambda x: fw.topk(x, 2)[1],
        lambda x: fw.floor(x),
        lambda x: x // 1,
        lambda x: x > 0,
        lambda x: fw.astype(x, fw.int64),
        lambda x: fw.sum(x, dtype=fw.int32),
        lambda x: fw.zeros_like(x),
    ],
)
def test_no_gradient_flows(call, device):
    assert not call(fw.ones(3, device=device).requires_grad_()).requires_grad


WITHOUT_GRADIENT = """
argsort argmax argmin nonzero unique_all unique_counts unique_inverse unique_values isin searchsorted count_nonzero all
any ceil floor round trunc floor_divide equal isnan signbit nextafter bitwise_and logical_not
"""


@pytest.mark.parametrize("name", WITHOUT_GRADIENT.split())
def test_and_the_docstring_says_so(name):
    assert "gradient" in getattr(fw, name).__doc__


# ---------------------------------------------------------------- interchange
def test_dlpack_shares_memory_both_ways(device):
    x = fw.ones(3, device=device)
    assert fw.from_dlpack(x).device == device
    host = np.from_dlpack(x)
    x[0] = 5.0
    assert host[0] == 5.0
    a = np.zeros(2)
    t = fw.from_dlpack(a)
    a[1] = 7.0
    assert t.tolist() == [0.0, 7.0]
    assert fw.from_dlpack(a, copy=True).data is not a


def test_dlpack_with_pytorch():
    torch = pytest.importorskip("torch")
    theirs = torch.zeros(3)
    ours = fw.from_dlpack(theirs)
    assert ours.device == "cpu"
    theirs[1] = 2.0
    assert ours.tolist() == [0.0, 2.0, 0.0]
    back = torch.from_dlpack(ours)
    ours[2] = 4.0
    assert back.tolist() == [0.0, 2.0, 4.0]


def test_dlpack_does_not_lose_a_gradient():
    with pytest.raises(BufferError, match=r"call detach\(\) first"):
        fw.from_dlpack(fw.ones(2).requires_grad_())


@pytest.mark.cpu("shares memory with NumPy")
def test_copy_and_device_as_the_standard_says():
    a = np.zeros(2, dtype=np.float32)
    assert np.shares_memory(fw.asarray(a, copy=False).numpy(), a)
    assert not np.shares_memory(fw.asarray(a, copy=True).numpy(), a)
    with pytest.raises(ValueError, match="copy=False"):
        fw.asarray(a, device="strict", copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        fw.asarray(fw.asarray(a), dtype=fw.float64, copy=False)
    with pytest.raises(ValueError, match="needs a copy"):
        fw.from_dlpack(a, device="strict", copy=False)
    assert fw.from_dlpack(a, device="strict").device == "strict"
