"""One schedule after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from framework.optim.lr_scheduler.plateau import ReduceLROnPlateau
from framework.optim.lr_scheduler.scheduler import LRScheduler
from framework.optim.optimizer import Optimizer


class SequentialLR(LRScheduler):
    """The first schedule up to the first milestone, then the next from its own beginning, and so on.

    Parameters
    ----------
    optimizer : Optimizer
        That of all the schedules.
    schedulers : sequence of LRScheduler
        In their order.
    milestones : sequence of int
        After how many steps each but the first begins.

    Raises
    ------
    ValueError
        If there is not one milestone less than schedules, or they belong to another optimizer.

    Examples
    --------
    >>> import framework as fw
    >>> from framework.optim.lr_scheduler import CosineAnnealingLR, LinearLR
    >>> optimizer = fw.optim.SGD([fw.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> warm_up, anneal = LinearLR(optimizer, 0.5, total_iters=2), CosineAnnealingLR(optimizer, T_max=2)
    >>> schedule = SequentialLR(optimizer, [warm_up, anneal], milestones=[2])
    >>> rates = []
    >>> for step in range(4):
    ...     rates += schedule.get_last_lr()
    ...     schedule.step()
    >>> rates
    [0.5, 0.75, 1.0, 0.5]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: expected one milestone less than schedules, got {len(milestones)} and {len(schedulers)}"
            )
        for schedule in schedulers:
            if schedule.optimizer is not optimizer or isinstance(schedule, ReduceLROnPlateau):
                raise ValueError(
                    "SequentialLR: expected schedules of the same optimizer that need no number to look at, got "
                    f"{type(schedule).__name__}"
                )
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer, last_epoch)

    def step(self) -> None:
        """What the base class says; at a milestone the next schedule begins from its own first rate."""
        schedule, steps = self._place(self.last_epoch + 1)
        if steps and schedule.last_epoch == steps - 1:
            schedule.step()
            self.last_epoch += 1
        else:
            self.go_to(self.last_epoch + 1)

    def go_to(self, t: int) -> None:
        """What the base class says."""
        schedule, steps = self._place(t)
        schedule.go_to(steps)
        self.last_epoch = t

    def _place(self, t: int) -> tuple[LRScheduler, int]:
        """The schedule of step ``t``, and how many steps it has then made."""
        place = bisect_right(self.milestones, t)
        return self.schedulers[place], t - (self.milestones[place - 1] if place else 0)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        return {**super().state_dict(), "schedulers": [schedule.state_dict() for schedule in self.schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        super().load_state_dict(state_dict)
        for schedule, state in zip(self.schedulers, state_dict["schedulers"]):
            schedule.load_state_dict(state)

    def _check_saved(self, state_dict: Mapping[str, Any]) -> None:
        super()._check_saved(state_dict)
        saved = state_dict.get("schedulers", ())
        if len(saved) != len(self.schedulers):
            raise ValueError(
                f"SequentialLR: the saved state has {len(saved)} schedules, this has {len(self.schedulers)}"
            )
        for schedule, state in zip(self.schedulers, saved):
            schedule._check_saved(state)
