"""Nested tuples, lists and dicts of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> list[Any]:
    """The values of a tree that are no tuple, list or dict, from left to right."""
    return list(_walk(tree))


def _walk(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        for value in tree.values():
            yield from _walk(value)
    elif isinstance(tree, tuple | list):
        for value in tree:
            yield from _walk(value)
    else:
        yield tree


def rebuild(tree: Any, values: Iterator[Any]) -> Any:
    """A tree of the same structure with other values."""
    if isinstance(tree, dict):
        return {key: rebuild(value, values) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        parts = [rebuild(value, values) for value in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return next(values)


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """A tree of the same structure with ``function`` applied to each value."""
    return rebuild(tree, map(function, leaves(tree)))
