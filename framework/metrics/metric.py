"""What all metrics share: sums that stay on the device until somebody reads the result; and the plain mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from framework import dtypes
from framework.creation import asarray, full
from framework.ops.elementwise import where
from framework.ops.reduction import sum as sum_
from framework.tensor import Tensor


class Metric:
    """A number about all batches since the last reset.

    Subclasses give ``update``, which adds a batch to the sums, and ``compute``, which makes the result of them. Both
    work on the device of what they are given and wait for nothing: only reading the result, by ``float(...)``
    or ``.item()``, does. Inputs are cut from their graphs.
    """

    _names: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def update(self, *batch: Any) -> None:
        """Add a batch."""
        raise NotImplementedError(f"{type(self).__name__} must define update")

    def compute(self) -> Tensor:
        """The result for all batches since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} must define compute")

    def reset(self) -> None:
        """Forget all batches."""
        self._sums = {}

    def state_dict(self) -> dict[str, Tensor]:
        """The sums, to go on later."""
        return dict(self._sums)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the sums of another metric of the same class and options.

        Raises
        ------
        TypeError, ValueError
            If the state is not a dict of tensors, or that of another class; nothing is changed then.
        """
        if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
            raise TypeError(f"{type(self).__name__}: expected the dict of tensors that state_dict returned")
        if state and self._names and set(state) != set(self._names):
            found = ", ".join(map(repr, state))
            expected = ", ".join(map(repr, self._names))
            raise ValueError(f"{type(self).__name__}: expected the sums {expected}, got {found}, of another class")
        self._sums = dict(state)

    def _add(self, **sums: Tensor) -> None:
        before = self._sums_on(next(iter(sums.values())).device)
        self._sums = {name: before[name] + value if before else value for name, value in sums.items()}

    def _sums_on(self, device: str) -> dict[str, Tensor]:
        """The sums where the next batch is; those out of a file may be elsewhere."""
        return {name: value.to(device) for name, value in self._sums.items()}


class Mean(Metric):
    """The mean of all values, each with a weight.

    Examples
    --------
    >>> loss = Mean()
    >>> loss.update(2.0, weight=3)  # the mean loss of 3 samples
    >>> loss.update(6.0)
    >>> loss.compute()
    Tensor(3., dtype=float64)
    """

    _names = ("total", "weight")

    def update(self, value: Any, weight: Any = 1.0) -> None:
        """Add values.

        Parameters
        ----------
        value : Tensor, array or number
            Of any shape.
        weight : Tensor, array or number
            How much each counts; broadcast to the values.

        Raises
        ------
        TypeError
            If the values or weights are not real numbers.
        ValueError
            If the weights do not broadcast to the values.
        """
        values = real("Mean", "values", detached(value))
        weights = real("Mean", "weights", detached(weight, values))
        try:
            weights = weights.broadcast_to(values.shape)
        except ValueError:
            message = f"Mean: weights of shape {weights.shape} do not broadcast to values of {values.shape}"
            raise ValueError(message) from None
        self._add(total=sum_(values * weights), weight=sum_(weights))

    def compute(self) -> Tensor:
        """The mean; NaN if there were no values."""
        if not self._sums:
            return asarray(float("nan"), dtype=dtypes.float64)
        return ratio(self._sums["total"], self._sums["weight"], float("nan"))


def detached(x: Any, like: Tensor | None = None) -> Tensor:
    """The values as a tensor outside of any graph; what is no tensor yet goes where ``like`` is."""
    return x.detach() if isinstance(x, Tensor) else asarray(x, device=None if like is None else like.device)


def wide(x: Tensor) -> Tensor:
    """The values in float64, in which sums over many batches keep their digits."""
    return x.to(dtypes.float64)


def real(name: str, what: str, x: Tensor) -> Tensor:
    """The values in float64, if they are real numbers."""
    if x.dtype.kind not in "biu" + dtypes.FLOATING:
        raise TypeError(f"{name}: expected {what} of real numbers, got {x.dtype}")
    return wide(x)


def ratio(above: Tensor, below: Tensor, otherwise: float) -> Tensor:
    """``above / below``, and ``otherwise`` where ``below`` is 0, in float64."""
    above, below = wide(above), wide(below)
    empty = below == 0
    one = full((), 1.0, dtype=dtypes.float64, device=below.device)
    instead = full((), otherwise, dtype=dtypes.float64, device=below.device)
    return where(empty, instead, above / where(empty, one, below))  # type: ignore[no-any-return]
