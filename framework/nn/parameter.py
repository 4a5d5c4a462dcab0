"""Parameters: the tensors of a module that training changes."""

from __future__ import annotations

from typing import Any

from framework.tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that a module lists among its parameters when it is assigned to an attribute.

    Parameters
    ----------
    data : number, nested sequence, array or Tensor
        The values, which are copied.
    requires_grad : bool
        Whether to record operations on it.
    dtype : dtype, optional
        By default that of ``data``.
    device : str, optional
        By default that of ``data``.

    Raises
    ------
    TypeError
        If a gradient is asked of integers.

    Examples
    --------
    >>> Parameter([1.0, 2.0])
    Parameter containing:
    Tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, dtype: Any = None, device: str | None = None) -> None:
        super().__init__(data, requires_grad, dtype, device)

    def __repr__(self) -> str:
        plain = self.detach()
        plain.requires_grad = self.requires_grad
        return f"Parameter containing:\n{plain!r}"
