"""Losses of yes-or-no predictions, and between distributions."""

from __future__ import annotations

from typing import Any

from framework.autograd.precision import precision
from framework.autograd.primitive import primitive
from framework.creation import zeros_like
from framework.nn.functional.reduction import REDUCTIONS, beside, check_reduction, matched, reduce, weighted
from framework.ops.elementwise import exp, log, logaddexp, where
from framework.ops.reduction import sum

Array = Any

# 1e-12 as PyTorch's kernel holds it, in float32.
_SMALLEST_SLOPE = 9.999999960041972e-13


@precision("float32")
@primitive
def _binary_cross_entropy(xp: Any, x: Array, t: Array, /) -> Array:
    return -(t * _bounded_log(xp, x) + (1 - t) * _bounded_log(xp, 1 - x))


def _bounded_log(xp: Any, x: Array) -> Array:
    """``log(x)``, at least -100, as PyTorch has it."""
    positive = x > 0
    logs = xp.log(xp.where(positive, x, xp.ones_like(x)))
    return xp.where(positive, xp.clip(logs, -100.0, None), xp.full_like(x, -100.0))


_binary_cross_entropy.defvjp(
    lambda xp, g, x, t: g * (x - t) / xp.clip(x * (1 - x), _SMALLEST_SLOPE, None),
    lambda xp, g, x: g * (_bounded_log(xp, 1 - x) - _bounded_log(xp, x)),
)


@precision("float32")
def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Any:
    """``-(target * log(input) + (1 - target) * log(1 - input))``, with logarithms of at least -100.

    Parameters
    ----------
    input : Tensor
        Probabilities in [0, 1], of any shape. From logits, :func:`binary_cross_entropy_with_logits` is more exact.
    target : Tensor
        Of the same shape, in [0, 1].
    weight : Tensor, optional
        Factors that broadcast to the input's shape.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    Raises
    ------
    ValueError
        If the shapes differ, an input is outside [0, 1], or the reduction is unknown.

    Examples
    --------
    >>> import framework as fw
    >>> binary_cross_entropy(fw.asarray([1.0, 1.0]), fw.asarray([1.0, 0.0]))
    Tensor(50.)
    """
    input, target = matched("binary_cross_entropy", input, target, reduction)
    x = input.detach()
    if x.size and not (x.min().item() >= 0 and x.max().item() <= 1):
        raise ValueError(
            f"binary_cross_entropy: input must be probabilities in [0, 1], got values from {x.min().item():g} to "
            f"{x.max().item():g}; apply a sigmoid, or use binary_cross_entropy_with_logits"
        )
    return reduce(weighted("binary_cross_entropy", _binary_cross_entropy(input, target), weight, input), reduction)


@precision("float32")
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """Binary cross-entropy of the sigmoid of ``input``, exact for logits of any size.

    Parameters
    ----------
    input : Tensor
        Logits, of any shape.
    target : Tensor
        Of the same shape, in [0, 1].
    weight : Tensor, optional
        Factors that broadcast to the input's shape.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.
    pos_weight : Tensor, optional
        Factors of the positive part, broadcast likewise: above 1 for more recall, below for more precision.

    Raises
    ------
    ValueError
        If the shapes differ, or the reduction is unknown.

    Examples
    --------
    >>> import framework as fw
    >>> binary_cross_entropy_with_logits(fw.asarray([1e4, -1e4]), fw.asarray([1.0, 1.0]))
    Tensor(5000.)
    """
    name = "binary_cross_entropy_with_logits"
    input, target = matched(name, input, target, reduction)
    # log(1 + exp(-x)) = -log(sigmoid(x)); the negative part is the same plus x.
    positive = logaddexp(-input, zeros_like(input))
    if pos_weight is not None:
        factor = (beside(pos_weight, input) - 1) * target + 1
        positive = weighted(name, positive, factor, input, what="pos_weight")
    return reduce(weighted(name, (1 - target) * input + positive, weight, input), reduction)


@precision("float32")
def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """Kullback-Leibler divergence of ``target`` from ``input``: ``target * (log(target) - input)``.

    Parameters
    ----------
    input : Tensor
        Log-probabilities.
    target : Tensor
        Probabilities, or with ``log_target`` log-probabilities, of the same shape; a probability 0 costs nothing.
    reduction : str
        ``"batchmean"`` (the sum over the length of the first axis: the divergence proper), ``"mean"``, ``"sum"`` or
        ``"none"``.
    log_target : bool
        What ``target`` holds.
    """
    check_reduction("kl_div", reduction, (*REDUCTIONS, "batchmean"))
    input, target = matched("kl_div", input, target, "none")
    losses = exp(target) * (target - input) if log_target else _entropy_term(target) - target * input
    if reduction != "batchmean":
        return reduce(losses, reduction)
    return sum(losses) / (input.shape[0] if input.ndim else 1)


def _entropy_term(p: Any) -> Any:
    """``p * log(p)``, 0 at 0."""
    return p * log(where(p == 0, 1.0, p))
