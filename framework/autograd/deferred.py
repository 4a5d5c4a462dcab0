"""Tensors whose values are made when they are first read."""

from __future__ import annotations

from functools import cache
from threading import RLock
from typing import Any

from framework.autograd.forks import held_over_forks
from framework.autograd.graph import Variable

lock = held_over_forks(RLock())
"""Held while a tensor's values are put away or brought back, so that several threads may compute with one model."""


class Deferred:
    """What a tensor's class has in addition while its ``data`` is empty: whoever reads ``data`` makes ``_owed`` pay for it.

    What is owed has a ``shape`` and a ``dtype``, so that nothing need be paid to tell these.
    """

    __slots__ = ()

    shape = property(lambda self: tuple(_told(self).shape))
    ndim = property(lambda self: len(_told(self).shape))
    dtype = property(lambda self: self.backend.dtype_of(_told(self)))

    def __getattr__(self: Any, name: str) -> Any:
        with lock:
            if name == "data" and is_empty(self) and self._owed is not None:
                self.data = self._owed.pay(self)
            return object.__getattribute__(self, name)

    def __setattr__(self: Any, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name == "data":
            end(self)


def _told(tensor: Any) -> Any:
    """What has the tensor's shape and dtype."""
    with lock:
        return tensor._owed if is_empty(tensor) else tensor.data


def defer(tensor: Variable, owed: Any, kind: Any = Deferred) -> None:
    """Empty the ``data`` of ``tensor``, and let ``owed.pay(tensor)`` make it when it is read."""
    tensor._owed = owed
    cls: Any = type(tensor)
    if not issubclass(cls, Deferred):
        tensor.__class__ = _with(kind, cls)
    del tensor.data


def end(tensor: Variable) -> None:
    """Make ``tensor``, which has its values, an ordinary one."""
    tensor._owed = None
    kinds = type(tensor).__mro__
    if Deferred in kinds:
        tensor.__class__ = kinds[kinds.index(Deferred) + 1]


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
