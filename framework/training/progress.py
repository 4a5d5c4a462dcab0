"""Progress for the eye: a bar where tqdm is installed, else a line an epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from framework.training.history import shown

SECONDS_BETWEEN = 0.2


class Progress:
    """Shows how far the epoch is, the loss, the rate and the time left.

    Parameters
    ----------
    wanted : bool
        Whether to show anything.
    """

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self._bar: Any = None
        self._next = 0.0

    def start_epoch(self, number: int, epochs: int, total: int | None, done: int) -> None:
        """A new bar."""
        if self.wanted:
            self._title = f"epoch {number}/{epochs}"
            self._bar = _bar(self._title, total, done)

    def advance(self, batches: int, loss: Any) -> None:
        """So many more batches; ``loss`` is read only when it is time to show it."""
        if self._bar is None:
            return
        now = time.monotonic()
        if now >= self._next:
            self._next = now + SECONDS_BETWEEN
            self._bar.set_postfix_str(f"loss={loss.item():.4g}", refresh=False)
        self._bar.update(batches)

    def end_epoch(self, numbers: Mapping[str, Any]) -> None:
        """The epoch's numbers, which stay on the screen."""
        text = ", ".join(f"{name}={shown(value)}" for name, value in numbers.items() if isinstance(value, float))
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=True)
        elif self.wanted:
            print(f"{self._title}: {text}", file=sys.stderr)
        self.close()

    def say(self, text: str) -> None:
        """A line of text."""
        if self.wanted:
            self.close()
            print(text, file=sys.stderr)

    def close(self) -> None:
        """Let go of the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _bar(title: str, total: int | None, done: int) -> Any:
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError:
        return None
    return tqdm(total=total, initial=done, desc=title, unit="batch", leave=True)
