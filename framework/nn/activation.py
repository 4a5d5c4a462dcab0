"""Non-linearities as modules."""

from __future__ import annotations

from typing import Any

from framework.nn import functional as F
from framework.nn.module import Module


class ReLU(Module):
    """``max(x, 0)``.

    Parameters
    ----------
    inplace : bool
        Whether to write into the input.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.relu`."""
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return "inplace=True" if self.inplace else ""


class Tanh(Module):
    """Hyperbolic tangent."""

    def forward(self, input: Any) -> Any:
        """``tanh(input)``."""
        return F.tanh(input)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``."""

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.sigmoid`."""
        return F.sigmoid(input)


class LogSigmoid(Module):
    """``log(sigmoid(x))``, without overflow."""

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.logsigmoid`."""
        return F.logsigmoid(input)


class SiLU(Module):
    """``x * sigmoid(x)``."""

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.silu`."""
        return F.silu(input)


class GELU(Module):
    """``x`` times the probability that a standard normal variable is below it; ``approximate`` "none" or "tanh"."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.gelu`."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"approximate={self.approximate!r}"


class LeakyReLU(Module):
    """``x`` where it is positive, else ``negative_slope * x``."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.leaky_relu`."""
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """``x`` where it is positive, else ``alpha * (exp(x) - 1)``."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.elu`."""
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"alpha={self.alpha}"


class Softplus(Module):
    """``log(1 + exp(beta * x)) / beta``; ``x`` itself where ``beta * x`` is above ``threshold``."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.softplus`."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardtanh(Module):
    """``x`` bounded by ``min_val`` and ``max_val``."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.hardtanh`."""
        return F.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Softmax(Module):
    """``exp(x) / sum(exp(x))`` along the axis ``dim``."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.softmax`."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """Logarithm of the softmax along the axis ``dim``."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """See :func:`framework.nn.functional.log_softmax`."""
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The options, as repr shows them."""
        return f"dim={self.dim}"
