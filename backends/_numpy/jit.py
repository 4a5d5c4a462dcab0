"""How numba compiles our loops; imported by the modules ``*_compiled.py`` alone.

Fused multiply-adds are allowed, reordered sums are not: results repeat bit for bit. Machine code is stored beside the
files, or in ``NUMBA_CACHE_DIR``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}

jit: Callable[[F], F] = numba.njit(**_OPTIONS)

inlined: Callable[[F], F] = numba.njit(forceinline=True, **_OPTIONS)
"""For what is short beside a call of it, where arrays are passed as seven numbers each."""
