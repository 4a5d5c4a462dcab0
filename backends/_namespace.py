"""The namespace object that ops compute in: a library's Array API plus the framework's extensions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from types import ModuleType
from typing import Any

from backends.reference import extensions

_CREATION = ("arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros")


class Namespace:
    """A library's functions by attribute, fetched when first used and then kept.

    Fetching late matters: walking over all of NumPy's names would load its test and Fortran tools too.

    Parameters
    ----------
    module : module
        An Array-API namespace.
    device : optional
        The library's own device object; creation functions then default to it.
    special : callable, optional
        Makes the namespace of special functions when it is first used.
    **overrides
        Functions that replace the module's or the extensions' of the same name.
    """

    def __init__(
        self,
        module: ModuleType,
        device: Any = None,
        special: Callable[[], Any] | None = None,
        **overrides: Callable[..., Any],
    ) -> None:
        self._module = module
        self._special = special
        if device is not None:
            self.__dict__.update({name: _on_device(getattr(module, name), device) for name in _CREATION})
        self.__dict__.update({name: partial(getattr(extensions, name), self) for name in extensions.__all__})
        self.__dict__.update(overrides)

    def __getattr__(self, name: str) -> Any:
        value = self._special() if name == "special" and self._special else getattr(self._module, name)
        setattr(self, name, value)
        return value

    def __repr__(self) -> str:
        return f"<namespace of {self._module.__name__}>"


def _on_device(function: Callable[..., Any], device: Any) -> Callable[..., Any]:
    @wraps(function)
    def create(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("device") is None:
            kwargs["device"] = device
        return function(*args, **kwargs)

    return create
