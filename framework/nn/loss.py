"""Losses as modules: their options are set once, then they are called with input and target."""

from __future__ import annotations

from typing import Any

from framework.nn import functional as F
from framework.nn.functional.reduction import REDUCTIONS, check_reduction
from framework.nn.module import Module
from framework.tensor import Tensor


class _Loss(Module):
    """A loss with a reduction: ``"mean"``, ``"sum"`` or ``"none"``."""

    reductions: tuple[str, ...] = REDUCTIONS

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(type(self).__name__, reduction, self.reductions)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """A loss with a weight, which is a buffer: it moves with the module."""

    weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class MSELoss(_Loss):
    """Squared error; see :func:`framework.nn.functional.mse_loss`.

    Examples
    --------
    >>> import framework as fw
    >>> MSELoss()(fw.asarray([1.0, 3.0]), fw.asarray([1.0, 1.0]))
    Tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of ``input`` against a ``target`` of the same shape."""
        return F.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """Absolute error; see :func:`framework.nn.functional.l1_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of ``input`` against a ``target`` of the same shape."""
        return F.l1_loss(input, target, self.reduction)


class SmoothL1Loss(_Loss):
    """Squared error below ``beta``, absolute above; see :func:`framework.nn.functional.smooth_l1_loss`."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of ``input`` against a ``target`` of the same shape."""
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)


class HuberLoss(_Loss):
    """Squared error below ``delta``, absolute above; see :func:`framework.nn.functional.huber_loss`."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of ``input`` against a ``target`` of the same shape."""
        return F.huber_loss(input, target, self.reduction, self.delta)


class CrossEntropyLoss(_WeightedLoss):
    """Cross-entropy of logits against classes or distributions; see :func:`framework.nn.functional.cross_entropy`.

    Parameters
    ----------
    weight : Tensor, optional
        (C,), a factor for each class.
    ignore_index : int
        A class index that costs nothing and does not count.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.
    label_smoothing : float
        The share of each target that is spread evenly over all classes.

    Examples
    --------
    >>> import framework as fw
    >>> CrossEntropyLoss()(fw.asarray([[0.0, 1e4], [1e4, 0.0]]), fw.asarray([0, 0]))
    Tensor(5000.)
    """

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of logits ``input`` (N, C, ...) against ``target`` (N, ...) or (N, C, ...)."""
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class NLLLoss(_WeightedLoss):
    """Minus the log-probability of the target class; see :func:`framework.nn.functional.nll_loss`."""

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of log-probabilities ``input`` (N, C, ...) against ``target`` (N, ...)."""
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class BCELoss(_WeightedLoss):
    """Binary cross-entropy of probabilities; see :func:`framework.nn.functional.binary_cross_entropy`."""

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of probabilities ``input`` against a ``target`` of the same shape."""
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """Binary cross-entropy of logits; see :func:`framework.nn.functional.binary_cross_entropy_with_logits`."""

    pos_weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of logits ``input`` against a ``target`` of the same shape."""
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence; see :func:`framework.nn.functional.kl_div`."""

    reductions = (*REDUCTIONS, "batchmean")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        """Divergence of ``target`` from log-probabilities ``input`` of the same shape."""
        return F.kl_div(input, target, self.reduction, self.log_target)
