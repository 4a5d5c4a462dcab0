"""Adam: steps scaled by running averages of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.optim.elementwise import Elementwise, average, average_square, decayed
from framework.optim.optimizer import Group, is_number

Array = Any


class Adam(Elementwise):
    """Adam (Kingma & Ba, 2015, arXiv:1412.6980), with PyTorch's options and numbers.

    A row-sparse gradient is made dense, since Adam moves also the rows whose gradient is zero.

    Parameters
    ----------
    params : iterable of Tensor or of dict
        What to optimize.
    lr : float
        Learning rate, at least 0.
    betas : (float, float)
        How much of the averages of the gradient and of its square a step keeps, each in [0, 1).
    eps : float
        Added to the root of the average square, at least 0.
    weight_decay : float
        At least 0; this times the value is added to the gradient.
    amsgrad : bool
        Divide by the largest average square so far (Reddi et al., 2018).
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
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> [round(x, 3) for x in w.tolist()]
    [0.9, -1.9]
    """

    averages = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, group: Group) -> None:
        self._check_not_negative(group, "lr", "eps", "weight_decay")
        self._check_flags(group, "amsgrad", "maximize")
        betas = group["betas"]
        if (
            not isinstance(betas, tuple | list)
            or len(betas) != 2
            or not all(is_number(b) and 0 <= b < 1 for b in betas)
        ):
            raise ValueError(f"{self._name}: betas must be two numbers in [0, 1), got {betas!r}")

    def _names(self, group: Group) -> tuple[str, ...]:
        return (*self.averages, "max_exp_avg_sq") if group["amsgrad"] else self.averages

    def _move(self, group: Group, xp: Any, step: int, value: Array, g: Array, kept: dict[str, Array]) -> None:
        g = self._decay(group, value, g)
        (beta1, beta2), square = group["betas"], kept["exp_avg_sq"]
        average(kept["exp_avg"], g, beta1)
        average_square(square, g, beta2)
        if group["amsgrad"]:
            largest = kept["max_exp_avg_sq"]
            largest[...] = square = xp.maximum(largest, square)
        scale = xp.sqrt(square)
        scale /= (1 - beta2**step) ** 0.5
        scale += group["eps"]
        change = kept["exp_avg"] / scale
        change *= group["lr"] / (1 - beta1**step)
        value -= change

    def _decay(self, group: Group, value: Array, g: Array) -> Array:
        """Let the weights decay; returns the gradient to go on with."""
        return decayed(group, value, g)
