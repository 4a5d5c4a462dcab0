"""The watched memory pool, with a stand-in for CuPy's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import framework as fw
from backends._cupy.memory import Allocator


class CupyOutOfMemoryError(MemoryError):
    pass


class Pool:
    """A pool of 4 GiB that gives numbers for memory."""

    def __init__(self):
        self.used = 0

    def malloc(self, size):
        if self.used + size > 4 << 30:
            raise CupyOutOfMemoryError
        self.used += size
        return size

    def used_bytes(self):
        return self.used

    def free_bytes(self):
        return 3 << 20


@pytest.fixture
def pool():
    return Pool()


@pytest.fixture
def allocator(pool):
    memory = SimpleNamespace(OutOfMemoryError=CupyOutOfMemoryError)
    runtime = SimpleNamespace(getDevice=lambda: 1, memGetInfo=lambda: (512, 4 << 30))
    cuda = SimpleNamespace(get_allocator=lambda: pool.malloc, memory=memory, runtime=runtime)
    return Allocator(SimpleNamespace(cuda=cuda, get_default_memory_pool=lambda: pool))


def test_out_of_memory_says_what_to_do(allocator):
    allocator(3 << 30)
    with pytest.raises(fw.cuda.OutOfMemoryError) as error:
        allocator(3 << 29)
    assert str(error.value).startswith(
        "out of memory on 'cuda:1': asked for 1.5 GiB; arrays hold 3.0 GiB, the pool keeps 3.0 MiB that "
        "fw.cuda.empty_cache() gives back, and 512 bytes of the GPU's 4.0 GiB are free."
    )
    assert isinstance(error.value, MemoryError)
    assert allocator(1 << 29) == 1 << 29  # a smaller one still fits


def test_the_most_that_was_held(allocator, pool):
    allocator(100)
    allocator(50)
    pool.used = 20
    assert (allocator.used(), allocator.most()) == (20, 150)
    allocator.forget_most()
    assert allocator.most() == 20
