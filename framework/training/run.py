"""A training in progress: the loop itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from framework.amp import GradScaler
from framework.autograd import no_grad
from framework.nn import Module
from framework.nn.utils import clip_grad_norm_
from framework.optim import Optimizer
from framework.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from framework.training.callbacks import Callback
from framework.training.checkpoint import Stateful, load_checkpoint, save_checkpoint
from framework.training.history import History
from framework.training.interrupt import Interrupt
from framework.training.progress import Progress
from framework.training.unused import warn_without_gradient

Forward = Callable[[Any, Any], tuple[Any, Any]]


def predict(model: Any, batch: Any) -> tuple[Any, Any]:
    """Output and target for a batch ``(input, ..., target)``."""
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        raise TypeError(
            f"fit: expected batches (input, ..., target), got {type(batch).__name__}; for others pass "
            "forward=lambda model, batch: (output, target)"
        )
    *inputs, target = batch
    return model(*inputs), target


class Run:
    """What :func:`fit` sets going, and callbacks see; the arguments are those of :func:`fit`.

    Attributes
    ----------
    model, loss, optimizer, loader, validation, schedule, metrics, autocast, scaler
        As given.
    epoch, step, batch : int
        Epochs and optimizer steps done, and batches of the present epoch.
    history : History
        What came of it so far.
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Any, Any], Any],
        optimizer: Optimizer,
        loader: Iterable[Any],
        *,
        validation: Iterable[Any] | None,
        metrics: Mapping[str, Any],
        schedule: LRScheduler | None,
        schedule_every: str,
        accumulate: int,
        clip_norm: float | None,
        autocast: AbstractContextManager[Any] | None,
        scaler: GradScaler | None,
        forward: Forward,
        callbacks: Sequence[Callback],
        checkpoint: str | os.PathLike[str] | None,
        checkpoint_every: int | None,
        progress: bool,
    ) -> None:
        self.model, self.loss, self.optimizer, self.loader = model, loss, optimizer, loader
        self.validation, self.metrics = validation, dict(metrics)
        self.schedule, self.schedule_every = schedule, schedule_every
        self.accumulate, self.clip_norm, self.forward = accumulate, clip_norm, forward
        self.autocast = nullcontext() if autocast is None else autocast
        self.scaler = GradScaler(enabled=False) if scaler is None else scaler
        self.callbacks = list(callbacks)
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.checkpoint_every = checkpoint_every
        self.epoch = self.step = self.batch = 0
        self.history = History()
        self._weights: list[int] = []
        self._unread: list[Any] = []
        self._progress = Progress(progress)
        self._interrupt = Interrupt()

    def stop(self, reason: str) -> None:
        """End the training after the present step."""
        self.history.stopped = reason

    # ------------------------------------------------------------------------------------------ the loop
    def go(self, epochs: int) -> History:
        """Train until so many epochs are done."""
        was_training = self.model.training
        try:
            with self._interrupt:
                self._tell("on_start")
                while self.epoch < epochs and not self.history.stopped:
                    self._train_epoch(epochs)
                self._read_losses()
                self._tell("on_end")
        finally:
            self._progress.close()
            self.model.train(was_training)
        if self.history.stopped:
            self._progress.say(f"stopped: {self.history.stopped}")
        return self.history

    def _train_epoch(self, epochs: int) -> None:
        self.model.train()
        self._progress.start_epoch(self.epoch + 1, epochs, _length(self.loader), self.batch)
        batches = self._batches()
        while group := list(islice(batches, self.accumulate)):
            self._train_step(group)
            self.batch += len(group)
            self.step += 1
            self._tell("on_step")
            self._progress.advance(len(group), self._unread[-1])
            if self._must_stop():
                self.save()
                return
            if self.checkpoint_every and self.step % self.checkpoint_every == 0:
                self.save()
        self._end_epoch()

    def _batches(self) -> Iterator[Any]:
        """The epoch's batches that are still to come; a loader with a state knows them itself."""
        done = 0 if hasattr(self.loader, "load_state_dict") else self.batch
        return islice(iter(self.loader), done, None)

    def _must_stop(self) -> bool:
        if self._interrupt.asked:
            self.stop("interrupted")
        return bool(self.history.stopped)

    def _train_step(self, group: Sequence[Any]) -> None:
        """One step of the optimizer on a group of batches, each weighing by its size."""
        self.optimizer.zero_grad()
        sizes = [samples(batch) for batch in group]
        losses = [self._backward(batch, size / max(1, sum(sizes))) for batch, size in zip(group, sizes)]
        self._unread.append(sum(losses[1:], losses[0]))
        self._weights.append(sum(sizes))
        if self.step == 0:
            warn_without_gradient(self.model)
        if self.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.schedule is not None and self.schedule_every == "step":
            self.schedule.step()

    def _backward(self, batch: Any, weight: float) -> Any:
        """Add a batch's gradients, and return its part of the loss."""
        with self.autocast:
            output, target = self.forward(self.model, batch)
            loss = self.loss(output, target)
        loss = loss if weight == 1 else loss * weight
        self.scaler.scale(loss).backward()
        self._measure(output, target)
        return loss.detach()

    def _measure(self, output: Any, target: Any) -> None:
        for metric in self.metrics.values():
            metric.update(output, target)

    # ------------------------------------------------------------------------------------------ epochs
    def _end_epoch(self) -> None:
        self._read_losses()
        count = len(self._weights)
        if not count:
            raise ValueError("fit: the loader gave no batches; is the data set empty, or drop_last larger than it?")
        numbers = {"loss": float(np.average(self.history.steps[-count:], weights=self._weights))}
        numbers |= self._results("")
        if self.validation is not None:
            numbers |= self.validate()
        numbers["lr"] = self.optimizer.param_groups[0]["lr"]
        self._weights, self.batch, self.epoch = [], 0, self.epoch + 1
        self.history.add(numbers)
        self._step_schedule(numbers)
        self._tell("on_epoch", numbers)
        self._progress.end_epoch(numbers)
        self.save()

    def _read_losses(self) -> None:
        """Wait for the device, once for many steps."""
        self.history.steps += [float(loss.item()) for loss in self._unread]
        self._unread = []

    def _results(self, prefix: str) -> dict[str, Any]:
        """The metrics' results, which begin anew."""
        found = {}
        for name, metric in self.metrics.items():
            result = metric.compute()
            found[prefix + name] = float(result.item()) if result.size == 1 else result.tolist()
            metric.reset()
        return found

    def validate(self) -> dict[str, Any]:
        """Loss and metrics on the validation data, their names beginning with ``val_``."""
        losses, weights = [], []
        self.model.eval()
        with no_grad(), self.autocast:
            for batch in self.validation or ():
                output, target = self.forward(self.model, batch)
                losses.append(self.loss(output, target))
                weights.append(samples(batch))
                self._measure(output, target)
        self.model.train()
        if not losses:
            raise ValueError("fit: the validation loader gave no batches")
        mean = float(np.average([loss.item() for loss in losses], weights=weights))
        return {"val_loss": mean, **self._results("val_")}

    def _step_schedule(self, numbers: Mapping[str, Any]) -> None:
        if self.schedule is None or self.schedule_every != "epoch":
            return
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(numbers.get("val_loss", numbers["loss"]))
        else:
            self.schedule.step()

    def _tell(self, method: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, method)(self, *args)

    # ------------------------------------------------------------------------------------------ checkpoints
    def _parts(self) -> dict[str, Stateful]:
        parts: dict[str, Any] = {"model": self.model, "optimizer": self.optimizer, "history": self.history}
        if self.schedule is not None:
            parts["schedule"] = self.schedule
        if self.scaler.is_enabled():
            parts["scaler"] = self.scaler
        if hasattr(self.loader, "load_state_dict"):
            parts["loader"] = self.loader
        parts |= {f"metric {name}": metric for name, metric in self.metrics.items()}
        parts |= {f"callback {i}": callback for i, callback in enumerate(self.callbacks)}
        return parts

    def save(self) -> None:
        """Write the training checkpoint, if one is wanted."""
        if self.checkpoint is not None:
            self._read_losses()
            place = {"epoch": self.epoch, "step": self.step, "batch": self.batch, "weights": self._weights}
            save_checkpoint(self.checkpoint, extra=place, **self._parts())

    def resume(self) -> None:
        """Go on from the training checkpoint, if it is there."""
        if self.checkpoint is not None and self.checkpoint.is_file():
            place = load_checkpoint(self.checkpoint, **self._parts())
            self.epoch, self.step, self.batch = place["epoch"], place["step"], place["batch"]
            self._weights = list(place["weights"])
            self._progress.say(f"going on from {self.checkpoint}: epoch {self.epoch}, step {self.step}")


def samples(batch: Any) -> int:
    """How many samples a batch holds: the length of the first tensor in it."""
    while isinstance(batch, Mapping | list | tuple) and len(batch):
        batch = next(iter(batch.values() if isinstance(batch, Mapping) else batch))
    shape: Any = getattr(batch, "shape", ())
    return int(shape[0]) if shape else 1


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:
        return None
