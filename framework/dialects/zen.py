"""The Zen library's automatic differentiation, on this framework.

>>> from framework.dialects.zen import Tensor
>>> a, b = Tensor(10), Tensor(5)
>>> d = (a * b) ** 2
>>> d.get_gradients()
>>> print(a.gradient, b.gradient, d.grad(a), d.depends_on(b))
500.0 1000.0 500.0 True

Values are float64. The published code's defects are put right: each tensor below is visited once however often it is
shared; gradients have their tensor's shape whatever was broadcast; ``get_gradients()`` replaces what an earlier call left;
numbers and arrays may stand on either side of every operator. The one addition is ``device=``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np

import framework as fw

_next_id = count().__next__


class Tensor:
    """An array that remembers what it was made of.

    Parameters
    ----------
    value : number, nested sequence or array
        The values, which are copied.
    trainable : bool
        Whether gradients reach the tensor; they stop at one that is not trainable, and at nothing else.
    device : str, optional
        Where the values live, such as ``"cuda"``.

    Attributes
    ----------
    gradient : array or 0
        What the latest ``get_gradients()`` above left here; 0 before the first one that reaches the tensor.
    dependencies : list of Tensor
        What the tensor was made of.
    id : int
        Rises by one with each tensor.

    Examples
    --------
    >>> w = Tensor([[1.0, 2.0]])
    >>> loss = 1 - 2 * w @ [[3.0], [4.0]]
    >>> print(loss.grad(w))
    [[-6. -8.]]
    """

    __array_ufunc__ = None
    _wall: Callable[[], None] | None = None

    def __init__(self, value: Any, trainable: bool = True, *, device: str | None = None) -> None:
        self._place(_floats(value, device, copy=True), [])
        self.trainable = trainable

    def _place(self, values: fw.Tensor, dependencies: list[Tensor]) -> None:
        # A result of what is not trainable is a place where gradients arrive and end.
        self._values = values if values.requires_grad else values.requires_grad_()
        self.dependencies = dependencies
        self.gradient: Any = 0
        self.id = _next_id()

    # --------------------------------------------------------------------------------------- attributes
    @property
    def value(self) -> Any:
        """The values as an array of the device's library; it can be assigned, and changed in place."""
        return self._values.data

    @value.setter
    def value(self, value: Any) -> None:
        self._values.data = _floats(value, self._values.device).data

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self._values.shape

    @property
    def trainable(self) -> bool:
        """Whether gradients reach the tensor."""
        return self._values.requires_grad and self._wall is None

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        if not self.dependencies:
            self._values.requires_grad_(trainable)
        elif not trainable and self._wall is None:
            self._wall = self._values.register_hook(fw.zeros_like)
        elif trainable and self._wall is not None:
            self._wall()
            self._wall = None

    # ---------------------------------------------------------------------------------- differentiation
    def get_gradients(self, grad: Any = None) -> None:
        """Set ``gradient`` of this tensor and of all those below it, up to where one is not trainable.

        Parameters
        ----------
        grad : array, optional
            The gradient of this tensor; ones if not given.

        Raises
        ------
        ValueError
            If ``grad`` does not have the tensor's shape.
        """
        reached = list(self._below(trainable=True))
        for tensor, gradient in zip(reached, self._gradients(reached, grad)):
            tensor.gradient = gradient

    def grad(self, target: Tensor, grad: Any = None) -> Any:
        """The derivative by ``target`` as an array: zeros if it is not reached from here.

        Parameters
        ----------
        target : Tensor
            This tensor or one below it.
        grad : array, optional
            The gradient of this tensor; ones if not given.
        """
        if any(tensor is target for tensor in self._below(trainable=True)):
            return self._gradients([target], grad)[0]
        return fw.zeros_like(target._values.detach()).data

    def depends_on(self, target: Tensor) -> bool:
        """Whether this tensor is, or was made of, ``target``."""
        return any(tensor is target for tensor in self._below())

    def _below(self, *, trainable: bool = False) -> Iterator[Tensor]:
        """The tensor and those below it, each once; if asked for, only up to what is not trainable."""
        seen: set[Tensor] = set()
        waiting = [self]
        while waiting:
            tensor = waiting.pop()
            if tensor not in seen and (tensor.trainable or not trainable):
                seen.add(tensor)
                waiting += tensor.dependencies
                yield tensor

    def _gradients(self, targets: list[Tensor], grad: Any) -> list[Any]:
        """The derivatives by the targets, as arrays of their own."""
        if not targets:
            return []
        seed = fw.ones_like(self._values.detach()) if grad is None else _floats(grad, self._values.device)
        values = [tensor._values for tensor in targets]
        found = fw.autograd.grad(self._values, values, seed, retain_graph=True, allow_unused=True)
        return [fw.zeros_like(x.detach()).data if g is None else g.clone().data for x, g in zip(values, found)]

    # --------------------------------------------------------------------------------------- operations
    def __add__(self, other: Any) -> Tensor:
        return _combine(fw.add, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _combine(fw.add, other, self)

    def __sub__(self, other: Any) -> Tensor:
        return _combine(fw.subtract, self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _combine(fw.subtract, other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _combine(fw.multiply, self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _combine(fw.multiply, other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return _combine(fw.divide, self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _combine(fw.divide, other, self)

    def __pow__(self, other: Any) -> Tensor:
        return _combine(fw.pow, self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return _combine(fw.pow, other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return _combine(fw.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _combine(fw.matmul, other, self)

    def __neg__(self) -> Tensor:
        return _combine(fw.negative, self)

    def __repr__(self) -> str:
        return f"Tensor({self._values.detach().numpy()}, trainable={self.trainable})"


def _floats(value: Any, device: str | None, *, copy: bool | None = None) -> fw.Tensor:
    x = fw.asarray(value if hasattr(value, "__dlpack__") else np.array(value), device=device, copy=copy)
    return x.to(fw.float64) if x.dtype.kind in "iub" else x


def _combine(function: Callable[..., Any], *operands: Any) -> Tensor:
    """An operator, one of whose operands may be a number, an array or a nested sequence."""
    device = next(x for x in operands if isinstance(x, Tensor))._values.device
    # A plain number goes as it is: it never promotes an array, as everywhere in the framework.
    return _apply(function, *[x if isinstance(x, Tensor | int | float) else _floats(x, device) for x in operands])


def _apply(function: Callable[..., Any], *operands: Any, **options: Any) -> Tensor:
    out = Tensor.__new__(Tensor)
    values = function(*[x._values if isinstance(x, Tensor) else x for x in operands], **options)
    out._place(values, [x for x in operands if isinstance(x, Tensor)])
    return out


def lift(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """A function of the framework as one of this dialect's tensors.

    Examples
    --------
    >>> maximum = lift(fw.maximum)
    >>> x = Tensor([1.0, 5.0])
    >>> print(maximum(x, 2).grad(x))
    [0. 1.]
    """

    def lifted(*operands: Any, **options: Any) -> Tensor:
        return _apply(function, *operands, **options)

    lifted.__name__ = lifted.__qualname__ = getattr(function, "__name__", "lifted")
    lifted.__doc__ = function.__doc__
    return lifted


exp, log, sin, cos = lift(fw.exp), lift(fw.log), lift(fw.sin), lift(fw.cos)
tanh, sigmoid, relu, softmax = lift(fw.tanh), lift(fw.sigmoid), lift(fw.relu), lift(fw.softmax)
sum, mean = lift(fw.sum), lift(fw.mean)
