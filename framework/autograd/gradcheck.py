"""Compare gradients with finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from framework.autograd.functional import grad
from framework.autograd.graph import Variable, make_tensor
from framework.autograd.modes import tracing
from framework.autograd.tree import leaves, places, rebuild

Host = np.ndarray[Any, Any]


def gradcheck(
    function: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare the gradients of ``function`` with central differences, entry by entry.

    Parameters
    ----------
    function : callable
        ``function(*inputs)`` returns a tensor, or nested tuples, lists and dicts of tensors.
    inputs : Tensor or sequence
        The arguments: tensors, trees of tensors, and anything else. Those tensors that require a gradient are checked; they
        should be float64 or complex128.
    eps : float
        Step of the differences.
    atol, rtol : float
        Absolute and relative tolerance.
    raise_exception : bool
        Raise where they differ, rather than return False.

    Returns
    -------
    bool
        Whether all agree.

    Raises
    ------
    RuntimeError
        If they do not; names the output, the input, the entry, and both numbers.
    TypeError
        If an input has less than double precision, with which differences are too coarse, or the function returns nothing
        that has a gradient.
    ValueError
        If no input requires a gradient, so that there is nothing to check.

    Examples
    --------
    >>> import framework as fw
    >>> gradcheck(fw.tanh, fw.asarray([0.5, -1.0], dtype="float64").requires_grad_())
    True
    """
    flat, args, names = _flat(function, inputs)
    problem = _check(flat, args, names, eps, atol, rtol)
    if problem and raise_exception:
        raise RuntimeError(f"gradcheck: {problem}")
    return not problem


def gradgradcheck(
    function: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare second gradients with central differences of the first ones.

    Parameters and errors are those of :func:`gradcheck`; the seed gradient, too, is varied.

    Examples
    --------
    >>> import framework as fw
    >>> gradgradcheck(fw.tanh, fw.asarray([0.5, -1.0], dtype="float64").requires_grad_())
    True
    """
    flat, args, names = _flat(function, inputs)
    wanted = [i for i, x in enumerate(args) if _is_checked(x)]
    rng = np.random.default_rng(0)
    seeds = [_leaf_like(out, rng) for out in flat(*args) if out.requires_grad]

    def first(*values: Any) -> list[Any]:
        ins, starts = values[: len(args)], values[len(args) :]
        results = [out for out in flat(*ins) if out.requires_grad]
        found = grad(results, [ins[i] for i in wanted], list(starts), create_graph=True, allow_unused=True)
        return [g for g in found if g is not None]

    names = [*names, *(f"the seed of output {i}" for i in range(len(seeds)))]
    problem = _check(first, [*args, *seeds], names, eps, atol, rtol)
    if problem and raise_exception:
        raise RuntimeError(f"gradgradcheck: of the first gradients {problem}")
    return not problem


def _flat(function: Callable[..., Any], inputs: Any) -> tuple[Callable[..., list[Any]], list[Any], list[str]]:
    """The function from a flat list of values to a flat list of tensors, those values, and what they are called."""
    arguments = (inputs,) if isinstance(inputs, Variable) else tuple(inputs)

    def flat(*values: Any) -> list[Any]:
        with tracing():
            results = leaves(function(*rebuild(arguments, iter(values))))
        tensors = [out for out in results if isinstance(out, Variable)]
        if not any(out.dtype.kind in "fcV" for out in tensors):
            raise TypeError(
                "gradcheck: the function returned no floating or complex tensor, so there is nothing to check; it returned "
                f"{', '.join(type(out).__name__ for out in results) or 'nothing'}"
            )
        return tensors

    names = [f"input {i}{at}" for i, argument in enumerate(arguments) for at, _ in places(argument)]
    return flat, leaves(arguments), names


def _is_checked(x: Any) -> bool:
    return isinstance(x, Variable) and x.requires_grad


def _leaf_like(out: Any, rng: np.random.Generator) -> Any:
    values = rng.normal(size=out.shape) + (1j * rng.normal(size=out.shape) if out.dtype.kind == "c" else 0)
    return make_tensor(out.backend, out.backend.asarray(values.astype(out.dtype))).requires_grad_()


def _check(
    function: Callable[..., list[Any]], args: list[Any], names: list[str], eps: float, atol: float, rtol: float
) -> str:
    """What is wrong with any gradient, or nothing."""
    checked = [i for i, x in enumerate(args) if _is_checked(x)]
    if not checked:
        raise ValueError(
            "gradcheck: no input requires a gradient, so there is nothing to check; call requires_grad_() on it"
        )
    for i in checked:
        if args[i].dtype not in (np.dtype("float64"), np.dtype("complex128")):
            raise TypeError(
                f"gradcheck: {names[i]} is {args[i].dtype}; differences need float64 or complex128, cast it first"
            )
    for o, out in enumerate(function(*args)):
        for direction in (1.0, 1.0j) if out.dtype.kind == "c" else (1.0,):
            for i in checked:
                problem = _compare(function, args, o, i, direction, eps, atol, rtol)
                if problem:
                    return f"{problem} of {names[i]}"
    return ""


def _compare(
    function: Callable[..., Any],
    args: list[Any],
    o: int,
    i: int,
    direction: complex,
    eps: float,
    atol: float,
    rtol: float,
) -> str:
    """What is wrong with the gradient of output ``o`` in input ``i``, or nothing."""
    shape = function(*args)[o].shape
    for place in np.ndindex(*shape):
        seed = np.zeros(shape, dtype=complex if direction.imag else float)
        seed[place] = direction
        found = _analytic(function, args, o, i, seed)
        expected = _numeric(function, args, o, i, place, direction, eps)
        wrong = ~np.isclose(found, expected, rtol=rtol, atol=atol)
        if wrong.any():
            entry = tuple(int(k) for k in np.argwhere(wrong)[0])
            return (
                f"the gradient of entry {place} of output {o} is {found[entry]}, differences give {expected[entry]}, in "
                f"entry {entry}"
            )
    return ""


def _analytic(function: Callable[..., list[Any]], args: list[Any], o: int, i: int, seed: Host) -> Host:
    out = function(*args)[o]
    if not out.requires_grad:
        return np.zeros(args[i].shape)
    (found,) = grad(out, args[i], seed.astype(out.dtype), allow_unused=True)
    return np.zeros(args[i].shape) if found is None else np.array(found.backend.to_numpy(found.data))


def _numeric(
    function: Callable[..., Any],
    args: list[Any],
    o: int,
    i: int,
    place: tuple[int, ...],
    direction: complex,
    eps: float,
) -> Host:
    """The gradient of Re(conj(direction) * output[place]) by central differences."""
    x = args[i]
    host = np.array(x.backend.to_numpy(x.data))
    result = np.zeros_like(host)

    def value(at: Host) -> float:
        moved = make_tensor(x.backend, x.backend.asarray(at)).requires_grad_()
        out = function(*args[:i], moved, *args[i + 1 :])[o]
        return float((np.conj(direction) * out.backend.to_numpy(out.data)[place]).real)

    for entry in np.ndindex(*host.shape):
        for unit in (1.0, 1.0j) if host.dtype.kind == "c" else (1.0,):
            up, down = host.copy(), host.copy()
            up[entry] += eps * unit
            down[entry] -= eps * unit
            result[entry] += unit * (value(up) - value(down)) / (2 * eps)
    return result
