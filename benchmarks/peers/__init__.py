"""Who is measured. Each module has ``VERSION``, ``make`` and ``synchronize``; those for GPUs count their memory, too.

A module takes what it keeps out of the data (``data.pop``) and copies nothing that its library would not copy, so that
no process holds the data twice while it is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PEERS: dict[str, tuple[str, dict[str, bool]]] = {
    "ours": ("ours", {}),
    "ours-captured": ("ours", {"captured": True}),
    "torch": ("pytorch", {}),
    "torch-sparse": ("pytorch", {"sparse": True}),
    "torch-captured": ("pytorch", {"captured": True}),
    "jax": ("jax_jit", {}),
    "jax-sparse": ("jax_jit", {"sparse": True}),
    "founding": ("founders", {}),
}
"""For each peer its module, and the options of ``make`` that are its own."""


@dataclass(frozen=True)
class Program:
    """A workload in one library, before it is decided whether its step is run as it is or recorded.

    Attributes
    ----------
    forward : callable
        A batch to its loss.
    batches : list of tuple
        What ``forward`` is called with, in turn.
    parameters : list
        What is trained.
    optimizer : optional
        What trains it; None where only gradients are wanted.
    """

    forward: Callable[..., Any]
    batches: list[tuple[Any, ...]]
    parameters: list[Any]
    optimizer: Any = None

    def step(self, *batch: Any) -> Any:
        """Forward, backward, update; returns the loss."""
        if self.optimizer is not None:
            self.optimizer.zero_grad()
        loss = self.forward(*batch)
        loss.backward()
        if self.optimizer is not None:
            self.optimizer.step()
        return loss
