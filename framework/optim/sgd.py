"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backends import TableStep
from framework.autograd.graph import make_tensor
from framework.autograd.rows import RowSparse
from framework.autograd.versions import note_writes
from framework.optim.optimizer import Group, Optimizer
from framework.optim.owed import Matrix, RowDebt

Array = Any


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and weight decay.

    A row-sparse gradient, such as an embedding's, costs what it touches, and gives exactly the result of the
    dense one: rows that a step does not touch catch up when they are next read (:mod:`framework.optim.owed`), and with
    them those of ``state[p]["momentum_buffer"]``: read ``p`` or call ``state_dict()`` before you look at that.

    Parameters
    ----------
    params : iterable of Tensor or of dict
        What to optimize.
    lr : float
        Learning rate, at least 0.
    momentum : float
        At least 0; 0 for none.
    dampening : float
        The part of each gradient that does not enter the momentum.
    weight_decay : float
        At least 0; this times the value is added to the gradient.
    nesterov : bool
        Nesterov's momentum (Sutskever et al., 2013), which needs ``momentum > 0`` and ``dampening = 0``.
    maximize : bool
        Go up instead of down.

    Raises
    ------
    ValueError
        If an option is out of range.

    Examples
    --------
    >>> import framework as fw
    >>> w = fw.Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    Tensor([0.8, 1.6])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        self._debts: dict[Any, RowDebt] = {}
        super().__init__(params, defaults)

    def _check_options(self, group: Group) -> None:
        self._check_not_negative(group, "lr", "momentum", "weight_decay")
        self._check_finite(group, "dampening")
        self._check_flags(group, "nesterov", "maximize")
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise ValueError(
                f"SGD: nesterov needs momentum > 0 and dampening = 0, got momentum={group['momentum']} and "
                f"dampening={group['dampening']}"
            )

    def _update(self, group: Group, params: list[Any]) -> None:
        for backend in {p.backend for p in params}:
            dense: list[Any] = []
            steps: list[TableStep] = []
            for p in params:
                if p.backend is backend:
                    g = p._grad
                    if type(g) is RowSparse and self._steps_rows(group, p, g):
                        steps.append(self._row_step(group, p, g))
                    else:
                        dense.append(p)
            self._update_on(backend, group, dense, steps)

    def _steps_rows(self, group: Group, p: Any, g: RowSparse) -> bool:
        """Whether to step only the rows that have a gradient."""
        if not (group["momentum"] or group["weight_decay"]):
            return True
        # What other rows are owed would be another matter each time a captured step is repeated.
        return g.saves_work and not p.backend.capturing()

    def _update_on(self, backend: Any, group: Group, params: list[Any], steps: list[TableStep]) -> None:
        momentum = group["momentum"]
        data, grads = [p.data for p in params], [p.grad.data for p in params]
        buffers: list[Array | None] = [None] * len(params)
        if momentum:
            buffers = [self.state[p]["momentum_buffer"].data if p in self.state else None for p in params]
        options = {name: group[name] for name in self.defaults}
        buffers = backend.sgd_step(data, grads, buffers, steps, **options)
        note_writes(backend, [*data, *[step.table for step in steps]], by_optimizer=True)
        if momentum:
            for p, buffer in zip(params, buffers):
                if p not in self.state:
                    self.state[p] = {"momentum_buffer": make_tensor(backend, buffer)}

    def _row_step(self, group: Group, p: Any, g: RowSparse) -> TableStep:
        """A step on the rows that have a gradient; the others will owe it."""
        first = bool(group["momentum"]) and p not in self.state
        gains = _gains(group, first)
        if not (group["momentum"] or group["weight_decay"]):
            return TableStep(p.data, None, None, None, g.ids, g.rows, gains)
        debt = self._debt_of(group, p)
        debt.owe(_without_gradient(group, first))
        if p._owed is None:
            debt.defer(p)
        return TableStep(*debt.arrays(), g.ids, g.rows, gains)

    def _debt_of(self, group: Group, p: Any) -> RowDebt:
        """The debt of a parameter: the one it has, or a new one where its table or its momentum is another."""
        if group["momentum"] and p not in self.state:
            buffer = p.backend.xp.zeros_like(p.data if p._owed is None else p._owed.array)
            self.state[p] = {"momentum_buffer": make_tensor(p.backend, buffer)}
        buffer = self.state[p]["momentum_buffer"].data if p in self.state else None
        debt = self._debts.get(p)
        if debt is None or not debt.holds(p) or debt.buffer is not buffer:
            if debt is not None:
                debt.settle()
            debt = self._debts[p] = RowDebt(p.backend, p.data, buffer)
        return debt

    def _import(self, p: Any, saved: Mapping[str, Any]) -> dict[str, Any]:
        foreign = sorted(set(saved) - {"momentum_buffer"})
        if foreign:
            raise ValueError(
                f"SGD: the saved state of a parameter of shape {p.shape} has {foreign[0]!r}, so it is another optimizer's"
            )
        return super()._import(p, saved)

    def _bring_up_to_date(self) -> None:
        for debt in self._debts.values():
            debt.settle()

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles hold: debts are paid first, since tables are copied on their own."""
        self._bring_up_to_date()
        return {**self.__dict__, "_debts": {}}

    def _forget(self) -> None:
        super()._forget()
        for p in self._debts:
            _ = p.data
        self._debts = {}


def _without_gradient(group: Group, first: bool) -> Matrix:
    """What a step does to a row (w, b) whose gradient is zero."""
    lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
    if not momentum:
        return (1 - lr * decay, 0.0), (0.0, 0.0)
    taken = 1.0 if first else 1 - group["dampening"]
    bw, bb = taken * decay, 0.0 if first else momentum
    if group["nesterov"]:
        return (1 - lr * (decay + momentum * bw), -lr * momentum * bb), (bw, bb)
    return (1 - lr * bw, -lr * bb), (bw, bb)


def _gains(group: Group, first: bool) -> tuple[float, float]:
    """What a step adds to a row (w, b) for each unit of its gradient."""
    lr, momentum = group["lr"], group["momentum"]
    sign = -1.0 if group["maximize"] else 1.0
    if not momentum:
        return -lr * sign, 0.0
    taken = sign * (1.0 if first else 1 - group["dampening"])
    return -lr * (sign + momentum * taken if group["nesterov"] else taken), taken
