"""Lengths that layers are made with."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_size(what: str, value: Any, least: int = 0) -> int:
    """The length as an integer of Python's; one of NumPy's is as good, such as the largest word's number plus one."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{what} must be an int, got {type(value).__name__} {value!r}")
    if value < least:
        raise ValueError(f"{what} must be at least {least}, got {value}")
    return int(value)


def check_sizes(what: str, value: Any, least: int = 0) -> tuple[int, ...]:
    """Several lengths, or one."""
    several = value if isinstance(value, tuple | list) else (value,)
    return tuple([check_size(what, length, least) for length in several])
