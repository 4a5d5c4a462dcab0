"""Products in 16 bits, sums and losses in float32, without a change to the model."""

from __future__ import annotations

from typing import Any, Self

from backends import get_backend
from framework.autograd.calls import rewrite
from framework.autograd.modes import Block, mode
from framework.autograd.precision import Casts
from framework.dtypes import DType, named

_LOW = {"cpu": "bfloat16"}
"""What "low" is where nothing is said, by the backend's name; float16 elsewhere, as in PyTorch."""


class autocast(Block):
    """Run each operation in the precision that suits it: ``with autocast("cuda"):``, or ``@autocast("cuda")``.

    Inside, on tensors of the device,

    - products of matrices (``matmul``, ``tensordot``, ``vecdot``, ``einsum``, linear and recurrent layers) run in the
      16-bit ``dtype``, and give it;
    - what leaves the range of float16 or adds up rounding errors (exponentials and logarithms, powers, sums, means and
      running ones, softmax, norms, losses, decompositions) runs in float32, and gives it;
    - everything else takes the widest dtype of its arguments.

    Arguments are cast as needed; casts are recorded, so gradients of float32 parameters are float32. A parameter is cast
    once in a block, unless it is written to. Tensors of float64, complex numbers and integers stay what they are. A
    backward pass computes in the dtypes that the forward pass chose, inside or outside the block; put the forward pass and
    the loss in the block, and ``backward`` and the optimizer's step after it. Threads have states of their own.

    Parameters
    ----------
    device : str
        Such as ``"cuda"`` or ``"cpu"``; it stands for all devices of the library.
    dtype : dtype, optional
        ``float16`` or ``bfloat16``; by default ``bfloat16`` on ``"cpu"``, else ``float16``.
    enabled : bool
        False leaves tensors of the device alone, also inside an outer block.

    Raises
    ------
    TypeError
        For another dtype, or one that the device lacks.
    ValueError
        For an unknown device.
    RuntimeError
        If the device cannot be used, or bfloat16 needs ml_dtypes; the message has the command that installs what is
        missing.

    References
    ----------
    P. Micikevicius et al.: Mixed precision training (ICLR 2018). The operations of each kind are PyTorch's for CUDA.

    Examples
    --------
    >>> import framework as fw
    >>> layer = fw.nn.Linear(3, 2)
    >>> with autocast("cpu", fw.float16):
    ...     y = layer(fw.ones((4, 3)))
    ...     loss = fw.mean(y * y)
    >>> y.dtype, loss.dtype
    (dtype('float16'), dtype('float32'))
    >>> loss.backward()
    >>> layer.weight.grad.dtype
    dtype('float32')
    """

    def __init__(self, device: str, dtype: Any = None, enabled: bool = True) -> None:
        if not isinstance(device, str):
            raise TypeError(f"autocast: device must be a string such as 'cuda', got {type(device).__name__}")
        self.device = device
        self.enabled = bool(enabled)
        self.dtype = _checked(device, dtype) if enabled else None
        self._name = device.partition(":")[0]
        self._before: list[Casts | None] = []
        rewrite(casts=True)

    def _again(self) -> Self:
        return type(self)(self.device, self.dtype, self.enabled)

    def __enter__(self) -> None:
        self._before.append(mode.casts)
        mode.casts = (mode.casts or Casts({})).within(self._name, self.dtype)

    def __exit__(self, *exc: object) -> None:
        mode.casts = self._before.pop()

    def __repr__(self) -> str:
        return f"autocast({self.device!r}, {self.dtype and self.dtype.name!r}, enabled={self.enabled})"


def _checked(device: str, dtype: Any) -> DType:
    """The dtype for products, which the device must have."""
    backend = get_backend(device)
    low = named(_LOW.get(backend.name, "float16") if dtype is None else dtype)
    if low.name not in ("float16", "bfloat16"):
        raise TypeError(f"autocast: dtype must be float16 or bfloat16, got {low}")
    backend.native_dtype(low)
    return low
