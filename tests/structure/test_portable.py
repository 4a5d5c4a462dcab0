"""Nothing in the tree ties it to one machine: no host that serves packages, no absolute path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("backends", "benchmarks", "docs", "examples", "framework", "scripts", "tests")
INSTALLERS = ("Makefile", "pyproject.toml", ".ci/run", ".pre-commit-config.yaml")
TEXT = {".cfg", ".cu", ".cuh", ".ini", ".json", ".md", ".py", ".toml", ".txt", ".yaml", ".yml"}

SERVER = re.compile(r"\w+://|--(extra-)?index-url|--find-links")
MACHINE_PATH = re.compile(r"(?<![\w.}~])/(home|opt|root|srv|work)/")


def files():
    loose = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXT]
    nested = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in TEXT]
    return [*loose, *nested, *(ROOT / name for name in INSTALLERS)]


def test_whatever_installs_leaves_the_server_to_pip():
    assert {name: found for name in INSTALLERS if (found := SERVER.findall((ROOT / name).read_text()))} == {}


def test_no_lock_file():
    assert [
        path.name for path in ROOT.iterdir() if path.suffix == ".lock" or path.name.startswith("requirements")
    ] == []


def test_no_absolute_path_of_one_machine():
    assert [path.relative_to(ROOT) for path in files() if MACHINE_PATH.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("folder", ["home", "work"])
def test_the_search_can_fail(folder):
    assert MACHINE_PATH.search(f"see /{folder}/me/file")
    assert not MACHINE_PATH.search(f"see runs/{folder}/file")
    assert SERVER.search("pip install --index-url" + " x")
