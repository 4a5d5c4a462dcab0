"""The affine map."""

from __future__ import annotations

from typing import Any

from framework.nn.functional.reduction import beside
from framework.ops.affine import affine


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """``input @ weight.T + bias``.

    Parameters
    ----------
    input : Tensor or array
        (..., D).
    weight : Tensor
        (H, D).
    bias : Tensor, optional
        (H,).

    Returns
    -------
    Tensor
        (..., H).

    Raises
    ------
    ValueError
        If the last axis of ``input`` is not ``D`` long.

    Examples
    --------
    >>> import framework as fw
    >>> linear(fw.asarray([1.0, 2.0]), fw.asarray([[1.0, 1.0], [0.0, 3.0]]), fw.asarray([0.0, 1.0]))
    Tensor([3., 7.])
    """
    input = beside(input, weight)
    if input.shape[-1:] != weight.shape[1:]:
        raise ValueError(
            f"linear: expected input (..., D) and weight (H, D), got {tuple(input.shape)} and {tuple(weight.shape)}; "
            "the last axes must be of one length"
        )
    return affine(input, weight, bias)
