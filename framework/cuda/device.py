"""Which GPUs there are, which one ``"cuda"`` means, and waiting for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from backends import get_backend, redirect


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
    return gpu("cuda").count() if is_available() else 0


def current_device() -> int:
    """Number of the GPU that ``"cuda"`` means.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    return int(get_backend("cuda").device.partition(":")[2])


def set_device(index: int) -> None:
    """Let ``"cuda"`` mean GPU number `index` for what follows; tensors stay where they are.

    Raises
    ------
    ValueError, RuntimeError
        If there is no such GPU; nothing is changed then.
    """
    redirect("cuda", f"cuda:{index}")


@contextmanager
def device(index: int) -> Iterator[None]:
    """Let ``"cuda"`` mean GPU number `index` inside a ``with`` block."""
    before = current_device()
    set_device(index)
    try:
        yield
    finally:
        set_device(before)


def synchronize(device: str = "cuda") -> None:
    """Wait until all work issued on a GPU is done.

    Raises
    ------
    RuntimeError
        If there is no such device.
    IndexError
        If an index was out of range in work that is done now; see :func:`check`.
    """
    get_backend(device).synchronize()


def check(device: str = "cuda") -> None:
    """Wait for a GPU and raise the error of an index that was out of range, if there was one.

    Indices are checked by the GPU while it works, and nothing waits for the result. The error is raised wherever the
    host next waits anyway, by ``item()``, ``numpy()``, printing or :func:`synchronize`; it names the operation, the
    index, its position, and the line of your program that made the call. This function is the same as
    :func:`synchronize`, for programs that want to say why they wait.

    Raises
    ------
    RuntimeError
        If there is no such device.
    IndexError
        If an index was out of range; once.
    """
    synchronize(device)


def use_deterministic_algorithms(mode: bool, device: str = "cuda") -> None:
    """Whether a GPU adds the rows of a table's gradient in an order that is always the same; at first it does.

    With False they are added with atomics instead of being sorted first: sums then differ in the last bits from run to
    run. It concerns gradients of lookups in float32 and float64 that are made dense, and plain SGD and Adagrad on tables.
    In a step that is captured what held at its recording stays.

    Parameters
    ----------
    mode : bool
        True for results that repeat bit for bit.
    device : str
        The GPU that it is set for.

    Raises
    ------
    RuntimeError
        If there is no such device.
    """
    gpu(device).deterministic = bool(mode)


def are_deterministic_algorithms_enabled(device: str = "cuda") -> bool:
    """Whether results on a GPU repeat bit for bit; see :func:`use_deterministic_algorithms`.

    Raises
    ------
    RuntimeError
        If there is no such device.
    """
    return bool(gpu(device).deterministic)


def gpu(device: str) -> Any:
    """Return the backend of a device that must be a GPU.

    Raises
    ------
    ValueError
        If it is another device.
    """
    backend = get_backend(device)
    if not hasattr(backend, "new_capture"):
        raise ValueError(f"expected a GPU such as 'cuda' or 'cuda:0', got device {device!r}")
    return backend
