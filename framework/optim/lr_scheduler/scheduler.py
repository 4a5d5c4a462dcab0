"""What all schedules share: a count of steps, and a rate for each group that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from framework.optim.optimizer import Optimizer


class LRScheduler:
    """Base class of schedules.

    A rate follows from the number of steps alone, not from the rate before: so nothing adds up, and a schedule
    resumed from its number goes on exactly. Only where somebody else has changed a rate since, such as another schedule
    of the same optimizer, that rate is multiplied by what this schedule would have changed its own by: so schedules
    chain, as in PyTorch.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups get the rates. Their rates at the first schedule's making are the base rates.
    last_epoch : int
        Steps made before, less one; -1 to begin.

    Attributes
    ----------
    last_epoch : int
        Steps made so far.
    base_lrs : list of float
        The rate that each group began with.

    Raises
    ------
    TypeError
        If ``optimizer`` is none.
    ValueError
        At a step, if groups were added to the optimizer since.
    """

    _kept: ClassVar[tuple[str, ...]] = ("last_epoch", "base_lrs")
    """Attributes that a checkpoint stores."""

    _chains: ClassVar[bool] = True
    """Whether it goes on from a rate that somebody else has changed, rather than from its own."""

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(self._name, optimizer)
        self.optimizer = optimizer
        self.base_lrs = self._first_rates()
        self.last_epoch = last_epoch
        self.step()
        for group, base in zip(optimizer.param_groups, self.base_lrs):
            group["initial_lr"] = base

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _first_rates(self) -> list[float]:
        """The rate that each group begins with."""
        return [group["initial_lr" if "initial_lr" in group else "lr"] for group in self.optimizer.param_groups]

    def rate(self, base: float, t: int, group: int) -> float:
        """The rate after ``t`` steps of the group with this number, which began with ``base``."""
        raise NotImplementedError(f"{self._name} must define rate()")

    def step(self) -> None:
        """Go on by one step and set the groups' rates."""
        if not self._chains:
            self.go_to(self.last_epoch + 1)
            return
        found, own = self.get_last_lr(), self._rates(self.last_epoch)
        self.go_to(self.last_epoch + 1)
        for group, lr, before in zip(self.optimizer.param_groups, found, own):
            if lr != before:
                group["lr"] = self._carried(lr, before, group["lr"])

    def _carried(self, lr: float, before: float, after: float) -> float:
        """A rate that was changed, after a step in which this schedule's own goes from ``before`` to ``after``."""
        return lr * (after / before) if before else after

    def go_to(self, t: int) -> None:
        """Set the groups' rates to those after ``t`` steps."""
        self._check_groups(len(self.base_lrs))
        rates = self._rates(t)
        self.last_epoch = t
        for group, lr in zip(self.optimizer.param_groups, rates):
            group["lr"] = lr

    def _rates(self, t: int) -> list[float]:
        """The groups' rates after ``t`` steps, and before the first for -1."""
        return [self.rate(base, t, i) if t >= 0 else base for i, base in enumerate(self.base_lrs)]

    def _check_groups(self, known: int) -> None:
        """Raise if groups were added, of whose rates the schedule knows nothing."""
        count = len(self.optimizer.param_groups)
        if count != known:
            raise ValueError(
                f"{self._name}: the optimizer has {count} groups, but had {known} when the schedule was made; add all groups "
                "first, or make a new schedule"
            )

    def get_last_lr(self) -> list[float]:
        """The groups' present rates."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores: numbers and lists of them."""
        return {name: getattr(self, name) for name in self._kept}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned; the rates themselves are in the optimizer's state.

        Raises
        ------
        ValueError
            If a name is missing, or the number of groups is another; nothing is changed then.
        """
        self._check_saved(state_dict)
        for name in self._kept:
            value = state_dict[name]
            setattr(self, name, list(value) if isinstance(value, list | tuple) else value)

    def _check_saved(self, state_dict: Mapping[str, Any]) -> None:
        missing = [name for name in self._kept if name not in state_dict]
        if missing:
            raise ValueError(f"{self._name}: the saved state lacks {missing[0]!r}; it has {', '.join(state_dict)}")
        groups = state_dict.get("base_lrs", self.optimizer.param_groups)
        if len(groups) != len(self.optimizer.param_groups):
            raise ValueError(
                f"{self._name}: the saved state has {len(groups)} groups, the optimizer {len(self.optimizer.param_groups)}"
            )


def check_optimizer(name: str, optimizer: Any) -> None:
    """Refuse what is no optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{name}: expected an Optimizer, got {type(optimizer).__name__}")


def per_group(name: str, what: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """One value for each group, of one for all or of a list."""
    check_optimizer(name, optimizer)
    count = len(optimizer.param_groups)
    values = list(value) if isinstance(value, Sequence) else [value] * count
    if len(values) != count:
        raise ValueError(f"{name}: expected one {what} or {count}, one for each group, got {len(values)}")
    return values


def at_least_one(name: str, what: str, value: int) -> int:
    """The value, which must be an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: {what} must be an integer of at least 1, got {value!r}")
    return value
