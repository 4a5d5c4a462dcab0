"""The watch over global state: a leaking test fails, and only that one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

LEAKS = """
import random
import numpy as np
import framework as fw

def test_grad_mode(): fw.no_grad().__enter__()
def test_autocast(): fw.amp.autocast("cpu", "float16").__enter__()
def test_dtype(): fw.set_default_dtype(fw.float64)
def test_device(): fw.set_default_device("strict")
def test_error_state(): np.seterr(all="ignore")
def test_print_options(): np.set_printoptions(precision=3)
def test_numpy_random(): np.random.rand()
def test_python_random(): random.random()
def test_nothing(): fw.Tensor([1.0]) + 1
"""


def test_each_leak_is_named_and_only_leaks_fail(tmp_path):
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "markers=gpu", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    report = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert re.search(r"^9 passed, .*8 errors", report, re.MULTILINE)
    assert sorted(re.findall(r"^E .*and left it: (.*?)(?:$|\n)", report, re.MULTILINE)) == [
        "NumPy's error state",
        "NumPy's global random state",
        "NumPy's print options",
        "Python's global random state",
        "autocast",
        "default device",
        "default dtype",
        "grad mode",
    ]
