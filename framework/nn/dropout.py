"""Dropout layers; they do nothing in evaluation mode."""

from __future__ import annotations

from typing import Any

from framework.nn.functional.dropout import check_probability, dropout, locked_dropout
from framework.nn.module import Module


class Dropout(Module):
    """In training, zero each entry with probability ``p`` and multiply the others by ``1 / (1 - p)``.

    Parameters
    ----------
    p : float
        Probability of a zero, in [0, 1].
    inplace : bool
        Whether to write into the input.

    Raises
    ------
    ValueError
        If ``p`` is no probability.

    Examples
    --------
    >>> import framework as fw
    >>> Dropout(0.9).eval()(fw.ones((2,)))
    Tensor([1., 1.])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability("Dropout", p)
        self.p = p
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.dropout`."""
        return dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"p={self.p}, inplace={self.inplace}"


class LockedDropout(Module):
    """Dropout of sequences: the mask is drawn once for each sequence, and the same at all its time steps.

    Parameters
    ----------
    p : float
        Probability of a zero, in [0, 1].
    batch_first : bool
        Whether inputs are (N, T, D) rather than (T, N, D).

    Raises
    ------
    ValueError
        If ``p`` is no probability.
    """

    def __init__(self, p: float = 0.5, batch_first: bool = False) -> None:
        super().__init__()
        check_probability("LockedDropout", p)
        self.p = p
        self.batch_first = batch_first

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.locked_dropout`."""
        return locked_dropout(input, self.p, self.training, self.batch_first)

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"p={self.p}, batch_first={self.batch_first}"
