"""Parameters that no gradient reaches, which is mostly a mistake."""

from __future__ import annotations

import warnings

from framework.nn import Module


def warn_without_gradient(model: Module) -> list[str]:
    """Warn of the parameters that require a gradient and have none; call it after a ``backward``.

    Returns
    -------
    list of str
        Their names.

    Examples
    --------
    >>> import framework as fw
    >>> layer = fw.nn.Linear(2, 1)
    >>> layer(fw.ones((1, 2))).sum().backward()
    >>> warn_without_gradient(layer)
    []
    """
    names = [name for name, p in model.named_parameters() if p.requires_grad and p._grad is None]
    if names:
        warnings.warn(
            f"{len(names)} of the parameters that require a gradient received none: {', '.join(names[:5])}"
            f"{', ...' if len(names) > 5 else ''}; they are not part of what the loss is computed from. Use them, or "
            "freeze them with requires_grad_(False)",
            UserWarning,
            stacklevel=2,
        )
    return names
