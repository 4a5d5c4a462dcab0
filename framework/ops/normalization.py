"""Layer normalization and its root-mean-square variant, fused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backends import Backend
from framework.autograd.fused import fused
from framework.autograd.precision import precision
from framework.ops.elementwise import multiply, sqrt
from framework.ops.reduction import mean

Array = Any


def _layer_forward(
    backend: Backend, x: Array, weight: Array | None, bias: Array | None, *, keep: bool, eps: float
) -> tuple[Array, Any]:
    return backend.layer_norm_forward(x, weight, bias, eps)


def _layer_backward(backend: Backend, saved: Any, g: Array, needs: tuple[bool, ...], *, eps: float) -> Sequence[Any]:
    x, weight, bias = needs
    return backend.layer_norm_backward(saved, g, (x, weight, bias))


def _layer_composite(x: Any, weight: Any, bias: Any, *, eps: float) -> Any:
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the last axis (Ba et al., 2016)."""
    centred = x - mean(x, axis=-1, keepdims=True)
    y = centred / sqrt(mean(multiply(centred, centred), axis=-1, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


_layer_composite.__name__ = "layer_norm"
layer_norm = precision("float32")(fused(forward=_layer_forward, backward=_layer_backward, composite=_layer_composite))


def _rms_forward(backend: Backend, x: Array, weight: Array | None, *, keep: bool, eps: float) -> tuple[Array, Any]:
    return backend.rms_norm_forward(x, weight, eps)


def _rms_backward(backend: Backend, saved: Any, g: Array, needs: tuple[bool, ...], *, eps: float) -> Sequence[Any]:
    x, weight = needs
    return backend.rms_norm_backward(saved, g, (x, weight))


def _rms_composite(x: Any, weight: Any, *, eps: float) -> Any:
    """X / sqrt(mean(x**2) + eps) * weight, over the last axis (Zhang and Sennrich, 2019)."""
    y = x / sqrt(mean(multiply(x, x), axis=-1, keepdims=True) + eps)
    return y if weight is None else y * weight


_rms_composite.__name__ = "rms_norm"
rms_norm = precision("float32")(fused(forward=_rms_forward, backward=_rms_backward, composite=_rms_composite))
