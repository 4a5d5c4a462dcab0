"""Matplotlib, found when it is needed, and used without touching its global state."""

from __future__ import annotations

import os
from typing import Any


def new_figure(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches that belongs to no window, and its axes.

    Raises
    ------
    RuntimeError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise RuntimeError("drawing needs matplotlib: pip install matplotlib") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def write(figure: Any, path: str | os.PathLike[str] | None) -> Any:
    """Write the figure if there is a path, in the format of its suffix, and return it."""
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure
