"""Recompute instead of store: memory for time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from framework.autograd.engine import propagate
from framework.autograd.fused import identity
from framework.autograd.graph import Edge, Node, Variable, next_seq
from framework.autograd.modes import enable_grad, mode
from framework.autograd.primitive import Op, recorded, revive
from framework.autograd.tree import leaves, rebuild
from framework.autograd.versions import check_saved, latest, written_since

_states: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []


def preserve(get: Callable[[], Any], set_: Callable[[Any], None]) -> None:
    """Make recomputation start from the state that ``get`` returned at the first computation: of random numbers, say."""
    _states.append((get, set_))


class _Checkpoint(Op):
    """Keeps a function's inputs alone, and runs it again on the way back."""

    def pull(self, node: Node, g: Any, xp: Any, tensors: bool) -> Sequence[Any]:
        count = node.kwargs["count"]
        inner, outer = node.inputs[:count], node.inputs[count:]
        started = next_seq()
        with enable_grad(), _replayed(node.kwargs["states"]):
            inputs = [revive(node, raw, edge) for raw, edge in zip(node.args, node.inputs)]
            cut = [x if edge is None else identity(x) for x, edge in zip(inputs, inner)]
            results = leaves(node.kwargs["run"](cut))
        targets = [x.node for x, edge in zip(cut, inner) if edge is not None]
        seeds = [(out.node or out, seed) for out, seed in zip(results, g) if out.requires_grad]
        if node.seq < latest.seq:
            _check_same([edge for edge, _ in seeds], started, set(targets), node.seq)
        found = propagate(seeds, targets=[*targets, *outer], stop_at_targets=True, create_graph=tensors)
        return [None if edge is None else found.get(x.node) for x, edge in zip(cut, inner)] + [
            found.get(e) for e in outer
        ]


@contextmanager
def _replayed(states: Sequence[Any]) -> Iterator[None]:
    """With random numbers and the like as they were at the first computation."""
    now = [get() for get, _ in _states]
    for (_, set_), state in zip(_states, states):
        set_(state)
    try:
        yield
    finally:
        for (_, set_), state in zip(_states, now):
            set_(state)


def checkpoint(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call ``function(*args, **kwargs)`` keeping only its inputs for the gradient; what is inside is computed again then.

    Parameters
    ----------
    function : callable
        From tensors (or trees) to a tensor or tree; tensors that it reads from outside get their gradients too.
        It must compute the same again: random numbers of the framework are replayed, and what it reads from outside must
        not be written in between, nor by the function itself.
    *args, **kwargs : Tensor, tree, or anything else
        Its arguments.

    Returns
    -------
    Tensor or tree
        What the function returns.

    Raises
    ------
    RuntimeError
        If the function writes into its arguments; on the way back, if what it read was written since.
    TypeError
        If it returns anything but tensors.

    Examples
    --------
    >>> import framework as fw
    >>> x = fw.Tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: fw.exp(fw.sin(x)), x).sum().backward()
    >>> bool(fw.all(fw.abs(x.grad - fw.cos(x) * fw.exp(fw.sin(x))) < 1e-6))
    True
    """
    if not mode.grad:
        return function(*args, **kwargs)
    arguments = (args, kwargs)
    flat = leaves(arguments)

    def run(values: Sequence[Any]) -> Any:
        args, kwargs = rebuild(arguments, iter(values))
        return function(*args, **kwargs)

    states = [get() for get, _ in _states]
    started = next_seq()
    cut = [identity(x) if isinstance(x, Variable) and x.requires_grad else x for x in flat]
    result = run(cut)
    _check_unwritten(flat, started)
    results = leaves(result)
    if not all(isinstance(out, Variable) for out in results):
        raise TypeError("checkpoint: the function must return a tensor, or a tuple, list or dict of tensors")
    differentiable = [out for out in results if out.requires_grad]
    if not differentiable:
        return result
    own = {x.node for x in cut if isinstance(x, Variable)}
    outer = _read_from_outside([out.node or out for out in differentiable], started, own)
    inner = [(x.node or x) if isinstance(x, Variable) and x.requires_grad else None for x in flat]
    kept = [x.data if isinstance(x, Variable) else x for x in flat]
    kept += [edge.data if isinstance(edge, Variable) else None for edge in outer]
    again = {"run": run, "count": len(flat), "states": states}
    arrays = tuple(out.data for out in results)
    tensors = recorded(_checkpoint, differentiable[0].backend, (*inner, *outer), arrays, args=kept, kwargs=again)
    return rebuild(result, iter(tensors))


_checkpoint = _Checkpoint(checkpoint)


def _check_unwritten(flat: list[Any], started: int) -> None:
    for x in flat:
        if isinstance(x, Variable) and started < latest.seq and written_since(x.backend, x.data, started):
            raise RuntimeError(
                f"checkpoint: the function wrote in place into an argument of shape {x.shape}, and would do so again on the "
                "way back; clone() the argument in the function"
            )


def _walked(roots: list[Edge], started: int, own: set[Any]) -> Iterator[Any]:
    """The graph above the nodes ``own`` that was made since the moment ``started``, and what it rests on."""
    seen = {None, *own}
    stack = list(roots)
    while stack:
        edge = stack.pop()
        if edge not in seen:
            seen.add(edge)
            yield edge
            if isinstance(edge, Node) and edge.seq > started:
                stack.extend(edge.inputs)


def _read_from_outside(roots: list[Edge], started: int, own: set[Any]) -> list[Edge]:
    """Leaves, and nodes made before the moment ``started``, that the graph above the nodes ``own`` rests on."""
    return [edge for edge in _walked(roots, started, own) if isinstance(edge, Variable) or edge.seq < started]


def _check_same(roots: list[Edge], started: int, own: set[Any], first: int) -> None:
    """Raise if a value in the graph made since ``started`` was overwritten between the first computation and this one."""
    for edge in _walked(roots, started, own):
        if isinstance(edge, Node) and edge.seq > started:
            check_saved(edge, first, started)
