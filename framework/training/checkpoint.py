"""Training checkpoints: everything that a killed run needs to go on as if nothing had happened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

from framework.serialization import load, save
from framework.tensor import Tensor
from framework.training.randomness import random_state, set_random_state

FORMAT = "training checkpoint 1"
KEYS = {"format", "parts", "random", "extra"}


class Stateful(Protocol):
    """A model, optimizer, schedule, loader, metric, ..."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores."""

    def load_state_dict(self, state: Any, /) -> Any:
        """Take over what ``state_dict`` returned."""


def save_checkpoint(path: str | os.PathLike[str], *, extra: Any = None, **parts: Stateful) -> None:
    """Write the state of several objects and of all random streams: whole, or not at all.

    Parameters
    ----------
    path : path-like
        A safetensors file.
    extra : optional
        Whatever else :func:`framework.save` can write, such as the number of the step.
    **parts : objects with ``state_dict()``
        Model, optimizer, schedule, loader, metrics, by names of one's choice.

    Examples
    --------
    >>> import framework as fw, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> model = fw.nn.Linear(2, 1)
    >>> optimizer = fw.optim.Adam(model.parameters())
    >>> save_checkpoint(path, model=model, optimizer=optimizer, extra={"step": 10})
    >>> load_checkpoint(path, model=model, optimizer=optimizer)
    {'step': 10}
    """
    states = {name: part.state_dict() for name, part in parts.items()}
    save({"format": FORMAT, "parts": states, "random": random_state(), "extra": extra}, path)


def load_checkpoint(path: str | os.PathLike[str], **parts: Stateful) -> Any:
    """Bring objects and random streams back to where :func:`save_checkpoint` found them; returns ``extra``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError, RuntimeError, TypeError
        If it is not a checkpoint of these objects, or they do not fit; the objects are then as before.
    """
    saved = load(path)
    if not isinstance(saved, dict) or saved.keys() != KEYS or saved["format"] != FORMAT:
        raise ValueError(f"{os.fspath(path)} is not a training checkpoint; expected what save_checkpoint wrote")
    states = saved["parts"]
    if missing := [name for name in parts if name not in states]:
        raise ValueError(f"{os.fspath(path)} holds no {missing[0]!r}; it holds {', '.join(map(repr, states))}")
    before, place = {name: _copied(part.state_dict()) for name, part in parts.items()}, random_state()
    try:
        for name, part in parts.items():
            part.load_state_dict(states[name])
        set_random_state(saved["random"])
    except Exception as error:
        for name, part in parts.items():
            part.load_state_dict(before[name])
        set_random_state(place)
        if isinstance(error, KeyError):
            raise ValueError(f"{os.fspath(path)} does not fit these objects: it lacks {error}") from error
        raise
    return saved["extra"]


def _copied(value: Any) -> Any:
    """The state with tensors of its own, which loading does not change."""
    if isinstance(value, Mapping):
        return {key: _copied(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(part) for part in value)
    return value.detach().clone() if isinstance(value, Tensor) else value
