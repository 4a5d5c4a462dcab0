"""The namespace object that ops compute in: a library's Array API plus the framework's extensions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial, wraps
from types import ModuleType
from typing import Any

from backends.reference import extensions

_LATE = ("fft", "linalg", "special")
_CREATION = ("arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros")


class Namespace:
    """A library's functions by attribute.

    Only what the module has loaded is taken over: walking over all of NumPy's names would load its test and Fortran
    tools too. There is no ``__getattr__``, with which Python reads every attribute four times as slowly.

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
        **overrides: Any,
    ) -> None:
        self._module = module
        self._special = special
        self.__dict__.update({name: value for name, value in vars(module).items() if name not in _LATE})
        if device is not None:
            self.__dict__.update({name: _on_device(getattr(module, name), device) for name in _CREATION})
        self.__dict__.update({name: partial(getattr(extensions, name), self) for name in extensions.__all__})
        self.__dict__.update(overrides)

    @cached_property
    def special(self) -> Any:
        """Special functions."""
        return self._special() if self._special else self._module.special

    @cached_property
    def fft(self) -> Any:
        """Fourier transforms."""
        return self._module.fft

    @cached_property
    def linalg(self) -> Any:
        """Linear algebra."""
        return self._module.linalg

    def __repr__(self) -> str:
        return f"<namespace of {self._module.__name__}>"


def _on_device(function: Callable[..., Any], device: Any) -> Callable[..., Any]:
    @wraps(function)
    def create(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("device") is None:
            kwargs["device"] = device
        return function(*args, **kwargs)

    return create
