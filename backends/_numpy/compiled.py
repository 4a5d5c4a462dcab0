"""Modules that numba compiles, where it is installed: importing it takes half a second, so they are loaded when first used."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any


@cache
def compiled(topic: str) -> Any:
    """The module ``<topic>_compiled`` beside this one, or None where numba is missing."""
    if find_spec("numba") is None:
        return None
    try:
        return import_module(f"backends._numpy.{topic}_compiled")
    except ImportError:  # how numba says that it does not know a NumPy as new as this one
        return None


def writable(array: Any) -> Any:
    """The array, or a copy of one that is read-only, for which compiled code would have to be made anew."""
    return array if array.flags.writeable else array.copy()
