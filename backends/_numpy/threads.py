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
from functools import cache, partial
from itertools import pairwise
from math import ceil
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from queue import SimpleQueue

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
    counted = False
    try:
        with _lock:
            _users += 1
            counted = True  # before anything that Ctrl-C may come after
            if _users == 1:
                _threads_before = get()
                put(1)
        yield
    finally:
        if counted:
            with _lock:
                _users -= 1
                if not _users:
                    put(_threads_before)


class _Call:
    """A call that whoever is first to have time makes: a thread of ours, or the one that waits for it."""

    def __init__(self, function: Callable[[Part], Any], item: Part) -> None:
        self._call = partial(copy_context().run, partial(function, item))
        self._claim, self._done = Lock(), Lock()
        self._result: Any = None
        self._error: BaseException | None = None
        self._done.acquire()

    def make(self) -> None:
        """Make the call, unless somebody else does."""
        if self._claim.acquire(blocking=False):
            try:
                self._result = self._call()
            except BaseException as error:
                self._error = error
            del self._call  # nothing that it holds outlives it
            self._done.release()

    def wait(self) -> None:
        """Return when the call has been made."""
        self.make()
        self._done.acquire()

    def result(self) -> Any:
        """What it returned, or raised."""
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # whose traceback leads here
        return self._result


@cache
def _calls() -> SimpleQueue[_Call]:
    """Calls that threads of ours take from this queue; an executor of Python's takes twice as long to hand one over."""
    from queue import SimpleQueue

    calls: SimpleQueue[_Call] = SimpleQueue()
    for _ in range(cores() - 1):
        Thread(target=_serve, args=(calls,), name="framework", daemon=True).start()
    return calls


def _serve(calls: SimpleQueue[_Call]) -> None:
    while True:
        calls.get().make()


def _alone() -> None:
    """Forget the threads, and what they held: they do not survive a fork."""
    global _lock, _users
    _calls.cache_clear()
    _lock, _users = Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alone)


def parts(size: int, smallest: int, ahead: int = 0) -> list[slice]:
    """Cut ``range(size)`` into as many parts as there are cores, none below ``smallest``, the first longer by ``ahead``."""
    if size < 2 * smallest:
        return [slice(0, size)]
    count = max(1, min(cores(), size // max(1, smallest))) if _openblas() else 1
    ahead = min(ahead, size // 2)
    edges = [0, *(ahead + (size - ahead) * k // count for k in range(1, count + 1))]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def each(function: Callable[[Part], Result], items: Sequence[Part]) -> list[Result]:
    """``[function(item) for item in items]`` at once, all under the caller's ``np.errstate``; one item is just called."""
    if len(items) == 1:
        return [function(items[0])]
    with _single_threaded_products():
        return _at_once(function, items)


def _at_once(function: Callable[[Part], Result], items: Sequence[Part]) -> list[Result]:
    others = [_Call(function, item) for item in items[1:]]
    for other in others:
        _calls().put(other)
    try:
        first = function(items[0])
    finally:
        for other in others:
            other.wait()  # the items may share memory that the caller is about to free or to read
    return [first, *(other.result() for other in others)]


PART = 1 << 17
"""Nanoseconds below which a part is not worth a thread."""

WAKING = 45_000
"""Nanoseconds that a thread takes to wake. The caller uses them: were it done first, it would fall asleep and be woken too."""


def each_part(function: Callable[[slice], Result], size: int, work: float) -> list[Result]:
    """Call ``function``, which makes no products, for parts of ``range(size)``: as many as ``work``, in ns, is worth."""
    if work < 2 * PART:
        return [function(slice(0, size))]
    per_ns = size / work
    return _at_once(function, parts(size, ceil(PART * per_ns), int(WAKING * per_ns)))


SMALL_PRODUCT = 1 << 18
"""Multiplications up to which OpenBLAS keeps to one thread by itself."""

_PART_OF_PRODUCT = 1 << 22
"""Multiplications, some 100 us of them, below which a part of a product is not worth waking a thread."""


def matmul(a: Any, b: Any, out: Any) -> None:
    """``np.matmul(a, b, out)`` for a matrix ``a (M, K)`` and ``b (K,)`` or ``(K, C)``, split by rows of ``a``."""
    work_per_row = max(1, b.size)
    if len(a) * work_per_row <= SMALL_PRODUCT or len(a) < cores():
        np.matmul(a, b, out)
        return

    def part(rows: slice) -> None:
        np.matmul(a[rows], b, out[rows])

    with _single_threaded_products():
        each(part, parts(len(a), -(-_PART_OF_PRODUCT // work_per_row)))
