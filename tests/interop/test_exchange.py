"""DLPack, ``__array__`` and ``asarray``: memory is shared where it can be, and no gradient is lost."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

import framework as fw

pytestmark = pytest.mark.cpu("memory is shared with NumPy and PyTorch on the host")

DTYPES = ["bool", "int8", "int64", "uint8", "float32", "float64", "complex64", "complex128"]
SHAPES = [(3,), (2, 3), (0,), (2, 0, 3), (1,), ()]


def values(shape, dtype):
    return np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2, dtype=dtype)


# ---------------------------------------------------------------- DLPack
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_both_ways(shape, dtype):
    a = values(shape, dtype)
    t = fw.from_dlpack(a)
    assert (t.shape, t.dtype, t.device) == (shape, np.dtype(dtype), "cpu")
    b = np.from_dlpack(t)
    assert b.dtype == a.dtype
    np.testing.assert_array_equal(b, a)
    assert b.__array_interface__["data"] == a.__array_interface__["data"]


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "bool"])
@pytest.mark.parametrize("shape", SHAPES)
def test_pytorch_both_ways(shape, dtype):
    torch = pytest.importorskip("torch")
    a = torch.from_numpy(values(shape, dtype))
    t = fw.from_dlpack(a)
    assert (t.shape, t.dtype, t.device) == (shape, np.dtype(dtype), "cpu")
    b = torch.from_dlpack(t)
    assert b.dtype == a.dtype
    assert b.data_ptr() == a.data_ptr()
    np.testing.assert_array_equal(b.numpy(), a.numpy())


@pytest.mark.gpu
def test_cupy_both_ways():
    cupy = pytest.importorskip("cupy")
    a = cupy.arange(6.0).reshape(2, 3)
    t = fw.from_dlpack(a)
    assert t.device == "cuda:0"
    b = cupy.from_dlpack(t)
    assert b.data.ptr == a.data.ptr
    b[0, 0] = 7.0
    assert t[0, 0].item() == 7.0


@pytest.mark.gpu
def test_pytorch_on_the_gpu_both_ways():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch without CUDA")
    a = torch.arange(6.0, device="cuda")
    t = fw.from_dlpack(a)
    assert t.device == "cuda:0"
    assert torch.from_dlpack(t).data_ptr() == a.data_ptr()


@pytest.mark.gpu
def test_from_the_gpu_to_the_host():
    cupy = pytest.importorskip("cupy")
    t = fw.from_dlpack(cupy.arange(3.0), device="cpu")
    np.testing.assert_array_equal(t.numpy(), [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="needs a copy"):
        fw.from_dlpack(cupy.arange(3.0), device="cpu", copy=False)


def test_a_write_is_seen_on_the_other_side():
    a = np.zeros(3)
    t = fw.from_dlpack(a)
    t[0] = 5.0
    a[1] = 6.0
    np.testing.assert_array_equal(np.from_dlpack(t), [5.0, 6.0, 0.0])


def test_strided_memory_is_shared():
    a = np.arange(12.0).reshape(3, 4)
    t = fw.from_dlpack(a[::2, ::-1].T)
    np.testing.assert_array_equal(t.numpy(), a[::2, ::-1].T)
    assert np.shares_memory(np.from_dlpack(t.T[:, 1:]), a)


def test_memory_outlives_what_it_came_from():
    a = np.from_dlpack(fw.arange(1000) + 1)
    t = fw.from_dlpack(np.arange(1000) + 1)
    np.testing.assert_array_equal(a, np.arange(1000) + 1)
    np.testing.assert_array_equal(t.numpy(), a)


def test_from_dlpack_copies_as_told():
    a = np.zeros(2)
    copied, shared = fw.from_dlpack(a, copy=True), fw.from_dlpack(a, copy=False)
    a[0] = 1.0
    assert copied[0].item() == 0.0
    assert shared[0].item() == 1.0


def test_from_dlpack_to_a_device():
    a = np.zeros(2)
    assert np.shares_memory(fw.from_dlpack(a, device="cpu").numpy(), a)
    assert fw.from_dlpack(a, device="strict").device == "strict"
    with pytest.raises(ValueError, match="'strict' needs a copy"):
        fw.from_dlpack(a, device="strict", copy=False)


def test_dlpack_takes_the_standards_arguments():
    t = fw.arange(3)
    assert t.__dlpack_device__() == (1, 0)
    for wish in ({"max_version": (1, 0)}, {"stream": None}, {"dl_device": (1, 0)}, {"copy": False}, {"copy": True}):
        assert "dltensor" in repr(t.__dlpack__(**wish))
    with pytest.raises(BufferError):
        t.__dlpack__(dl_device=(2, 0))


def test_dlpack_loses_no_gradient():
    w = fw.ones(3).requires_grad_()
    for give in (np.from_dlpack, fw.from_dlpack):
        with pytest.raises(BufferError, match=r"lose the gradient; call detach\(\)"):
            give(w * 2)
        give(w.detach())


def test_what_is_no_array_is_refused():
    with pytest.raises(AttributeError, match="__dlpack"):
        fw.from_dlpack([1.0, 2.0])


# ---------------------------------------------------------------- NumPy's conversion
@pytest.mark.parametrize("shape", SHAPES)
def test_asarray_of_numpy_shares_memory(shape):
    t = fw.from_dlpack(values(shape, "float64"))
    a = np.asarray(t)
    assert (a.shape, a.dtype) == (shape, np.float64)
    assert a.__array_interface__["data"] == t.data.__array_interface__["data"]


def test_numpys_conversions_copy_and_cast_as_told():
    t = fw.arange(3, dtype="float64")
    assert np.shares_memory(np.array(t, copy=False), t.numpy())
    assert not np.shares_memory(np.array(t, copy=True), t.numpy())
    assert np.asarray(t, dtype="int32").dtype == np.int32
    with pytest.raises(ValueError, match="copy"):
        np.array(t, dtype="int32", copy=False)


def test_conversion_from_another_device():
    t = fw.arange(3, device="strict")
    np.testing.assert_array_equal(np.asarray(t), [0, 1, 2])
    with pytest.raises(ValueError, match=r"'strict'.*without a copy"):
        np.array(t, copy=False)


@pytest.mark.parametrize(
    "convert", [np.asarray, np.array, np.sum, np.exp, lambda w: np.ones(3) + np.asarray(w), lambda w: np.stack([w, w])]
)
def test_numpy_loses_no_gradient(convert):
    w = fw.ones(3).requires_grad_()
    for t in (w, w * 2):
        with pytest.raises(TypeError):
            convert(t)


def test_an_array_on_the_left_leaves_the_operation_to_the_tensor():
    w = fw.ones(3, dtype="float64").requires_grad_()
    y = np.arange(3.0) * w
    assert isinstance(y, fw.Tensor)
    y.sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), [0.0, 1.0, 2.0])


# ---------------------------------------------------------------- asarray
def test_asarray_copies_as_told():
    a = np.zeros(2)
    assert np.shares_memory(fw.asarray(a, copy=False).numpy(), a)
    assert np.shares_memory(fw.asarray(a).numpy(), a)
    assert not np.shares_memory(fw.asarray(a, copy=True).numpy(), a)
    with pytest.raises(ValueError, match="copy"):
        fw.asarray(a, dtype="float32", copy=False)
    with pytest.raises(ValueError, match="needs a copy"):
        fw.asarray(a, device="strict", copy=False)


def test_values_of_the_host_go_to_the_default_device():
    before = fw.get_default_device()
    fw.set_default_device("strict")
    try:
        made = [fw.asarray(np.ones(2)), fw.Tensor(np.ones(2)), fw.asarray(np.float64(1)), fw.asarray([1.0])]
        assert [t.device for t in made] == ["strict"] * 4
        assert fw.asarray(np.ones(2), device="cpu").device == "cpu"
        assert fw.asarray(fw.ones(2, device="cpu")).device == "cpu"
    finally:
        fw.set_default_device(before)


def test_asarray_of_python_numbers_cannot_share():
    with pytest.raises(ValueError, match="copy=False"):
        fw.asarray([1.0, 2.0], copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        fw.asarray(1.0, copy=False)


class OfArray:
    """What other libraries' tables are to NumPy: an object that gives an array when asked."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype, copy=copy)


@pytest.mark.parametrize("of", [memoryview, lambda a: array("d", a), OfArray])
def test_what_has_memory_keeps_its_dtype_and_shares_as_told(of):
    obj = of(np.arange(3.0))
    memory = np.asarray(obj)
    for t in (fw.asarray(obj), fw.asarray(obj, copy=False)):
        assert (t.dtype, t.tolist()) == (np.float64, [0.0, 1.0, 2.0])
        assert np.shares_memory(t.data, memory)
    for t in (fw.asarray(obj, copy=True), fw.Tensor(obj), fw.Tensor(obj, dtype="float64")):
        assert t.dtype == np.float64
        assert not np.shares_memory(t.data, memory)
    assert fw.asarray(obj, dtype="float32").dtype == np.float32
    assert fw.asarray(obj, device="strict").dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        fw.asarray(obj, dtype="float32", copy=False)


def test_bytes_that_can_be_written_are_numbers():
    obj = bytearray([1, 255])
    assert fw.asarray(obj).dtype == np.uint8
    t = fw.Tensor(obj)
    obj[0] = 7
    assert t.tolist() == [1, 255]


@pytest.mark.parametrize(
    "obj",
    [
        np.array([None]),
        np.array(["a"]),
        np.str_("a"),
        np.zeros(2, "datetime64[D]"),
        np.zeros(2, "V4"),
        np.zeros(2, "i4,f4"),
    ],
    ids=lambda obj: str(obj.dtype),
)
@pytest.mark.parametrize("make", [fw.asarray, fw.Tensor])
def test_arrays_of_anything_but_numbers_are_refused(make, obj):
    with pytest.raises(TypeError, match=r"expected numbers.*got"):
        make(obj)


@pytest.mark.parametrize(
    "obj", [b"ab", "ab", {1: 2}, None, [None], ["a"], (x for x in [1])], ids=lambda obj: type(obj).__name__
)
def test_objects_of_anything_but_numbers_are_refused(obj):
    with pytest.raises(TypeError, match=rf"expected numbers.*got {type(obj).__name__}"):
        fw.asarray(obj)


def test_arrays_of_another_byte_order_are_brought_to_ours():
    foreign = np.arange(3, dtype=np.dtype("float64").newbyteorder())
    for t in (fw.asarray(foreign), fw.Tensor(foreign)):
        assert t.dtype.isnative
        assert t.tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="copy"):
        fw.asarray(foreign, copy=False)


@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_whole_numbers_beyond_int64_are_exact_beside_smaller_ones(device):
    values = [2**63 + 1, 1, 2**64 - 1]
    assert fw.asarray(values, dtype="uint64", device=device).tolist() == values
    assert fw.asarray([2.7, 1], dtype="int32", device=device).tolist() == [2, 1]
    with pytest.raises(OverflowError):
        fw.asarray([2**63, -1], dtype="uint64", device=device)


def test_asarray_of_a_tensor():
    t = fw.zeros(2)
    assert fw.asarray(t) is t
    assert fw.asarray(t, copy=False) is t
    assert fw.asarray(t, device="cpu", dtype="float32") is t
    copied = fw.asarray(t, copy=True)
    t[0] = 1.0
    assert copied[0].item() == 0.0
    for wish in ({"dtype": "float64"}, {"device": "strict"}):
        with pytest.raises(ValueError, match="copy=False"):
            fw.asarray(t, copy=False, **wish)


@pytest.mark.parametrize("wish", [{}, {"copy": True}, {"dtype": "float64"}, {"device": "strict"}])
def test_asarray_keeps_the_gradient(wish):
    w = fw.ones(3).requires_grad_()
    fw.asarray(w, **wish).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), [1.0, 1.0, 1.0])


def test_pytorchs_dtypes_of_16_bits():
    torch = pytest.importorskip("torch")
    a = torch.tensor([0.5, 2.0], dtype=torch.float16)
    for t, device in ((fw.asarray(a), "torch"), (fw.asarray(a, device="cpu"), "cpu"), (fw.Tensor(a), "torch")):
        assert (t.device, t.dtype, t.tolist()) == (device, np.float16, [0.5, 2.0])
    assert fw.ones(2).to("torch").to("float16").dtype == np.float16
    for given in ({}, {"device": "cpu"}):
        with pytest.raises(TypeError, match=r"bfloat16 is none of the dtypes known here.*cast first"):
            fw.asarray(a.to(torch.bfloat16), **given)


def test_arrays_of_pytorch_keep_their_memory():
    torch = pytest.importorskip("torch")
    a = torch.zeros(3)
    t = fw.asarray(a)
    assert t.device == "torch"
    t[0] = 1.0
    assert a[0] == 1.0
    moved = fw.asarray(a, device="cpu")
    assert moved.device == "cpu"
