"""Kernels have one interface: the reference, the faster bodies of each library and the documentation agree.

The libraries' sources are read, not imported, so that CuPy's kernels are compared on machines without CuPy too.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

from backends import Backend

ROOT = Path(__file__).parents[2]
BACKENDS = ROOT / "backends"
LIBRARIES = sorted(path for path in BACKENDS.glob("_*") if path.is_dir() and path.name != "__pycache__")


def signatures(path: Path) -> dict[str, str]:
    """Map a file's public functions to their parameters and defaults as text, without annotations."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {
        node.name: _parameters(node.args)
        for node in body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def _parameters(args: ast.arguments) -> str:
    for node in ast.walk(args):
        if isinstance(node, ast.arg):
            node.annotation = None
    return ast.unparse(args)


def kernels(folder: Path) -> dict[str, tuple[str, str]]:
    """Map each kernel in a folder, a function of a backend, to its file and its parameters."""
    return {
        name: (path.name, parameters)
        for path in sorted(folder.glob("*.py"))
        for name, parameters in signatures(path).items()
        if parameters.split(",")[0] == "backend"
    }


REFERENCE = kernels(BACKENDS / "reference")
EXTENSIONS = {
    name: parameters.removeprefix("xp, ")
    for name, parameters in signatures(BACKENDS / "reference" / "extensions.py").items()
}


def test_there_are_kernels_to_compare():
    assert {"lstm_forward", "sum_rows", "cross_entropy_backward"} <= REFERENCE.keys()
    assert "_numpy" in [library.name for library in LIBRARIES]


@pytest.mark.parametrize("name", REFERENCE)
def test_every_reference_kernel_is_bound(name):
    file, _ = REFERENCE[name]
    module = import_module(f"backends.reference.{Path(file).stem}")
    assert getattr(Backend, name) is getattr(module, name)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_same_file_name_and_signature_as_the_reference(library):
    found = kernels(library)
    assert found == {name: REFERENCE.get(name, "no such reference kernel") for name in found}


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_extensions_have_the_signature_of_the_reference(library):
    found = {
        name: text for path in library.glob("*.py") for name, text in signatures(path).items() if name in EXTENSIONS
    }
    assert found == {name: EXTENSIONS[name] for name in found}


@pytest.mark.parametrize("name", REFERENCE)
def test_every_kernel_is_documented(name):
    assert f"`{name}(" in (ROOT / "docs" / "kernels.md").read_text(encoding="utf-8")


def test_a_different_signature_is_seen(tmp_path):
    path = tmp_path / "rows.py"
    path.write_text("def f(backend, x: int, n=1, *, keep: bool) -> int: ...\ndef _g(backend): ...\ndef h(x): ...\n")
    assert kernels(tmp_path) == {"f": ("rows.py", "backend, x, n=1, *, keep")}
