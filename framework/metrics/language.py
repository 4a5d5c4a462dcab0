"""How well the next word is predicted: perplexity."""

from __future__ import annotations

import math
from typing import Any

from framework import dtypes
from framework.autograd.graph import make_tensor
from framework.creation import asarray
from framework.metrics.labels import class_scores
from framework.metrics.metric import Metric, detached, ratio, wide
from framework.ops.elementwise import exp, not_equal, where
from framework.ops.manipulation import moveaxis
from framework.ops.reduction import sum as sum_
from framework.tensor import Tensor


class Perplexity(Metric):
    """``exp`` of the mean cross-entropy: among how many equally likely words the model seems to choose.

    Parameters
    ----------
    ignore_index : int
        Targets of this value, such as padding, do not count.

    Examples
    --------
    >>> perplexity = Perplexity()
    >>> perplexity.update([[0.0, 0.0], [3.0, 3.0]], [0, 1])
    >>> perplexity.compute()
    Tensor(2., dtype=float64)
    """

    _names = ("loss", "count")

    def __init__(self, ignore_index: int = -100) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def update(self, logits: Any, target: Any) -> None:
        """Add a batch.

        Parameters
        ----------
        logits : Tensor or array
            Unnormalised log-probabilities (N, V) or (N, V, ...), as for a cross-entropy loss.
        target : Tensor or array
            Integers (N) or (N, ...) below V.

        Raises
        ------
        ValueError
            If the shapes do not fit.
        TypeError
            If the logits are not floating, or the targets not integers.
        IndexError
            If a target is outside [0, V) and not ``ignore_index``.
        """
        logits = detached(logits)
        target = detached(target, logits)
        n_words = class_scores("Perplexity", logits, target, None).shape[1]
        if logits.dtype.kind not in dtypes.FLOATING or target.dtype.kind not in "iu":
            raise TypeError(
                f"Perplexity: expected floating logits and integer targets, got {logits.dtype} and {target.dtype}"
            )
        rows = moveaxis(logits, 1, -1).reshape(-1, n_words)
        target = target.to(dtypes.int64).reshape(-1)
        counts = not_equal(target, self.ignore_index)
        backend = rows.backend
        checked = where(counts, target, asarray(0, device=target.device))
        backend.check_indices(checked.data, n_words, "Perplexity")
        losses, _ = backend.cross_entropy_forward(rows.data, target.data, None, self.ignore_index, 0.0, "none")
        self._add(loss=sum_(wide(make_tensor(backend, losses))), count=sum_(counts.to(dtypes.int64)))

    def compute(self) -> Tensor:
        """The perplexity; NaN if no target counted."""
        if not self._sums:
            return asarray(math.nan, dtype=dtypes.float64)
        return exp(ratio(self._sums["loss"], self._sums["count"], math.nan))  # type: ignore[no-any-return]
