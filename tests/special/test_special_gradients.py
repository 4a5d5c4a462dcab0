"""Gradients of every special function: finite differences and PyTorch, to second order."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import numpy as np
import pytest

import framework as fw
from tests.ops import test_gradients as shared
from tests.special.special_table import ROWS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_against_finite_differences(row, device):
    function = shared.Function(lambda *x: row(fw, *x), device)
    shared.check(function, shared.arguments(row), 2, np.random.default_rng(1))


@pytest.mark.parametrize(
    "row", {row.name: row for row in ROWS if "empty" not in row.variant}.values(), ids=lambda row: row.id
)
def test_computed_by_another_library(row):
    """The rules use nothing but the standard: they hold on PyTorch's arrays, which no backend was written for."""
    pytest.importorskip("torch")
    function = shared.Function(lambda *x: row(fw, *x), "torch")
    shared.check(function, shared.arguments(row), 1, np.random.default_rng(1))


@pytest.mark.parametrize("row", [row for row in ROWS if row.torch], ids=lambda row: row.id)
def test_against_pytorch(row):
    shared.test_against_pytorch(row)


def test_every_differentiable_operation_is_in_the_table():
    package = import_module("framework.special")
    modules = [import_module(found.name) for found in pkgutil.iter_modules(package.__path__, "framework.special.")]
    operations = set().union(*map(shared.primitives, modules))
    covered = set().union(*map(shared.recorded, ROWS))
    assert {op.__name__ for op in operations - covered} == set()
