"""Who wrote into which buffer, and when: what makes a stale value an error instead of a wrong gradient.

Every in-place write notes its sequence number for the buffer it changed. A node is older than a write when
its own number is smaller. In a loop that never writes between forward and backward nothing is looked up:
one comparison with the newest write decides.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from framework.autograd.deferred import lock
from framework.autograd.graph import Node, Variable, next_seq

if TYPE_CHECKING:
    from backends import Backend


class _Write:
    """The last write into a buffer, and what forgets it with the buffer."""

    __slots__ = ("keeper", "recorded", "seq")

    def __init__(self, keeper: Any) -> None:
        self.seq, self.recorded, self.keeper = 0, False, keeper


class _Mixed(NamedTuple):
    seq: int
    recorded: bool


class _Latest:
    seq = 0


latest = _Latest()
_writes: dict[int, _Write] = {}
mixed: dict[int, _Mixed] = {}
"""Writes through tensors (rather than by an optimizer), which views of the same buffer must know of."""


unread: dict[int, weakref.ref[Any]] = {}
"""Lookups of rows that nobody has read yet (:mod:`framework.ops.unread`), by their id."""


def before_write() -> None:
    """Have rows that are still to be read from tables read, before one of these changes, or may change unseen."""
    if not unread:
        return
    with lock:
        for known in list(unread.values()):
            rows = known()
            if rows is not None:
                rows.read()
        unread.clear()


def note_write(backend: Backend, array: Any, *, recorded: bool = False, by_optimizer: bool = False) -> None:
    """Remember that the buffer behind ``array`` changes now.

    Parameters
    ----------
    recorded : bool
        Whether the write itself is in the graph.
    by_optimizer : bool
        A write to a leaf between steps, after which views of the leaf remain usable.
    """
    note_writes(backend, (array,), recorded=recorded, by_optimizer=by_optimizer)


def note_writes(backend: Backend, arrays: Iterable[Any], *, recorded: bool = False, by_optimizer: bool = False) -> None:
    """Remember that the buffers behind several arrays change now, as :func:`note_write` does of one."""
    latest.seq = seq = next_seq()
    for array in arrays:
        owner = backend.owner(array)
        key = id(owner)
        write = _writes.get(key)
        if write is None:
            write = _writes[key] = _Write(_forget_with(owner, key))
        write.seq = seq
        if recorded:
            write.recorded = True
        if not by_optimizer or write.recorded:
            mixed[key] = _Mixed(seq, write.recorded)


def _forget_with(owner: Any, key: int) -> Any:
    def forget(_: Any) -> None:
        _writes.pop(key, None)
        mixed.pop(key, None)

    try:
        return weakref.ref(owner, forget)
    except TypeError:
        return owner


def written_since(backend: Backend, array: Any, seq: int) -> bool:
    """Whether the array's buffer was written after the moment ``seq``."""
    return _last_write(backend, array) > seq


def _last_write(backend: Backend, array: Any) -> int:
    """When the array's buffer was last written; 0 for never."""
    write = _writes.get(id(backend.owner(array)))
    return 0 if write is None else write.seq


def _arrays(*values: Any) -> Iterator[Any]:
    """The arrays among the values, also those in tuples, such as an index of several arrays."""
    for value in values:
        if isinstance(value, tuple):
            yield from _arrays(*value)
        elif hasattr(value, "dtype") and hasattr(value, "shape"):
            yield value


def check_saved(node: Node, used: int | None = None, until: float = inf) -> None:
    """Raise if a value that ``node`` kept for its gradient was overwritten since.

    Parameters
    ----------
    node : Node
        Whose values are looked at.
    used : int, optional
        The moment since which they must be the same; that at which the node was made, if not given.
    until : int, optional
        The moment from which on they may change again.

    Raises
    ------
    RuntimeError
        Naming the operation and the remedy.
    """
    since = node.seq if used is None else used
    for value in _arrays(*node.args, *node.kwargs.values(), node.y):
        if since < _last_write(node.backend, value) < until:
            raise RuntimeError(
                f"the gradient of {node.name!r} needs a value of shape {tuple(value.shape)} that was overwritten in place "
                f"after {node.name!r} used it; write into a clone() instead, or do the in-place operation after backward()"
            )


def check_views(x: Variable) -> None:
    """Raise if ``x`` shares its buffer with a tensor through which it was written behind the graph's back."""
    write = mixed.get(id(x.backend.owner(x.data)))
    if write is None:
        return
    if x.node is not None and x.node.seq < write.seq:
        raise RuntimeError(
            f"this tensor, made by {x.node.name!r}, was overwritten in place through another view of its memory or under "
            "no_grad(), so its recorded history no longer describes its values; take the view again after the write, or "
            "clone() before it"
        )
    if x.node is None and write.recorded and not x.requires_grad and not x._cut:
        raise RuntimeError(
            "this tensor shares memory with a tensor that was written in place with a gradient, which would be lost here; "
            "use the tensor that was written, or clone() before the write"
        )
