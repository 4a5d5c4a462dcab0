"""Cutting a matrix into bands of rows that stay in a core's cache from one pass to the next."""

from __future__ import annotations

from collections.abc import Iterator

_ELEMENTS = 2**16


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices that cover ``range(rows)``, each of about 2**16 elements."""
    step = max(1, _ELEMENTS // max(1, columns))
    return (slice(start, start + step) for start in range(0, rows, step))
