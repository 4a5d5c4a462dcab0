"""Optimizers whose step on each value depends on that value's own gradients alone, such as Adam."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from framework.autograd.graph import make_tensor
from framework.autograd.versions import note_write
from framework.optim.optimizer import Group, Optimizer

Array = Any
State = dict[str, Any]

BLOCK = 1 << 18
"""Elements stepped at a time, so that temporaries stay in the processor's cache."""


class Elementwise(Optimizer):
    """Base class: keeps a step count and some arrays for each parameter, and steps through them block by block.

    A row-sparse gradient is made dense, since a step moves also the values whose gradient is zero.
    """

    counts = ("step",)
    averages: ClassVar[tuple[str, ...]] = ()
    """Names of the arrays that every parameter has in its state."""

    def _check_param(self, i: int, p: Any, known: set[int]) -> None:
        super()._check_param(i, p, known)
        if p.dtype.kind == "c":
            raise TypeError(
                f"{self._name}: parameter {i} is {p.dtype}, which this optimizer has no steps for; keep its real and "
                "imaginary parts in two parameters, or use SGD"
            )

    def _names(self, group: Group) -> tuple[str, ...]:
        """Names of the arrays that the group's options ask for."""
        return self.averages

    def _start_value(self, group: Group) -> float:
        """What the arrays hold before the first step."""
        return 0.0

    def _update(self, group: Group, params: list[Any]) -> None:
        for p in params:
            state = self._state(group, p)
            state["step"] += 1
            self._step(group, p, state)
            note_write(p.backend, p.data, by_optimizer=True)

    def _state(self, group: Group, p: Any) -> State:
        state = self.state.setdefault(p, {"step": 0})
        for name in self._names(group):
            if name not in state:
                like = p.backend.xp.full_like(p.data, self._start_value(group))
                state[name] = make_tensor(p.backend, like)
        return state

    def _step(self, group: Group, p: Any, state: State) -> None:
        """Step a parameter of which every value may move."""
        names = self._names(group)
        arrays = (p.data, p.grad.data, *(state[name].data for name in names))
        for value, g, *kept in blocks(arrays):
            if group["maximize"]:
                g = -g
            self._move(group, p.backend.xp, state["step"], value, g, dict(zip(names, kept)))

    def _move(self, group: Group, xp: Any, step: int, value: Array, g: Array, kept: dict[str, Array]) -> None:
        """Change ``value`` and the arrays of ``kept``, all of one shape, in place; ``g`` must stay as it is."""
        raise NotImplementedError

    def _import(self, p: Any, saved: Mapping[str, Any]) -> State:
        missing = [name for name in ("step", *self.averages) if name not in saved]
        if missing:
            raise ValueError(
                f"{self._name}: the saved state of a parameter of shape {p.shape} lacks {missing[0]!r}; it has "
                f"{', '.join(map(repr, saved)) or 'nothing'}, so it is another optimizer's"
            )
        return super()._import(p, saved)


def blocks(arrays: tuple[Array, ...]) -> Iterator[tuple[Array, ...]]:
    """Views of the same part of each array (all of one shape), one part after the other."""
    first = arrays[0]
    if first.size <= BLOCK or first.ndim == 0:
        yield arrays
        return
    length = first.shape[0]
    rows = max(1, BLOCK * length // first.size)
    for start in range(0, length, rows):
        part = slice(start, min(start + rows, length))
        yield tuple([x[part, ...] for x in arrays])


def decayed(group: Group, value: Array, g: Array) -> Array:
    """The gradient with that of the weight decay."""
    return g + group["weight_decay"] * value if group["weight_decay"] else g


def average(mean: Array, x: Array, keep: float) -> None:
    """``mean = keep * mean + (1 - keep) * x`` in place."""
    mean *= keep
    mean += (1 - keep) * x


def average_square(mean: Array, x: Array, keep: float) -> None:
    """``mean = keep * mean + (1 - keep) * x**2`` in place."""
    square = x * x
    square *= 1 - keep
    mean *= keep
    mean += square
