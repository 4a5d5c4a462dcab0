"""What came of a training, epoch by epoch and step by step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from framework.creation import asarray
from framework.viz.curves import curves


class History:
    """Numbers of each epoch by name, and the loss of each step.

    Attributes
    ----------
    epochs : dict of str to list
        One entry an epoch; ``"loss"`` is the mean over the epoch, names of validation begin with ``"val_"``.
    steps : list of float
        The training loss of each step.
    stopped : str
        Why the training ended before its last epoch; empty if it did not.

    Examples
    --------
    >>> history = History()
    >>> history.add({"loss": 0.5, "val_loss": 0.6})
    >>> history.add({"loss": 0.4, "val_loss": 0.55})
    >>> history["val_loss"]
    [0.6, 0.55]
    """

    def __init__(self) -> None:
        self.epochs: dict[str, list[Any]] = {}
        self.steps: list[float] = []
        self.stopped = ""

    def add(self, numbers: Mapping[str, Any]) -> None:
        """Append an epoch's numbers."""
        for name, value in numbers.items():
            self.epochs.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self.epochs:
            raise KeyError(f"no {name!r} in this history; it has {', '.join(map(repr, self.epochs)) or 'nothing yet'}")
        return self.epochs[name]

    def last(self) -> dict[str, Any]:
        """The last epoch's numbers."""
        return {name: values[-1] for name, values in self.epochs.items()}

    def plot(self, path: str | os.PathLike[str] | None = None, title: str = "") -> Any:
        """Draw the numbers over the epochs; a matplotlib figure, written to ``path`` if given.

        Raises
        ------
        RuntimeError
            If matplotlib is not installed.
        """
        plain = {name: values for name, values in self.epochs.items() if all(np.ndim(v) == 0 for v in values)}
        return curves(plain, path, title=title)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        return {"epochs": self.epochs, "steps": asarray(np.array(self.steps, dtype=np.float64), device="cpu")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        self.epochs = {name: list(values) for name, values in state["epochs"].items()}
        self.steps = state["steps"].tolist()

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name}={shown(value)}" for name, value in self.last().items())
        count = max((len(values) for values in self.epochs.values()), default=0)
        return f"<History of {count} epochs, {len(self.steps)} steps{': ' + numbers if numbers else ''}>"


def shown(value: Any) -> str:
    """A number in short."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
