"""Results whose shape depends on values: the host must wait to learn it, which a captured step cannot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

Array = Any

_BY_VALUES = ("nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values")


def overrides(gpu: Any, module: Any) -> dict[str, Callable[..., Any]]:
    """Those functions for the namespace of a backend, over a module's."""
    return {name: partial(_outside_captures, gpu, getattr(module, name)) for name in _BY_VALUES}


def _outside_captures(gpu: Any, function: Callable[..., Any], x: Array, /) -> Any:
    gpu.refuse_in_capture(function.__name__, "the length of its result")
    return function(x)
