"""Distinct values and membership. No gradient flows through any of these."""

from __future__ import annotations

from typing import Any, NamedTuple

from framework.autograd.primitive import primitive

Array = Any


class UniqueAll(NamedTuple):
    """What :func:`unique_all` returns."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What :func:`unique_counts` returns."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What :func:`unique_inverse` returns."""

    values: Any
    inverse_indices: Any


@primitive
def unique_all(xp: Any, x: Array, /) -> UniqueAll:
    """The distinct values, where each occurs first, which of them each entry is, and how often each occurs.

    No gradient flows through it. Each NaN is a value of its own.

    Examples
    --------
    >>> import framework as fw
    >>> fw.unique_all(fw.asarray([7, 5, 7])).indices
    Tensor([1, 0])
    """
    return xp.unique_all(x)  # type: ignore[no-any-return]


@primitive
def unique_counts(xp: Any, x: Array, /) -> UniqueCounts:
    """The distinct values and how often each occurs. No gradient flows through it.

    Examples
    --------
    >>> import framework as fw
    >>> fw.unique_counts(fw.asarray([7, 5, 7])).counts
    Tensor([1, 2])
    """
    return xp.unique_counts(x)  # type: ignore[no-any-return]


@primitive
def unique_inverse(xp: Any, x: Array, /) -> UniqueInverse:
    """The distinct values and which of them each entry is. No gradient flows through it.

    Examples
    --------
    >>> import framework as fw
    >>> fw.unique_inverse(fw.asarray([7, 5, 7])).inverse_indices
    Tensor([1, 0, 1])
    """
    return xp.unique_inverse(x)  # type: ignore[no-any-return]


@primitive
def unique_values(xp: Any, x: Array, /) -> Array:
    """The distinct values, in ascending order. No gradient flows through it."""
    return xp.unique_values(x)


@primitive
def isin(xp: Any, x1: Array, x2: Array, /, *, invert: bool = False) -> Array:
    """Whether each entry of ``x1`` is among those of ``x2`` (or is not, if inverted). No gradient flows through it."""
    # array-api-strict 2.6 takes the keyword and ignores it.
    found = xp.isin(x1, x2)
    return xp.logical_not(found) if invert else found
