"""The order of things around a recording, with a stand-in for CuPy that notes them."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from backends._cupy import cublas, joining
from backends._cupy.capture import Capture


class Noted:
    """A stand-in for CuPy: streams, memory and graphs that write down what is done with them."""

    def __init__(self):
        self.log = []
        self.cuda = SimpleNamespace(
            Device=lambda index: Inside(self, f"device {index}", compute_capability="90"),
            Stream=lambda non_blocking: Stream(self),
            MemoryPool=lambda: SimpleNamespace(malloc=lambda size: SimpleNamespace(ptr=4096, size=size)),
            using_allocator=lambda malloc: nullcontext(),
            get_current_stream=lambda: Stream(self),
            runtime=SimpleNamespace(CUDARuntimeError=OSError),
        )
        self.int64 = "int64"

    def zeros(self, n, dtype):
        return SimpleNamespace(fill=lambda value: self.log.append(f"shift {value}"))


class Inside:
    def __init__(self, cupy, name, **attributes):
        self.cupy, self.name = cupy, name
        vars(self).update(attributes)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class Stream(Inside):
    ptr = 77

    def __init__(self, cupy):
        super().__init__(cupy, "stream")

    def synchronize(self):
        self.cupy.log.append("wait")

    def begin_capture(self):
        self.cupy.log.append("begin")

    def end_capture(self):
        self.cupy.log.append("end")
        return SimpleNamespace(launch=lambda: self.cupy.log.append("launch"))


class Blas:
    def __init__(self, log):
        self.log = log

    def bind(self, *where):
        self.log.append(f"bind {where}")


@pytest.fixture
def cupy(monkeypatch):
    made = Noted()
    monkeypatch.setitem(sys.modules, "cupy", made)
    monkeypatch.setattr(cublas, "load", lambda: Blas(made.log))
    return made


@pytest.fixture
def backend():
    return SimpleNamespace(device="cuda:1", capture=None, mistakes=SimpleNamespace(check=lambda: None))


BOUND = f"bind (77, 4096, {32 << 20})"


def test_a_recording(cupy, backend):
    capture = Capture(backend)

    def step():
        assert backend.capture is capture
        cupy.log.append("step")
        return 5

    assert capture.rehearse(step) == 5
    assert cupy.log == ["wait", BOUND, "step", "wait"]
    cupy.log.clear()
    assert capture.record(step) == 5
    assert cupy.log == ["wait", BOUND, "begin", "step", "end"]  # the stream is set before cuBLAS could refuse it
    assert backend.capture is None
    cupy.log.clear()
    capture.replay(3)
    capture.random_keys.add(0)
    capture.replay(4)
    assert cupy.log == ["launch", "shift 4", "launch"]


def test_a_recording_that_fails(cupy, backend):
    capture = Capture(backend)

    def step():
        raise KeyError("step")

    with pytest.raises(KeyError):
        capture.rehearse(step)
    with pytest.raises(KeyError):
        capture.record(step)
    assert cupy.log[-2:] == ["begin", "end"]
    assert backend.capture is None


def test_without_cublas(cupy, backend, monkeypatch):
    monkeypatch.setattr(cublas, "load", lambda: None)
    capture = Capture(backend)
    assert capture.blas is None
    assert capture.rehearse(lambda: 1) == 1
    assert cupy.log == ["wait", "wait"]


def test_cublas_is_looked_for_through_cupys_module(monkeypatch, tmp_path):
    libraries = SimpleNamespace(cublas=SimpleNamespace(__file__=str(tmp_path / "no.so")))
    monkeypatch.setitem(sys.modules, "cupy_backends", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs", libraries)
    assert cublas.load.__wrapped__() is None


@pytest.mark.parametrize("count", [1, 8, 9, 64, 65, 100])
def test_arrays_are_joined_eight_at_a_time(count):
    def few(name):
        def join(arrays, axis):
            assert len(arrays) <= 8
            return getattr(np, name)(arrays, axis=axis)

        return join

    module = SimpleNamespace(concat=few("concat"), stack=few("stack"), expand_dims=np.expand_dims)
    join = joining.overrides(SimpleNamespace(capturing=lambda: True), module)
    arrays = [np.random.default_rng(i).random((2, 3)) for i in range(count)]
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(join["stack"](arrays, axis=axis), np.stack(arrays, axis=axis))
        ragged = [np.moveaxis(x[: 1 + i % 2], 0, axis) for i, x in enumerate(arrays)]
        np.testing.assert_array_equal(join["concat"](ragged, axis=axis), np.concat(ragged, axis=axis))
    np.testing.assert_array_equal(join["concat"](arrays, axis=None), np.concat(arrays, axis=None))
    outside = joining.overrides(SimpleNamespace(capturing=lambda: False), np)
    np.testing.assert_array_equal(outside["stack"](arrays), np.stack(arrays))
    np.testing.assert_array_equal(outside["concat"](arrays), np.concat(arrays))
