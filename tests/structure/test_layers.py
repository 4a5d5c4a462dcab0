"""Imports point down only, and never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Lowest first. A module belongs to the longest prefix that it matches; its imports stay in its layer or below.
LAYERS = (
    ("backends",),
    ("framework.autograd",),
    ("framework.ops",),
    ("framework",),
    ("framework.nn", "framework.optim", "framework.data", "framework.metrics", "framework.amp"),
    ("framework.training", "framework.dialects", "framework.distributed", "framework.viz"),
)
LAYER_OF = {prefix: height for height, prefixes in enumerate(LAYERS) for prefix in prefixes}
# The list of the namespace: it shows the packages above it to the user, and holds no code.
FACADE = "framework"

Imports = dict[str, set[str]]


def read_imports(root: Path, *, for_types: bool = True) -> Imports:
    """Map each module of both packages to all that it imports, at the top and inside functions.

    ``for_types=False`` leaves out what only a type checker sees.
    """
    paths = [path for package in ("backends", "framework") for path in sorted((root / package).rglob("*.py"))]
    modules = {_module_name(root, path): path for path in paths}
    return {name: set(_targets(path, name, modules.keys(), for_types)) for name, path in modules.items()}


def _module_name(root: Path, path: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _walk(node: ast.AST, for_types: bool) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING") and not for_types:
        return
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, for_types)


def _targets(path: Path, module: str, modules: set[str], for_types: bool) -> Iterator[str]:
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in _walk(ast.parse(path.read_text(encoding="utf-8")), for_types):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                yield submodule if submodule in modules else base


def layer(module: str) -> int:
    """Return the height of a module's layer."""
    parts = module.split(".")
    prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next(LAYER_OF[prefix] for prefix in prefixes if prefix in LAYER_OF)


def upward(imports: Imports) -> list[str]:
    """List the arrows that point up."""
    return [
        f"{module} imports {target}"
        for module, targets in imports.items()
        for target in sorted(targets & imports.keys())
        if module != FACADE and layer(target) > layer(module)
    ]


def cycle(imports: Imports) -> list[str]:
    """Return the modules of one import cycle, or nothing."""
    graph = {module: targets & imports.keys() - {module} for module, targets in imports.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def imports():
    return read_imports(ROOT)


def test_the_packages_are_found(imports):
    assert {"backends._base", "framework.autograd"} <= imports.keys()


def test_no_arrow_points_up(imports):
    assert upward(imports) == []


def test_no_import_cycle():
    assert cycle(read_imports(ROOT, for_types=False)) == []


def test_only_backends_know_array_libraries(imports):
    libraries = {"cupy", "cupyx", "torch", "jax", "array_api_strict", "array_api_compat"}
    assert {
        module: names
        for module, targets in imports.items()
        # framework.cuda is CuPy's devices and streams by name; nothing else may know a library.
        if module.startswith("framework")
        and module != "framework.cuda"
        and (names := {target.split(".")[0] for target in targets} & libraries)
    } == {}


# ---------------------------------------------------------------- the walker itself
@pytest.fixture
def tree(tmp_path):
    def write(**sources):
        for name, source in sources.items():
            path = tmp_path / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        return tmp_path

    return write


@pytest.mark.parametrize(
    "source",
    [
        "import framework.nn.linear",
        "from framework.nn import linear",
        "from framework.nn.linear import Linear",
        "from ..nn import linear",
        "from ..nn.linear import Linear",
        "def late():\n    from framework.nn import linear",
        "if TYPE_CHECKING:\n    from framework.nn import linear",
    ],
)
def test_every_way_of_importing_upwards_is_seen(tree, source):
    root = tree(framework__ops__add=source, framework__nn__linear="")
    assert upward(read_imports(root)) == ["framework.ops.add imports framework.nn.linear"]


def test_downwards_sideways_and_outside_are_allowed(tree):
    source = "import numpy\nfrom framework.ops import add\nfrom framework.optim import sgd\nfrom . import other"
    others = {"framework__nn__other": "", "framework__ops__add": "", "framework__optim__sgd": ""}
    imports = read_imports(tree(framework__nn__linear=source, **others))
    assert imports["framework.nn.linear"] == {"numpy", "framework.ops.add", "framework.optim.sgd", "framework.nn.other"}
    assert upward(imports) == []
    assert cycle(imports) == []


def test_a_cycle_through_a_late_import_is_seen(tree):
    root = tree(
        backends__a="from backends import b",
        backends__b="import backends.c",
        backends__c="def late():\n    from .a import name",
    )
    assert set(cycle(read_imports(root))) == {"backends.a", "backends.b", "backends.c"}


def test_an_import_for_a_type_makes_no_cycle(tree):
    root = tree(backends__a="import backends.b", backends__b="if TYPE_CHECKING:\n    import backends.a")
    assert cycle(read_imports(root))
    assert not cycle(read_imports(root, for_types=False))
