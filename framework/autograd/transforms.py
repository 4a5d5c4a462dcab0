"""Functions that make derivatives of functions, over nested tuples, lists and dicts of tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from framework.autograd.functional import grad
from framework.autograd.fused import identity
from framework.autograd.graph import Variable, make_tensor
from framework.autograd.modes import enable_grad
from framework.autograd.tree import leaves, map_tree, rebuild

Function = Callable[..., Any]


def _traced(x: Any) -> Any:
    """A new place in the graph for ``x``: below it if it is in one, else a leaf."""
    if not isinstance(x, Variable):
        raise TypeError(f"expected tensors to differentiate with respect to, got {type(x).__name__}")
    if x.requires_grad:
        return identity(x)
    leaf = make_tensor(x.backend, x.data)
    return leaf.requires_grad_()


def _untraced(x: Any, create_graph: bool) -> Any:
    return x if create_graph or not isinstance(x, Variable) else make_tensor(x.backend, x.data)


def _zeros_like(x: Any) -> Any:
    return make_tensor(x.backend, x.backend.xp.zeros_like(x.data))


def _grads(
    outputs: Any, inputs: list[Any], seeds: Any = None, *, create_graph: bool, retain: bool = False
) -> list[Any]:
    """Gradients of whatever of the outputs was recorded; zeros where an input does not count."""
    outs = leaves(outputs)
    seeds = [None] * len(outs) if seeds is None else leaves(seeds)
    pairs = [(out, seed) for out, seed in zip(outs, seeds) if isinstance(out, Variable) and out.requires_grad]
    if not pairs:
        return [_zeros_like(x) for x in inputs]
    found = grad(
        [out for out, _ in pairs],
        inputs,
        [seed for _, seed in pairs],
        create_graph=create_graph,
        retain_graph=retain or create_graph,
        allow_unused=True,
    )
    return [_zeros_like(x) if g is None else g for g, x in zip(found, inputs)]


def value_and_grad(
    function: Function, argnums: int | tuple[int, ...] = 0, *, create_graph: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Make a function that returns the value of ``function`` and its gradient.

    Parameters
    ----------
    function : callable
        Returns a tensor of one element.
    argnums : int or tuple of int
        Which positional arguments to differentiate with respect to; each is a tensor or a tree of tensors.
    create_graph : bool
        Record the gradients, for derivatives of higher order.

    Returns
    -------
    callable
        Returns ``(value, gradient)``; the gradient has the structure of the argument, a tuple of such for several.

    Examples
    --------
    >>> import framework as fw
    >>> value, g = value_and_grad(lambda p: p["a"] ** 2 * p["b"])({"a": fw.asarray(3.0), "b": fw.asarray(2.0)})
    >>> value.item(), g["a"].item(), g["b"].item()
    (18.0, 12.0, 9.0)
    """
    several = isinstance(argnums, tuple)
    numbers: tuple[int, ...] = argnums if isinstance(argnums, tuple) else (argnums,)

    @wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        with enable_grad():
            traced = [map_tree(_traced, a) if i in numbers else a for i, a in enumerate(args)]
            value = function(*traced, **kwargs)
        wanted = tuple(traced[i] for i in numbers)
        grads = rebuild(wanted, iter(_grads(value, leaves(wanted), create_graph=create_graph)))
        return _untraced(value, create_graph), grads if several else grads[0]

    return differentiated


def vjp(function: Function, *primals: Any, create_graph: bool = False) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
    """The value of ``function(*primals)``, and the product of a vector with its Jacobian.

    Parameters
    ----------
    function : callable
        From tensors (or trees of them) to a tensor or tree.
    *primals : Tensor or tree
        Where to differentiate.

    Returns
    -------
    value : Tensor or tree
    pull : callable
        From a gradient with the structure of ``value`` to a tuple of gradients, one for each primal. It may be
        called again.

    Examples
    --------
    >>> import framework as fw
    >>> value, pull = vjp(lambda x: x * x, fw.asarray([1.0, 2.0]))
    >>> pull(fw.asarray([1.0, 10.0]))[0]
    Tensor([ 2., 40.])
    """
    with enable_grad():
        traced = tuple(map_tree(_traced, p) for p in primals)
        value = function(*traced)

    def pull(seed: Any) -> tuple[Any, ...]:
        found = _grads(value, leaves(traced), seed, create_graph=create_graph, retain=True)
        return rebuild(traced, iter(found))  # type: ignore[no-any-return]

    return map_tree(lambda v: _untraced(v, create_graph), value), pull


def jvp(function: Function, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """The value of ``function(*primals)``, and the product of its Jacobian with a vector.

    Two backward passes: the vector-Jacobian product is linear in its vector, and the gradient of that map is the
    Jacobian-vector product (Townsend, 2017).

    Parameters
    ----------
    function : callable
        From tensors (or trees of them) to a tensor or tree.
    primals, tangents : tuple
        Where to differentiate, and in which direction; of one structure.

    Returns
    -------
    value, tangent : Tensor or tree

    Examples
    --------
    >>> import framework as fw
    >>> jvp(fw.sin, (fw.asarray(0.0),), (fw.asarray(2.0),))[1]
    Tensor(2.)
    """
    with enable_grad():
        traced = tuple(map_tree(_traced, p) for p in primals)
        value = function(*traced)
        seeds = [_zeros_like(v).requires_grad_() for v in leaves(value)]
        pulled = _grads(value, leaves(traced), seeds, create_graph=True)
    pushed = _grads(pulled, seeds, leaves(tangents), create_graph=False)
    return map_tree(lambda v: _untraced(v, False), value), rebuild(value, iter(pushed))


def jacobian(function: Function, x: Any, *, create_graph: bool = False) -> Any:
    """All partial derivatives of a function of one tensor or tree.

    One backward pass for each element of the output.

    Parameters
    ----------
    function : callable
        From a tensor or tree to a tensor.
    x : Tensor or tree
        Where to differentiate.
    create_graph : bool
        Record the result, for derivatives of higher order.

    Returns
    -------
    Tensor or tree
        Of ``x``'s structure, each part of shape ``output.shape + part.shape``.

    Examples
    --------
    >>> import framework as fw
    >>> jacobian(lambda x: x * x, fw.asarray([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]])
    """
    with enable_grad():
        traced = map_tree(_traced, x)
        value = function(traced)
    inputs = leaves(traced)
    rows = [_grads(value, inputs, seed, create_graph=create_graph, retain=True) for seed in _unit_seeds(value)]
    parts = [_stacked([row[k] for row in rows], value.shape, part) for k, part in enumerate(inputs)]
    return rebuild(traced, iter(parts))


def _unit_seeds(value: Any) -> list[Any]:
    """For each element of a tensor the gradient that is one there and zero elsewhere."""
    backend, n = value.backend, 1
    for length in value.shape:
        n *= length
    units = backend.xp.eye(n, dtype=value.data.dtype)
    return [make_tensor(backend, backend.xp.reshape(units[i, :], value.shape)) for i in range(n)]


def _stacked(rows: list[Any], shape: tuple[int, ...], like: Any) -> Any:
    xp = like.__array_namespace__()
    whole = (*shape, *like.shape)
    return xp.reshape(xp.stack(rows), whole) if rows else xp.zeros(whole, dtype=like.dtype, device=like.device)


def hessian(function: Function, x: Any) -> Any:
    """All second partial derivatives of a function of one tensor or tree.

    Parameters
    ----------
    function : callable
        From a tensor or tree to a tensor of one element.
    x : Tensor or tree
        Where to differentiate.

    Returns
    -------
    Tensor or tree of trees
        For a tensor of shape ``x.shape + x.shape``; for a tree, for each part a tree of blocks.

    Examples
    --------
    >>> import framework as fw
    >>> hessian(lambda x: (x**3).sum(), fw.asarray([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    gradient = value_and_grad(function, create_graph=True)
    count = len(leaves(x))
    blocks = [jacobian(lambda at, k=k: leaves(gradient(at)[1])[k], x) for k in range(count)]
    return rebuild(x, iter(blocks))


def hvp(function: Function, x: Any, v: Any) -> tuple[Any, Any]:
    """The gradient of a function, and the product of its Hessian with a vector, without making the Hessian.

    Parameters
    ----------
    function : callable
        From a tensor or tree to a tensor of one element.
    x, v : Tensor or tree
        Where to differentiate, and the vector; of one structure.

    Returns
    -------
    gradient, product : Tensor or tree

    Examples
    --------
    >>> import framework as fw
    >>> hvp(lambda x: (x**3).sum(), fw.asarray([1.0, 2.0]), fw.asarray([1.0, 1.0]))[1]
    Tensor([ 6., 12.])
    """
    with enable_grad():
        traced = map_tree(_traced, x)
        gradient = _grads(function(traced), leaves(traced), create_graph=True)
    product = _grads(gradient, leaves(traced), v, create_graph=False)
    return rebuild(x, (_untraced(g, False) for g in gradient)), rebuild(x, iter(product))
