"""Layers that change shapes only."""

from __future__ import annotations

import math
from typing import Any

from framework.nn.module import Module
from framework.nn.sizes import check_sizes


class Flatten(Module):
    """Make the axes from ``start_dim`` to ``end_dim`` one.

    Examples
    --------
    >>> import framework as fw
    >>> Flatten()(fw.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Any) -> Any:
        """Reshape ``input``."""
        shape = tuple(input.shape) or (1,)
        start, end = (_axis("Flatten", dim, shape) for dim in (self.start_dim, self.end_dim))
        if start > end:
            raise ValueError(f"Flatten: start_dim {self.start_dim} comes after end_dim {self.end_dim} in shape {shape}")
        return input.reshape((*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Make the axis ``dim`` several, of the lengths ``unflattened_size``, one of which may be -1.

    Examples
    --------
    >>> import framework as fw
    >>> Unflatten(1, (3, -1))(fw.zeros((2, 12))).shape
    (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = check_sizes("Unflatten: unflattened_size", unflattened_size, least=-1)

    def forward(self, input: Any) -> Any:
        """Reshape ``input``."""
        shape = tuple(input.shape)
        axis = _axis("Unflatten", self.dim, shape)
        sizes = _without_unknown(self.unflattened_size, shape[axis])
        return input.reshape((*shape[:axis], *sizes, *shape[axis + 1 :]))

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


def _axis(name: str, dim: int, shape: tuple[int, ...]) -> int:
    if not -len(shape) <= dim < len(shape):
        raise IndexError(f"{name}: axis {dim} is out of range for an input of shape {shape}")
    return dim % len(shape)


def _without_unknown(sizes: tuple[int, ...], length: int) -> tuple[int, ...]:
    """The sizes with -1 worked out, and their product checked."""
    known = math.prod(n for n in sizes if n != -1)
    missing = length // known if known and sizes.count(-1) == 1 else 0
    found = tuple(missing if n == -1 else n for n in sizes)
    if math.prod(found) != length:
        raise ValueError(f"Unflatten: an axis of length {length} cannot be made {sizes}")
    return found
