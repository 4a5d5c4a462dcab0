"""Special functions by SciPy's names: a library's own where it has them, else SciPy's on the host."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backends._library import Library


class SpecialFunctions:
    """Special functions by attribute, fetched when first used and then kept.

    Parameters
    ----------
    backend : Backend
        Whose arrays they take and return.
    module : str, optional
        Import path of the library's own special functions, under SciPy's names.
    """

    def __init__(self, backend: Library, module: str | None = None) -> None:
        self._backend = backend
        self._own = module and import_module(module)

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._own, name, None) or _on_host(self._backend, _scipy(name))
        setattr(self, name, function)
        return function


def _scipy(name: str) -> Callable[..., Any]:
    return getattr(import_module("scipy.special"), name)  # type: ignore[no-any-return]


def _on_host(backend: Library, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function on NumPy arrays, made one on the backend's arrays; numbers pass through."""

    @wraps(function)
    def call(*args: Any) -> Any:
        host = [backend.to_numpy(x) if isinstance(x, backend.array_type) else x for x in args]
        return backend.asarray(function(*host))

    return call
