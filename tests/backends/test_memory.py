"""Where large arrays begin."""

from __future__ import annotations

import numpy as np
import pytest

import framework as fw
from backends._numpy import memory
from framework import nn, optim

pytestmark = pytest.mark.cpu("where NumPy's arrays lie")

LARGE = memory.LARGE // 4


def begins_at_a_line(array):
    return array.ctypes.data % 64 == 0


def elsewhere(shape, dtype="float32"):
    """Numbers in an array that begins in the middle of a line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 128, np.uint8)
    start = -raw.ctypes.data % 64 + 16
    array = raw[start : start + size].view(dtype).reshape(shape)
    array[...] = np.arange(array.size).reshape(shape) % 100
    return array


def test_a_step_on_rows_reads_and_writes_whole_lines():
    values = elsewhere((5000, 128))
    table = nn.Embedding.from_pretrained(fw.asarray(values), freeze=False)
    optimizer = optim.SGD(table.parameters(), lr=0.1, momentum=0.9)
    ids = fw.arange(4000)
    for _ in range(2):
        rows = table(ids)
        assert begins_at_a_line(rows.data)
        optimizer.zero_grad()
        rows.sum().backward()
        optimizer.step()
    assert begins_at_a_line(table.weight.data)
    assert begins_at_a_line(optimizer.state[table.weight]["momentum_buffer"].data)


@pytest.mark.parametrize("dtype", [None, "float64", "int32", "bool", "complex64"])
@pytest.mark.parametrize("shape", [(LARGE,), (2, LARGE), (LARGE // 2, 3), (3,), (0, 2), ()], ids=str)
def test_copies_and_zeros_are_numpys(shape, dtype):
    for given in (elsewhere(shape), np.asfortranarray(elsewhere(shape)), elsewhere(shape)[..., ::-1] if shape else 1.5):
        expected = np.asarray(given, dtype, copy=True)
        found = memory.asarray(given, dtype, True)
        np.testing.assert_array_equal(found, expected, strict=True)
        assert not np.shares_memory(found, given)
        assert found.flags.writeable
        assert found.strides == expected.strides
        zeros = memory.zeros_like(expected)
        np.testing.assert_array_equal(zeros, np.zeros_like(expected), strict=True)
        assert zeros.strides == np.zeros_like(expected).strides


def test_what_need_not_be_copied_is_not():
    given = elsewhere((LARGE,))
    assert memory.asarray(given, None, None) is given
    assert memory.asarray(given, None, False) is given
