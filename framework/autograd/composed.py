"""Functions of arrays that are made of operations, and ask an array for its shape before the first of these sees it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def composed(function: F) -> F:
    """Decorator: an argument that has no shape or dtype is refused as an operation would refuse it.

    Raises
    ------
    TypeError
        If an argument lacks an attribute that arrays have.

    Examples
    --------
    >>> @composed
    ... def rows(x):
    ...     return x.shape[0]
    >>> rows([1.0, 2.0])
    Traceback (most recent call last):
        ...
    TypeError: rows: expected a Tensor or an array, got list; make a Tensor of it with framework.asarray first
    """

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except AttributeError as error:
            given = (*args, *kwargs.values())
            if error.name not in _ASKED or not any(error.obj is x for x in given):
                raise
            raise TypeError(
                f"{function.__name__}: expected a Tensor or an array, got {type(error.obj).__name__}; "
                "make a Tensor of it with framework.asarray first"
            ) from None

    return call  # type: ignore[return-value]


_ASKED = frozenset({"ndim", "shape", "dtype", "device", "backend"})
