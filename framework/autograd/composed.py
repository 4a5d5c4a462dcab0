"""Functions of arrays that are made of operations, and ask an array for its shape before the first of these sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from framework.autograd.calls import around

F = TypeVar("F", bound=Callable[..., Any])


def composed(function: F) -> F:
    """Decorator: an argument that has no shape or dtype is refused as an operation would refuse it.

    The arguments are written out, since to pass on any there may be would take three times as long.

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
    return around(function, _BODY, _function=function, _refusal=_refusal)  # type: ignore[no-any-return]


_BODY = """try:
    return _function({passed})
except AttributeError as error:
    raise _refusal(_function.__name__, error, ({given},)) from None"""


def _refusal(name: str, error: AttributeError, given: tuple[Any, ...]) -> Exception:
    """The error itself, unless it is that an argument has not what arrays have."""
    if error.name not in _ASKED or not any(error.obj is x for x in given):
        return error
    return TypeError(
        f"{name}: expected a Tensor or an array, got {type(error.obj).__name__}; make a Tensor of it with "
        "framework.asarray first"
    )


_ASKED = frozenset({"ndim", "shape", "dtype", "device", "backend"})
