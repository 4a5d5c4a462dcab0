"""Tensors whose values are made when they are first read."""

from __future__ import annotations

from functools import cache
from typing import Any

from framework.autograd.graph import Variable


class Deferred:
    """What a tensor's class has in addition while its ``data`` is empty: whoever reads ``data`` makes ``_owed`` pay for it."""

    __slots__ = ()

    def __getattr__(self: Any, name: str) -> Any:
        owed = self._owed if name == "data" else None
        if owed is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self.data = data = owed.pay(self)
        return data


def defer(tensor: Variable, owed: Any, kind: Any = Deferred) -> None:
    """Let ``owed.pay(tensor)``, which calls :func:`end`, make the values of ``tensor`` when they are read."""
    tensor._owed = owed
    cls: Any = type(tensor)
    if not issubclass(cls, Deferred):
        tensor.__class__ = _with(kind, cls)


def end(tensor: Variable) -> None:
    """Make ``tensor`` an ordinary one."""
    tensor._owed = None
    if isinstance(tensor, Deferred):
        tensor.__class__ = type(tensor).__mro__[type(tensor).__mro__.index(Deferred) + 1]


def is_empty(tensor: Variable) -> bool:
    """Whether nobody has given ``tensor`` its values, without reading them."""
    try:
        object.__getattribute__(tensor, "data")
    except AttributeError:
        return True
    return False


@cache
def _with(kind: Any, cls: Any) -> Any:
    return type(cls.__name__, (kind, cls), {"__slots__": (), "__module__": cls.__module__})
