"""Whether operations are recorded: a switch local to each thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    grad = True


mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether operations in this thread are recorded.

    >>> is_grad_enabled()
    True
    """
    return mode.grad


class _GradMode:
    """Context manager and decorator that sets the switch and restores what it was."""

    value: bool

    def __init__(self, *misplaced: Any) -> None:
        if misplaced:
            name = type(self).__name__
            raise TypeError(f"{name} takes no arguments: call it, with {name}():, or decorate with @{name}()")
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(mode.grad)
        mode.grad = self.value

    def __exit__(self, *exc: object) -> None:
        mode.grad = self._before.pop()

    def __call__(self, function: F) -> F:
        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with set_grad_enabled(self.value):
                return function(*args, **kwargs)

        @wraps(function)
        def resumed(*args: Any, **kwargs: Any) -> Any:
            generator, sent = function(*args, **kwargs), None
            while True:
                with set_grad_enabled(self.value):
                    try:
                        value = generator.send(sent)
                    except StopIteration as stop:
                        return stop.value
                sent = yield value

        return resumed if isgeneratorfunction(function) else wrapped  # type: ignore[return-value]


class no_grad(_GradMode):
    """Do not record: as ``with no_grad():`` or ``@no_grad()``.

    Examples
    --------
    >>> import framework as fw
    >>> x = fw.Tensor([1.0, 2.0], requires_grad=True)
    >>> with fw.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    value = False


class enable_grad(_GradMode):
    """Record again inside :class:`no_grad`: as ``with enable_grad():`` or ``@enable_grad()``."""

    value = True


class set_grad_enabled(_GradMode):
    """Record or not, as ``value`` says, inside a ``with`` block.

    Parameters
    ----------
    value : bool
        Whether to record.
    """

    def __init__(self, value: bool) -> None:
        super().__init__()
        self.value = bool(value)
