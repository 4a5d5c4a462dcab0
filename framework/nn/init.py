"""First values of parameters, written in place.

Each function fills a tensor, outside any graph, and returns it. The same seed gives the same values on every device.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import random
from framework.autograd import no_grad
from framework.creation import asarray, eye
from framework.random import Generator
from framework.tensor import Tensor

_GAINS = {
    **dict.fromkeys(("linear", "identity", "sigmoid", "conv1d", "conv2d", "conv3d"), 1.0),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights should grow before a non-linearity, to keep the variance.

    Parameters
    ----------
    nonlinearity : str
        ``"linear"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"`` or ``"selu"``.
    param : float, optional
        The negative slope of ``"leaky_relu"``, 0.01 if not given.

    Examples
    --------
    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join(map(repr, [*_GAINS, "leaky_relu"]))
        raise ValueError(f"unknown nonlinearity {nonlinearity!r}; expected one of {known}")
    return _GAINS[nonlinearity]


def _fill(tensor: Tensor, values: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"expected a Tensor to fill, got {type(tensor).__name__}")
    with no_grad():
        return tensor.copy_(values)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with numbers spread evenly over ``[a, b)``."""
    values = random.uniform(a, b, tensor.shape, dtype=tensor.dtype, device=tensor.device, generator=generator)
    return _fill(tensor, values)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with numbers from a normal distribution."""
    values = random.normal(mean, std, tensor.shape, dtype=tensor.dtype, device=tensor.device, generator=generator)
    return _fill(tensor, values)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with numbers from a normal distribution of which only ``[a, b]`` is kept.

    The inverse of the normal distribution function, of uniform numbers between its values at the two ends.
    """
    from scipy.special import ndtr, ndtri

    if not a < b:
        raise ValueError(f"trunc_normal_: a must be below b, got a={a}, b={b}")
    if not std > 0:
        raise ValueError(f"trunc_normal_: std must be positive, got {std}")
    # What is above the mean is drawn as what is below: numbers close to 1 are coarser than those close to 0.
    side = -std if a > mean else std
    low, high = sorted(ndtr((end - mean) / side) for end in (a, b))
    if not low < high:
        raise ValueError(f"trunc_normal_: [{a}, {b}] holds nothing of a distribution of mean {mean} and std {std}")
    u = random.uniform(low, high, tensor.shape, dtype="float64", device="cpu", generator=generator).numpy()
    values = np.clip(ndtri(u) * side + mean, a, b).astype(tensor.dtype)
    return _fill(tensor, asarray(values, device=tensor.device))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return _fill(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _fill(tensor, 1)


def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity, as far as its shape goes."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tensor.shape}")
    return _fill(tensor, eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def _fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs each output reads, and how many outputs each input reaches."""
    if tensor.ndim < 2:
        raise ValueError(
            f"fan in and fan out need a tensor of at least two axes, got shape {tensor.shape}; use uniform_"
        )
    outputs, inputs, *kernel = tensor.shape
    return inputs * math.prod(kernel), outputs * math.prod(kernel)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform values whose variance suits forward and backward: ``2 * gain**2 / (fan_in + fan_out)``.

    References
    ----------
    X. Glorot, Y. Bengio: Understanding the difficulty of training deep feedforward neural networks (AISTATS 2010).
    """
    bound = gain * math.sqrt(6 / (sum(_fans(tensor)) or 1))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal values of the variance of :func:`xavier_uniform_`."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / (sum(_fans(tensor)) or 1)), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fans = dict(zip(("fan_in", "fan_out"), _fans(tensor)))
    if mode not in fans:
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(fans[mode] or 1)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform values whose variance suits a rectifier: ``gain**2 / fan``.

    Parameters
    ----------
    tensor : Tensor
        Filled and returned; of shape (outputs, inputs, ...).
    a : float
        The negative slope, for ``"leaky_relu"``.
    mode : str
        ``"fan_in"`` keeps the variance in forward, ``"fan_out"`` in backward.
    nonlinearity : str
        See :func:`calculate_gain`.
    generator : Generator, optional
        Where the numbers come from.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers (ICCV 2015).
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal values of the variance of :func:`kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Rows, or columns if they are fewer, that are orthonormal times ``gain``; further axes count as columns.

    References
    ----------
    A. Saxe, J. McClelland, S. Ganguli: Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks (ICLR 2014).
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected at least two axes, got shape {tensor.shape}")
    if tensor.size == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.size // tensor.shape[0]
    tall = (max(rows, columns), min(rows, columns))
    q, r = np.linalg.qr(random.normal(0.0, 1.0, tall, dtype="float64", device="cpu", generator=generator).numpy())
    q = q * np.sign(np.diagonal(r))
    values = gain * (q.T if rows < columns else q).reshape(tensor.shape)
    return _fill(tensor, asarray(values.astype(tensor.dtype), device=tensor.device))
