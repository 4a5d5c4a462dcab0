"""The device of new tensors."""

from __future__ import annotations

from backends import Backend, get_backend


class _Default:
    device = "cpu"


_default = _Default()


def get_default_device() -> str:
    """Return the device on which tensors are made when none is named: ``"cpu"`` unless set otherwise."""
    return _default.device


def set_default_device(device: str) -> None:
    """Set the device on which tensors are made when none is named.

    Raises
    ------
    ValueError, RuntimeError
        If the device is unknown or cannot be used here; nothing is changed then.
    """
    _default.device = get_backend(device).device


def backend_for(device: str | None) -> Backend:
    """The backend of a device, of the default device if none is named."""
    return get_backend(_default.device if device is None else device)
