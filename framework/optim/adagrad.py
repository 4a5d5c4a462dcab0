"""Adagrad: steps divided by the root of the sum of all squared gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.autograd.rows import RowSparse
from framework.optim.elementwise import Elementwise, State, decayed
from framework.optim.optimizer import Group

Array = Any


class Adagrad(Elementwise):
    """Adagrad (Duchi, Hazan & Singer, 2011), with PyTorch's options and numbers.

    A zero gradient moves nothing, so without weight decay the step of a row-sparse gradient costs what it touches.

    Parameters
    ----------
    params : iterable of Tensor or of dict
        What to optimize.
    lr : float
        Learning rate, at least 0.
    lr_decay : float
        At least 0; step ``t`` uses ``lr / (1 + (t - 1) * lr_decay)``.
    weight_decay : float
        At least 0; this times the value is added to the gradient.
    initial_accumulator_value : float
        Where the sums of squares start, at least 0.
    eps : float
        Added to the root, at least 0.
    maximize : bool
        Go up instead of down.

    Raises
    ------
    ValueError
        If an option is out of range.
    TypeError
        If a parameter is complex.

    Examples
    --------
    >>> import framework as fw
    >>> w = fw.Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    Tensor([ 0.5, -1.5])
    """

    averages = ("sum",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, group: Group) -> None:
        self._check_not_negative(group, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
        self._check_flags(group, "maximize")

    def _start_value(self, group: Group) -> float:
        return group["initial_accumulator_value"]  # type: ignore[no-any-return]

    def _step(self, group: Group, p: Any, state: State) -> None:
        g = p._grad
        if type(g) is RowSparse and g.saves_work and not group["weight_decay"]:
            self._step_rows(group, p, state, g.summed())
        else:
            super()._step(group, p, state)

    def _step_rows(self, group: Group, p: Any, state: State, g: RowSparse) -> None:
        """As :meth:`_move`, by additions alone, which entries with a zero gradient may repeat."""
        backend, total = p.backend, state["sum"].data
        backend.add_rows(total, g.ids, g.rows * g.rows, 1.0)
        scale = backend.xp.sqrt(backend.take_rows(total, g.ids))
        scale += group["eps"]
        backend.add_rows(p.data, g.ids, g.rows / scale, _rate(group, state["step"]) * (1 if group["maximize"] else -1))

    def _move(self, group: Group, xp: Any, step: int, value: Array, g: Array, kept: dict[str, Array]) -> None:
        g, total = decayed(group, value, g), kept["sum"]
        total += g * g
        scale = xp.sqrt(total)
        scale += group["eps"]
        change = g / scale
        change *= _rate(group, step)
        value -= change


def _rate(group: Group, step: int) -> float:
    return group["lr"] / (1 + (step - 1) * group["lr_decay"])  # type: ignore[no-any-return]
