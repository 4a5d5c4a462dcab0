"""Compare gradients with finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from framework.autograd.functional import grad
from framework.autograd.graph import Variable, make_tensor
from framework.autograd.tree import leaves

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
        ``function(*inputs)`` returns a tensor or a tuple of tensors.
    inputs : Tensor or sequence of Tensor
        Those that require a gradient are checked; they should be float64 or complex128.
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
        If an input has less than double precision, with which differences are too coarse.

    Examples
    --------
    >>> import framework as fw
    >>> gradcheck(fw.tanh, fw.asarray([0.5, -1.0], dtype="float64").requires_grad_())
    True
    """
    args = [inputs] if isinstance(inputs, Variable) else list(inputs)
    _check_precision(args)
    outs = [out for out in leaves(function(*args)) if isinstance(out, Variable)]
    for o, out in enumerate(outs):
        for direction in (1.0, 1.0j) if out.dtype.kind == "c" else (1.0,):
            for i, x in enumerate(args):
                if isinstance(x, Variable) and x.requires_grad:
                    problem = _compare(function, args, o, i, direction, eps, atol, rtol)
                    if problem and raise_exception:
                        raise RuntimeError(f"gradcheck: {problem}")
                    if problem:
                        return False
    return True


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
    args = [inputs] if isinstance(inputs, Variable) else list(inputs)
    wanted = [i for i, x in enumerate(args) if isinstance(x, Variable) and x.requires_grad]
    outs = [out for out in leaves(function(*args)) if isinstance(out, Variable) and out.requires_grad]
    rng = np.random.default_rng(0)
    seeds = [_leaf_like(out, rng) for out in outs]

    def first(*values: Any) -> tuple[Any, ...]:
        ins, starts = values[: len(args)], values[len(args) :]
        results = [out for out in leaves(function(*ins)) if isinstance(out, Variable) and out.requires_grad]
        found = grad(results, [ins[i] for i in wanted], starts, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(first, [*args, *seeds], eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)


def _leaf_like(out: Any, rng: np.random.Generator) -> Any:
    values = rng.normal(size=out.shape) + (1j * rng.normal(size=out.shape) if out.dtype.kind == "c" else 0)
    return make_tensor(out.backend, out.backend.asarray(values.astype(out.dtype))).requires_grad_()


def _check_precision(args: Sequence[Any]) -> None:
    for i, x in enumerate(args):
        if isinstance(x, Variable) and x.requires_grad and x.dtype not in (np.dtype("float64"), np.dtype("complex128")):
            raise TypeError(f"gradcheck: input {i} is {x.dtype}; differences need float64 or complex128, cast it first")


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
    shape = leaves(function(*args))[o].shape
    for place in np.ndindex(*shape):
        seed = np.zeros(shape, dtype=complex if direction.imag else float)
        seed[place] = direction
        found = _analytic(function, args, o, i, seed)
        expected = _numeric(function, args, o, i, place, direction, eps)
        wrong = ~np.isclose(found, expected, rtol=rtol, atol=atol)
        if wrong.any():
            entry = tuple(int(k) for k in np.argwhere(wrong)[0])
            return (
                f"the gradient of entry {place} of output {o} in entry {entry} of input {i} is {found[entry]}, "
                f"differences give {expected[entry]}"
            )
    return ""


def _analytic(function: Callable[..., Any], args: list[Any], o: int, i: int, seed: Host) -> Host:
    out = leaves(function(*args))[o]
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
        out = leaves(function(*args[:i], moved, *args[i + 1 :]))[o]
        return float((np.conj(direction) * out.backend.to_numpy(out.data)[place]).real)

    for entry in np.ndindex(*host.shape):
        for unit in (1.0, 1.0j) if host.dtype.kind == "c" else (1.0,):
            up, down = host.copy(), host.copy()
            up[entry] += eps * unit
            down[entry] -= eps * unit
            result[entry] += unit * (value(up) - value(down)) / (2 * eps)
    return result
