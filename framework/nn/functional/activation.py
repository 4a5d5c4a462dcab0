"""Non-linearities, under PyTorch's names."""

from __future__ import annotations

import math
from typing import Any

from framework.autograd.inplace import write
from framework.creation import zeros_like
from framework.dtypes import FLOATING
from framework.ops import elementwise
from framework.ops import softmax as softmax_ops
from framework.ops.elementwise import clip, expm1, logaddexp, where
from framework.ops.elementwise import sigmoid as sigmoid
from framework.ops.elementwise import tanh as tanh
from framework.ops.manipulation import astype, reshape
from framework.special import ndtr


def relu(input: Any, inplace: bool = False) -> Any:
    """``max(input, 0)``; the gradient at 0 is 0."""
    return write(elementwise.relu, input) if inplace else elementwise.relu(input)


def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    """``input`` where it is positive, else ``negative_slope * input``."""
    return where(input > 0, input, negative_slope * input)


def elu(input: Any, alpha: float = 1.0) -> Any:
    """``input`` where it is positive, else ``alpha * (exp(input) - 1)``.

    References
    ----------
    D. Clevert, T. Unterthiner, S. Hochreiter: Fast and accurate deep network learning by exponential linear units
    (ICLR 2016).
    """
    positive = input > 0
    return _as_input(where(positive, input, alpha * expm1(where(positive, 0.0, input))), input)


def silu(input: Any) -> Any:
    """``input * sigmoid(input)``."""
    return input * sigmoid(input)


def gelu(input: Any, approximate: str = "none") -> Any:
    """``input`` times the probability that a standard normal variable is below it.

    Parameters
    ----------
    input : Tensor
        Of any shape.
    approximate : str
        ``"none"``, or ``"tanh"`` for the paper's closed form.

    References
    ----------
    D. Hendrycks, K. Gimpel: Gaussian error linear units (arXiv:1606.08415).
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    if approximate == "none":
        return _as_input(input * ndtr(input), input)
    # Beyond 10 the tangent is 1 in every dtype, and a cube may be too large for float16.
    x = clip(input, -10, 10)
    return _as_input(0.5 * input * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), input)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """``log(1 + exp(beta * input)) / beta``; ``input`` itself where ``beta * input`` is above ``threshold``."""
    scaled = beta * input
    linear = scaled > threshold
    safe = where(linear, 0.0, scaled)
    return where(linear, input, logaddexp(safe, zeros_like(safe)) / beta)


def logsigmoid(input: Any) -> Any:
    """``log(sigmoid(input))``, without overflow."""
    return _as_input(-logaddexp(-input, zeros_like(input)), input)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """``input`` bounded by ``min_val`` and ``max_val``; the gradient at the bounds is 0."""
    if not min_val < max_val:
        raise ValueError(f"hardtanh: min_val must be below max_val, got {min_val} and {max_val}")
    return where(input <= min_val, min_val, where(input >= max_val, max_val, input))


def softmax(input: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """``exp(input) / sum(exp(input))`` along an axis.

    Parameters
    ----------
    input : Tensor
        Of any shape.
    dim : int
        The axis.
    dtype : dtype, optional
        What to compute in.

    Raises
    ------
    ValueError
        If ``dim`` is not given.

    Examples
    --------
    >>> import framework as fw
    >>> softmax(fw.asarray([0.0, 0.0]), dim=-1)
    Tensor([0.5, 0.5])
    """
    return _along("softmax", softmax_ops.softmax, input, dim, dtype)


def log_softmax(input: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """Logarithm of :func:`softmax`, exact where that underflows."""
    return _along("log_softmax", softmax_ops.log_softmax, input, dim, dtype)


def softmin(input: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """:func:`softmax` of ``-input``."""
    return softmax(-input, dim, dtype)


def _as_input(y: Any, input: Any) -> Any:
    """The result in the input's floating dtype, where operations that it is made of have widened that."""
    return y if y.dtype == input.dtype or input.dtype.kind not in FLOATING else astype(y, input.dtype)


def _along(name: str, op: Any, input: Any, dim: int | None, dtype: Any) -> Any:
    if dim is None:
        raise ValueError(f"{name}: say which axis, such as dim=-1 for the last one")
    n = max(input.ndim, 1)
    if not -n <= dim < n:
        raise IndexError(f"{name}: dim must be in [{-n}, {n}) for an input of shape {tuple(input.shape)}, got {dim}")
    input = input if dtype is None else input.to(dtype=dtype)
    return op(input, axis=dim) if input.ndim else reshape(op(reshape(input, (1,)), axis=0), ())
