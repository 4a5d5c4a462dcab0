"""Finding entries. No gradient flows through any of these."""

from __future__ import annotations

from typing import Any, Literal

from framework.autograd.primitive import primitive

Array = Any


@primitive
def nonzero(xp: Any, x: Array, /) -> tuple[Array, ...]:
    """Positions of the entries that are not zero, one array for each axis. No gradient flows through it."""
    return xp.nonzero(x)  # type: ignore[no-any-return]


@primitive
def _searchsorted(xp: Any, x1: Array, x2: Array, sorter: Array | None, /, *, side: str) -> Array:
    return xp.searchsorted(x1, x2, side=side, sorter=sorter)


def searchsorted(x1: Any, x2: Any, /, *, side: Literal["left", "right"] = "left", sorter: Any = None) -> Any:
    """Where to insert ``x2`` into ``x1`` so that it stays in order. No gradient flows through it.

    Parameters
    ----------
    x1 : Tensor (n,)
        In ascending order, or brought into it by ``sorter``.
    x2 : Tensor or number
        Values to insert.
    side : {"left", "right"}
        Before or after equal entries.
    sorter : Tensor (n,) of int, optional
        Positions that sort ``x1``.

    Returns
    -------
    Tensor of int64
        Of the shape of ``x2``.

    Raises
    ------
    ValueError
        If ``side`` is neither of the two.

    Examples
    --------
    >>> import framework as fw
    >>> fw.searchsorted(fw.asarray([1, 3, 5]), fw.asarray([3, 4]))
    Tensor([1, 2])
    """
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: expected side 'left' or 'right', got {side!r}")
    return _searchsorted(x1, x2, sorter, side=side)
