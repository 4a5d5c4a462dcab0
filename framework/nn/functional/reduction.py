"""What losses have in common: checks of their arguments, and how many numbers become one."""

from __future__ import annotations

from typing import Any

from framework.autograd.graph import Variable
from framework.creation import asarray
from framework.dtypes import FLOATING
from framework.ops.reduction import mean, sum

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(name: str, reduction: str, known: tuple[str, ...] = REDUCTIONS) -> None:
    """Refuse an unknown reduction."""
    if reduction not in known:
        raise ValueError(f"{name}: reduction must be one of {', '.join(map(repr, known))}, got {reduction!r}")


def reduce(losses: Any, reduction: str) -> Any:
    """The losses themselves, their mean, or their sum."""
    if reduction == "none":
        return losses
    return sum(losses) if reduction == "sum" else mean(losses)


def beside(x: Any, input: Any) -> Any:
    """``x`` as a tensor; numbers and lists on the device of ``input``."""
    return x if isinstance(x, Variable) else asarray(x, device=input.device if isinstance(x, list | tuple) else None)


def check_floating(name: str, what: str, x: Any) -> None:
    """Refuse integers where real numbers are needed."""
    if x.dtype.kind not in FLOATING:
        raise TypeError(f"{name}: {what} must be of a real floating dtype, got {x.dtype}; cast with .to('float32')")


def matched(name: str, input: Any, target: Any, reduction: str) -> tuple[Any, Any]:
    """Input and target as tensors, with reduction, dtypes and shapes checked."""
    check_reduction(name, reduction)
    input = asarray(input)
    check_floating(name, "input", input)
    target = beside(target, input)
    check_floating(name, "target", target)
    if input.shape != target.shape:
        raise ValueError(
            f"{name}: expected input and target of one shape, got {input.shape} and {target.shape}; reshape one of "
            "them (broadcasting here is almost always a mistake)"
        )
    return input, target


def weighted(name: str, losses: Any, weight: Any, input: Any, what: str = "weight") -> Any:
    """The losses times a weight that broadcasts to them."""
    if weight is None:
        return losses
    product = losses * beside(weight, input)
    if product.shape != losses.shape:
        raise ValueError(f"{name}: {what} must broadcast to {losses.shape}, got {tuple(weight.shape)}")
    return product
