"""Bound gradients between ``backward`` and the optimizer's step; row-sparse ones stay row-sparse."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from framework.autograd.graph import Variable, make_tensor
from framework.autograd.modes import no_grad
from framework.autograd.rows import RowSparse
from framework.creation import asarray
from framework.inspection import result_type
from framework.linalg import vector_norm
from framework.ops.elementwise import isfinite
from framework.ops.manipulation import stack
from framework.tensor import Tensor


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients by one factor so that their norm, taken together, is at most ``max_norm``.

    Parameters
    ----------
    parameters : iterable of Tensor, or one
        Those without a gradient are passed over. A generator may be given.
    max_norm : float
        The largest norm that is let be, at least 0.
    norm_type : float
        Which norm: 2, or another p, or ``inf``.
    error_if_nonfinite : bool
        Raise if the norm is infinite or not a number, before anything is changed; this waits for the device.

    Returns
    -------
    Tensor
        The norm before, of shape (), on the device of the first gradient; of 16-bit gradients in float32.

    Raises
    ------
    ValueError
        If ``max_norm`` is negative or not a number, ``norm_type`` is not a number, or a gradient is in read-only memory.
    RuntimeError
        If ``error_if_nonfinite`` and the norm is not finite.

    Examples
    --------
    >>> import framework as fw
    >>> w = fw.Tensor([1.0, 1.0], requires_grad=True)
    >>> (w * fw.Tensor([3.0, 4.0])).sum().backward()
    >>> clip_grad_norm_([w], 1.0)
    Tensor(5.)
    >>> [round(g, 3) for g in w.grad.tolist()]
    [0.6, 0.8]
    """
    max_norm, norm_type = _bound("clip_grad_norm_", "max_norm", max_norm), float(norm_type)
    if math.isnan(norm_type):
        raise ValueError("clip_grad_norm_: norm_type must be a number such as 2.0 or inf, got nan")
    arrays = _gradients("clip_grad_norm_", parameters)
    if not arrays:
        return asarray(0.0)
    device = arrays[0].device
    norms = [vector_norm(_in_32_bits(g), ord=norm_type).to(device) for g in arrays]
    dtype = result_type(*norms)
    norm: Tensor = vector_norm(stack([n.to(dtype) for n in norms]), ord=norm_type)
    if error_if_nonfinite and not isfinite(norm).item():
        raise RuntimeError(
            f"clip_grad_norm_: the norm of order {norm_type} of the gradients is {norm.item()}; find its origin with "
            "framework.autograd.detect_anomaly, or pass error_if_nonfinite=False to go on"
        )
    factor = (max_norm / (norm + 1e-6)).clip(max=1.0)
    for g in arrays:
        scaled = g.data
        scaled *= factor.to(g.device).to(g.dtype).data
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every entry of the gradients into ``[-clip_value, clip_value]``.

    Parameters
    ----------
    parameters : iterable of Tensor, or one
        Those without a gradient are passed over.
    clip_value : float
        At least 0.

    Raises
    ------
    ValueError
        If ``clip_value`` is negative or not a number, or a gradient is in read-only memory.
    TypeError
        If a gradient is complex.

    Examples
    --------
    >>> import framework as fw
    >>> w = fw.Tensor([1.0, 1.0], requires_grad=True)
    >>> (w * fw.Tensor([3.0, -0.5])).sum().backward()
    >>> clip_grad_value_([w], 1.0)
    >>> w.grad
    Tensor([ 1. , -0.5])
    """
    bound = _bound("clip_grad_value_", "clip_value", clip_value)
    arrays = _gradients("clip_grad_value_", parameters)
    for g in arrays:
        if g.dtype.kind == "c":
            raise TypeError(
                f"clip_grad_value_: complex numbers have no order, got a gradient of {g.dtype}; clip by norm"
            )
    for g in arrays:
        g.data[...] = g.clip(-bound, bound).data


def _bound(function: str, name: str, value: float) -> float:
    bound = float(value)
    if not bound >= 0:
        raise ValueError(f"{function}: {name} must be at least 0, got {value}")
    return bound


def _in_32_bits(x: Any) -> Any:
    """The squares of float16 numbers are soon too large for it."""
    return x.to(dtype="float32") if x.dtype.itemsize == 2 else x


def _gradients(function: str, parameters: Any) -> list[Any]:
    """The values of all gradients, sharing their memory, which may be written: all of each, or the rows that are not zero."""
    given = [parameters] if isinstance(parameters, Variable) else list(parameters)
    for p in given:
        if not isinstance(p, Variable):
            raise TypeError(f"expected tensors, got {type(p).__name__}")
    values = [_values(p) for p in given if p._grad is not None]
    for g in values:
        if not g.backend.writable(g.data):
            raise ValueError(f"{function}: a gradient of shape {g.shape} is in read-only memory; make it of a copy")
    return values


def _values(p: Any) -> Any:
    g = p._grad
    return make_tensor(p.backend, g.summed().rows) if type(g) is RowSparse else g.detach()
