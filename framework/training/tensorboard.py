"""TensorBoard events, through tensorboardX."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from framework.training.callbacks import Callback

if TYPE_CHECKING:
    from framework.training.run import Run


class TensorBoard(Callback):
    """Write the numbers of each epoch, and the loss of each step, where TensorBoard finds them.

    Parameters
    ----------
    folder : path-like
        Where to write; ``tensorboard --logdir FOLDER`` shows it.

    Raises
    ------
    RuntimeError
        If tensorboardX is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ModuleNotFoundError:
            raise RuntimeError("writing TensorBoard events needs tensorboardX: pip install tensorboardX") from None
        self._open = SummaryWriter
        self.folder = os.fspath(folder)
        self._writer: Any = None
        self._written = 0

    def on_start(self, run: Run) -> None:
        """Open the file; what an interrupted run wrote beyond its checkpoint is dropped."""
        self._writer = self._open(self.folder, purge_step=run.step or None)
        self._written = run.step

    def on_epoch(self, run: Run, numbers: Mapping[str, Any]) -> None:
        """Write."""
        self._write_steps(run)
        for name, value in numbers.items():
            if isinstance(value, float):
                kind, _, rest = name.rpartition("val_")
                self._writer.add_scalar(
                    f"{rest}/{'validation' if kind or name != rest else 'training'}", value, run.step
                )

    def on_end(self, run: Run) -> None:
        """Close the file."""
        self._write_steps(run)
        self._writer.close()

    def _write_steps(self, run: Run) -> None:
        for step in range(self._written, run.step):
            self._writer.add_scalar("loss/step", run.history.steps[step], step + 1)
        self._written = run.step
