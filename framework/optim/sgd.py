"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.autograd.graph import make_tensor
from framework.autograd.rows import RowSparse
from framework.autograd.versions import note_write
from framework.optim.optimizer import Group, Optimizer
from framework.optim.owed import Matrix, RowDebt

Array = Any


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and weight decay.

    A row-sparse gradient, such as an embedding's, costs what it touches, and gives exactly the result of the
    dense one: rows that a step does not touch catch up when they are next read (:mod:`framework.optim.owed`).

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
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise ValueError(
                f"SGD: nesterov needs momentum > 0 and dampening = 0, got momentum={group['momentum']} and "
                f"dampening={group['dampening']}"
            )

    def _update(self, group: Group, params: list[Any]) -> None:
        dense = []
        for p in params:
            if type(p._grad) is RowSparse and p._grad.saves_work:
                self._update_rows(group, p, p._grad.coalesce())
            else:
                dense.append(p)
        for backend in {p.backend for p in dense}:
            self._update_dense(group, backend, [p for p in dense if p.backend is backend])

    def _update_dense(self, group: Group, backend: Any, params: list[Any]) -> None:
        momentum = group["momentum"]
        buffers = [self.state[p]["momentum_buffer"].data if p in self.state else None for p in params]
        data = [p.data for p in params]
        options = {name: group[name] for name in self.defaults}
        buffers = backend.sgd_step(data, [p.grad.data for p in params], buffers, **options)
        for p, array, buffer in zip(params, data, buffers):
            note_write(backend, array, by_optimizer=True)
            if momentum and p not in self.state:
                self.state[p] = {"momentum_buffer": make_tensor(backend, buffer)}

    def _update_rows(self, group: Group, p: Any, g: RowSparse) -> None:
        """A step on the rows that have a gradient; the others will owe it."""
        first = group["momentum"] and p not in self.state
        debt = self._debts.get(p) if group["momentum"] or group["weight_decay"] else None
        if first:
            self.state[p] = {"momentum_buffer": make_tensor(p.backend, p.backend.xp.zeros_like(rows_table(p)))}
        if debt is None and (group["momentum"] or group["weight_decay"]):
            debt = self._debts[p] = self._new_debt(p)
        if debt is not None and not debt.holds(p):
            debt.settle()
            debt = self._debts[p] = self._new_debt(p)
        if debt is None:
            table = p.data
            rows = p.backend.xp.getitem(table, g.ids) - (-group["lr"] if group["maximize"] else group["lr"]) * g.rows
            p.backend.xp.assign(table, g.ids, rows)
        else:
            self._step_rows(group, debt, g, first)
            if p._owed is None:
                debt.defer(p)
            table = debt.array
        note_write(p.backend, table, by_optimizer=True)

    def _new_debt(self, p: Any) -> RowDebt:
        state = self.state.get(p)
        return RowDebt(p.backend, p.data, state["momentum_buffer"].data if state else None)

    def _step_rows(self, group: Group, debt: RowDebt, g: RowSparse, first: bool) -> None:
        xp = debt.backend.xp
        debt.pay_rows(g.ids)
        lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
        w = xp.getitem(debt.array, g.ids)
        rows = -g.rows if group["maximize"] else g.rows
        if decay:
            rows = rows + decay * w
        if debt.buffer is not None:
            b = rows if first else momentum * xp.getitem(debt.buffer, g.ids) + (1 - group["dampening"]) * rows
            xp.assign(debt.buffer, g.ids, b)
            rows = rows + momentum * b if group["nesterov"] else b
        xp.assign(debt.array, g.ids, w - lr * rows)
        debt.add(_without_gradient(group, first), g.ids)

    def _bring_up_to_date(self) -> None:
        for debt in self._debts.values():
            debt.settle()

    def _forget(self) -> None:
        super()._forget()
        for p in self._debts:
            _ = p.data
        self._debts = {}


def rows_table(p: Any) -> Array:
    """The parameter's table, up to date or not."""
    return p.data if p._owed is None else p._owed.array


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
