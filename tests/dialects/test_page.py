"""The tables of ``docs/from-the-lessons.md``: what they name exists, and their examples run (its blocks are doctests)."""

from __future__ import annotations

import contextlib
import io
import re
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

import framework as fw
from framework import nn, optim
from framework.dialects import grokking, zen

PAGE = (Path(__file__).parents[2] / "docs" / "from-the-lessons.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")]
ROOTS = {"fw": fw, "nn": nn, "optim": optim}
NAMES = sorted(set(re.findall(r"\b(?:fw|nn|optim)(?:\.[A-Za-z_]\w*)+", PAGE)))
EXAMPLES = [code for row in ROWS if len(row) == 3 for code in re.findall(r"`([^`]+)`", row[2])[:1]]


def test_the_tables_are_found():
    assert len(ROWS) > 70
    assert len(EXAMPLES) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_what_is_named_exists(name):
    root, *path = name.split(".")
    reduce(getattr, path, ROOTS[root])


@pytest.mark.cpu("some examples set the default device")
@pytest.mark.parametrize("code", EXAMPLES)
def test_examples_run(code):
    x = fw.Tensor([0.5, 1.0], requires_grad=True)
    names = {
        **ROOTS,
        "np": np,
        "x": x if ".add_" not in code else x.detach(),
        "a": fw.Tensor([[0.5]], requires_grad=True),
        "b": fw.Tensor([[3.0]]),
        "ids": fw.asarray([0, 1]),
        "loss": (x * x).sum(),
        "model": nn.Linear(2, 3),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, names)


@pytest.mark.parametrize("dialect", [grokking, zen])
def test_every_name_of_the_dialects_is_on_the_page(dialect):
    public = getattr(dialect, "__all__", ["Tensor", "lift"])
    members = [name for name, _ in vars(dialect.Tensor).items() if not name.startswith("_") and name != "device"]
    missing = [name for name in [*public, *members] if not re.search(rf"\b{name}\b", PAGE)]
    assert missing == []
