"""What is called between steps and epochs: stop early, keep the best model, or whatever one writes."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from framework.data.samplers import natural
from framework.serialization import file_to_write, load, save

if TYPE_CHECKING:
    from framework.training.run import Run


class Callback:
    """Base class: override what is needed.

    Each method gets the :class:`Run`, whose attributes may be read, and which ``run.stop(reason)`` ends after the
    present step. What ``state_dict`` returns goes into the training checkpoint.
    """

    def on_start(self, run: Run) -> None:
        """Before the first step, or the first after resuming."""

    def on_step(self, run: Run) -> None:
        """After every step of the optimizer."""

    def on_epoch(self, run: Run, numbers: Mapping[str, Any]) -> None:
        """After every epoch and its validation, with the epoch's numbers by name."""

    def on_end(self, run: Run) -> None:
        """At the very end, also when the training was stopped."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""


class _Watch(Callback):
    """Base of callbacks that follow one number."""

    def __init__(self, monitor: str | None, mode: Literal["min", "max"], min_delta: float) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"{type(self).__name__}: mode must be 'min' or 'max', got {mode!r}")
        self.monitor, self.mode, self.min_delta = monitor, mode, min_delta
        self.best = self._worst = math.inf if mode == "min" else -math.inf

    def _improved(self, numbers: Mapping[str, Any]) -> bool:
        """Whether the number is the best so far, which is then noted."""
        name = self.monitor or ("val_loss" if "val_loss" in numbers else "loss")
        if name not in numbers:
            raise ValueError(f"{type(self).__name__}: no number {name!r}; there are {', '.join(map(repr, numbers))}")
        if isinstance(numbers[name], list):
            raise ValueError(f"{type(self).__name__}: {name!r} has a number for each class; expected a single one")
        value = float(numbers[name])
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:
            self.best = value
        return gain > self.min_delta

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        return {"best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        self.best = state["best"]


class EarlyStopping(_Watch):
    """Stop when a number has not got better for some epochs.

    Parameters
    ----------
    monitor : str, optional
        Which number; ``"val_loss"`` unless given, ``"loss"`` without validation.
    patience : int
        Epochs without progress that are let pass.
    mode : {"min", "max"}
        Whether smaller or larger is better.
    min_delta : float
        How much better is better.
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 5,
        mode: Literal["min", "max"] = "min",
        min_delta: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = natural("patience", patience)
        self.waited = 0

    def on_start(self, run: Run) -> None:
        """A resumed run may have run out of patience before."""
        self._look(run)

    def on_epoch(self, run: Run, numbers: Mapping[str, Any]) -> None:
        """Count."""
        self.waited = 0 if self._improved(numbers) else self.waited + 1
        self._look(run)

    def _look(self, run: Run) -> None:
        if self.waited > self.patience:
            run.stop(f"no better {self.monitor or 'loss'} than {self.best:.4g} for {self.waited} epochs")

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        return {**super().state_dict(), "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        super().load_state_dict(state)
        self.waited = state["waited"]


class BestModel(_Watch):
    """Write the model's state dict whenever a number is the best so far.

    Parameters
    ----------
    path : path-like
        A safetensors file.
    monitor, mode, min_delta
        As in :class:`EarlyStopping`.
    restore : bool
        Whether to load the best values into the model at the end.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        min_delta: float = 0.0,
        restore: bool = False,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.path = Path(path)
        self.restore = restore

    def on_start(self, run: Run) -> None:
        """Find out before the first epoch whether the file can be written."""
        file_to_write(self.path)

    def on_epoch(self, run: Run, numbers: Mapping[str, Any]) -> None:
        """Write, if this is the best epoch."""
        if self._improved(numbers):
            save(run.model.state_dict(), self.path)

    def on_end(self, run: Run) -> None:
        """Go back to the best values, if wanted, and if there were any: the file may be an earlier run's."""
        if self.restore and self.best != self._worst and self.path.is_file():
            run.model.load_state_dict(load(self.path))
