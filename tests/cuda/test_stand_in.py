"""The stand-in for CuPy refuses what CuPy refuses, and ordinary tests pass on it, as they are to pass on a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cuda import emulation
from tests.cuda.cupy_stand_in import cupy, cupyx

ROOT = Path(__file__).parents[2]

# One for each kind of thing that is done otherwise on a GPU; `pytest -m gpu --gpu emulated` runs them all, in minutes.
TESTS = (
    "tests/autograd/test_inplace.py",
    "tests/backends/test_narrow.py::test_many_are_counted",
    "tests/backends/test_narrow.py::test_small_sigmoids_keep_their_digits",
    "tests/dialects/test_zen.py::test_value_is_copied_in_and_can_be_assigned_and_changed",
    "tests/linalg/test_linalg.py",
    "tests/nn/test_losses.py",
    "tests/ops/test_keys.py",
    "tests/ops/test_operands.py",
    "tests/test_mistakes.py",
)


@pytest.mark.skipif(emulation.COMPILER is None, reason="kernels are run on the CPU with g++, which is missing")
def test_ordinary_tests_pass_on_an_emulated_gpu():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu", "--gpu", "emulated", *TESTS]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def test_host_and_device_do_not_mix():
    x, host = cupy.asarray([1.0, 2.0]), np.ones(2)
    for attempt in (
        lambda: np.asarray(x),
        lambda: x + host,
        lambda: host * x,
        lambda: cupy.add(x, host),
        lambda: np.add(host, x),
        lambda: cupy.where(x > 0, x, host),
        lambda: cupy.concatenate([x, host]),
        lambda: cupy.exp([1.0, 2.0]),
        lambda: cupy.linalg.solve(cupy.eye(2), host),
    ):
        with pytest.raises(TypeError, match=r"Unsupported type|Implicit conversion|Only cupy arrays"):
            attempt()
    with pytest.raises(ValueError, match="non-scalar"):
        x[...] = host
    assert type(x + np.float64(1) + 2) is type(cupy.asarray(host)) is cupy.ndarray


def test_results_without_axes_are_arrays():
    x = cupy.asarray([1.0, 2.0])
    for result in (x.sum(), cupy.max(x), x[0], cupy.linalg.det(cupy.eye(2)), next(iter(x)), np.sum(x)):
        assert type(result) is cupy.ndarray
        assert result.shape == ()
    entry = x[1]
    entry += 3
    assert x.tolist() == [1.0, 5.0]


def test_what_cupy_lacks_is_missing():
    x = cupy.asarray([2.0, 1.0])
    for name in ("vecdot", "unstack", "insert", "geomspace", "errstate"):
        assert not hasattr(cupy, name)
    for attempt in (
        lambda: cupy.sort(x, stable=True),
        lambda: cupy.zeros(2, device=None),
        lambda: cupy.sum(x, where=x > 1),
        lambda: cupy.linalg.cholesky(cupy.eye(2), upper=True),
        lambda: cupy.add.at(cupy.zeros(2, dtype="int64"), cupy.asarray([0, 0]), 1),
    ):
        with pytest.raises(TypeError):
            attempt()
    with pytest.raises(ValueError, match="Unsupported dtype"):
        cupy.asarray(["a"])


def test_what_cupy_does_not_report_passes():
    x = cupy.asarray([1.0, 0.0, 3.0])
    assert x[cupy.asarray([3, -4])].tolist() == cupy.take(x, cupy.asarray([3, -4])).tolist() == [1.0, 3.0]
    assert np.isinf((1 / x).get()[1])
    assert np.isnan(cupy.linalg.inv(cupy.zeros((2, 2))).get()).all()
    with cupyx.errstate(linalg="raise"), pytest.raises(np.linalg.LinAlgError, match="Error reported by"):
        cupy.linalg.inv(cupy.zeros((2, 2)))
    with pytest.raises(ValueError, match="must have"):
        cupy.linalg.solve(cupy.zeros((2, 2, 2)), cupy.zeros((2, 1)))


def test_views_know_whose_memory_they_share():
    x = cupy.zeros((2, 3))
    assert x.T[1].base is x
    assert cupy.reshape(x, (6,)).base is x
    assert (x + 1).base is None
