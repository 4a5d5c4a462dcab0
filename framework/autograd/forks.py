"""Locks that a forked child finds open, and what they guard whole."""

from __future__ import annotations

import os
from typing import Any, TypeVar

L = TypeVar("L", bound=Any)


def held_over_forks(lock: L) -> L:
    """The lock, which from now on whoever forks holds meanwhile.

    Otherwise a child would wait forever for a thread of its parent's. A lock that is taken while another is held must be
    made first: forking takes them in the reverse order.

    Examples
    --------
    >>> from threading import Lock
    >>> lock = held_over_forks(Lock())
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
