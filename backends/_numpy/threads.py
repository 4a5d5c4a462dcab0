"""Work split over threads, each with single-threaded matrix products.

OpenBLAS's own threads spin for about 100 ms after every product that wakes them, on a core that other work then has to
share; and a loop that alternates small products with elementwise steps pays for waking them at every step. So whoever
has much to do splits it here, into parts that run on threads of ours while OpenBLAS keeps to the thread that calls.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Part = TypeVar("Part")
Result = TypeVar("Result")

_NAMES = ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}")
_lock = Lock()
_users = 0
_threads_before = 1


@cache
def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def function_of_openblas(name: str) -> Any:
    """A C function of the OpenBLAS that NumPy brought with it, or None."""
    extension = sys.modules["numpy._core._multiarray_umath"].__file__
    return None if extension is None else getattr(ctypes.CDLL(extension), name, None)


@cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """OpenBLAS's getter and setter of its thread count; None where NumPy came with another library."""
    for name in _NAMES:
        get, put = (function_of_openblas(name.format(f"{verb}_num_threads")) for verb in ("get", "set"))
        if get is not None and put is not None:
            return get, put
    return None


@contextmanager
def _single_threaded_products() -> Iterator[None]:
    """Products use one thread inside; the last of several users to leave restores the count."""
    global _users, _threads_before
    openblas = _openblas()
    if openblas is None:
        yield
        return
    get, put = openblas
    with _lock:
        if not _users:
            _threads_before = get()
            put(1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                put(_threads_before)


@cache
def _pool() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # brings in logging and queue, which importing us should not cost

    return ThreadPoolExecutor(cores(), thread_name_prefix="framework")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork


def parts(size: int, smallest: int) -> list[slice]:
    """Cut ``range(size)`` into as many even parts as there are cores, none below ``smallest``."""
    if size < 2 * smallest:
        return [slice(0, size)]
    count = max(1, min(cores(), size // max(1, smallest))) if _openblas() else 1
    edges = [size * k // count for k in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def each(function: Callable[[Part], Result], items: Sequence[Part]) -> list[Result]:
    """``[function(item) for item in items]`` at once, all under the caller's ``np.errstate``; one item is just called."""
    if len(items) == 1:
        return [function(items[0])]
    with _single_threaded_products():
        others = [_pool().submit(copy_context().run, function, item) for item in items[1:]]
        try:
            first = function(items[0])
        finally:
            for other in others:
                other.exception()  # waits: the items may share memory that the caller is about to free or to read
    return [first, *(other.result() for other in others)]


SMALL_PRODUCT = 1 << 18
"""Multiplications up to which OpenBLAS keeps to one thread by itself."""

_PART_OF_PRODUCT = 1 << 20
"""Multiplications below which a part of a product is not worth a thread."""


def matmul(a: Any, b: Any, out: Any) -> None:
    """``np.matmul(a, b, out)`` for a matrix ``a (M, K)`` and ``b (K,)`` or ``(K, C)``, split by rows of ``a``."""
    work_per_row = max(1, b.size)
    if len(a) * work_per_row <= SMALL_PRODUCT:
        np.matmul(a, b, out)
        return

    def part(rows: slice) -> None:
        np.matmul(a[rows], b, out[rows])

    with _single_threaded_products():
        each(part, parts(len(a), -(-_PART_OF_PRODUCT // work_per_row)))
