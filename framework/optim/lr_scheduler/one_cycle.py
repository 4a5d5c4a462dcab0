"""One cycle: the rate rises, then falls far below where it began, while the momentum does the opposite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from framework.optim.lr_scheduler.scheduler import LRScheduler, at_least_one, per_group
from framework.optim.optimizer import Optimizer


class _Phase(NamedTuple):
    """From where to where; rates are in units of the highest one, momenta lie 1 at the top and 0 at the bottom."""

    end: float
    rates: tuple[float, float]
    momenta: tuple[float, float]


class OneCycleLR(LRScheduler):
    """The one-cycle policy (Smith & Topin, 2019, arXiv:1708.07120), stepped after every batch.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups get the rates, and the momenta if ``cycle_momentum``.
    max_lr : float or sequence of float
        The highest rate, of each group.
    total_steps : int, optional
        Steps in the cycle; or else ``epochs * steps_per_epoch``.
    pct_start : float
        Part of the cycle in which the rate rises.
    anneal_strategy : {"cos", "linear"}
        Along half a cosine or a line.
    cycle_momentum : bool
        Whether ``momentum`` (or the first of ``betas``) goes from ``max_momentum`` to ``base_momentum`` and back.
    div_factor, final_div_factor : float
        The first rate is ``max_lr / div_factor``, the last one that over ``final_div_factor``.
    three_phase : bool
        Fall as long as it rose, then to the last rate.

    Raises
    ------
    ValueError
        If the length is not given, an option is out of range, or a step goes beyond the cycle.
    """

    _chains = False

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: expected total_steps, or both epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be in [0, 1], got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self.total_steps = at_least_one("OneCycleLR", "total_steps", total_steps)
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        first = 1 / div_factor
        self._phases = _phases(total_steps, pct_start, first, first / final_div_factor, three_phase)
        self._highest = per_group("OneCycleLR", "max_lr", max_lr, optimizer)
        if cycle_momentum:
            _check_momentum(optimizer)
        super().__init__(optimizer, last_epoch)

    def _first_rates(self) -> list[float]:
        return [rate * self._phases[0].rates[0] for rate in self._highest]

    def rate(self, base: float, t: int, group: int) -> float:
        """What the base class says."""
        phase, share = self._place(t)
        return float(self._highest[group] * self._between(*phase.rates, share))

    def go_to(self, t: int) -> None:
        """What the base class says; sets the momenta too."""
        if t >= self.total_steps + 1:
            raise ValueError(f"OneCycleLR: step {t} is beyond the cycle of {self.total_steps} steps")
        super().go_to(t)
        if self.cycle_momentum:
            phase, share = self._place(t)
            height = self._between(*phase.momenta, share)
            _set_momentum(self.optimizer, self.base_momentum + (self.max_momentum - self.base_momentum) * height)

    def _place(self, t: int) -> tuple[_Phase, float]:
        """The phase of step ``t``, and how much of it has gone by."""
        start = 0.0
        for phase in self._phases:
            if t <= phase.end or phase is self._phases[-1]:
                length = phase.end - start
                return phase, (t - start) / length if length else 1.0
            start = phase.end
        raise AssertionError("the last phase takes every step")

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def _phases(steps: int, rise: float, first: float, last: float, three: bool) -> list[_Phase]:
    up = _Phase(rise * steps - 1, (first, 1.0), (1.0, 0.0))
    if three:
        down = _Phase(2 * rise * steps - 2, (1.0, first), (0.0, 1.0))
        return [up, down, _Phase(steps - 1, (first, last), (1.0, 1.0))]
    return [up, _Phase(steps - 1, (1.0, last), (0.0, 1.0))]


def _check_momentum(optimizer: Optimizer) -> None:
    for group in optimizer.param_groups:
        if "betas" not in group and "momentum" not in group:
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas; pass cycle_momentum=False"
            )


def _set_momentum(optimizer: Optimizer, value: float) -> None:
    for group in optimizer.param_groups:
        change: dict[str, Any] = {"betas": (value, *group["betas"][1:])} if "betas" in group else {"momentum": value}
        group.update(change)
