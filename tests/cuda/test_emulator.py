"""The emulator finds what it is there to find: missing barriers, writes beyond an array, wrong arguments."""

from __future__ import annotations

import numpy as np
import pytest

from backends._cupy import compiler
from tests.cuda import emulation

pytestmark = pytest.mark.skipif(emulation.COMPILER is None, reason="g++ is missing")

SOURCE = """
typedef SCALAR T;

// Each block reverses its threads' numbers.
extern "C" __global__ void reverse(T* x, long long careless) {
  __shared__ T held[256];
  held[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  if (!careless) __syncthreads();
  x[blockIdx.x * blockDim.x + threadIdx.x] = held[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void half_a_barrier() {
  if (threadIdx.x % 2) __syncthreads();
}

extern "C" __global__ void write_at(T* x, long long i) { x[i] = 1; }

extern "C" __global__ void count(int* total) { atomicAdd(total, 1); }

extern "C" __global__ void warp_maximum(const T* x, T* out) {
  T most = x[threadIdx.x];
  for (int offset = 16; offset; offset /= 2) {
    T other = __shfl_xor_sync(0xffffffffu, most, offset);
    most = other > most ? other : most;
  }
  out[threadIdx.x] = most;
  if (__ballot_sync(0xffffffffu, x[threadIdx.x] > 0) != 0xfffffffeu) out[threadIdx.x] = -1;
}

// Blocks hand a number on in turn.
extern "C" __global__ void relay(int* turn, T* x) {
  while (*reinterpret_cast<volatile int*>(turn) != static_cast<int>(blockIdx.x)) __nanosleep(10);
  __threadfence();
  *x = 2 * *x + blockIdx.x;
  __threadfence();
  atomicAdd(turn, 1);
}

struct Pair { long long a, b; };
extern "C" __global__ void add_pair(const Pair pair, double c, T* out) { *out = pair.a + pair.b + c; }
"""


@pytest.fixture(params=[False, True], ids=["rising", "falling"])
def launch(request, monkeypatch):
    monkeypatch.setattr(compiler, "source", lambda file: SOURCE)
    launcher = emulation.EmulatedLauncher()
    launcher.falling = request.param
    return launcher


def test_threads_and_blocks(launch):
    x = np.arange(12, dtype=np.float32)
    launch("test.reverse", "float32", (3, 1, 1), (4, 1, 1), (x, 0))
    assert x.tolist() == [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8]


def test_a_missing_barrier_shows_in_the_result(launch):
    for first in (20, 30):  # shared memory still holds what the launch before left there
        x = np.arange(first, first + 4, dtype=np.float32)
        launch("test.reverse", "float32", (1, 1, 1), (4, 1, 1), (x, 1))
    assert x.tolist() != [33, 32, 31, 30]


def test_a_barrier_that_not_all_reach(launch):
    with pytest.raises(AssertionError, match="half_a_barrier: a barrier or warp operation was not reached"):
        launch("test.half_a_barrier", "float32", (1, 1, 1), (4, 1, 1), ())


@pytest.mark.parametrize(("place", "where"), [(-1, "before"), (3, "behind")])
def test_writes_beyond_an_array(launch, place, where):
    with pytest.raises(AssertionError, match=f"wrote {where} an array"):
        launch("test.write_at", "float32", (1, 1, 1), (1, 1, 1), (np.zeros(3, np.float32), place))


@pytest.mark.parametrize("arguments", [(), (np.zeros(1, np.float32),), (1, np.zeros(1, np.float32)), (None, 1.0)])
def test_wrong_arguments(launch, arguments):
    with pytest.raises(AssertionError, match="expected pi"):
        launch("test.write_at", "float32", (1, 1, 1), (1, 1, 1), arguments)


@pytest.mark.parametrize("cooperative", [False, True])
def test_atomics(launch, cooperative):
    total = np.zeros(1, np.int32)
    launch("test.count", "float32", (5, 2, 3), (7, 2, 1), (total,), cooperative=cooperative)
    assert total[0] == 5 * 2 * 3 * 14


def test_warp_operations(launch):
    x, out = np.arange(32.0), np.zeros(32)
    launch("test.warp_maximum", "float64", (1, 1, 1), (32, 1, 1), (x, out))
    assert out.tolist() == [31] * 32


def test_blocks_that_wait_for_each_other(launch):
    x = np.zeros(1, np.float32)
    launch("test.relay", "float32", (4, 1, 1), (1, 1, 1), (np.zeros(1, np.int32), x), cooperative=True)
    assert x[0] == 1 * 4 + 2 * 2 + 3


def test_structures_by_value(launch):
    pair, out = np.array([(1, 2)], dtype=[("a", "i8"), ("b", "i8")]), np.zeros(1)
    launch("test.add_pair", "float64", (1, 1, 1), (1, 1, 1), (pair, 0.5, out))
    assert out[0] == 3.5
