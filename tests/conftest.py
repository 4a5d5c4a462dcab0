"""Where tests run: the devices, arrays on each of them, and a watch over global state."""

from __future__ import annotations

import os
import random
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import backends
import framework as fw
from framework.autograd.modes import mode
from framework.random import get_state, manual_seed, set_state

settings.register_profile("default", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate" if os.environ.get("CI") else "default")

CUDA = pytest.param("cuda", marks=pytest.mark.gpu)
NAMES_A_DEVICE = {"device", "arrays", "kernels", "gpu"}
CPU_ONLY = {
    "benchmarks": "how time is measured and reported",
    "cuda": "kernels on an emulated GPU",
    "examples": "programs that run as processes of their own",
    "structure": "imports, names and signatures",
}
"""Folders in which a test that names no device has nothing to do on a GPU; elsewhere the mark `cpu` says so."""


def pytest_addoption(parser):
    parser.addoption(
        "--gpu",
        choices=["cuda", "emulated"],
        default="cuda",
        help="what tests marked gpu run on: a GPU, or one played by NumPy under CuPy's rules (default: cuda)",
    )


def pytest_configure(config):
    if config.option.gpu == "emulated":
        from tests.cuda import cupy_stand_in

        cupy_stand_in.install()


# ---------------------------------------------------------------- devices
@cache
def why_no_gpu() -> str:
    """Return why tests on a GPU cannot run; empty if they can."""
    try:
        backends.get_backend("cuda")
    except (ImportError, RuntimeError) as error:
        return str(error)
    return ""


def pytest_generate_tests(metafunc):
    """Where there is a GPU, let each test that names no device run a second time with the GPU as the default device."""
    test = metafunc.definition
    bound = test.path.parent.name in CPU_ONLY or test.get_closest_marker("cpu") or test.get_closest_marker("gpu")
    if not bound and NAMES_A_DEVICE.isdisjoint(metafunc.fixturenames) and not why_no_gpu():
        metafunc.parametrize("default_device", ["cpu", CUDA], indirect=True)


def pytest_collection_modifyitems(config, items):
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if gpu and why_no_gpu():
        for item in gpu:
            item.add_marker(pytest.mark.skip(reason=f"no GPU: {why_no_gpu()}"))
    elif config.option.gpu == "emulated":
        for item in gpu:
            if item.get_closest_marker("hardware"):
                item.add_marker(pytest.mark.skip(reason="about the GPU itself, or too much for an emulated one"))


class Arrays:
    """Makes tensors of one kind.

    Attributes
    ----------
    device : str
        The device string for ``framework``.
    read_only : bool
        Whether the arrays inside refuse to be written, as those of a memory-mapped file do.
    """

    def __init__(self, kind: str) -> None:
        self.device = backends.get_backend(kind.removesuffix("-readonly")).device
        self.read_only = kind.endswith("-readonly")

    def make(self, values: Any, *, requires_grad: bool = False) -> fw.Tensor:
        """Return a tensor with a copy of a NumPy array or nested sequence, dtype kept."""
        tensor = fw.asarray(np.array(values), device=self.device, copy=True)
        if self.read_only:
            tensor.data.flags.writeable = False
        return tensor.requires_grad_(requires_grad)


@pytest.fixture(autouse=True)
def default_device(request):
    """Where tensors are made when the test does not say."""
    before = fw.get_default_device()
    fw.set_default_device(getattr(request, "param", "cpu"))
    yield
    fw.set_default_device(before)
    wait_for_gpu()


def wait_for_gpu():
    """Let an index out of range that a GPU has met be raised now, not by whoever waits next."""
    if not why_no_gpu():
        backends.get_backend("cuda").synchronize()


@contextmanager
def waited_for():
    """Wait for a GPU at the end of a ``with`` block."""
    yield
    wait_for_gpu()


@pytest.fixture
def raises():
    """:func:`pytest.raises` for errors that a GPU reports when it is waited for."""

    @contextmanager
    def raises(error, match):
        with pytest.raises(error, match=match), waited_for():
            yield

    return raises


# The two fixtures hold no state, so that tests of properties may use them: hence the wide scope.
@pytest.fixture(scope="session", params=["cpu", "strict", CUDA])
def device(request):
    """Each device string in turn."""
    return backends.get_backend(request.param).device


@pytest.fixture(scope="session", params=["cpu", "cpu-readonly", "strict", CUDA])
def arrays(request):
    """An :class:`Arrays` for each kind of array in turn."""
    return Arrays(request.param)


# ---------------------------------------------------------------- global state
def _numpy_random_state():
    name, keys, *rest = np.random.get_state()
    return name, keys.tobytes(), *rest


WATCHED = {
    "grad mode": fw.is_grad_enabled,
    "autocast": lambda: mode.casts,
    "default device": fw.get_default_device,
    "default dtype": fw.get_default_dtype,
    "NumPy's error state": np.geterr,
    "NumPy's print options": np.get_printoptions,
    "NumPy's global random state": _numpy_random_state,
    "Python's global random state": random.getstate,
}


@pytest.fixture(autouse=True)
def no_leaks():
    """Fail a test that leaves global state other than it found it."""
    before = {name: state() for name, state in WATCHED.items()}
    yield
    leaked = [name for name, state in WATCHED.items() if state() != before[name]]
    assert not leaked, f"the test changed global state and left it: {', '.join(leaked)}"


@pytest.fixture(autouse=True)
def fixed_seed():
    """Start each test at the same place of the framework's random stream, whatever ran before."""
    before = get_state()
    manual_seed(0)
    yield
    set_state(before)
