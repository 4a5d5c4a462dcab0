"""From what a model says to labels, and counting them: checked, and on the device."""

from __future__ import annotations

from typing import Any

from framework import dtypes
from framework.creation import ones
from framework.dtypes import FLOATING
from framework.metrics.metric import detached
from framework.ops.elementwise import greater_equal
from framework.ops.indexing import scatter
from framework.ops.reduction import argmax
from framework.tensor import Tensor


def labels_of(
    name: str, predictions: Any, target: Any, num_classes: int | None, threshold: float
) -> tuple[Tensor, Tensor]:
    """Predicted and true labels, both ``(N,)`` int64 in ``[0, num_classes)``, or any if that is None.

    ``predictions`` are labels, or scores with a class axis after the first, or for two classes scores of the
    positive one. Floating targets mean 0 or 1.
    """
    predictions = detached(predictions)
    target = detached(target, predictions)
    may_be_binary = num_classes in (2, None)
    if target.dtype.kind in FLOATING and may_be_binary:
        flat_labels(name, target, 2)
        target = greater_equal(target, 0.5)
    _check_integers(name, "target", target)
    if predictions.ndim == target.ndim + 1:
        scores = class_scores(name, predictions, target, num_classes)
        predictions, num_classes = argmax(scores, axis=1), scores.shape[1]
    elif predictions.shape != target.shape:
        raise ValueError(
            f"{name}: expected predictions of the target's shape {target.shape}, or with an axis of classes after "
            f"the first, got {predictions.shape}"
        )
    elif predictions.dtype.kind in FLOATING and may_be_binary:
        predictions, num_classes = greater_equal(predictions, threshold), 2
    _check_integers(name, "predictions", predictions)
    return flat_labels(name, predictions, num_classes), flat_labels(name, target, num_classes)


def class_scores(name: str, scores: Tensor, target: Tensor, num_classes: int | None) -> Tensor:
    """The scores, once their shape ``(N, C, ...)`` fits the target's ``(N, ...)``."""
    n_classes = scores.shape[1] if scores.ndim > 1 else None
    if (
        scores.ndim != target.ndim + 1
        or (scores.shape[0], *scores.shape[2:]) != target.shape
        or num_classes not in (None, n_classes)
    ):
        classes = "C" if num_classes is None else num_classes
        expected = ", ".join(map(str, (*target.shape[:1], classes, *target.shape[1:])))
        raise ValueError(
            f"{name}: expected scores of shape ({expected}) for a target of {target.shape}, got {scores.shape}"
        )
    if scores.shape[1] < 2:
        raise ValueError(
            f"{name}: expected scores of at least 2 classes, got {scores.shape}; for one score drop its axis"
        )
    return scores


def flat_labels(name: str, labels: Tensor, num_classes: int | None) -> Tensor:
    """The labels as ``(N,)`` int64, none outside of the classes."""
    flat = labels.to(dtypes.int64).reshape(-1)
    if num_classes is not None:
        flat.backend.check_indices(flat.data, num_classes, name)
    return flat


def count(labels: Tensor, size: int) -> Tensor:
    """How often each number below ``size`` occurs: ``(size,)`` int64."""
    # In float64, in which every library can add at indices, and which counts exactly.
    each = ones(labels.shape, dtype=dtypes.float64, device=labels.device)
    return scatter(each, (labels,), (size,)).to(dtypes.int64)  # type: ignore[no-any-return]


def _check_integers(name: str, what: str, labels: Tensor) -> None:
    if labels.dtype.kind not in "biu":
        raise TypeError(f"{name}: expected {what} of integers, got {labels.dtype}; for scores add an axis of classes")
