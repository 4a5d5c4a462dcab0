"""Linear layers."""

from __future__ import annotations

import math
from typing import Any

from framework.creation import empty
from framework.nn import init
from framework.nn.functional.linear import linear
from framework.nn.module import Module
from framework.nn.parameter import Parameter
from framework.nn.sizes import check_size


class Identity(Module):
    """Returns its input; any arguments of the constructor are ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """``input``."""
        return input


class Linear(Module):
    """``y = x @ weight.T + bias``.

    Parameters
    ----------
    in_features : int
        Length D of the last axis of the input.
    out_features : int
        Length H of the last axis of the output.
    bias : bool
        Whether to add a bias.
    device, dtype : optional
        Of the parameters; the defaults if None.

    Attributes
    ----------
    weight : Parameter
        (H, D), at first uniform in ``[-1/sqrt(D), 1/sqrt(D))``.
    bias : Parameter or None
        (H,), at first uniform in the same interval.

    Raises
    ------
    ValueError
        When called, if the input's last axis is not ``in_features`` long.

    Examples
    --------
    >>> import framework as fw
    >>> layer = Linear(3, 2)
    >>> layer(fw.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = check_size("Linear: in_features", in_features)
        self.out_features = check_size("Linear: out_features", out_features)
        self.weight = Parameter(empty((self.out_features, self.in_features), device=device, dtype=dtype))
        self.bias = Parameter(empty((self.out_features,), device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        """Map ``input`` (..., in_features) to (..., out_features)."""
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
