"""Making arrays longer at their ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.autograd.composed import composed
from framework.autograd.primitive import primitive
from framework.ops.indexing import take

Array = Any
Width = int | Sequence[int] | Sequence[Sequence[int]]

_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


@primitive
def _pad_constant(xp: Any, x: Array, /, *, widths: list[list[int]], value: complex) -> Array:
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths))
    return xp.setitem(xp.full(shape, value, dtype=x.dtype, device=x.device), _inner(x.shape, widths), x)


def _inner(shape: tuple[int, ...], widths: list[list[int]]) -> tuple[slice, ...]:
    """The key of the original entries among the padded ones."""
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths))


_pad_constant.defvjp(lambda xp, g, shape, widths: g[_inner(shape, widths)])


@composed
def pad(x: Any, pad_width: Width, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    """Add entries at both ends of each axis.

    Parameters
    ----------
    x : Tensor
        What to make longer.
    pad_width : int, (before, after) or one such pair for each axis
        How many entries to add.
    mode : {"constant", "edge", "reflect", "symmetric", "wrap"}
        What to add, as ``numpy.pad`` says.
    constant_values : number, (before, after) or one such pair for each axis
        The value for mode ``"constant"``; in corners that of the later axis.

    Raises
    ------
    ValueError
        For an unknown mode, widths or values that are not of this form, a negative width, or entries asked of an empty axis.

    Examples
    --------
    >>> import framework as fw
    >>> fw.pad(fw.asarray([1, 2, 3]), (1, 2))
    Tensor([0, 1, 2, 3, 0, 0])
    >>> fw.pad(fw.asarray([1, 2, 3]), 2, "reflect")
    Tensor([3, 2, 1, 2, 3, 2, 1])
    """
    if mode not in _MODES:
        raise ValueError(f"pad: expected mode to be one of {', '.join(map(repr, _MODES))}, got {mode!r}")
    widths = _widths(pad_width, x.ndim)
    if mode == "constant" and np.ndim(constant_values) == 0:
        return _pad_constant(x, widths=widths, value=constant_values)
    if mode == "constant":
        for axis, (width, values) in enumerate(zip(widths, _pairs("constant_values", constant_values, x.ndim))):
            for side, value in enumerate(values):
                x = _pad_end(x, axis, side, width[side], value)
        return x
    for axis, width in enumerate(widths):
        if any(width):
            source = np.pad(np.arange(x.shape[axis]), width, mode=mode)  # type: ignore[call-overload]
            x = take(x, _beside(x, source), axis=axis)
    return x


def _pad_end(x: Any, axis: int, side: int, width: int, value: complex) -> Any:
    """One end of one axis made longer."""
    widths = [[0, 0] for _ in x.shape]
    widths[axis][side] = width
    return _pad_constant(x, widths=widths, value=value)


def _beside(x: Any, positions: Any) -> Array:
    """Positions from the host as a raw array where ``x`` lives."""
    return x.backend.asarray(positions)


def _widths(pad_width: Any, ndim: int) -> list[list[int]]:
    widths: list[list[int]] = _pairs("pad_width", pad_width, ndim)
    if not all(isinstance(n, int) and n >= 0 for pair in widths for n in pair):
        raise ValueError(f"pad: expected whole numbers >= 0 in pad_width, got {pad_width!r}")
    return widths


def _pairs(name: str, given: Any, ndim: int) -> Any:
    """A pair for each axis."""
    try:
        return np.broadcast_to(np.asarray(given), (ndim, 2)).tolist()
    except ValueError:
        raise ValueError(
            f"pad: expected {name} to be a number, a pair, or {ndim} pairs, one for each axis, got {given!r}"
        ) from None
