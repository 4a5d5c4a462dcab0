"""Dropout: zeros at random places, the rest scaled up."""

from __future__ import annotations

from math import prod
from typing import Any

from framework.autograd.inplace import write
from framework.creation import asarray
from framework.ops.dropout import dropout as op
from framework.random import Generator, default_generator, uniform


def check_probability(name: str, p: float) -> None:
    """Refuse what is no probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must be a probability in [0, 1], got {p}")


def dropout(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, generator: Generator | None = None
) -> Any:
    """Zero each entry with probability ``p`` and multiply the others by ``1 / (1 - p)``; nothing if not ``training``.

    Parameters
    ----------
    input : Tensor
        Of any shape.
    p : float
        Probability of a zero, in [0, 1].
    training : bool
        Whether to do anything.
    inplace : bool
        Whether to write into ``input``.
    generator : Generator, optional
        Where the numbers come from.

    Raises
    ------
    ValueError
        If ``p`` is no probability.

    References
    ----------
    N. Srivastava et al.: Dropout: a simple way to prevent neural networks from overfitting (JMLR 15, 2014).

    Examples
    --------
    >>> import framework as fw
    >>> dropout(fw.ones((3,)), p=1.0)
    Tensor([0., 0., 0.])
    """
    check_probability("dropout", p)
    if not training or p == 0:
        return input
    input = input if inplace else asarray(input)
    key, counter = (generator or default_generator).reserve((prod(input.shape) + 1) // 2)
    options = {"p": float(p), "key": key, "counter": counter}
    return write(op, input, **options) if inplace else op(input, **options)


def locked_dropout(
    input: Any, p: float = 0.5, training: bool = True, batch_first: bool = False, generator: Generator | None = None
) -> Any:
    """Dropout with the same mask at all time steps.

    Parameters
    ----------
    input : Tensor
        (T, N, D), or (N, T, D) if ``batch_first``.
    p : float
        Probability of a zero, in [0, 1].
    training : bool
        Whether to do anything.
    batch_first : bool
        Which axis is time.
    generator : Generator, optional
        Where the numbers come from.

    Raises
    ------
    ValueError
        If ``p`` is no probability, or ``input`` has not three axes.

    References
    ----------
    Y. Gal, Z. Ghahramani: A theoretically grounded application of dropout in recurrent neural networks (NeurIPS 2016).
    """
    check_probability("locked_dropout", p)
    input = asarray(input)
    if input.ndim != 3:
        layout = "(N, T, D)" if batch_first else "(T, N, D)"
        raise ValueError(f"locked_dropout: expected an input {layout}, got shape {input.shape}")
    if not training or p == 0:
        return input
    time = 1 if batch_first else 0
    shape = (*input.shape[:time], 1, *input.shape[time + 1 :])
    return input * dropout_mask(shape, p, input, generator)


def dropout_mask(shape: tuple[int, ...], p: float, like: Any, generator: Generator | None = None) -> Any:
    """Zeros with probability ``p``, else ``1 / (1 - p)``, with dtype and device of ``like``."""
    kept = uniform(0.0, 1.0, shape, dtype="float32", device=like.device, generator=generator) >= p
    return kept.to(dtype=like.dtype) * (1 / (1 - p) if p < 1 else 0.0)
