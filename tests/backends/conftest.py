"""The implementations of the kernels that every kernel test runs on, all called with NumPy arrays."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from backends import get_backend
from backends._numpy import embedding, threads
from backends._numpy.compiled import compiled

IMPLEMENTATIONS = {"reference on strict": "strict", "reference on NumPy": "cpu", "NumPy": "cpu", "CuPy": "cuda"}
FOLDERS = {"NumPy": "_numpy", "CuPy": "_cupy"}


class Kernels:
    """One implementation of a topic's kernels: arguments are sent to its library, results brought back.

    NumPy arguments are lent read-only, so that a kernel that writes into them fails.
    """

    def __init__(self, name, topic):
        self.module = import_module(f"backends.{FOLDERS.get(name, 'reference')}.{topic}")
        self.backend = get_backend(IMPLEMENTATIONS[name])

    def __getattr__(self, kernel):
        def call(*args):
            results = getattr(self.module, kernel)(self.backend, *map(self._send, args))
            self.backend.synchronize()
            if kernel.endswith("_forward"):
                *outputs, saved = results
                return (*map(self._fetch, outputs), saved)
            return self._fetch(results)

        return call

    def _send(self, argument):
        if not isinstance(argument, np.ndarray):
            return argument
        lent = argument.view()
        lent.flags.writeable = False
        return self.backend.asarray(lent)

    def _fetch(self, result):
        if isinstance(result, tuple):
            return tuple(map(self._fetch, result))
        return None if result is None else self.backend.to_numpy(result)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.gpu if name == "CuPy" else ()) for name in IMPLEMENTATIONS],
)
def kernels(request):
    if IMPLEMENTATIONS[request.param] == "strict":
        pytest.importorskip("array_api_strict")
    return Kernels(request.param, request.module.TOPIC)


@pytest.fixture(scope="module")
def pair(request):
    """The NumPy kernels and the reference on NumPy, to be compared."""
    return Kernels("NumPy", request.module.TOPIC), Kernels("reference on NumPy", request.module.TOPIC)


@pytest.fixture(params=["compiled", "NumPy"])
def bodies(request, monkeypatch):
    """NumPy's kernels find any work with rows large enough for compiled loops, or as if there were none, and for threads."""
    if request.param == "compiled":
        pytest.importorskip("numba", reason="the compiled bodies need numba")
    monkeypatch.setattr(embedding, "MUCH", 1)
    monkeypatch.setattr(threads, "PART", 1)
    monkeypatch.setattr(embedding, "compiled", compiled if request.param == "compiled" else lambda topic: None)
