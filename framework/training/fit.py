"""Training in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from framework.amp import GradScaler, autocast
from framework.nn import Module
from framework.optim import Optimizer
from framework.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from framework.serialization import file_to_write
from framework.training.callbacks import Callback
from framework.training.history import History
from framework.training.run import Forward, Run, predict


def fit(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    loader: Iterable[Any],
    *,
    epochs: int = 1,
    validation: Iterable[Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    schedule: LRScheduler | None = None,
    schedule_every: Literal["epoch", "step"] = "epoch",
    accumulate: int = 1,
    clip_norm: float | None = None,
    autocast: autocast | None = None,
    scaler: GradScaler | None = None,
    forward: Forward = predict,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = True,
    progress: bool = True,
) -> History:
    """Train a model, and tell what came of it.

    The first Ctrl-C ends the training after the present step, with a checkpoint if one is wanted; the history's
    ``stopped`` says so. A run killed at any moment goes on from its last checkpoint when it is started again,
    and on the CPU gives the same losses, bit for bit, as one never killed.

    Parameters
    ----------
    model : Module
        What to train; put into training mode, and afterwards back into the mode it was in.
    loss : callable
        ``loss(output, target)``, the mean over a batch, a tensor of shape ().
    optimizer : Optimizer
        Of the model's parameters.
    loader : iterable
        Batches ``(input, ..., target)``, each epoch anew; a :class:`framework.data.DataLoader`, or a list.
    epochs : int
        Epochs in all, those before an interruption included.
    validation : iterable, optional
        Batches to look at after each epoch, without training.
    metrics : dict of str to Metric, optional
        Updated with ``(output, target)``, in training and in validation. The history has them by these names, in
        validation after ``val_``; so none is called ``loss`` or ``lr``, or begins with ``val_``.
    schedule : LRScheduler, optional
        Of the optimizer; one on a plateau looks at ``val_loss``, or ``loss`` without validation.
    schedule_every : {"epoch", "step"}
        When the schedule goes on.
    accumulate : int
        Batches whose gradients are summed up for one step, so as if they were one large batch.
    clip_norm : float, optional
        Bound of the gradients' norm, above 0.
    autocast : framework.amp.autocast, optional
        The block in which forward passes and losses run.
    scaler : framework.amp.GradScaler, optional
        Scales the losses, and skips steps whose gradients overflow; for autocast in float16.
    forward : callable
        ``forward(model, batch)`` returns output and target, for batches of another form.
    callbacks : sequence of Callback
        Called between steps and epochs.
    checkpoint : path-like, optional
        Where to write the training checkpoint after each epoch.
    checkpoint_every : int, optional
        Write it after so many steps, too.
    resume : bool
        Whether to go on from the checkpoint if it is there.
    progress : bool
        Whether to show a bar with rate and time left (with tqdm; a line an epoch without).

    Returns
    -------
    History
        Numbers of each epoch, and the loss of each step.

    Raises
    ------
    ValueError, TypeError
        If an argument is of another kind, or the checkpoint is not that of such a run.

    Warns
    -----
    UserWarning
        If a parameter that requires a gradient gets none in the first step.

    Examples
    --------
    >>> import framework as fw
    >>> _ = fw.manual_seed(0)
    >>> x = fw.rand(64, 3)
    >>> data = fw.data.TensorDataset(x, x @ fw.asarray([[1.0], [2.0], [3.0]]))
    >>> model = fw.nn.Linear(3, 1)
    >>> optimizer = fw.optim.Adam(model.parameters(), lr=0.1)
    >>> loader = fw.data.DataLoader(data, batch_size=16, shuffle=True)
    >>> history = fit(model, fw.nn.MSELoss(), optimizer, loader, epochs=40, progress=False)
    >>> history["loss"][-1] < history["loss"][0] / 10
    True
    """
    _check(model, optimizer, checkpoint_every, checkpoint)
    _check_numbers(clip_norm, epochs=epochs, accumulate=accumulate, checkpoint_every=checkpoint_every or 1)
    _check_metrics(metrics)
    _check_schedule(schedule, schedule_every, optimizer)
    run = Run(
        model,
        loss,
        optimizer,
        loader,
        validation=validation,
        metrics=metrics or {},
        schedule=schedule,
        schedule_every=schedule_every,
        accumulate=accumulate,
        clip_norm=clip_norm,
        autocast=autocast,
        scaler=scaler,
        forward=forward,
        callbacks=callbacks,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        progress=progress,
    )
    if resume:
        run.resume()
    return run.go(epochs)


def _check(model: Any, optimizer: Any, checkpoint_every: Any, checkpoint: Any) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"fit: model must be an nn.Module, got {type(model).__name__}")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"fit: optimizer must be an Optimizer, got {type(optimizer).__name__}")
    if checkpoint_every and checkpoint is None:
        raise ValueError("fit: checkpoint_every needs a path in checkpoint")
    if checkpoint is not None:
        file_to_write(checkpoint)


def _check_numbers(clip_norm: Any, **counts: Any) -> None:
    for name, value in counts.items():
        least = int(name != "epochs")
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
            raise ValueError(f"fit: {name} must be an integer of at least {least}, got {value!r}")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"fit: clip_norm must be above 0, got {clip_norm!r}")


def _check_schedule(schedule: Any, every: Any, optimizer: Any) -> None:
    if every not in ("epoch", "step"):
        raise ValueError(f"fit: schedule_every must be 'epoch' or 'step', got {every!r}")
    if schedule is not None and not isinstance(schedule, LRScheduler):
        raise TypeError(f"fit: schedule must be an LRScheduler, got {type(schedule).__name__}")
    if schedule is not None and schedule.optimizer is not optimizer:
        raise ValueError("fit: the schedule is that of another optimizer; make it of the one that is given here")
    if isinstance(schedule, ReduceLROnPlateau) and every == "step":
        raise ValueError("fit: a schedule on a plateau looks at an epoch's loss; expected schedule_every='epoch'")


def _check_metrics(metrics: Any) -> None:
    if metrics is not None and not isinstance(metrics, Mapping):
        raise TypeError(f"fit: metrics must be a dict of names and metrics, got {type(metrics).__name__}")
    for name in metrics or ():
        if name in ("loss", "lr") or name.startswith("val_"):
            raise ValueError(f"fit: the name {name!r} is taken by another number of the history; choose another")
