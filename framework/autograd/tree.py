"""Nested tuples, lists and dicts of tensors; None stands for nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> list[Any]:
    """The values of a tree that are no tuple, list, dict or None, from left to right."""
    return [value for _, value in places(tree)]


def places(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of a tree with where it stands, such as ``"['w'][0]"``."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from places(value, f"{path}[{key!r}]")
    elif isinstance(tree, tuple | list):
        for i, value in enumerate(tree):
            yield from places(value, f"{path}[{i}]")
    elif tree is not None:
        yield path, tree


def aligned(tree: Any, other: Any, what: str) -> list[Any]:
    """What ``other`` has in the places of the values of ``tree``; where it has None instead, None for each.

    Raises
    ------
    ValueError
        If the structures differ; ``what`` names ``other`` in the message.
    """
    if other is None:
        return [None] * len(leaves(tree))
    if isinstance(tree, dict) and isinstance(other, dict) and tree.keys() == other.keys():
        return [value for key in tree for value in aligned(tree[key], other[key], f"{what}[{key!r}]")]
    if isinstance(tree, tuple | list) and isinstance(other, tuple | list) and len(tree) == len(other):
        return [value for i, pair in enumerate(zip(tree, other)) for value in aligned(*pair, f"{what}[{i}]")]
    if _kind(tree) != _kind(other):
        raise ValueError(f"{what} must be {_kind(tree)}, got {_kind(other)}")
    return [other]


def _kind(tree: Any) -> str:
    """The outermost structure of a tree in words."""
    if isinstance(tree, dict):
        return f"a dict of {', '.join(map(repr, tree))}" if tree else "an empty dict"
    if isinstance(tree, tuple | list):
        return f"a tuple or list of length {len(tree)}"
    return "None" if tree is None else "a tensor"


def rebuild(tree: Any, values: Iterator[Any]) -> Any:
    """A tree of the same structure with other values."""
    if isinstance(tree, dict):
        return {key: rebuild(value, values) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        parts = [rebuild(value, values) for value in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return None if tree is None else next(values)


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """A tree of the same structure with ``function`` applied to each value."""
    return rebuild(tree, map(function, leaves(tree)))
