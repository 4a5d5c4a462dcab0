"""Whether operations are recorded, and in which precision they run: switches local to each thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from inspect import isgeneratorfunction
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from framework.autograd.precision import Casts

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    grad = True
    traced = False
    casts: Casts | None = None


mode = _Mode()


def is_grad_enabled() -> bool:
    """Whether operations in this thread are recorded.

    >>> is_grad_enabled()
    True
    """
    return mode.grad


class Block:
    """A context manager that decorates functions and generators too: each call enters a block of its own."""

    def _again(self) -> Self:
        """A block of the same meaning."""
        raise NotImplementedError

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *exc: object) -> None:
        raise NotImplementedError

    def __call__(self, function: F) -> F:
        """Decorate a function."""

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        @wraps(function)
        def resumed(*args: Any, **kwargs: Any) -> Any:
            generator, sent = function(*args, **kwargs), None
            while True:
                with self._again():
                    try:
                        value = generator.send(sent)
                    except StopIteration as stop:
                        return stop.value
                sent = yield value

        return resumed if isgeneratorfunction(function) else wrapped  # type: ignore[return-value]


class _GradMode(Block):
    """Sets the switch and restores what it was."""

    value: bool

    def __init__(self, *misplaced: Any) -> None:
        if misplaced:
            name = type(self).__name__
            raise TypeError(f"{name} takes no arguments: call it, with {name}():, or decorate with @{name}()")
        self._before: list[bool] = []

    def _again(self) -> Any:
        return enable_grad() if self.value else no_grad()

    def __enter__(self) -> None:
        self._before.append(mode.grad)
        mode.grad = self.value

    def __exit__(self, *exc: object) -> None:
        mode.grad = self._before.pop()


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
    """Record or not, as ``value`` says: from the call on or, in a ``with`` statement or as a decorator, inside alone.

    Parameters
    ----------
    value : bool
        Whether to record.

    Examples
    --------
    >>> import framework as fw
    >>> with fw.set_grad_enabled(False):
    ...     fw.is_grad_enabled()
    False
    >>> fw.is_grad_enabled()
    True
    """

    def __init__(self, value: bool) -> None:
        super().__init__()
        self.value = bool(value)
        super().__enter__()
        self._begun = True

    def __call__(self, function: F) -> F:
        """Decorate a function."""
        self.__exit__()
        return super().__call__(function)

    def __enter__(self) -> None:
        # The block began with the call, unless this one is entered again.
        if self._begun:
            self._begun = False
            mode.grad = self.value
        else:
            super().__enter__()


class tracing:
    """Inside a function that is being differentiated: record, also the derivatives that are taken in there."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = mode.grad, mode.traced
        mode.grad = mode.traced = True

    def __exit__(self, *exc: object) -> None:
        mode.grad, mode.traced = self._before


class backward_mode:
    """Inside a backward pass: record or not, without autocast, for gradients have the dtypes that the forward chose."""

    __slots__ = ("_before", "_grad")

    def __init__(self, grad: bool) -> None:
        self._grad = grad

    def __enter__(self) -> None:
        self._before = mode.grad, mode.casts
        mode.grad, mode.casts = self._grad, None

    def __exit__(self, *exc: object) -> None:
        mode.grad, mode.casts = self._before
