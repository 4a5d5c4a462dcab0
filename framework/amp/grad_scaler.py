"""Losses scaled up, so that small gradients do not vanish in float16."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from backends import Backend
from framework.autograd.graph import Variable
from framework.autograd.rows import RowSparse
from framework.autograd.tree import leaves, rebuild
from framework.optim import Optimizer

Array = Any


class _Checked:
    """An optimizer's gradients between :meth:`GradScaler.unscale_` and :meth:`GradScaler.update`.

    Parameters
    ----------
    finite : list of (Backend, 0-d array)
        For each device whether all gradients there are finite.
    """

    def __init__(self, finite: list[tuple[Backend, Array]]) -> None:
        self.stepped = False
        self._finite = finite
        self._answer: bool | None = None

    def overflowed(self) -> bool:
        """Whether some gradient is infinite or nan; waits for the device, once."""
        if self._answer is None:
            self._answer = not all(bool(backend.to_numpy(flag)) for backend, flag in self._finite)
        return self._answer


class GradScaler:
    """Scale a loss before ``backward`` and its gradients back before the optimizer's step.

    float16 has no numbers below 6e-8, and gradients often are smaller. Of a loss times 65536 they are not; and where that
    makes them infinite, the step is skipped and the scale halved. After ``growth_interval`` steps without that it is
    doubled again (Micikevicius et al., Mixed precision training, ICLR 2018). bfloat16 has the range of float32 and needs
    none of this.

    Parameters
    ----------
    init_scale : float
        The first scale, positive.
    growth_factor : float
        What the scale is multiplied by after ``growth_interval`` good steps; above 1.
    backoff_factor : float
        What it is multiplied by after gradients that are infinite or nan; between 0 and 1.
    growth_interval : int
        At least 1.
    enabled : bool
        False makes ``scale`` and ``unscale_`` do nothing and ``step`` the optimizer's.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is no number; a device is not among the arguments.

    Notes
    -----
    ``step`` reads one truth value from each device, which waits for it, so it cannot be in a step captured by
    ``fw.cuda.graph``. On the CPU NumPy warns where float16 overflows, as it always does.

    Examples
    --------
    >>> import framework as fw
    >>> model = fw.nn.Linear(3, 1)
    >>> optimizer = fw.optim.SGD(model.parameters(), lr=0.1)
    >>> scaler = GradScaler(init_scale=1024.0)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     with fw.amp.autocast("cpu", fw.float16):
    ...         loss = fw.mean(model(fw.ones((4, 3))) ** 2)
    ...     scaler.scale(loss).backward()
    ...     scaler.unscale_(optimizer)  # only needed where gradients are looked at, to clip them, say
    ...     norm = fw.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    ...     scaler.step(optimizer)
    ...     scaler.update()
    >>> scaler.get_scale()
    1024.0
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._enabled = bool(enabled)
        self._checked: dict[Optimizer, _Checked] = {}
        self._set(
            {
                "scale": init_scale,
                "growth_factor": growth_factor,
                "backoff_factor": backoff_factor,
                "growth_interval": growth_interval,
                "_growth_tracker": 0,
            }
        )

    def _set(self, numbers: Mapping[str, Any]) -> None:
        """Check the numbers, then take them over."""
        scale, growth, backoff, interval, good = (_number(name, numbers[name]) for name in _NUMBERS)
        conditions = {
            "scale": (0 < _float32(scale) < math.inf, "positive and finite in float32"),
            "growth_factor": (1 < growth < math.inf, "above 1"),
            "backoff_factor": (0 < backoff < 1, "between 0 and 1"),
            "growth_interval": (interval >= 1 and interval.is_integer(), "an integer of at least 1"),
            "_growth_tracker": (good >= 0 and good.is_integer(), "an integer of at least 0"),
        }
        for name, (holds, what) in conditions.items():
            if not holds:
                raise ValueError(f"GradScaler: {_NUMBERS[name]} must be {what}, got {numbers[name]!r}")
        self._scale = _float32(scale)
        self.growth_factor, self.backoff_factor = growth, backoff
        self.growth_interval, self._good_steps = int(interval), int(good)

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale; 1 if the scaler is not enabled."""
        return self._scale if self._enabled else 1.0

    def scale(self, outputs: Any) -> Any:
        """The tensor, or each one of a tuple, list or dict, times the scale; in float32 if it has 16 bits.

        Raises
        ------
        TypeError
            If there is something else than tensors.
        """
        if not self._enabled:
            return outputs
        found = leaves(outputs)
        for x in found:
            if not isinstance(x, Variable):
                raise TypeError(f"GradScaler: expected tensors to scale, got {type(x).__name__}")
        return rebuild(outputs, iter([_in_32_bits(x) * self._scale for x in found]))

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of the optimizer's parameters by the scale; row-sparse ones stay so.

        :meth:`step` does it if it has not been done. Call it first to look at the gradients, to clip them, say.

        Raises
        ------
        RuntimeError
            If it was done since the last :meth:`update`, or no parameter has a gradient.
        ValueError
            If a gradient is float16: the parameters themselves must be float32.
        """
        if not self._enabled:
            return
        self._check_optimizer(optimizer)
        if optimizer in self._checked:
            done = "step" if self._checked[optimizer].stepped else "unscale_"
            raise RuntimeError(
                f"GradScaler: {done}() was called for this optimizer since the last update(); unscale once a step, after the "
                "last backward() and before step()"
            )
        params = [p for group in optimizer.param_groups for p in group["params"] if p._grad is not None]
        if not params:
            raise RuntimeError(
                "GradScaler: no parameter of the optimizer has a gradient; call scale(loss).backward() first"
            )
        for p in params:
            values = _values(p._grad)
            if p.backend.dtype_of(values) == np.float16:
                raise ValueError(
                    f"GradScaler: a gradient of shape {tuple(p._grad.shape)} is float16, and would vanish when scaled back; "
                    "keep the parameters in float32, and run the model in autocast"
                )
        self._checked[optimizer] = _Checked(_unscale(params, _float32(1 / self._scale)))

    def step(self, optimizer: Optimizer) -> Any:
        """Take the optimizer's step, unless a gradient is infinite or nan.

        Raises
        ------
        RuntimeError
            If it was called for this optimizer since the last :meth:`update`, or as :meth:`unscale_` does.
        ValueError
            As :meth:`unscale_` does.
        """
        if not self._enabled:
            return optimizer.step()
        self._check_optimizer(optimizer)
        if optimizer not in self._checked:
            self.unscale_(optimizer)
        checked = self._checked[optimizer]
        if checked.stepped:
            raise RuntimeError(
                "GradScaler: step() was called for this optimizer since the last update(); update() first"
            )
        checked.stepped = True
        return None if checked.overflowed() else optimizer.step()

    def update(self, new_scale: float | None = None) -> None:
        """Choose the scale of the next step: after the step of each optimizer, once.

        Parameters
        ----------
        new_scale : float, optional
            Take this one.

        Raises
        ------
        RuntimeError
            If no gradients were looked at since the last update.
        ValueError
            If ``new_scale`` is not positive.
        """
        if not self._enabled:
            return
        if new_scale is not None:
            self._set({**self.state_dict(), "scale": new_scale})
        elif not self._checked:
            raise RuntimeError(
                "GradScaler: no gradients were looked at since the last update(); call step(optimizer) first"
            )
        elif any(checked.overflowed() for checked in self._checked.values()):
            smaller = _float32(self._scale * self.backoff_factor)
            self._scale, self._good_steps = smaller or self._scale, 0
        else:
            self._good_steps += 1
            if self._good_steps == self.growth_interval:
                larger = _float32(self._scale * self.growth_factor)
                self._scale, self._good_steps = larger if math.isfinite(larger) else self._scale, 0
        self._checked = {}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores, under PyTorch's names; nothing if the scaler is not enabled."""
        if not self._enabled:
            return {}
        values = (self._scale, self.growth_factor, self.backoff_factor, self.growth_interval, self._good_steps)
        return dict(zip(_NUMBERS, values))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned, PyTorch's too; nothing is changed if it does not fit.

        Raises
        ------
        ValueError
            If a number is missing or out of its range.
        """
        if not self._enabled:
            return
        if not isinstance(state, Mapping):
            raise TypeError(f"GradScaler: expected what state_dict() returned, got {type(state).__name__}")
        if missing := [name for name in _NUMBERS if name not in state]:
            raise ValueError(
                f"GradScaler: the saved state lacks {missing[0]!r}; expected that of a scaler that was enabled then"
            )
        self._set(state)

    def _check_optimizer(self, optimizer: Any) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"GradScaler: expected an Optimizer, got {type(optimizer).__name__}")


_NUMBERS = {
    "scale": "init_scale",
    "growth_factor": "growth_factor",
    "backoff_factor": "backoff_factor",
    "growth_interval": "growth_interval",
    "_growth_tracker": "the number of good steps",
}
"""Under which names a state has the numbers, and what errors call them."""


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"GradScaler: {_NUMBERS[name]} must be a number, got {value!r:.40}") from None


def _float32(x: float) -> float:
    """The number as float32 gradients can be multiplied by it; infinite if it is too large."""
    with np.errstate(over="ignore"):
        return float(np.float32(x))


def _in_32_bits(x: Any) -> Any:
    return x.to(dtype="float32") if x.dtype.itemsize == 2 else x


def _values(g: Any) -> Array:
    """A gradient's numbers, those of its rows if it has nothing else."""
    return g.rows if type(g) is RowSparse else g.data


def _unscale(params: list[Any], inverse: float) -> list[tuple[Backend, Array]]:
    """Multiply all gradients in place; for each device whether they are finite, without waiting for it."""
    flags: dict[Backend, list[Array]] = {}
    for p in params:
        if type(p._grad) is RowSparse:
            # Its rows may be a broadcast view.
            p._grad = p._grad.times(inverse)
            values = p._grad.rows
        else:
            values = p._grad.data
            values *= inverse
        xp = p.backend.xp
        flags.setdefault(p.backend, []).append(xp.all(xp.isfinite(values)))
    return [(backend, backend.wrap(backend.xp.all(backend.xp.stack(found)))) for backend, found in flags.items()]
