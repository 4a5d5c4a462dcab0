"""Functions that make derivatives of functions, over nested tuples, lists and dicts of tensors.

They nest: in a function that one of them differentiates, the derivatives that others take are recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import prod
from typing import Any

from framework.autograd.checkpoint import preserve
from framework.autograd.functional import grad
from framework.autograd.fused import identity
from framework.autograd.graph import Variable, make_tensor
from framework.autograd.modes import mode, tracing
from framework.autograd.tree import aligned, leaves, map_tree, places, rebuild

Function = Callable[..., Any]


def _traced(x: Any) -> Any:
    """A new place in the graph for ``x``: below it if it is in one, else a leaf."""
    if not isinstance(x, Variable):
        raise TypeError(
            f"expected tensors to differentiate with respect to, got {type(x).__name__}; make a tensor of it with "
            "framework.asarray, or let the function take it from outside"
        )
    if x.requires_grad:
        return identity(x)
    leaf = make_tensor(x.backend, x.data)
    return leaf.requires_grad_()


def _records(create_graph: bool) -> bool:
    """Whether derivatives are recorded: if asked to, or where they are part of what is being differentiated."""
    return create_graph or (mode.traced and mode.grad)


preserve(lambda: mode.traced, lambda traced: setattr(mode, "traced", traced))


def _untraced(x: Any, create_graph: bool) -> Any:
    return x if create_graph or not isinstance(x, Variable) else make_tensor(x.backend, x.data)


def _zeros_like(x: Any) -> Any:
    return make_tensor(x.backend, x.backend.xp.zeros_like(x.data))


def _is_inexact(x: Any) -> bool:
    return x.dtype.kind in "fcV"


def _tensors(name: str, value: Any) -> list[Any]:
    """What a function returned, checked to be tensors."""
    for at, out in list(places(value)) or [("", value)]:
        if not isinstance(out, Variable):
            raise TypeError(
                f"{name}: the function must return a tensor, or nested tuples, lists and dicts of tensors, got "
                f"{type(out).__name__} as result{at}"
            )
    return leaves(value)


def _check_single(name: str, value: Any) -> None:
    """Raise unless a function returned one real number as a tensor."""
    if not isinstance(value, Variable) or prod(value.shape) != 1 or value.dtype.kind not in "fV":
        got = f"{value.dtype} of shape {value.shape}" if isinstance(value, Variable) else type(value).__name__
        raise TypeError(
            f"{name}: the function must return a real floating tensor of one element, such as a sum or a mean, got {got}; "
            "see has_aux for further results, jacobian for more elements"
        )


def _directions(name: str, what: str, tree: Any, given: Any) -> list[Any]:
    """A vector for each tensor of a tree, of its shape; None where there is none."""
    vectors = aligned(tree, given, f"{name}: {what}")
    for (at, x), v in zip(places(tree), vectors):
        shape = x.shape if v is None else tuple(getattr(v, "shape", ()))
        if shape != x.shape:
            raise ValueError(f"{name}: {what}{at} must have the shape {x.shape}, got {shape}")
    return vectors


def _grads(
    outputs: list[Any], inputs: list[Any], seeds: list[Any], *, create_graph: bool, retain: bool = False
) -> list[Any]:
    """Gradients of whatever of the outputs was recorded and has a seed; zeros where an input does not count."""
    pairs = [(out, seed) for out, seed in zip(outputs, seeds) if out.requires_grad and seed is not None]
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


def _gradient(value: Any, inputs: list[Any], *, create_graph: bool) -> list[Any]:
    """Of a single number."""
    one = make_tensor(value.backend, value.backend.xp.ones_like(value.data))
    return _grads([value], inputs, [one], create_graph=create_graph)


def _positions(argnums: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    """The positional arguments that ``argnums`` names, of ``count``, from the front."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in numbers:
        if not -count <= i < count:
            raise IndexError(
                f"value_and_grad: argnums names argument {i}, but the function was called with {count} positional arguments"
            )
    return tuple(i % count for i in numbers)


def value_and_grad(
    function: Function,
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    create_graph: bool = False,
) -> Callable[..., tuple[Any, Any]]:
    """Make a function that returns the value of ``function`` and its gradient.

    Parameters
    ----------
    function : callable
        Returns a tensor of one element.
    argnums : int or tuple of int
        Which positional arguments to differentiate with respect to; each is a tensor or a tree of tensors.
    has_aux : bool
        Whether the function returns a pair, whose second part is passed on and not differentiated.
    create_graph : bool
        Record the gradients, for derivatives of higher order; in a function that is itself differentiated, by one of these
        functions, they always are.

    Returns
    -------
    callable
        Returns ``(value, gradient)``, or ``((value, aux), gradient)``; the gradient has the structure of the argument, a
        tuple of such for several. It is zero where the value does not depend on an argument.

    Examples
    --------
    >>> import framework as fw
    >>> value, g = value_and_grad(lambda p: p["a"] ** 2 * p["b"])({"a": fw.asarray(3.0), "b": fw.asarray(2.0)})
    >>> value.item(), g["a"].item(), g["b"].item()
    (18.0, 12.0, 9.0)
    """

    @wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        numbers, records = _positions(argnums, len(args)), _records(create_graph)
        with tracing():
            traced = [map_tree(_traced, a) if i in numbers else a for i, a in enumerate(args)]
            result = function(*traced, **kwargs)
        if has_aux and not (isinstance(result, tuple) and len(result) == 2):
            raise TypeError(
                "value_and_grad: with has_aux the function must return a pair, the value and something else"
            )
        value = result[0] if has_aux else result
        _check_single("value_and_grad", value)
        wanted = tuple(traced[i] for i in numbers)
        grads = rebuild(wanted, iter(_gradient(value, leaves(wanted), create_graph=records)))
        return map_tree(lambda v: _untraced(v, records), result), grads[0] if isinstance(argnums, int) else grads

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
    with tracing():
        traced = tuple(map_tree(_traced, p) for p in primals)
        value = function(*traced)
    outputs = _tensors("vjp", value)

    def pull(seed: Any) -> tuple[Any, ...]:
        seeds = _directions("vjp", "the vector", value, seed)
        found = _grads(outputs, leaves(traced), seeds, create_graph=_records(create_graph), retain=True)
        return rebuild(traced, iter(found))  # type: ignore[no-any-return]

    records = _records(create_graph)
    return map_tree(lambda v: _untraced(v, records), value), pull


def jvp(function: Function, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """The value of ``function(*primals)``, and the product of its Jacobian with a vector.

    Two backward passes: the vector-Jacobian product is linear in its vector, and the gradient of that map is the
    Jacobian-vector product (Townsend, 2017).

    Parameters
    ----------
    function : callable
        From tensors (or trees of them) to a tensor or tree.
    primals, tangents : tuple
        Where to differentiate, and in which direction; of one structure. None is no direction.

    Returns
    -------
    value, tangent : Tensor or tree

    Examples
    --------
    >>> import framework as fw
    >>> jvp(fw.sin, (fw.asarray(0.0),), (fw.asarray(2.0),))[1]
    Tensor(2.)
    """
    if not isinstance(primals, tuple | list):
        raise TypeError(
            f"jvp: primals must be a tuple, one for each argument of the function, got {type(primals).__name__}"
        )
    vectors = _directions("jvp", "tangents", primals, tangents)
    records = _records(False)
    with tracing():
        traced = tuple(map_tree(_traced, p) for p in primals)
        value = function(*traced)
    outputs = _tensors("jvp", value)
    inexact = [out for out in outputs if _is_inexact(out)]
    seeds = [_zeros_like(out).requires_grad_() for out in inexact]
    pulled = _grads(inexact, leaves(traced), seeds, create_graph=True)
    pushed = iter(_grads(pulled, seeds, vectors, create_graph=records))
    tangent = rebuild(value, (next(pushed) if _is_inexact(out) else _zeros_like(out) for out in outputs))
    return map_tree(lambda v: _untraced(v, records), value), tangent


def jacobian(function: Function, x: Any, *, create_graph: bool = False) -> Any:
    """All partial derivatives of a function of one tensor or tree.

    One backward pass for each element of the output.

    Parameters
    ----------
    function : callable
        From a tensor or tree to a tensor or tree, of real ones.
    x : Tensor or tree
        Where to differentiate.
    create_graph : bool
        Record the result, for derivatives of higher order; see :func:`value_and_grad`.

    Returns
    -------
    Tensor or tree
        For each tensor of the output a tree of ``x``'s structure, each part of shape ``output.shape + part.shape``.

    Raises
    ------
    TypeError
        If an output is complex: its real and imaginary parts have a Jacobian each.

    Examples
    --------
    >>> import framework as fw
    >>> jacobian(lambda x: x * x, fw.asarray([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]])
    """
    records = _records(create_graph)
    with tracing():
        traced = map_tree(_traced, x)
        value = function(traced)
    for out in _tensors("jacobian", value):
        if out.dtype.kind == "c":
            raise TypeError(
                f"jacobian: expected real results, got {out.dtype}; differentiate the real() and the imag() part, or use vjp"
            )
    return map_tree(lambda out: _jacobian_of(out, traced, records), value)


def _jacobian_of(out: Any, traced: Any, create_graph: bool) -> Any:
    """Of one output, in the structure of the inputs."""
    inputs = leaves(traced)
    rows = [_grads([out], inputs, [seed], create_graph=create_graph, retain=True) for seed in _unit_seeds(out)]
    parts = (_stacked([row[k] for row in rows], out.shape, part) for k, part in enumerate(inputs))
    return rebuild(traced, parts)


def _unit_seeds(value: Any) -> list[Any]:
    """For each element of a tensor the gradient that is one there and zero elsewhere."""
    backend, n = value.backend, prod(value.shape)
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
    gradient = value_and_grad(function)
    return jacobian(lambda at: gradient(at)[1], x)


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
    vectors = _directions("hvp", "v", x, v)
    records = _records(False)
    with tracing():
        traced = map_tree(_traced, x)
        value = function(traced)
    _check_single("hvp", value)
    gradient = _gradient(value, leaves(traced), create_graph=True)
    product = _grads(gradient, leaves(traced), vectors, create_graph=records)
    return rebuild(x, (_untraced(g, records) for g in gradient)), rebuild(x, iter(product))
