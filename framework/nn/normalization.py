"""Layer normalization and its root-mean-square variant."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.creation import ones, zeros
from framework.nn.module import Module
from framework.nn.parameter import Parameter
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
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    return normalization.rms_norm(rows, _flat(weight), eps=eps).reshape(input.shape)  # type: ignore[no-any-return]


class LayerNorm(Module):
    """Layer normalization over the last axes; see :func:`layer_norm`.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        Lengths of the last axes.
    eps : float
        Added to the variance.
    elementwise_affine : bool
        Whether there is a ``weight``.
    bias : bool
        Whether there is a ``bias``, too.

    Examples
    --------
    >>> LayerNorm(4)(ones((2, 4))).shape
    (2, 4)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(ones(shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.bias = Parameter(zeros(shape, device=device, dtype=dtype)) if elementwise_affine and bias else None

    def forward(self, input: Any) -> Tensor:
        """``(..., *normalized_shape)`` to the same shape."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(Module):
    """Root-mean-square normalization over the last axes; see :func:`rms_norm`.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        Lengths of the last axes.
    eps : float, optional
        Added to the mean square; the dtype's machine epsilon by default.
    elementwise_affine : bool
        Whether there is a ``weight``.

    Examples
    --------
    >>> RMSNorm(4)(ones((2, 4))).shape
    (2, 4)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(ones(shape, device=device, dtype=dtype)) if elementwise_affine else None

    def forward(self, input: Any) -> Tensor:
        """``(..., *normalized_shape)`` to the same shape."""
        return rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
