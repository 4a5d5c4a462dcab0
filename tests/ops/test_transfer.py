"""Tensors that come from, or go to, another library."""

import gc
import weakref

import numpy as np
import pytest

import framework as fw


@pytest.mark.parametrize(
    ("source", "target"), [("strict", "cpu"), ("cpu", "strict"), ("torch", "cpu"), ("cpu", "torch")]
)
def test_a_tensor_that_was_moved_has_memory_of_its_own(source, target):
    if "torch" in (source, target):
        pytest.importorskip("torch")
    x = fw.Tensor([1.0, 2.0], device=source)
    y = x.to(target)
    y[0] = 9.0
    assert x.tolist() == [1.0, 2.0]
    assert y.tolist() == [9.0, 2.0]


def test_a_copy_of_another_librarys_array_leaves_it_alone():
    torch = pytest.importorskip("torch")
    theirs = torch.ones(2)
    for copy in (fw.Tensor(theirs, device="cpu"), fw.asarray(theirs, device="cpu", copy=True)):
        copy[0] = 5.0
    assert theirs.tolist() == [1.0, 1.0]
    shared = fw.asarray(theirs, device="cpu")
    shared[0] = 7.0
    assert theirs.tolist() == [7.0, 1.0]


def test_writes_into_borrowed_memory_keep_nothing_alive():
    from framework.autograd import versions

    gc.collect()  # what other tests left
    before = len(versions._writes)
    raw = np.frombuffer(bytearray(16), dtype=np.float64)
    x = fw.asarray(raw)
    x += 1
    alive = weakref.ref(raw)
    del raw, x
    gc.collect()
    assert alive() is None
    assert len(versions._writes) == before
