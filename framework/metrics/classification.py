"""How well labels are predicted: accuracy, precision, recall, F1 and the confusion matrix, as scikit-learn's."""

from __future__ import annotations

import math
from typing import Any

from framework import dtypes
from framework.creation import arange, asarray, zeros
from framework.metrics.labels import class_scores, count, flat_labels, labels_of
from framework.metrics.metric import Metric, detached, ratio, wide
from framework.ops.elementwise import logical_and, logical_or, where
from framework.ops.indexing import take_along_axis
from framework.ops.manipulation import expand_dims
from framework.ops.reduction import sum as sum_
from framework.tensor import Tensor

AVERAGES = ("binary", "micro", "macro", "weighted", None)
NORMALIZATIONS = (None, "true", "pred", "all")


class Accuracy(Metric):
    """The share of labels that are predicted right, or are among the ``top_k`` of highest score.

    Parameters
    ----------
    top_k : int
        More than 1 needs scores. Of equal scores those of higher classes count as higher, as in scikit-learn.
    threshold : float
        From which on a single floating prediction for each target means 1; 0.0 for logits.

    Examples
    --------
    >>> accuracy = Accuracy()
    >>> accuracy.update([0, 2, 1], [0, 2, 2])
    >>> accuracy.update([[0.1, 0.9]], [1])  # scores of two classes
    >>> accuracy.compute()
    Tensor(0.75, dtype=float64)
    """

    _names = ("right", "total")

    def __init__(self, top_k: int = 1, threshold: float = 0.5) -> None:
        super().__init__()
        self.top_k = _at_least_one("top_k", top_k)
        self.threshold = threshold

    def update(self, predictions: Any, target: Any) -> None:
        """Add a batch.

        Parameters
        ----------
        predictions : Tensor or array
            Labels (N, ...); or scores (N, C, ...); or for classes 0 and 1 floating scores (N, ...) of 1.
        target : Tensor or array
            True labels (N, ...).

        Raises
        ------
        ValueError
            If the shapes do not fit, or there are fewer than ``top_k`` classes.
        TypeError
            If labels are not integers.
        IndexError
            If a target is outside the classes that have scores, or neither 0 nor 1 for scores of 1.
        """
        hit = self._top_hits(predictions, target) if self.top_k > 1 else self._hits(predictions, target)
        self._add(right=sum_(hit.to(dtypes.int64)), total=asarray(hit.size, device=hit.device))

    def _hits(self, predictions: Any, target: Any) -> Tensor:
        predicted, true = labels_of("Accuracy", predictions, target, None, self.threshold)
        return predicted == true  # type: ignore[no-any-return]

    def _top_hits(self, predictions: Any, target: Any) -> Tensor:
        scores = detached(predictions)
        target = detached(target, scores)
        n_classes = class_scores("Accuracy", scores, target, None).shape[1]
        if n_classes < self.top_k:
            raise ValueError(f"Accuracy: top_k={self.top_k} of {n_classes} classes; expected at least as many classes")
        if target.dtype.kind not in "biu":
            raise TypeError(f"Accuracy: expected target of integers, got {target.dtype}")
        flat_labels("Accuracy", target, n_classes)
        target = expand_dims(target.to(dtypes.int64), axis=1)
        own = take_along_axis(scores, target, axis=1)
        classes = arange(n_classes, device=scores.device).reshape((1, n_classes, *[1] * (scores.ndim - 2)))
        above = logical_or(scores > own, logical_and(scores == own, classes > target))
        rank = sum_(above.to(dtypes.int64), axis=1, keepdims=True)
        return logical_and(rank < self.top_k, own == own)  # type: ignore[no-any-return]

    def compute(self) -> Tensor:
        """The share of hits; NaN if there was nothing to predict."""
        if not self._sums:
            return asarray(math.nan, dtype=dtypes.float64)
        return ratio(self._sums["right"], self._sums["total"], math.nan)


class ConfusionMatrix(Metric):
    """How often class ``i`` was predicted as class ``j``.

    Parameters
    ----------
    num_classes : int
        Labels are below it.
    normalize : {None, "true", "pred", "all"}
        Divide by the sums of rows, of columns, or of all; 0 where the sum is 0.
    threshold : float
        From which on a floating prediction means 1, with two classes.

    Examples
    --------
    >>> matrix = ConfusionMatrix(2)
    >>> matrix.update([0, 1, 1], [0, 0, 1])
    >>> matrix.compute()
    Tensor([[1, 1],
            [0, 1]])
    """

    _names = ("matrix",)

    def __init__(self, num_classes: int, normalize: str | None = None, threshold: float = 0.5) -> None:
        super().__init__()
        self.num_classes = _at_least_one("num_classes", num_classes)
        if normalize not in NORMALIZATIONS:
            raise ValueError(f"ConfusionMatrix: normalize must be one of {NORMALIZATIONS}, got {normalize!r}")
        self.normalize = normalize
        self.threshold = threshold

    def update(self, predictions: Any, target: Any) -> None:
        """Add a batch: as for :meth:`Accuracy.update`; an IndexError if a label is outside the classes."""
        n = self.num_classes
        predicted, true = labels_of("ConfusionMatrix", predictions, target, n, self.threshold)
        self._add(matrix=count(true * n + predicted, n * n).reshape(n, n))

    def compute(self) -> Tensor:
        """The matrix (C, C): int64 counts, or float64 shares. Rows are true classes, columns predicted ones."""
        matrix = self._sums.get("matrix", zeros((self.num_classes,) * 2, dtype=dtypes.int64))
        if self.normalize is None:
            return matrix.clone()
        axis = {"true": 1, "pred": 0, "all": None}[self.normalize]
        return ratio(matrix, sum_(matrix, axis=axis, keepdims=True), 0.0)


class ClassScore(Metric):
    """A score for each class, or their mean: what precision, recall and F1 have in common.

    Parameters
    ----------
    average : {"binary", "micro", "macro", "weighted", None}
        The score of class 1; of all labels together; the mean over the classes that occur, plain or weighted by
        their true labels; or the score of each class.
    num_classes : int
        Labels are below it.
    zero_division : {0, 1, nan}
        The score where its formula divides by 0; nan is left out of means. It is also the result without any labels.
    threshold : float
        From which on a floating prediction means 1, with two classes; 0.0 for logits.

    Raises
    ------
    ValueError, TypeError
        If an option is another.
    """

    _names = ("hits", "predicted", "true")

    def __init__(
        self,
        average: str | None = "binary",
        num_classes: int = 2,
        zero_division: float = 0.0,
        threshold: float = 0.5,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if average not in AVERAGES:
            raise ValueError(f"{name}: average must be one of {AVERAGES}, got {average!r}")
        self.num_classes = _at_least_one("num_classes", num_classes)
        if average == "binary" and num_classes != 2:
            raise ValueError(f"{name}: average='binary' is for 2 classes, got {num_classes}; choose another average")
        if zero_division not in (0, 1) and not (isinstance(zero_division, float) and math.isnan(zero_division)):
            raise ValueError(f"{name}: zero_division must be 0, 1 or nan, got {zero_division!r}")
        self.average = average
        self.zero_division = float(zero_division)
        self.threshold = threshold

    def update(self, predictions: Any, target: Any) -> None:
        """Add a batch.

        Parameters
        ----------
        predictions : Tensor or array
            Labels (N, ...); or scores (N, C, ...); or with two classes floating scores (N, ...) of class 1.
        target : Tensor or array
            True labels (N, ...).

        Raises
        ------
        ValueError
            If the shapes do not fit.
        TypeError
            If labels are not integers.
        IndexError
            If a label is outside the classes.
        """
        n = self.num_classes
        predicted, true = labels_of(type(self).__name__, predictions, target, n, self.threshold)
        # Misses are counted in a class of their own, which is then left out.
        hits = where(predicted == true, true, asarray(n, device=true.device))
        self._add(hits=count(hits, n + 1)[:n], predicted=count(predicted, n), true=count(true, n))

    def compute(self) -> Tensor:
        """The score, 0-d float64; with ``average=None`` one for each class (C,)."""
        none = zeros((self.num_classes,), dtype=dtypes.int64)
        hits, predicted, true = (self._sums.get(name, none) for name in ("hits", "predicted", "true"))
        if self.average == "micro":
            return self._score(sum_(hits), sum_(predicted), sum_(true))
        scores = self._score(hits, predicted, true)
        if self.average is None:
            return scores
        return scores[1] if self.average == "binary" else self._mean(scores, predicted, true)

    def _mean(self, scores: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
        """The mean over the classes that occur and have a score; unweighted where all weights are 0."""
        zero = zeros((), dtype=dtypes.float64, device=scores.device)
        defined = scores == scores
        occurs = wide(logical_and(defined, predicted + true > 0))
        weight = occurs * wide(true) if self.average == "weighted" else occurs
        weight = where(sum_(weight) == 0, occurs, weight)
        return ratio(sum_(where(defined, scores, zero) * weight), sum_(weight), self.zero_division)

    def _score(self, hits: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
        raise NotImplementedError


class Precision(ClassScore):
    """Of the labels predicted to be of a class, the share that is. Options: see :class:`ClassScore`.

    Examples
    --------
    >>> precision = Precision()
    >>> precision.update([1, 1, 0], [1, 0, 1])
    >>> precision.compute()
    Tensor(0.5, dtype=float64)
    """

    def _score(self, hits: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
        return ratio(hits, predicted, self.zero_division)


class Recall(ClassScore):
    """Of the labels that are of a class, the share predicted to be. Options: see :class:`ClassScore`.

    Examples
    --------
    >>> recall = Recall(average=None, num_classes=3)
    >>> recall.update([0, 1, 1], [0, 0, 1])
    >>> recall.compute()
    Tensor([0.5, 1. , 0. ], dtype=float64)
    """

    def _score(self, hits: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
        return ratio(hits, true, self.zero_division)


class F1Score(ClassScore):
    """The harmonic mean of precision and recall. Options: see :class:`ClassScore`.

    Examples
    --------
    >>> f1 = F1Score(average="micro", num_classes=3)
    >>> f1.update([0, 1, 2, 2], [0, 0, 2, 1])
    >>> f1.compute()
    Tensor(0.5, dtype=float64)
    """

    def _score(self, hits: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
        return ratio(2 * hits, predicted + true, self.zero_division)


class BinaryAccuracy(Accuracy):
    """:class:`Accuracy` of classes 0 and 1, from labels or from scores of class 1."""

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__(threshold=threshold)


class BinaryPrecision(Precision):
    """:class:`Precision` of class 1."""

    def __init__(self, threshold: float = 0.5, zero_division: float = 0.0) -> None:
        super().__init__(threshold=threshold, zero_division=zero_division)


class BinaryRecall(Recall):
    """:class:`Recall` of class 1."""

    def __init__(self, threshold: float = 0.5, zero_division: float = 0.0) -> None:
        super().__init__(threshold=threshold, zero_division=zero_division)


class BinaryF1Score(F1Score):
    """:class:`F1Score` of class 1."""

    def __init__(self, threshold: float = 0.5, zero_division: float = 0.0) -> None:
        super().__init__(threshold=threshold, zero_division=zero_division)


def _at_least_one(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, got {type(value).__name__} {value!r:.40}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)
