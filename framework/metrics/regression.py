"""How close numbers are predicted: mean squared error and the coefficient of determination, as scikit-learn's."""

from __future__ import annotations

import math
from typing import Any

from framework import dtypes
from framework.creation import asarray
from framework.metrics.metric import Metric, detached, ratio, real
from framework.ops.elementwise import sqrt, where
from framework.ops.reduction import mean
from framework.ops.reduction import sum as sum_
from framework.tensor import Tensor


class MeanSquaredError(Metric):
    """The mean of ``(prediction - target)**2`` over all numbers.

    Parameters
    ----------
    squared : bool
        If not, the root of it.

    Examples
    --------
    >>> mse = MeanSquaredError()
    >>> mse.update([1.0, 2.0], [1.0, 4.0])
    >>> mse.compute()
    Tensor(2., dtype=float64)
    """

    _names = ("total", "count")

    def __init__(self, squared: bool = True) -> None:
        super().__init__()
        self.squared = squared

    def update(self, predictions: Any, target: Any) -> None:
        """Add predictions and targets of one shape; a ValueError if the shapes differ."""
        predictions, target = _pair("MeanSquaredError", predictions, target)
        error = predictions - target
        self._add(total=sum_(error * error), count=asarray(error.size, device=error.device))

    def compute(self) -> Tensor:
        """The mean; NaN if there were no numbers."""
        if not self._sums:
            return asarray(math.nan, dtype=dtypes.float64)
        result = ratio(self._sums["total"], self._sums["count"], math.nan)
        return result if self.squared else sqrt(result)


class R2Score(Metric):
    """The share of the targets' variance that is predicted: 1 - residual / total sum of squares.

    The squares are summed about the running mean of the targets: Chan, Golub, LeVeque, *Updating formulae and a
    pairwise algorithm for computing sample variances* (1979). If the targets are all equal the score is 1 for
    predictions without an error, and else 0.

    Parameters
    ----------
    multioutput : {"uniform_average", "raw_values"}
        For targets (N, D) the mean of the scores of the columns, or all of them.

    Examples
    --------
    >>> r2 = R2Score()
    >>> r2.update([1.0, 2.0], [1.0, 3.0])
    >>> r2.update([5.0], [5.0])
    >>> r2.compute()
    Tensor(0.875, dtype=float64)
    """

    _names = ("count", "center", "total", "residual")

    def __init__(self, multioutput: str = "uniform_average") -> None:
        super().__init__()
        if multioutput not in ("uniform_average", "raw_values"):
            raise ValueError(f"R2Score: multioutput must be 'uniform_average' or 'raw_values', got {multioutput!r}")
        self.multioutput = multioutput

    def update(self, predictions: Any, target: Any) -> None:
        """Add predictions and targets, both (N,) or (N, D).

        Raises
        ------
        ValueError
            If the shapes differ, or the number of columns changed.
        """
        predictions, target = _pair("R2Score", predictions, target)
        if target.ndim not in (1, 2):
            raise ValueError(f"R2Score: expected shapes (N,) or (N, D), got {target.shape}")
        if self._sums and self._sums["center"].shape != target.shape[1:]:
            raise ValueError(f"R2Score: {target.shape[1:]} columns after {self._sums['center'].shape}; reset() first")
        if target.shape[0]:
            self._merge(predictions, target)

    def _merge(self, predictions: Tensor, target: Tensor) -> None:
        n = target.shape[0]
        error = predictions - target
        # From the first row on, so that equal targets have a sum of squares of exactly 0.
        center = target[0] + mean(target - target[0], axis=0)
        residual, total = sum_(error * error, axis=0), sum_((target - center) ** 2, axis=0)
        count = asarray(float(n), dtype=dtypes.float64, device=target.device)
        if sums := self._sums_on(target.device):
            before, delta = sums["count"], center - sums["center"]
            count = count + before
            total = total + sums["total"] + delta * delta * (before * n / count)
            residual = residual + sums["residual"]
            center = sums["center"] + delta * (n / count)
        self._sums = {"count": count, "center": center, "total": total, "residual": residual}

    def compute(self) -> Tensor:
        """The score; NaN if there were fewer than two targets."""
        if not self._sums:
            return asarray(math.nan, dtype=dtypes.float64)
        residual, total, count = (self._sums[name] for name in ("residual", "total", "count"))
        unexplained = where(total == 0, (residual > 0).to(dtypes.float64), ratio(residual, total, 0.0))
        nan = asarray(math.nan, dtype=dtypes.float64, device=count.device)
        scores = where(count < 2, nan, 1 - unexplained)
        return scores if self.multioutput == "raw_values" else mean(scores)  # type: ignore[no-any-return]


def _pair(name: str, predictions: Any, target: Any) -> tuple[Tensor, Tensor]:
    predictions = detached(predictions)
    target = detached(target, predictions)
    if predictions.shape != target.shape:
        raise ValueError(
            f"{name}: predictions and target must have one shape, got {predictions.shape} and {target.shape}"
        )
    return real(name, "predictions", predictions), real(name, "target", target)
