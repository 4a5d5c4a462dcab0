"""Gradients of every operation in the table: against finite differences, against PyTorch, to second order."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import framework as fw
from framework.autograd.graph import Node
from framework.autograd.primitive import Primitive
from tests.ops.gradient_table import ROWS, Row

Arrays = Sequence[np.ndarray]


def arguments(row: Row) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.asarray(sample(rng)) for sample in row.args]


def is_inexact(x: Any) -> bool:
    return np.asarray(x).dtype.kind in "fc"


def random_like(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    parts = rng.normal(size=(2, *x.shape))
    return parts[0] + 1j * parts[1] if x.dtype.kind == "c" else parts[0]


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """The inner product of two arrays as vectors of real numbers."""
    return float(np.sum(np.real(np.conj(a) * b)))


# ---------------------------------------------------------------- a function on tensors, seen through NumPy arrays
class Function:
    """A function of tensors on one device, and the function that computes its gradients."""

    def __init__(self, call: Callable[..., Any], device: str) -> None:
        self.call = call
        self.device = device

    def leaves(self, arrays: Arrays) -> list[Any]:
        return [fw.asarray(x, device=self.device, copy=True).requires_grad_(is_inexact(x)) for x in arrays]

    def outputs(self, leaves: Sequence[Any]) -> list[Any]:
        """The outputs that a gradient can start from."""
        y = self.call(*leaves)
        return [out for out in (y if isinstance(y, tuple) else (y,)) if out.dtype.kind in "fc"]

    def values(self, arrays: Arrays) -> list[np.ndarray]:
        return [np.array(y.detach().numpy()) for y in self.outputs(self.leaves(arrays))]

    def gradients(self, leaves: Sequence[Any], seeds: Sequence[Any], create_graph: bool = False) -> list[Any]:
        """One for each leaf that requires a gradient."""
        outs = self.outputs(leaves)
        used = [(out, seed) for out, seed in zip(outs, seeds) if out.requires_grad]
        wanted = [x for x in leaves if x.requires_grad]
        if not used:
            return [fw.zeros_like(x) for x in wanted]
        found = fw.autograd.grad(
            [out for out, _ in used],
            wanted,
            [seed for _, seed in used],
            create_graph=create_graph,
            allow_unused=True,
        )
        return [fw.zeros_like(x) if g is None else g for x, g in zip(wanted, found)]

    def gradient_function(self, count: int) -> Function:
        """The gradients as a function of the ``count`` arguments and the seeds."""
        return Function(lambda *x: tuple(self.gradients(x[:count], x[count:], create_graph=True)), self.device)


def check(function: Function, arrays: Arrays, order: int, rng: np.random.Generator) -> None:
    """Compare gradients with central differences of fourth order along a random direction."""
    seeds = [random_like(y, rng) for y in function.values(arrays)]
    leaves = function.leaves(arrays)
    gradients = function.gradients(leaves, [fw.asarray(seed, device=function.device) for seed in seeds])
    inexact = [x for x in arrays if is_inexact(x)]
    for x, g in zip(inexact, gradients):
        assert (g.shape, g.dtype, g.device) == (x.shape, x.dtype, function.device)
    direction = [random_like(x, rng) if is_inexact(x) else np.zeros_like(x) for x in arrays]

    def along(t: float) -> float:
        moved = [x + (t * d).astype(x.dtype) if is_inexact(x) else x for x, d in zip(arrays, direction)]
        return sum(dot(seed, y) for seed, y in zip(seeds, function.values(moved)))

    h = 1e-3
    expected = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    actual = sum(dot(g.numpy(), d) for g, d in zip(gradients, (d for d, x in zip(direction, arrays) if is_inexact(x))))
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-7, err_msg=f"order {order} from the last")
    if order > 1:
        check(function.gradient_function(len(arrays)), [*arrays, *seeds], order - 1, rng)


@pytest.mark.parametrize("row", [row for row in ROWS if row.smooth], ids=lambda row: row.id)
def test_against_finite_differences(row, device):
    check(Function(lambda *x: row(fw, *x), device), arguments(row), 2, np.random.default_rng(1))


# ---------------------------------------------------------------- PyTorch
def of_torch(call: Callable[..., Any], arrays: Arrays, rng: np.random.Generator) -> list[list[np.ndarray]]:
    """PyTorch's outputs, gradients and second gradients."""
    torch = pytest.importorskip("torch")
    leaves = [torch.tensor(x).requires_grad_(is_inexact(x)) for x in arrays]
    wanted = [x for x in leaves if x.requires_grad]
    y = call(torch, *leaves)
    outs = [out for out in (y if isinstance(y, tuple | list) else (y,)) if out.is_floating_point() or out.is_complex()]
    seeds = [torch.tensor(random_like(out.numpy(force=True), rng)) for out in outs]
    results = [[out.numpy(force=True) for out in outs]]
    for _ in range(2):
        used = [(out, seed) for out, seed in zip(outs, seeds) if out.requires_grad]
        if not used:
            outs = [torch.zeros_like(x) for x in wanted]
        else:
            options = {"create_graph": True, "allow_unused": True, "materialize_grads": True}
            outs = list(torch.autograd.grad([o for o, _ in used], wanted, [s for _, s in used], **options))
        results.append([out.numpy(force=True) for out in outs])
        seeds = [torch.tensor(random_like(out.numpy(force=True), rng)) for out in outs]
    return results


def of_framework(
    call: Callable[..., Any], arrays: Arrays, rng: np.random.Generator, device: str
) -> list[list[np.ndarray]]:
    """Our outputs, gradients and second gradients, from the same seeds."""
    function = Function(call, device)
    leaves = function.leaves(arrays)
    outs = function.outputs(leaves)
    results = [[out.detach().numpy() for out in outs]]
    wanted = [x for x in leaves if x.requires_grad]
    for _ in range(2):
        seeds = [fw.asarray(random_like(out.detach().numpy(), rng), device=device) for out in outs]
        outs = _again(outs, wanted, seeds)
        results.append([out.detach().numpy() for out in outs])
    return results


def _again(outs: Sequence[Any], wanted: Sequence[Any], seeds: Sequence[Any]) -> list[Any]:
    used = [(out, seed) for out, seed in zip(outs, seeds) if out.requires_grad]
    found = [None] * len(wanted)
    if used:
        pairs = list(zip(*used))
        found = list(fw.autograd.grad(pairs[0], wanted, pairs[1], create_graph=True, allow_unused=True))
    return [fw.zeros_like(x) if g is None else g for x, g in zip(wanted, found)]


@pytest.mark.parametrize("row", [row for row in ROWS if row.torch], ids=lambda row: row.id)
def test_against_pytorch(row):
    theirs = of_torch(row.on_torch, arguments(row), np.random.default_rng(2))
    ours = of_framework(lambda *x: row(fw, *x), arguments(row), np.random.default_rng(2), "cpu")
    for what, our, their in zip(("output", "gradient", "second gradient"), ours, theirs):
        assert len(our) == len(their)
        for i, (a, b) in enumerate(zip(our, their)):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=f"{what} {i}")


# ---------------------------------------------------------------- the table is complete
def primitives(module: Any) -> set[Primitive]:
    """The differentiable operations that a module defines or imports."""
    ops = {getattr(value, "op", None) for value in vars(module).values() if callable(value)}
    return {op for op in ops if isinstance(op, Primitive) and op.differentiable}


def differentiable() -> Iterator[Primitive]:
    package = import_module("framework.ops")
    for module in pkgutil.iter_modules(package.__path__, "framework.ops."):
        yield from primitives(import_module(module.name))


def recorded(row: Row) -> set[Any]:
    """The operations that a row puts into the graph, as such and in its gradients' graph."""
    function = Function(lambda *x: row(fw, *x), "cpu")
    stack = [y.node for y in function.outputs(function.leaves(arguments(row))) if y.node is not None]
    found = set()
    while stack:
        node = stack.pop()
        found.add(node.op)
        stack += [edge for edge in node.inputs if isinstance(edge, Node)]
    return found


def missing(rows: Sequence[Row]) -> set[str]:
    covered = set().union(*map(recorded, rows))
    return {f"{op.__module__}.{op.__name__}" for op in differentiable() if op not in covered}


def test_every_differentiable_operation_is_in_the_table():
    assert missing(ROWS) == set()


def test_a_missing_operation_is_seen():
    assert "framework.ops.elementwise.tanh" in missing([row for row in ROWS if row.name not in ("tanh", "sigmoid")])


def test_a_wrong_gradient_is_seen():
    wrong = Primitive(lambda xp, x: xp.sin(x)).function
    wrong.defvjp(lambda xp, g, x: g * xp.cos(x) * (1 + 1e-5))
    with pytest.raises(AssertionError, match="order 2"):
        check(Function(wrong, "cpu"), [np.array([1.0, 2.0])], 2, np.random.default_rng(0))


@pytest.mark.cpu("a rule that calls NumPy")
def test_a_wrong_second_gradient_is_seen():
    @fw.autograd.primitive
    def half(xp, x, /):
        return xp.sin(x)

    half.defvjp(lambda xp, g, x: g * xp.asarray(np.cos(np.asarray(x.detach() if hasattr(x, "detach") else x))))
    with pytest.raises(AssertionError, match="order 1"):
        check(Function(half, "cpu"), [np.array([1.0, 2.0])], 2, np.random.default_rng(0))
