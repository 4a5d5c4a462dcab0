"""Layer normalization and its root-mean-square variant."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.precision import precision
from framework.inspection import finfo
from framework.ops import normalization
from framework.tensor import Tensor


def _as_rows(name: str, x: Any, normalized_shape: tuple[int, ...]) -> Any:
    """``x`` with the axes to normalize over made one, the last."""
    n = len(normalized_shape)
    if not n or tuple(x.shape[-n:]) != normalized_shape:
        raise ValueError(f"{name}: the input's last axes must be {normalized_shape}, got shape {x.shape}")
    return x.reshape(-1, int(np.prod(normalized_shape)))


def _flat(x: Any) -> Any:
    return None if x is None else x.reshape(-1)


def layer_norm(
    input: Any, normalized_shape: tuple[int, ...], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Subtract the mean and divide by the standard deviation over the last axes, then scale and shift.

    ``(x - mean) / sqrt(var + eps) * weight + bias`` (Ba, Kiros and Hinton, 2016).

    Parameters
    ----------
    input : Tensor
        Of a shape that ends in ``normalized_shape``.
    normalized_shape : tuple of int
        The axes to normalize over.
    weight, bias : Tensor, optional
        Of shape ``normalized_shape``.
    eps : float
        Added to the variance.

    Raises
    ------
    ValueError
        If the input's shape does not end in ``normalized_shape``.
    """
    rows = _as_rows("layer_norm", input, tuple(normalized_shape))
    return normalization.layer_norm(rows, _flat(weight), _flat(bias), eps=eps).reshape(input.shape)  # type: ignore[no-any-return]


@precision("float32")
def rms_norm(input: Any, normalized_shape: tuple[int, ...], weight: Any = None, eps: float | None = None) -> Tensor:
    """Divide by the root of the mean square over the last axes, then scale.

    ``x / sqrt(mean(x**2) + eps) * weight`` (Zhang and Sennrich, 2019).

    Parameters
    ----------
    input : Tensor
        Of a shape that ends in ``normalized_shape``.
    normalized_shape : tuple of int
        The axes to normalize over.
    weight : Tensor, optional
        Of shape ``normalized_shape``.
    eps : float, optional
        Added to the mean square; the dtype's machine epsilon by default.

    Raises
    ------
    ValueError
        If the input's shape does not end in ``normalized_shape``.
    """
    rows = _as_rows("rms_norm", input, tuple(normalized_shape))
    eps = finfo(input.dtype).eps if eps is None else eps
    return normalization.rms_norm(rows, _flat(weight), eps=eps).reshape(input.shape)  # type: ignore[no-any-return]
