"""Confusion matrices as pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.viz.figures import new_figure, write


def confusion_matrix(
    matrix: Any,
    labels: Sequence[Any] | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    title: str = "",
) -> Any:
    """Draw how often which class was taken for which.

    Parameters
    ----------
    matrix : (C, C) Tensor or array
        True classes down, predicted ones across, as :class:`framework.metrics.ConfusionMatrix` computes it.
    labels : sequence, optional
        Names of the classes; their numbers unless given.
    path : path-like, optional
        Where to write the picture; the suffix names the format.
    title : str
        Above it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the matrix is not square, or there is not one label a class.
    RuntimeError
        If matplotlib is not installed.
    """
    values = np.asarray(matrix.detach().cpu() if hasattr(matrix, "detach") else matrix)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not values.size:
        raise ValueError(f"confusion_matrix: expected a square matrix (C, C), got shape {values.shape}")
    names = list(map(str, range(len(values)) if labels is None else labels))
    if len(names) != len(values):
        raise ValueError(f"confusion_matrix: expected {len(values)} labels, one a class, got {len(names)}")
    size = 2 + 0.45 * len(values)
    figure, axes = new_figure(size + 1, size)
    image = axes.imshow(values, cmap="Blues", vmin=0)
    figure.colorbar(image, ax=axes)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    axes.set_xticks(range(len(names)), names, rotation=45 if max(map(len, names)) > 3 else 0)
    axes.set_yticks(range(len(names)), names)
    if len(values) <= 25:
        _write_numbers(axes, values)
    return write(figure, path)


def _write_numbers(axes: Any, values: Any) -> None:
    whole = values.dtype.kind in "biu" or (values == np.round(values)).all()
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.0f}" if whole else f"{value:.2f}"
        colour = "white" if value > values.max() / 2 else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
