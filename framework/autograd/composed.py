"""Functions of arrays that are made of operations, and ask an array for its shape before the first of these sees it."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from inspect import CO_VARARGS
from types import FunctionType
from typing import Any, TypeVar

from framework.autograd.calls import compiled

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
    code = function.__code__
    n, first_only = code.co_argcount, code.co_posonlyargcount
    names, keywords = code.co_varnames[:n], code.co_varnames[n : n + code.co_kwonlyargcount]
    rest = [f"*{code.co_varnames[n + len(keywords)]}"] if code.co_flags & CO_VARARGS else []
    star = rest or ["*"] * bool(keywords)
    declared = [*names[:first_only], *["/"] * bool(first_only), *names[first_only:], *star, *keywords]
    given = ", ".join([*names, *rest])
    passed = ", ".join([given, *[f"{name}={name}" for name in keywords]])
    written = compiled(f"""def call({", ".join(declared)}):
    try:
        return _function({passed})
    except AttributeError as error:
        raise _refusal(_function.__name__, error, ({given},)) from None""")
    scope = {"_function": function, "_refusal": _refusal, "__name__": function.__module__, "__builtins__": __builtins__}
    call: Any = FunctionType(written, scope, function.__name__, function.__defaults__)
    call.__kwdefaults__ = function.__kwdefaults__
    return update_wrapper(call, function)  # type: ignore[return-value]


def _refusal(name: str, error: AttributeError, given: tuple[Any, ...]) -> Exception:
    """The error itself, unless it is that an argument has not what arrays have."""
    if error.name not in _ASKED or not any(error.obj is x for x in given):
        return error
    return TypeError(
        f"{name}: expected a Tensor or an array, got {type(error.obj).__name__}; make a Tensor of it with "
        "framework.asarray first"
    )


_ASKED = frozenset({"ndim", "shape", "dtype", "device", "backend"})
