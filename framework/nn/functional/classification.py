"""Losses of predictions that choose among classes."""

from __future__ import annotations

import math
from typing import Any

from framework.autograd.precision import precision
from framework.creation import asarray
from framework.dtypes import FLOATING
from framework.nn.functional.reduction import beside, check_floating, check_reduction
from framework.ops.cross_entropy import cross_entropy as cross_entropy_rows
from framework.ops.cross_entropy import picked, reduced
from framework.ops.manipulation import moveaxis, reshape
from framework.ops.reduction import sum
from framework.ops.softmax import log_softmax


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Cross-entropy between the softmax of logits and target classes or distributions.

    Parameters
    ----------
    input : Tensor
        Logits: (C,), (N, C) or (N, C, d1, ...); exact for values of any size.
    target : Tensor
        Class indices, integers in ``[0, C)`` or ``ignore_index``, of the input's shape without C; or probabilities,
        floating, of the input's shape.
    weight : Tensor, optional
        (C,), a factor for each class.
    ignore_index : int
        Rows of this class index cost nothing and do not count in the mean; not with probabilities.
    reduction : str
        ``"mean"`` (over the weights of the target classes), ``"sum"`` or ``"none"``.
    label_smoothing : float
        The share, in [0, 1], of each target that is spread evenly over all classes.

    Returns
    -------
    Tensor
        0-d, or for ``"none"`` of the input's shape without C.

    Raises
    ------
    IndexError
        If a class index is outside ``[0, C)``; names it, its position and the range.
    TypeError
        If the target has a dtype that fits neither meaning.
    ValueError
        If the shapes do not fit, or an option is unknown or out of range.

    References
    ----------
    C. Szegedy et al.: Rethinking the Inception architecture for computer vision (CVPR 2016), for label smoothing.

    Examples
    --------
    >>> import framework as fw
    >>> cross_entropy(fw.asarray([[0.0, 1e4], [1e4, 0.0]]), fw.asarray([0, 0]))
    Tensor(5000.)
    """
    name = "cross_entropy"
    check_reduction(name, reduction)
    input = asarray(input)
    check_floating(name, "input", input)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing must be in [0, 1], got {label_smoothing}")
    target = beside(target, input)
    weight = _class_weight(name, weight, input)
    if target.dtype.kind in FLOATING and target.shape == input.shape:
        _check_soft(name, input, ignore_index)
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    losses = cross_entropy_rows(
        _rows(name, input, target),
        target,
        weight,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )
    return reshape(losses, target.shape) if reduction == "none" and target.ndim != 1 else losses


@precision("float32")
def nll_loss(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """Minus the log-probability of the target class.

    Parameters
    ----------
    input : Tensor
        Log-probabilities: (C,), (N, C) or (N, C, d1, ...).
    target : Tensor
        Class indices of the input's shape without C.
    weight, ignore_index, reduction : optional
        As in :func:`cross_entropy`.

    Raises
    ------
    IndexError
        If a class index is outside ``[0, C)``; names it, its position and the range.

    Examples
    --------
    >>> import framework as fw
    >>> nll_loss(fw.asarray([[-1.0, -2.0]]), fw.asarray([1]))
    Tensor(2.)
    """
    name = "nll_loss"
    check_reduction(name, reduction)
    input = asarray(input)
    check_floating(name, "input", input)
    target = beside(target, input)
    weight = _class_weight(name, weight, input)
    rows = _rows(name, input, target)
    _check_classes(name, target, rows.shape[1], ignore_index)
    losses = reduced(*picked(rows, reshape(target, (-1,)), weight, ignore_index), reduction)
    return reshape(losses, target.shape) if reduction == "none" else losses


@precision("float32")
def _soft_cross_entropy(input: Any, target: Any, weight: Any, reduction: str, label_smoothing: float) -> Any:
    axis = _class_axis(input)
    classes = input.shape[axis]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    if weight is not None:
        target = target * reshape(weight, (classes,) + (1,) * (input.ndim - 1 - axis))
    losses = -sum(target * log_softmax(input, axis=axis), axis=axis)
    if reduction == "none":
        return losses
    return sum(losses) if reduction == "sum" else sum(losses) / (losses.size or math.nan)


def _check_soft(name: str, input: Any, ignore_index: int) -> None:
    if ignore_index >= 0:
        raise ValueError(
            f"{name}: the target holds probabilities, among which there is no ignore_index={ignore_index}; give class "
            "indices, or leave it out"
        )
    if input.shape[_class_axis(input)] == 0:
        raise ValueError(f"{name}: input has no classes")


def _class_axis(input: Any) -> int:
    return 0 if input.ndim == 1 else 1


def _class_weight(name: str, weight: Any, input: Any) -> Any:
    """The weight as a constant of the input's dtype."""
    if input.ndim == 0:
        raise ValueError(f"{name}: input must be (C,), (N, C) or (N, C, d1, ...), got a 0-d tensor")
    if weight is None:
        return None
    weight = beside(weight, input).detach()
    classes = input.shape[_class_axis(input)]
    if weight.shape != (classes,):
        raise ValueError(f"{name}: weight must have one entry for each of {classes} classes, got shape {weight.shape}")
    return weight.to(dtype=input.dtype)


def _rows(name: str, input: Any, target: Any) -> Any:
    """Input as (N, C) for the N labels of target, whose dtype, shape and place are checked."""
    axis, shape = _class_axis(input), input.shape
    classes, expected = shape[axis], shape[:axis] + shape[axis + 1 :]
    if target.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: target must hold class indices of an integer dtype and shape {expected}, got {target.dtype} of "
            f"shape {target.shape}; cast with .to('int64')"
        )
    if target.shape != expected:
        raise ValueError(f"{name}: input of shape {shape} needs a target of shape {expected}, got {target.shape}")
    if target.backend is not input.backend:
        raise RuntimeError(
            f"{name}: input is on {input.device!r} but target on {target.device!r}; move one with .to({input.device!r})"
        )
    if classes == 0 and target.size:
        raise ValueError(f"{name}: input has no classes")
    if len(shape) == 2:
        return input
    rows = input if len(shape) == 1 else moveaxis(input, 1, -1)
    return reshape(rows, (target.size, classes))


def _check_classes(name: str, target: Any, classes: int, ignore_index: int) -> None:
    labels, xp = target.data, target.backend.xp
    if not 0 <= ignore_index < classes:
        labels = xp.where(labels == ignore_index, xp.zeros_like(labels), labels)
    target.backend.check_indices(labels, classes, name)
