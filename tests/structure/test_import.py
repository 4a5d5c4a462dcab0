"""What an import brings along, each time in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIGHT = {"framework", "backends", "numpy", "array_api_compat"}


def in_fresh_interpreter(code: str):
    """Run the code and return what it leaves in ``result``."""
    script = f"import json, sys\nbefore = set(sys.modules)\n{code}\nprint(json.dumps(result))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def third_party_after(code: str) -> set[str]:
    """Return the top-level modules, other than Python's own, that the code loads."""
    result = "result = sorted({name.partition('.')[0] for name in set(sys.modules) - before})"
    return set(in_fresh_interpreter(f"{code}\n{result}")) - sys.stdlib_module_names


@pytest.mark.parametrize("package", ["framework", "backends"])
def test_import_loads_no_heavy_library(package):
    assert third_party_after(f"import {package}") <= LIGHT


def test_backends_do_not_load_the_framework():
    assert "framework" not in third_party_after("import backends; backends.get_backend('cpu')")


def test_work_on_the_cpu_loads_no_other_library():
    code = "import framework as fw; x = fw.Tensor([1.0, 2.0], requires_grad=True); (x * x).sum().backward()"
    assert third_party_after(code) <= LIGHT


def test_the_check_can_fail():
    assert "scipy" in third_party_after("import scipy")


def test_import_leaves_numpy_as_it_was():
    code = """
import numpy as np
def state():
    return [np.geterr(), np.get_printoptions(), np.random.get_state()[1].tolist()]
before_import = repr(state())
import framework
result = repr(state()) == before_import
"""
    assert in_fresh_interpreter(code) is True
