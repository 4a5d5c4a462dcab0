"""Derivatives for users: ``backward`` and ``grad``."""

from __future__ import annotations

from math import prod
from threading import Lock
from typing import Any

import numpy as np

from framework.autograd.engine import accumulate, propagate
from framework.autograd.forks import held_over_forks
from framework.autograd.graph import Variable, make_tensor
from framework.autograd.rows import RowSparse
from framework.autograd.tree import aligned, leaves, places, rebuild

_accumulating = held_over_forks(Lock())
"""Held while gradients are added to leaves, which threads may share."""


def backward(output: Any, grad: Any = None, retain_graph: bool = False, create_graph: bool = False) -> None:
    """Add the gradient of ``output`` to ``.grad`` of every leaf below it.

    Parameters
    ----------
    output : Tensor
        A tensor that requires a gradient.
    grad : Tensor or array, optional
        Gradient of some scalar with respect to ``output``, of its shape. Not needed for a single element.
    retain_graph : bool
        Keep the graph, to go through it again.
    create_graph : bool
        Record the backward pass itself, for derivatives of higher order.

    Raises
    ------
    RuntimeError
        If nothing was recorded, the graph was freed, or a value it needs was overwritten.
    ValueError
        If ``grad`` is missing for more than one element, or of another shape.
    """
    found = propagate(
        [_root(output, grad, create_graph)],
        retain_graph=retain_graph,
        create_graph=create_graph,
    )
    with _accumulating:
        for leaf, g in found.items():
            accumulate(leaf, g)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """Gradients of ``outputs`` with respect to ``inputs``, without touching ``.grad``.

    Parameters
    ----------
    outputs, inputs : Tensor, or tree of tensors
        What to differentiate, and with respect to what; inputs may be leaves or results. A tree is made of nested tuples,
        lists and dicts.
    grad_outputs : Tensor or tree of tensors, optional
        The gradient to start from for each output; ones where it is None, for an output of a single real element.
    retain_graph : bool, optional
        Keep the graph; by default as ``create_graph``.
    create_graph : bool
        Record the computation of the gradients, for derivatives of higher order.
    allow_unused : bool
        Return None for an input that the outputs do not depend on, instead of raising.

    Returns
    -------
    tuple
        One gradient for each input; a dict of inputs gives a dict, and what is nested keeps its structure.

    Raises
    ------
    RuntimeError
        If an output was not recorded, or an input is not part of the graph.
    ValueError
        If ``grad_outputs`` are not as the outputs in structure and shape, or missing where they are needed.

    Examples
    --------
    >>> import framework as fw
    >>> x = fw.Tensor(3.0, requires_grad=True)
    >>> (g,) = fw.autograd.grad(x**3, x, create_graph=True)
    >>> g.item(), fw.autograd.grad(g, x)[0].item()
    (27.0, 18.0)
    """
    ins = leaves(inputs)
    outs = leaves(outputs)
    seeds = [None] * len(outs) if grad_outputs is None else _seeds(outputs, grad_outputs)
    for at, x in places(inputs):
        if not isinstance(x, Variable):
            raise TypeError(
                f"grad: expected tensors to differentiate with respect to, got {type(x).__name__} at inputs{at}"
            )
        if not x.requires_grad:
            raise RuntimeError(
                f"grad: inputs{at} does not require a gradient; make it with requires_grad=True or call requires_grad_() "
                "before computing the outputs"
            )
    targets = [x.node or x for x in ins]
    found = propagate(
        [_root(out, seed, create_graph) for out, seed in zip(outs, seeds)],
        targets=targets,
        retain_graph=bool(retain_graph),
        create_graph=create_graph,
    )
    grads = rebuild(
        inputs,
        (_result(found.get(target), x, at, allow_unused) for target, (at, x) in zip(targets, places(inputs))),
    )
    return grads if isinstance(inputs, dict) else tuple(grads) if isinstance(inputs, tuple | list) else (grads,)


def _seeds(outputs: Any, given: Any) -> list[Any]:
    """The gradients to start from, one or None for each output; a single one need not be in a tuple."""
    if isinstance(outputs, tuple | list) and not isinstance(given, tuple | list):
        given = (given,)
    elif not isinstance(outputs, tuple | list | dict) and isinstance(given, tuple | list):
        outputs = (outputs,)
    return aligned(outputs, given, "grad: grad_outputs")


def _result(g: Any, x: Variable, at: str, allow_unused: bool) -> Any:
    if g is None:
        if allow_unused:
            return None
        raise RuntimeError(
            f"grad: the outputs do not depend on inputs{at}, of shape {x.shape}; pass allow_unused=True to get None for it"
        )
    if type(g) is RowSparse:
        g = g.dense()
    return g if isinstance(g, Variable) else make_tensor(x.backend, x.backend.wrap(g))


def _root(output: Any, seed: Any, create_graph: bool) -> tuple[Any, Any]:
    """The edge to start from and the gradient there."""
    if not isinstance(output, Variable):
        raise TypeError(f"expected a Tensor to differentiate, got {type(output).__name__}")
    if not output.requires_grad:
        raise RuntimeError(
            "this tensor does not require a gradient and was not recorded: no input had requires_grad=True, or it was made "
            "under no_grad() or by an operation without a gradient"
        )
    backend = output.backend
    if seed is None:
        if prod(output.data.shape) != 1:
            raise ValueError(
                f"a gradient can start without a seed only from a single element, not from shape {output.shape}; pass grad= "
                "of that shape, or reduce with sum() or mean() first"
            )
        if output.dtype.kind == "c":
            raise ValueError(
                f"a gradient can start without a seed only from a real value, got {output.dtype}; differentiate its real() "
                "or abs(), or pass a seed"
            )
        raw = backend.xp.ones(output.data.shape, dtype=output.data.dtype)
        return output.node or output, make_tensor(backend, raw) if create_graph else raw
    if not isinstance(seed, Variable):
        dtype = np.dtype("complex128") if np.iscomplexobj(seed) else output.dtype
        seed = make_tensor(backend, backend.asarray(seed, dtype=dtype))
    if seed.backend is not backend:
        raise RuntimeError(
            f"the seed gradient is on {seed.backend.device!r} but the tensor on {backend.device!r}; move it with .to()"
        )
    if seed.shape != output.shape:
        raise ValueError(f"the seed gradient must have the tensor's shape {output.shape}, got {seed.shape}")
    if seed.dtype.kind == "c" and output.dtype.kind != "c":
        raise TypeError(
            f"the seed gradient of a real value must be real, got {seed.dtype} for {output.dtype}; take its real() part"
        )
    if seed.dtype != output.dtype:
        # Recorded where the seed is in a graph of its own, of which derivatives may be taken.
        seed = seed.__array_namespace__().astype(seed, output.dtype)
    if create_graph:
        return output.node or output, seed
    return output.node or output, backend.xp.asarray(seed.data, copy=True)
