"""From a device string, or from an array, to its backend. Libraries are imported when first asked for."""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from typing import Any

from backends._base import Backend

Loader = Callable[[str], Backend]
"""Makes the backend for the part of a device string after the colon (``""`` when there is none)."""

_loaders: dict[str, tuple[Loader, str]] = {}
_backends: dict[str, Backend] = {}
_by_type: dict[type, Callable[[Any], Backend | None]] = {}


def register(name: str, loader: Loader, *, array_module: str = "") -> None:
    """Make an array library known under a device name.

    Parameters
    ----------
    name : str
        The device name, such as ``"torch"``; users then write ``device="torch"`` or ``device="torch:cpu"``.
    loader : callable
        Called once for each device with the part after the colon; returns a :class:`Backend`, or raises an
        ImportError or RuntimeError that says what is missing and how to install it.
    array_module : str, optional
        Top-level module that defines the library's array class, so that arrays of it are recognised without
        importing it.

    Examples
    --------
    >>> from backends._generic import GenericBackend
    >>> register("strict2", lambda device: GenericBackend("strict2", "array_api_strict", device))
    >>> get_backend("strict2").device
    'strict2'
    """
    _loaders[name] = (loader, array_module)


def get_backend(device: str) -> Backend:
    """Return the backend of a device string such as ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"strict:device1"``.

    Raises
    ------
    TypeError
        If the device is not a string.
    ValueError
        If no library is registered under the name, or it has no such device.
    RuntimeError
        If the library is missing or finds no device; the message names the cause and the command that helps.
    """
    try:
        return _backends[device]
    except (KeyError, TypeError):
        return _load(device)


def _load(device: str) -> Backend:
    if not isinstance(device, str):
        raise TypeError(f"device must be a string such as 'cpu' or 'cuda:0', got {type(device).__name__}")
    name, _, rest = device.partition(":")
    if name not in _loaders:
        known = ", ".join(repr(known) for known in _loaders)
        raise ValueError(f"unknown device {device!r}: expected one of {known}, or a name given to backends.register")
    loaded = _loaders[name][0](rest)
    backend = _backends[device] = _backends.setdefault(loaded.device, loaded)
    copyreg.pickle(type(backend), _reduce)
    return backend


def redirect(name: str, device: str) -> None:
    """Let the device string ``name``, such as ``"cuda"``, mean ``device``, such as ``"cuda:1"``.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As :func:`get_backend` does for ``device``; nothing is changed then.
    """
    _backends[name] = get_backend(device)


def backend_of(array: Any) -> Backend | None:
    """Return the backend of a raw array, or None if the object is not an array of a registered library."""
    kind = type(array)
    if kind not in _by_type:
        top = kind.__module__.partition(".")[0]
        if top == "builtins":
            _by_type[kind] = _nowhere
            return None
        for name, (_, module) in _loaders.items():
            if module == top and _is_array(array):
                _by_type[kind] = _finder(name)
                break
        else:
            return None
    return _by_type[kind](array)


def available() -> dict[str, str]:
    """Tell for each registered name whether it can be used: ``"ok"``, or the reason why not.

    >>> available()["cpu"]
    'ok'
    """
    report = {}
    for name in _loaders:
        try:
            get_backend(name)
            report[name] = "ok"
        except (ImportError, RuntimeError, ValueError) as error:
            report[name] = str(error)
    return report


def _reduce(backend: Backend) -> tuple[Any, ...]:
    """Copies and pickles of a backend are the one backend of its device."""
    return get_backend, (backend.device,)


def _is_array(array: Any) -> bool:
    return hasattr(array, "__array_namespace__") or hasattr(array, "__dlpack__")


def _nowhere(value: Any) -> None:
    """A number or a list is on no device."""


def _finder(name: str) -> Callable[[Any], Backend]:
    def find(array: Any) -> Backend:
        return get_backend(get_backend(name).device_of(array))

    return find


def _load_numpy(rest: str) -> Backend:
    from backends._numpy import NumpyBackend

    if rest not in ("", "0"):
        raise ValueError(f"unknown device 'cpu:{rest}': NumPy has one device, 'cpu'")
    return NumpyBackend()


def _load_cupy(rest: str) -> Backend:
    from backends._cupy import load

    return load(rest)


def _load_generic(name: str, module: str, install: str) -> Loader:
    def load(rest: str) -> Backend:
        from backends._generic import GenericBackend

        try:
            return GenericBackend(name, module, rest)
        except ModuleNotFoundError as error:
            raise RuntimeError(f"device {name!r} needs {error.name}, which is not installed: {install}") from None

    return load


register("cpu", _load_numpy, array_module="numpy")
register("cuda", _load_cupy, array_module="cupy")
register(
    "strict",
    _load_generic("strict", "array_api_strict", "pip install array-api-strict"),
    array_module="array_api_strict",
)
register("torch", _load_generic("torch", "array_api_compat.torch", "pip install torch"), array_module="torch")
