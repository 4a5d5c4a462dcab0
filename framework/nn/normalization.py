"""Layer normalization and its root-mean-square variant."""

from __future__ import annotations

from typing import Any

from framework.creation import ones, zeros
from framework.nn.functional.normalization import layer_norm, rms_norm
from framework.nn.module import Module
from framework.nn.parameter import Parameter
from framework.nn.sizes import check_sizes
from framework.tensor import Tensor


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
        shape = check_sizes("LayerNorm: normalized_shape", normalized_shape)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(ones(shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.bias = Parameter(zeros(shape, device=device, dtype=dtype)) if elementwise_affine and bias else None

    def forward(self, input: Any) -> Tensor:
        """``(..., *normalized_shape)`` to the same shape."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The sizes and options, for printing."""
        bias = self.bias is not None
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={bias}"


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
        shape = check_sizes("RMSNorm: normalized_shape", normalized_shape)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(ones(shape, device=device, dtype=dtype)) if elementwise_affine else None

    def forward(self, input: Any) -> Tensor:
        """``(..., *normalized_shape)`` to the same shape."""
        return rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The sizes and options, for printing."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
