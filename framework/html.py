"""Tensors as notebooks show them: a small table with shape, dtype and device above it."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.tensor import Tensor

EDGE = 5
"""Rows and columns shown at each end."""


def tensor_html(tensor: Tensor) -> str:
    """A table of the values, shortened; beyond two axes the usual text."""
    grad = ", requires_grad" if tensor.requires_grad else ""
    head = html.escape(f"Tensor {tensor.shape} {tensor.dtype} on {tensor.device}{grad}")
    title = f'<div style="font-family:monospace"><b>{head}</b></div>'
    if not 1 <= tensor.ndim <= 2 or not tensor.size:
        return f"{title}<pre>{html.escape(repr(tensor.detach()))}</pre>"
    rows = _places(tensor.shape[0]) if tensor.ndim == 2 else [0]
    columns = _places(tensor.shape[-1])
    values = tensor.detach() if tensor.ndim == 2 else tensor.detach().unsqueeze(0)
    body = "".join(f"<tr>{_row(values, row, columns)}</tr>" for row in rows)
    return f'{title}<table style="font-family:monospace">{body}</table>'


def _places(length: int) -> list[int | None]:
    """Positions to show, None for those left out."""
    if length <= 2 * EDGE:
        return list(range(length))
    return [*range(EDGE), None, *range(length - EDGE, length)]


def _row(values: Tensor, row: int | None, columns: list[int | None]) -> str:
    if row is None:
        return "<td>&#8942;</td>" * len(columns)
    cells = values[row].tolist()
    return "".join("<td>&hellip;</td>" if i is None else f"<td>{_text(cells[i])}</td>" for i in columns)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | complex) else str(value)
