"""Every operation's precision is chosen, is PyTorch's where PyTorch says one, and is what the graph then shows."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import framework as fw
from framework.autograd.graph import Node
from framework.autograd.primitive import Op
from tests.amp.policies import FLOAT32, LOW, OTHERWISE, TORCH_NAMES, WIDEST
from tests.ops.gradient_table import ROWS

CUDA = pytest.param("cuda", marks=pytest.mark.gpu)
# array-api-strict has no dtype of 16 bits.
DEVICES = ["cpu", CUDA]
FRONT_ENDS = ("framework.viz", "framework.dialects", "framework.training", "framework.cuda")


def written(table):
    return {f"{module}.{name}" for module, names in table.items() for name in names.split()}


def chosen():
    """Each operation, and each function with a precision, where it is defined."""
    found = {}
    for module in pkgutil.walk_packages(fw.__path__, "framework."):
        if not module.name.startswith(FRONT_ENDS):
            for name, value in vars(import_module(module.name)).items():
                value = getattr(value, "op", value)
                precision = vars(value).get("precision") if hasattr(value, "__dict__") else None
                if (isinstance(value, Op) or (callable(value) and precision)) and value.__module__ == module.name:
                    found[f"{module.name}.{name}"] = precision
    return found


def test_every_operation_has_the_precision_that_was_chosen_for_it():
    table = {
        name: kind for kind, part in (("low", LOW), ("float32", FLOAT32), (None, WIDEST)) for name in written(part)
    }
    assert chosen() == table


# ---------------------------------------------------------------- PyTorch's lists
@pytest.fixture(scope="module")
def torch_lists():
    """The macros in which PyTorch lists operations, from the header that is installed with it."""
    torch = pytest.importorskip("torch")
    path = Path(torch.__file__).parent / "include" / "ATen" / "autocast_mode.h"
    text = path.read_text(encoding="utf-8")
    macros = re.findall(r"#define AT_FORALL_(\w+)\(_\)((?:.*\\\n)+.*\n)", text)
    return {name: set(re.findall(r"_\((?:ADD_NS\()?(\w+)", body)) for name, body in macros}


def test_the_lists_are_read(torch_lists):
    assert {"matmul", "linear"} <= torch_lists["LOWER_PRECISION_FP"]
    assert {"exp", "layer_norm"} <= torch_lists["FP32"]
    assert {"sum", "softmax"} <= torch_lists["FP32_SET_OPT_DTYPE"]


def test_precisions_are_pytorchs(torch_lists):
    kinds = {"LOWER_PRECISION_FP": "low", "FP32": "float32", "FP32_SET_OPT_DTYPE": "float32", "PROMOTE": None}
    theirs = {name: kind for macro, kind in kinds.items() for name in torch_lists[macro]}
    differing = {}
    for path, ours in chosen().items():
        name = path.rpartition(".")[2]
        known = TORCH_NAMES.get(name, name)
        if known in theirs and theirs[known] != ours:
            differing[name] = ours
    assert differing.keys() == OTHERWISE.keys()


# ---------------------------------------------------------------- what the graph shows
def nodes(outputs):
    stack, seen = [y.node for y in outputs if y.node is not None], set()
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            yield node
            stack += [edge for edge in node.inputs if isinstance(edge, Node)]


def run(row, device, precision=None):
    """Outputs and gradients of a row of the gradient table on float32 arguments."""
    rng = np.random.default_rng(0)
    arrays = [np.asarray(sample(rng)) for sample in row.args]
    leaves = [fw.asarray(x.astype("f4") if x.dtype.kind == "f" else x, device=device) for x in arrays]
    leaves = [x.requires_grad_(x.dtype.kind == "f") for x in leaves]
    if precision is None:
        y = row(fw, *leaves)
    else:
        with fw.amp.autocast(device, precision):
            y = row(fw, *leaves)
    outputs = [out for out in (y if isinstance(y, tuple) else (y,)) if out.requires_grad]
    wanted = [x for x in leaves if x.requires_grad]
    found = list(nodes(outputs))
    seeds = [fw.ones_like(out) for out in outputs]
    grads = fw.autograd.grad(outputs, wanted, seeds, allow_unused=True) if outputs else ()
    return wanted, outputs, grads, found


REAL = [
    row
    for row in ROWS
    if row.smooth
    and row.variant != "large"
    and all(np.asarray(s(np.random.default_rng(0))).dtype.kind != "c" for s in row.args)
]


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("row", REAL, ids=lambda row: row.id)
def test_operations_run_in_their_precision_and_give_nearly_the_float32_result(row, device, precision):
    if precision == "bfloat16":
        pytest.importorskip("ml_dtypes")
    leaves, outputs, grads, graph = run(row, device, precision)
    for node in graph:
        kind = vars(node.op).get("precision")
        dtypes = {np.dtype(d) for d in (node.dtype if isinstance(node.dtype, list) else [node.dtype])}
        if kind and {d.kind for d in dtypes} <= set("fV"):
            assert {d.name for d in dtypes} == {precision if kind == "low" else "float32"}, node
    _, expected, wanted, _ = run(row, device)
    tolerance = 2e-2 if precision == "bfloat16" else 3e-3
    for y, theirs in zip(outputs, expected, strict=True):
        near(y, theirs, tolerance)
    for x, g, theirs in zip(leaves, grads, wanted, strict=True):
        assert (g is None) == (theirs is None)
        if g is not None:
            assert (g.dtype, g.shape) == (x.dtype, x.shape)
            near(g, theirs, tolerance)


def near(a, b, tolerance):
    a, b = (np.asarray(x.detach().cpu().numpy(), dtype=np.complex128) for x in (a, b))
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=2 * tolerance, atol=2 * tolerance * max(1.0, np.abs(b).max(initial=0)))
