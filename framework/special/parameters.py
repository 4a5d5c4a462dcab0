"""Parameters whose gradient has no formula: asking for it is an error, lest a sum of gradients lack a part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def no_gradient(function: str, parameter: str) -> Callable[..., Any]:
    """A rule that raises RuntimeError, naming the parameter."""

    def rule(xp: Any, g: Any) -> Any:
        raise RuntimeError(
            f"{function} has no gradient in {parameter!r}, but {parameter!r} requires one; detach() it if its part of the "
            "gradient is not wanted"
        )

    return rule
