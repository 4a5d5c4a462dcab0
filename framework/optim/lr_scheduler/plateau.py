"""Lower the rate when a number has stopped getting better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from framework.optim.lr_scheduler.scheduler import LRScheduler, per_group
from framework.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """Times ``factor`` when the number given to ``step`` has not got better for ``patience`` steps.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups get the rates.
    mode : {"min", "max"}
        Whether smaller or larger is better.
    factor : float
        At least 0 and below 1.
    patience : int
        Steps without progress that are let pass.
    threshold : float
        How much better is better.
    threshold_mode : {"rel", "abs"}
        Whether the threshold is a part of the best number so far, or an amount.
    cooldown : int
        Steps after a reduction that do not count.
    min_lr : float or sequence of float
        Lower bound of the rate, of each group.
    eps : float
        A change smaller than this is not made.

    Raises
    ------
    ValueError
        If an option is out of range.

    Examples
    --------
    >>> import framework as fw
    >>> optimizer = fw.optim.SGD([fw.Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.1]
    """

    _kept: ClassVar[tuple[str, ...]] = ("last_epoch", "best", "num_bad_epochs", "cooldown_counter")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1 and not negative, got {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                "ReduceLROnPlateau: expected mode 'min' or 'max' and threshold_mode 'rel' or 'abs', "
                f"got {mode!r} and {threshold_mode!r}"
            )
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self.min_lrs = per_group("ReduceLROnPlateau", "min_lr", min_lr, optimizer)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer)

    def rate(self, base: float, t: int, group: int) -> float:
        """The present rate, which :meth:`step` lowers."""
        return self.optimizer.param_groups[group]["lr"]  # type: ignore[no-any-return]

    def step(self, metrics: Any = None) -> None:
        """Look at the number after an epoch, and lower the rates if its time has come."""
        if metrics is None:
            if self.last_epoch >= 0:
                raise TypeError("ReduceLROnPlateau: step() needs the number to look at, such as the validation loss")
            self.last_epoch = 0
            return
        self._check_groups(len(self.min_lrs))
        self.last_epoch += 1
        self._note(float(metrics))
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def _note(self, value: float) -> None:
        better = self._is_better(value)
        self.best = value if better else self.best
        self.num_bad_epochs = 0 if better else self.num_bad_epochs + 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "abs":
            return sign * value < sign * self.best - self.threshold
        return sign * value < sign * self.best * (1 - sign * self.threshold)

    def _reduce(self) -> None:
        for group, least in zip(self.optimizer.param_groups, self.min_lrs):
            lr = max(group["lr"] * self.factor, least)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr
