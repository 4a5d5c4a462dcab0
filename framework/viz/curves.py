"""Training curves."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from framework.viz.figures import new_figure, write


def curves(
    series: Mapping[str, Sequence[float]],
    path: str | os.PathLike[str] | None = None,
    *,
    title: str = "",
    xlabel: str = "epoch",
) -> Any:
    """Draw numbers over epochs: losses to the left, all others but the learning rate to the right.

    Parameters
    ----------
    series : mapping of str to sequence of float
        One number an epoch; names of validation begin with ``val_`` and are dashed.
    path : path-like, optional
        Where to write the picture; the suffix names the format.
    title, xlabel : str
        Words around it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is nothing to draw.
    RuntimeError
        If matplotlib is not installed.
    """
    if not any(len(values) for name, values in series.items() if name != "lr"):
        raise ValueError("curves: expected at least one number to draw, got none; has the training begun?")
    figure, axes = new_figure(6.4, 4)
    others = {name: values for name, values in series.items() if not name.endswith("loss") and name != "lr"}
    losses = {name: values for name, values in series.items() if name.endswith("loss")}
    _draw(axes, losses or others, 0)
    axes.set(xlabel=xlabel, ylabel="loss" if losses else "", title=title)
    axes.grid(alpha=0.3)
    if losses and others:
        right = axes.twinx()
        _draw(right, others, 2)
    figure.legend(loc="outside lower center", ncols=4)
    return write(figure, path)


def _draw(axes: Any, series: Mapping[str, Sequence[float]], first_colour: int) -> None:
    names = list(dict.fromkeys(name.removeprefix("val_") for name in series))
    for name, values in series.items():
        colour = f"C{first_colour + names.index(name.removeprefix('val_'))}"
        style = "--" if name.startswith("val_") else "-"
        marker = "o" if len(values) == 1 else None
        axes.plot(range(1, len(values) + 1), values, style, color=colour, label=name, marker=marker)
