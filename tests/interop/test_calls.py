"""SciPy and scikit-learn take tensors unmodified: values against NumPy input, gradients against differences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.interop import calls, render

pytestmark = pytest.mark.cpu("runs in processes of its own")

ROOT = Path(__file__).parents[2]

pytest.importorskip("scipy", minversion="1.17")
if tuple(map(int, version("scikit-learn").split(".")[:2])) < (1, 9):
    pytest.skip("the table is that of scikit-learn 1.9", allow_module_level=True)

TABLES = (
    *(calls.SCIPY, calls.SCIPY_VALUES_ONLY, calls.SCIPY_REFUSED),
    *(calls.SKLEARN, calls.SKLEARN_VALUES_ONLY, calls.SKLEARN_REFUSED),
)
CALLS = [call for table in TABLES for group in table.values() for call in group]


@cache
def problems(dtype: str, device: str) -> dict[str, str]:
    """What is wrong with each call, with these defaults: one process for all of them."""
    command = [sys.executable, "-m", "tests.interop.run_calls", dtype, device]
    switch = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run(command, cwd=ROOT, env=switch, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("call", CALLS)
def test_call(call):
    assert problems("float64", "cpu")[call] == ""


@pytest.mark.parametrize("call", [call for call in CALLS if call not in calls.NEED_FLOAT64_DEFAULT])
def test_call_with_float32_by_default(call):
    assert problems("float32", "cpu")[call] == ""


@pytest.mark.parametrize("call", [call for call in CALLS if call not in calls.NEED_NUMPY])
def test_call_on_another_library(call):
    assert problems("float64", "strict")[call] == ""


def test_there_are_as_many_as_promised():
    assert render.size(calls.SCIPY) >= 40
    assert render.size(calls.SKLEARN) >= 15
    assert len(CALLS) == len(set(CALLS))


def test_the_page_lists_them():
    page = render.PAGE.read_text(encoding="utf-8")
    assert page == render.rendered(page), "run python -m tests.interop.render"
