"""Layer normalization and its root-mean-square variant."""

from __future__ import annotations

import math
from typing import Any

from framework.autograd.precision import precision
from framework.inspection import finfo
from framework.nn.functional.reduction import check_floating
from framework.ops import normalization
from framework.tensor import Tensor


def _as_rows(name: str, x: Any, normalized_shape: tuple[int, ...], **factors: Any) -> Any:
    """``x`` with the axes to normalize over made one, the last; and so the factors, if there are any."""
    n = len(normalized_shape)
    check_floating(name, "input", x)
    if not n or tuple(x.shape[-n:]) != normalized_shape:
        raise ValueError(f"{name}: the input's last axes must be {normalized_shape}, got shape {x.shape}")
    for what, factor in factors.items():
        if factor is not None and tuple(factor.shape) != normalized_shape:
            raise ValueError(f"{name}: {what} must have shape {normalized_shape}, got {tuple(factor.shape)}")
    return x.reshape(-1, math.prod(normalized_shape)), *(f if f is None else f.reshape(-1) for f in factors.values())


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
        If the input's shape does not end in ``normalized_shape``, or that of a factor is another.
    TypeError
        If the input is not floating.
    """
    arrays = _as_rows("layer_norm", input, tuple(normalized_shape), weight=weight, bias=bias)
    return normalization.layer_norm(*arrays, eps=eps).reshape(input.shape)  # type: ignore[no-any-return]


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
        If the input's shape does not end in ``normalized_shape``, or that of a factor is another.
    TypeError
        If the input is not floating.
    """
    arrays = _as_rows("rms_norm", input, tuple(normalized_shape), weight=weight)
    eps = finfo(input.dtype).eps if eps is None else eps
    return normalization.rms_norm(*arrays, eps=eps).reshape(input.shape)  # type: ignore[no-any-return]
