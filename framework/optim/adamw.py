"""AdamW: Adam with the weight decay kept out of its averages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.optim.adam import Adam
from framework.optim.optimizer import Group

Array = Any


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019, arXiv:1711.05101).

    Parameters
    ----------
    params : iterable of Tensor or of dict
        What to optimize.
    lr, betas, eps, amsgrad, maximize
        As in :class:`Adam`.
    weight_decay : float
        At least 0; each step shrinks the values by ``lr * weight_decay``.

    Raises
    ------
    ValueError
        If an option is out of range.
    TypeError
        If a parameter is complex.

    Examples
    --------
    >>> import framework as fw
    >>> w = fw.Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    Tensor([ 0.85, -1.8 ])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def _decay(self, group: Group, value: Array, g: Array) -> Array:
        value *= 1 - group["lr"] * group["weight_decay"]
        return g
