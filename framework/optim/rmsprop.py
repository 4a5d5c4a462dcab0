"""RMSprop: steps divided by the root of a running average of the squared gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.optim.elementwise import Elementwise, average, average_square, decayed
from framework.optim.optimizer import Group

Array = Any


class RMSprop(Elementwise):
    """RMSprop (Hinton, Neural Networks for Machine Learning, lecture 6e, 2012), with PyTorch's options and numbers.

    A row-sparse gradient is made dense, since the averages decay also where the gradient is zero.

    Parameters
    ----------
    params : iterable of Tensor or of dict
        What to optimize.
    lr : float
        Learning rate, at least 0.
    alpha : float
        How much of the averages a step keeps, at least 0.
    eps : float
        Added to the root, at least 0.
    weight_decay : float
        At least 0; this times the value is added to the gradient.
    momentum : float
        At least 0; 0 for none.
    centered : bool
        Divide by an estimate of the gradient's standard deviation (Graves, 2013, arXiv:1308.0850).
    maximize : bool
        Go up instead of down.

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
    >>> optimizer = RMSprop([w], lr=0.1, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    Tensor([ 0.8, -1.8])
    """

    averages = ("square_avg",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, group: Group) -> None:
        self._check_not_negative(group, "lr", "alpha", "eps", "weight_decay", "momentum")
        self._check_flags(group, "centered", "maximize")

    def _names(self, group: Group) -> tuple[str, ...]:
        wanted = {"momentum_buffer": group["momentum"], "grad_avg": group["centered"]}
        return (*self.averages, *(name for name, yes in wanted.items() if yes))

    def _move(self, group: Group, xp: Any, step: int, value: Array, g: Array, kept: dict[str, Array]) -> None:
        g, alpha, square = decayed(group, value, g), group["alpha"], kept["square_avg"]
        average_square(square, g, alpha)
        if group["centered"]:
            average(kept["grad_avg"], g, alpha)
            square = square - kept["grad_avg"] * kept["grad_avg"]
        scale = xp.sqrt(square)
        scale += group["eps"]
        change = g / scale
        if group["momentum"]:
            buffer = kept["momentum_buffer"]
            buffer *= group["momentum"]
            buffer += change
            change = group["lr"] * buffer
        else:
            change *= group["lr"]
        value -= change
