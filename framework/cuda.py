"""NVIDIA GPUs, through CuPy."""

from __future__ import annotations

from backends import get_backend


def is_available() -> bool:
    """Whether tensors can be put on ``"cuda"`` here: CuPy is installed and finds a driver and a device.

    Examples
    --------
    >>> is_available() in (True, False)
    True
    """
    try:
        get_backend("cuda")
    except RuntimeError:
        return False
    return True


def device_count() -> int:
    """Number of GPUs that can be used, 0 without CuPy or a driver."""
    if not is_available():
        return 0
    import cupy

    return int(cupy.cuda.runtime.getDeviceCount())


def synchronize(device: str = "cuda") -> None:
    """Wait until all work issued on a GPU is done.

    Raises
    ------
    RuntimeError
        If there is no such device.
    """
    get_backend(device).synchronize()
