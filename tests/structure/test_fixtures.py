"""The fixtures give what they promise, on every device."""

from __future__ import annotations

import numpy as np
import pytest

import framework as fw
import framework.random


@pytest.mark.parametrize("dtype", ["bool", "int64", "float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)], ids=str)
def test_made_tensors_hold_the_values(arrays, dtype, shape):
    values = np.ones(shape, dtype=dtype)
    tensor = arrays.make(values)
    assert tensor.device == arrays.device
    assert tensor.dtype == values.dtype
    np.testing.assert_array_equal(tensor.numpy(), values)


def test_made_tensors_share_no_memory_with_their_source(arrays):
    values = np.zeros(3)
    tensor = arrays.make(values)
    values[:] = 1
    assert tensor.tolist() == [0, 0, 0]


def test_read_only_arrays_refuse_to_be_written(arrays):
    tensor = arrays.make([1.0, 2.0])
    if not arrays.read_only:
        tensor.data[0] = 3.0
        return
    with pytest.raises(ValueError, match="read-only"):
        tensor.data[0] = 3.0


def test_gradients_reach_made_tensors(arrays):
    x = arrays.make([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_devices_take_tensors(device):
    assert fw.Tensor([1.0], device=device).device == device


@pytest.mark.parametrize("run", [1, 2])
def test_every_test_starts_at_the_same_place_of_the_random_stream(run):
    assert fw.random.get_state() == (0, 0)
    fw.random.rand(10 * run)
