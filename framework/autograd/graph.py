"""What is recorded: tensors' fields and the nodes between them.

Edges run Tensor -> Node -> the nodes (or leaf tensors) of its inputs, never back, so a graph dies by
reference count as soon as its last tensor does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    import numpy as np

    from backends import Backend

Array = Any
"""A raw array of some backend."""

next_seq = count(1).__next__
"""Numbers nodes and writes in the order in which they happen."""


class Variable:
    """The fields of a tensor that recording needs; ``framework.Tensor`` adds everything that users see.

    Attributes
    ----------
    data : raw array
        The values.
    backend : Backend
        Where the values live.
    node : Node or None
        The operation that made the values; None for leaves and for values that no gradient flows through.
    requires_grad : bool
        Whether operations on this tensor are recorded.

    ``_whole`` is, of a part ``whole[key]`` that shares memory, ``(whole, key, (getitem, setitem))``: what a write
    into the part must move in the graph. ``_cut`` is true of a tensor that was taken out of the graph on purpose.
    ``_owed`` is what an optimizer owes to rows of it. All fields are set in every tensor: reading an empty slot would
    take longer than it takes to set all of them.
    """

    __slots__ = (
        "__weakref__",
        "_cut",
        "_grad",
        "_hooks",
        "_owed",
        "_whole",
        "backend",
        "data",
        "node",
        "requires_grad",
    )

    _cut: bool
    _grad: Any
    _hooks: Any
    _owed: Any
    _whole: Any
    data: Any
    backend: Backend
    node: Node | None
    requires_grad: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype, in NumPy's notation."""
        return self.backend.dtype_of(self.data)


class Node:
    """One recorded operation.

    Attributes
    ----------
    op : Primitive
        The operation; ``op.name`` is what users read.
    inputs : tuple or list
        For each array argument its node, the leaf tensor itself, or None where no gradient flows.
    args : tuple or None
        The raw arguments that the gradient rules ask for (others are None); the whole is None once freed.
    kwargs : dict
        Keyword arguments of the call.
    y : raw array or None
        The raw output, if a rule asks for it.
    shape, dtype : tuple of int, dtype
        Those of the output; gradients are brought to them.
    """

    __slots__ = ("args", "backend", "dtype", "hooks", "inputs", "kwargs", "op", "seq", "shape", "y")

    op: Any
    backend: Backend
    inputs: Sequence[Edge]
    args: Any
    kwargs: dict[str, Any]
    y: Any
    seq: int
    shape: Any
    dtype: Any
    hooks: dict[int, Callable[[Any], Any]] | None

    @property
    def name(self) -> str:
        """Name of the operation."""
        return self.op.name  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<{self.name} -> {tuple(self.shape)}>"


Edge = Union["Node", "Variable", None]


def edges(args: Sequence[Any], needs: int) -> tuple[Edge, ...]:
    """For each argument where its gradient goes: its node, the leaf itself, or None."""
    return tuple([(x.node or x) if needs >> i & 1 else None for i, x in enumerate(args)])


RETAIN = -1
"""Number of the hook that stores a result's own gradient; it runs after all others, and moves with the tensor."""

new = object.__new__
result_class: list[type[Variable]] = [Variable]


def tensor_class(cls: type[Variable]) -> type[Variable]:
    """Class decorator: results of operations are made as instances of ``cls``."""
    result_class[0] = cls
    return cls


def make_tensor(backend: Backend, data: Array, node: Node | None = None) -> Any:
    """A tensor of the registered class around a raw array, without any checks."""
    t = new(result_class[0])
    t.data = data
    t.backend = backend
    t.node = node
    t.requires_grad = node is not None
    t._cut = False
    t._grad = t._hooks = t._owed = t._whole = None
    return t
