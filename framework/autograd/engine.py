"""The backward pass: from outputs to leaves, each node once, without recursion.

Nodes are visited by falling sequence number, taken from a heap: every user of a value was recorded after
it, so when a node's turn comes all its gradients have arrived. Leaves receive their sums at the very end,
so an error on the way changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

from framework.autograd.broadcast import match
from framework.autograd.graph import Edge, Node, Variable, make_tensor
from framework.autograd.modes import backward_mode
from framework.autograd.primitive import OutputGrads
from framework.autograd.rows import RowSparse
from framework.autograd.versions import check_saved, latest

_PARTIAL = (RowSparse, OutputGrads)
"""Gradients that name only what is not zero; they know how to add themselves to others."""


def propagate(
    roots: Iterable[tuple[Edge, Any]],
    *,
    targets: Sequence[Edge] | None = None,
    stop_at_targets: bool = False,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> dict[Any, Any]:
    """Send gradients from ``roots`` down the graph.

    Parameters
    ----------
    roots : iterable of (node or leaf, gradient)
        Where to start. Gradients are raw arrays, or tensors if ``create_graph``.
    targets : sequence of (node or leaf), optional
        If given, only the paths to these are walked. Otherwise all leaves are reached.
    stop_at_targets : bool
        Whether what reaches a target goes no further, to other targets below it.
    retain_graph : bool
        Whether nodes keep their values, for another backward.
    create_graph : bool
        Run the rules on tensors, so that the gradients are themselves in the graph.

    Returns
    -------
    dict
        Gradients of the targets, or of all leaves.
    """
    wanted = None if targets is None else set(targets)
    useful = None if wanted is None else _leading_to(wanted, [edge for edge, _ in roots])
    pending: dict[Any, Any] = {}
    owned: set[Any] = set()
    found: dict[Any, Any] = {}
    heap: list[tuple[int, Node]] = []
    keeps = retain_graph or create_graph

    arriving: Iterable[tuple[Any, Any]] = roots
    g: Any = None
    with backward_mode(create_graph):
        while True:
            for edge, part in arriving:
                if edge is None or part is None or (useful is not None and edge not in useful):
                    continue
                inner = type(edge) is Node
                if type(part) not in _PARTIAL:
                    value = edge if inner else edge.data
                    raw = part.data if create_graph else part
                    if raw.shape != value.shape or raw.dtype != value.dtype:
                        part = _fitted(part, edge, value, create_graph)
                    elif part is g and not (inner or create_graph):
                        part = edge.backend.xp.asarray(part, copy=True)
                if edge in pending:
                    pending[edge] = _add(pending[edge], part, edge, owned, create_graph)
                else:
                    pending[edge] = part
                    if inner:
                        heappush(heap, (-edge.seq, edge))
            if not heap:
                break
            node = heappop(heap)[1]
            g = pending.pop(node)
            if type(g) is RowSparse:
                g = g.dense()
            if node.hooks:
                g = _run_hooks(node.hooks, g, node.backend, create_graph)
            if wanted is not None and node in wanted:
                found[node] = g
                if stop_at_targets or not any(edge in useful for edge in node.inputs):  # type: ignore[operator]
                    arriving = ()
                    continue
            arriving = zip(node.inputs, _pull(node, g, create_graph))
            if not keeps:
                node.args = node.y = None
        for leaf, g in pending.items():
            if leaf._hooks:
                g = _run_hooks(leaf._hooks, g.dense() if type(g) is RowSparse else g, leaf.backend, create_graph)
                g = g if create_graph else leaf.backend.xp.asarray(g, copy=True)
            found[leaf] = g
    return found


def _pull(node: Node, g: Any, tensors: bool) -> Sequence[Any]:
    """The gradients of a node's inputs, as its rules give them."""
    if node.args is None:
        raise RuntimeError(
            f"the graph behind {node.name!r} was freed by an earlier backward(); pass retain_graph=True to that call if "
            "you need to go through it twice"
        )
    if node.seq < latest.seq:
        check_saved(node)
    xp = node.backend.xp
    if type(g) is OutputGrads:
        if tensors:
            xp = next(iter(g.values())).__array_namespace__()
        g = g.filled(node, xp) if node.op.wants_zeros else g.given(node)
    elif tensors:
        xp = g.__array_namespace__()
    return node.op.pull(node, g, xp, tensors)  # type: ignore[no-any-return]


def _fitted(g: Any, edge: Any, value: Any, tensors: bool) -> Any:
    """A gradient brought to the shape and dtype of its value."""
    backend = edge.backend
    if tensors:
        return match(g.__array_namespace__(), g, value.shape, backend.dtype_of(value))
    return match(backend.xp, g, value.shape, value.dtype)


def _add(a: Any, b: Any, edge: Any, owned: set[Any], tensors: bool) -> Any:
    """The sum of two gradients of one value; from the third on added into our own buffer."""
    if type(a) in _PARTIAL:
        return a.merge(b)
    if isinstance(b, RowSparse):
        return b.merge(a)
    if edge in owned:
        a += b
        return a
    if not tensors:
        owned.add(edge)
    return a + b


def _run_hooks(hooks: dict[int, Any], g: Any, backend: Any, tensors: bool) -> Any:
    g = g if tensors else make_tensor(backend, backend.wrap(g))
    for hook in list(hooks.values()):
        replaced = hook(g)
        if replaced is not None:
            _check_replaced(replaced, g)
            g = replaced
    return g if tensors else g.data


def _check_replaced(replaced: Any, g: Any) -> None:
    """Raise unless what a hook returned can stand for the gradient ``g``."""
    if not isinstance(replaced, Variable):
        raise TypeError(f"a hook must return a tensor in place of the gradient, or None, got {type(replaced).__name__}")
    found, expected = [(tuple(x.shape), x.dtype, x.backend.device) for x in (replaced, g)]
    if found != expected:
        raise ValueError(
            "a hook must return a gradient of the same kind: expected shape {}, {} on {!r}, ".format(*expected)
            + "got shape {}, {} on {!r}".format(*found)
        )


def _leading_to(wanted: set[Any], roots: list[Edge]) -> set[Any]:
    """The nodes and leaves from which some wanted one can be reached, themselves included."""
    nodes: set[Node] = set()
    stack = [edge for edge in roots if type(edge) is Node]
    while stack:
        node = stack.pop()
        if node not in nodes:
            nodes.add(node)
            stack.extend(edge for edge in node.inputs if type(edge) is Node)
    useful = set(wanted)
    for node in sorted(nodes, key=lambda node: node.seq):
        if any(edge in useful for edge in node.inputs):
            useful.add(node)
    return useful


def accumulate(leaf: Variable, g: Any) -> None:
    """Add a gradient to ``leaf.grad``, which shares its memory with nothing, so that a user may change it in place."""
    before, backend = leaf._grad, leaf.backend
    if before is None and type(g) is backend.array_type:
        leaf._grad = make_tensor(backend, g if backend.owner(g) is g else backend.xp.asarray(g, copy=True))
        return
    if before is not None and (type(before) is RowSparse or type(g) is RowSparse):
        a, b = (x.data if isinstance(x, Variable) else x for x in (before, g))
        g = a.merge(b) if type(a) is RowSparse else b.merge(a)
    elif isinstance(g, Variable):
        with backward_mode(True):
            g = g.__array_namespace__().positive(g) if before is None else before + g  # type: ignore[attr-defined]
    elif before is not None:
        g = before.data + g
    if type(g) is not RowSparse and not isinstance(g, Variable):
        g = make_tensor(backend, g if type(g) is backend.array_type else backend.wrap(g))
    leaf._grad = g
