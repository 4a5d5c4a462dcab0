"""The Tensor: attributes, operators, conversion and backward; no mathematics of its own."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from itertools import count
from operator import attrgetter
from typing import Any

import numpy as np

from backends import Backend, backend_of, get_backend, holds_numbers
from framework.autograd.functional import backward as _backward
from framework.autograd.graph import RETAIN, Variable, make_tensor, tensor_class
from framework.autograd.inplace import write
from framework.autograd.rows import RowSparse
from framework.devices import backend_for
from framework.dtypes import DType, default_for
from framework.ops import elementwise, indexing, linear, manipulation, reduction, softmax
from framework.ops.transfer import transfer

Axis = int | tuple[int, ...] | None
_hook_ids = count().__next__


def to_raw(obj: Any, dtype: Any, device: str | None, copy: bool | None) -> tuple[Any, Backend]:
    """Values of any kind as a raw array, and the backend it belongs to."""
    if type(obj) not in _PYTHONS:
        found = backend_of(obj)
        if found is not None or _has_memory(obj):
            return _of_array(obj, found, dtype, device, copy)
    if copy is False:
        raise ValueError(f"copy=False, but a {type(obj).__name__} has no memory to share; leave copy out")
    try:
        host = np.array(obj)
    except ValueError as error:
        raise ValueError(f"expected numbers or nested lists of equal lengths: {error}") from None
    if host.dtype not in _NUMBERS:
        _check_numbers(host.dtype, obj)
    target = backend_for(device)
    native = target.native_dtype(default_for(host.dtype, from_python=True) if dtype is None else dtype)
    if dtype is not None and host.dtype.kind == "f" and target.xp.isdtype(native, "integral"):
        # NumPy makes floats of whole numbers some of which are beyond int64.
        host = np.asarray(obj, "uint64" if target.xp.isdtype(native, "unsigned integer") else "int64")
    return target.from_numpy(host, native), target


def _of_array(
    obj: Any, found: Backend | None, dtype: Any, device: str | None, copy: bool | None
) -> tuple[Any, Backend]:
    """An array as one of ``device``; if none is named where it is, but NumPy's are values of the host, as lists are."""
    array = obj if found is not None else np.asarray(obj, copy=False if copy is False else None)
    found = found or get_backend("cpu")
    if found.device != "cpu":
        found.dtype_of(array)  # which is an error where the framework has no such dtype
    elif array.dtype not in _NUMBERS:
        _check_numbers(array.dtype, obj)
        if not array.dtype.isnative:
            array = np.asarray(array, array.dtype.newbyteorder("="), copy=False if copy is False else None)
    target = found if device is None and found.device != "cpu" else backend_for(device)
    native = None if dtype is None else target.native_dtype(dtype)
    if target is found:
        return target.asarray(array, dtype=native, copy=copy), target
    if copy is False:
        raise ValueError(f"copy=False, but moving from {found.device!r} to {target.device!r} needs a copy")
    native = native or target.native_dtype(found.dtype_of(array))
    return target.asarray(found.to_numpy(array), dtype=native, copy=copy), target


_PYTHONS = frozenset({int, float, complex, bool, list, tuple})
_NUMBERS = frozenset(map(np.dtype, "?bhilqBHILQefdFD"))


def _has_memory(obj: Any) -> bool:
    """Whether an object that is none of a known library's arrays gives NumPy one all the same, by a buffer, say."""
    if hasattr(obj, "__array__") or hasattr(obj, "__array_interface__"):
        return True
    try:
        memoryview(obj)
    except TypeError:
        return False
    return True


def _check_numbers(dtype: DType, obj: Any) -> None:
    if not holds_numbers(dtype):
        raise TypeError(
            f"expected numbers, nested lists of numbers of equal lengths, or an array of numbers; got {type(obj).__name__} "
            f"{f'of dtype {dtype}' if hasattr(obj, 'dtype') else repr(obj)[:60]}"
        )


@tensor_class
class Tensor(Variable):
    """An n-dimensional array on some device that carries gradients.

    Python's numbers leave a tensor's dtype as it is, NumPy's count as arrays: of a float32 tensor ``x``, ``x * 2.0`` is
    float32 but ``x * np.float64(2.0)`` is float64, as in NumPy.

    Parameters
    ----------
    data : number, nested sequence, array or Tensor
        The values, which are copied. Python floats become float32, ints int64; arrays keep their dtype.
    requires_grad : bool
        Whether operations on this tensor are recorded, so that ``backward`` fills its ``grad``.
    dtype : dtype, optional
        Such as ``framework.float64`` or ``"float64"``.
    device : str, optional
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or a registered library; the default device if not given.

    Raises
    ------
    TypeError
        If the values are not numbers, or a gradient is asked of integers.
    RuntimeError
        If the device cannot be used here; the message names the cause and the install command.

    Examples
    --------
    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([[2., 4.],
            [6., 8.]])
    """

    __slots__ = ()
    __array_ufunc__ = None
    __array_priority__ = 1000

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None, device: str | None = None) -> None:
        if isinstance(data, Variable):
            device = device or data.backend.device
            data = data.data
        raw, backend = to_raw(data, dtype, device, True)
        self.data = raw
        self.backend = backend
        self.node = None
        self.requires_grad = self._cut = False
        self._grad = self._hooks = self._owed = self._whole = None
        if requires_grad:
            self.requires_grad_()

    # ------------------------------------------------------------------------------------ attributes
    @property
    def device(self) -> str:
        """The device, such as ``"cpu"`` or ``"cuda:0"``."""
        return self.backend.device

    ndim: int = property(attrgetter("data.ndim"), doc="Number of axes.")  # type: ignore[assignment]

    @property
    def size(self) -> int:
        """Number of elements."""
        n = 1
        for length in self.shape:
            n *= length
        return n

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        ndim = len(self.data.shape)
        if ndim == 2:
            return manipulation.matrix_transpose(self)  # type: ignore[no-any-return]
        return manipulation.permute_dims(self, tuple(range(ndim - 1, -1, -1)))  # type: ignore[no-any-return]

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return manipulation.matrix_transpose(self)  # type: ignore[no-any-return]

    @property
    def real(self) -> Tensor:
        """Real part."""
        return elementwise.real(self)  # type: ignore[no-any-return]

    @property
    def imag(self) -> Tensor:
        """Imaginary part."""
        return elementwise.imag(self)  # type: ignore[no-any-return]

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self.node is None

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward`` has summed up here, or None.

        The row-sparse gradient of a lookup is made dense when it is read, and stays so.
        """
        g = self._grad
        if type(g) is RowSparse:
            g = self._grad = make_tensor(self.backend, g.dense())
        return g  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, g: Tensor | None) -> None:
        if g is not None:
            if not isinstance(g, Tensor):
                raise TypeError(f"grad must be a Tensor or None, got {type(g).__name__}")
            if g.shape != self.shape or g.backend is not self.backend:
                raise ValueError(
                    f"grad must have the tensor's shape {self.shape} on {self.device!r}, got {g.shape} on {g.device!r}"
                )
        self._grad = g

    # ------------------------------------------------------------------------------- differentiation
    def backward(self, grad: Any = None, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Add this tensor's gradient to ``.grad`` of every leaf below it.

        Parameters
        ----------
        grad : Tensor or array, optional
            What to start from, of this tensor's shape; not needed for a single element.
        retain_graph : bool
            Keep the graph, to go through it again.
        create_graph : bool
            Record the backward pass itself, for derivatives of higher order.

        Raises
        ------
        RuntimeError
            If nothing was recorded, the graph was freed, or a value it needs was overwritten.
        ValueError
            If ``grad`` is missing for more than one element, or has another shape.
        """
        _backward(self, grad, retain_graph, create_graph)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Record operations on this tensor from now on, or stop; returns the tensor."""
        if not requires_grad and self.node is not None:
            raise RuntimeError("only a leaf can stop requiring a gradient; use detach() to cut a result from its graph")
        if requires_grad and self.dtype.kind not in "fcV":
            raise TypeError(
                f"only floating and complex tensors can require a gradient, got {self.dtype}; cast it first"
            )
        self.requires_grad = requires_grad
        return self

    def detach(self) -> Tensor:
        """The same values, sharing memory, outside the graph."""
        t: Tensor = make_tensor(self.backend, self.data)
        t._cut = True
        return t

    def clone(self) -> Tensor:
        """A copy, in the graph."""
        return elementwise.positive(self) if self.dtype.kind != "b" else self.to(copy=True)

    def retain_grad(self) -> None:
        """Let ``backward`` fill ``grad`` of this result, as it does for leaves."""
        if self.node is not None:
            me = weakref.ref(self)

            def keep(g: Tensor) -> None:
                t = me()
                if t is not None:
                    t._grad = g.clone() if t._grad is None else t._grad + g

            self.node.hooks = hooks = self.node.hooks or {}
            hooks[RETAIN] = keep

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Call ``hook(gradient)`` when this tensor's gradient is known; what it returns replaces the gradient.

        Returns
        -------
        callable
            Removes the hook.
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that does not require a gradient")
        if not callable(hook):
            raise TypeError(f"expected a function of the gradient as the hook, got {type(hook).__name__}")
        hooks: dict[int, Any] = (self.node.hooks if self.node is not None else self._hooks) or {}
        key = _hook_ids()
        hooks[key] = hook
        if RETAIN in hooks:
            hooks[RETAIN] = hooks.pop(RETAIN)
        if self.node is not None:
            self.node.hooks = hooks
        else:
            self._hooks = hooks

        def remove() -> None:
            hooks.pop(key, None)

        return remove

    # ------------------------------------------------------------------------------------ conversion
    def to(self, device: Any = None, dtype: Any = None, *, copy: bool = False) -> Tensor:
        """The tensor on another device, in another dtype, or both; itself if it is so already.

        Parameters
        ----------
        device : str or dtype, optional
            A device such as ``"cuda"``; a dtype is taken as ``dtype``.
        dtype : dtype, optional
            Such as ``framework.float64``.
        copy : bool
            Copy even if nothing changes.

        Examples
        --------
        >>> Tensor([1, 2]).to("float64").dtype
        dtype('float64')
        """
        if device is not None and (not isinstance(device, str) or _is_dtype_name(device)):
            device, dtype = (dtype if isinstance(dtype, str) and not _is_dtype_name(dtype) else None), device
        t = self
        if dtype is not None and np.dtype(dtype) != t.dtype:
            t = manipulation.astype(t, np.dtype(dtype))
        if device is not None:
            target = get_backend(device)
            if target is not t.backend:
                t = transfer(t, target)
        if copy and t is self:
            t = manipulation.astype(t, t.dtype, copy=True)
        return t

    def to_device(self, device: str, /, *, stream: Any = None) -> Tensor:
        """The tensor on another device (the standard's name for :meth:`to`)."""
        if stream is not None:
            raise ValueError("to_device: stream must be None")
        return self.to(device)

    def cpu(self) -> Tensor:
        """The tensor in NumPy's memory."""
        return self.to("cpu")

    def cuda(self, device: int | None = None) -> Tensor:
        """The tensor on an NVIDIA GPU."""
        return self.to("cuda" if device is None else f"cuda:{device}")

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array, which shares memory with a tensor on the CPU.

        Raises
        ------
        RuntimeError
            If the tensor requires a gradient, which would be lost; ``detach()`` first.
        """
        if self.requires_grad:
            raise RuntimeError("numpy() would lose the gradient of a tensor that requires one; call detach() first")
        return self.backend.to_numpy(self.data)

    def item(self) -> Any:
        """The value of a single element as a Python number."""
        if self.size != 1:
            raise ValueError(f"item() needs exactly one element, but the shape is {self.shape}; use tolist()")
        return self.backend.to_numpy(self.data).item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self.backend.to_numpy(self.data).tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if self.requires_grad:
            raise TypeError(
                "converting a tensor that requires a gradient to a NumPy array would lose the gradient; call detach() "
                "first, or use framework's functions in place of NumPy's"
            )
        if self.backend.name != "cpu" and copy is False:
            raise ValueError(f"a tensor on {self.device!r} cannot be a NumPy array without a copy")
        return np.array(self.backend.to_numpy(self.data), dtype=dtype, copy=copy)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        namespace = sys.modules["framework"]
        if api_version is not None and api_version not in namespace.__array_api_versions__:
            known = ", ".join(namespace.__array_api_versions__)
            raise ValueError(f"Array API version {api_version!r} is not supported; expected one of {known}")
        return namespace

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        if self.requires_grad:
            raise BufferError(
                "exporting a tensor that requires a gradient would lose the gradient; call detach() first"
            )
        wishes = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return self.data.__dlpack__(**{name: wish for name, wish in wishes.items() if wish is not None})

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()

    def __bool__(self) -> bool:
        return bool(self._single("a truth value", "any() or all()"))

    def __int__(self) -> int:
        return int(self._single("an int"))

    def __float__(self) -> float:
        return float(self._single("a float"))

    def __complex__(self) -> complex:
        return complex(self._single("a complex number"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.ndim:
            raise TypeError(f"only a 0-d integer tensor can be an index, got {self.dtype} of shape {self.shape}")
        return int(self.item())

    def _single(self, what: str, instead: str = "tolist()") -> Any:
        if self.size != 1:
            raise ValueError(f"a tensor of shape {self.shape} has no single value to make {what} of; use {instead}")
        return self.item()

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("a 0-d tensor cannot be iterated over")
        return iter(manipulation.unstack(self))

    def __contains__(self, value: Any) -> bool:
        return bool(reduction.any(elementwise.equal(self, value)).item())

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.node is not None:
            raise RuntimeError("only leaves can be deep-copied; a result belongs to a graph: use detach() or clone()")
        copy = make_tensor(self.backend, self.backend.xp.asarray(self.data, copy=True))
        copy.__class__ = type(self)
        copy.requires_grad = self.requires_grad
        if self._grad is not None:
            copy._grad = make_tensor(self.backend, self.backend.xp.asarray(self.grad.data, copy=True))  # type: ignore[union-attr]
        memo[id(self)] = copy
        return copy  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        if self.node is not None:
            raise RuntimeError("only leaves can be pickled; a result belongs to a graph: use detach()")
        host = self.backend.to_numpy(self.data)
        return _rebuild, (type(self), host, self.requires_grad, self.device)

    def _repr_html_(self) -> str:
        from framework.html import tensor_html

        return tensor_html(self)

    def __repr__(self) -> str:
        name = type(self).__name__
        host = self.backend.to_numpy(self.data)
        text = np.array2string(host, separator=", ", prefix=f"{name}(")
        if host.size == 0:
            text = f"{text}, shape={self.shape}"
        if self.dtype not in (np.dtype("float32"), np.dtype("int64"), np.dtype("bool")):
            text += f", dtype={self.dtype}"
        if self.device != "cpu":
            text += f", device={self.device!r}"
        if self.node is not None:
            text += f", node=<{self.node.name}>"
        elif self.requires_grad:
            text += ", requires_grad=True"
        return f"{name}({text})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self) if self.ndim else str(self.item())

    __hash__ = object.__hash__

    # ------------------------------------------------------------------------------------- operators
    def __add__(self, other: Any) -> Any:
        return elementwise.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return elementwise.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return elementwise.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return elementwise.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return elementwise.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return elementwise.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return elementwise.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return elementwise.divide(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return elementwise.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return elementwise.floor_divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return elementwise.remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return elementwise.remainder(other, self)

    def __pow__(self, other: Any) -> Any:
        return elementwise.pow(self, other)

    def __rpow__(self, other: Any) -> Any:
        return elementwise.pow(other, self)

    def __matmul__(self, other: Any) -> Any:
        return linear.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return linear.matmul(other, self)

    def __neg__(self) -> Any:
        return elementwise.negative(self)

    def __pos__(self) -> Any:
        return elementwise.positive(self)

    def __abs__(self) -> Any:
        return elementwise.abs(self)

    def __invert__(self) -> Any:
        return elementwise.bitwise_invert(self)

    def __and__(self, other: Any) -> Any:
        return elementwise.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Any:
        return elementwise.bitwise_and(other, self)

    def __or__(self, other: Any) -> Any:
        return elementwise.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Any:
        return elementwise.bitwise_or(other, self)

    def __xor__(self, other: Any) -> Any:
        return elementwise.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Any:
        return elementwise.bitwise_xor(other, self)

    def __lshift__(self, other: Any) -> Any:
        return elementwise.bitwise_left_shift(self, other)

    def __rlshift__(self, other: Any) -> Any:
        return elementwise.bitwise_left_shift(other, self)

    def __rshift__(self, other: Any) -> Any:
        return elementwise.bitwise_right_shift(self, other)

    def __rrshift__(self, other: Any) -> Any:
        return elementwise.bitwise_right_shift(other, self)

    def __eq__(self, other: Any) -> Any:
        return elementwise.equal(self, other) if _comparable(other) else NotImplemented

    def __ne__(self, other: Any) -> Any:
        return elementwise.not_equal(self, other) if _comparable(other) else NotImplemented

    def __lt__(self, other: Any) -> Any:
        return elementwise.less(self, other)

    def __le__(self, other: Any) -> Any:
        return elementwise.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return elementwise.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return elementwise.greater_equal(self, other)

    __getitem__ = indexing.getitem

    def __setitem__(self, key: Any, value: Any) -> None:
        indexing.assign(self, key, value)

    # -------------------------------------------------------------------------------------- in place
    def __iadd__(self, other: Any) -> Any:
        return write(elementwise.add, self, other)

    def __isub__(self, other: Any) -> Any:
        return write(elementwise.subtract, self, other)

    def __imul__(self, other: Any) -> Any:
        return write(elementwise.multiply, self, other)

    def __itruediv__(self, other: Any) -> Any:
        return write(elementwise.divide, self, other)

    def __ifloordiv__(self, other: Any) -> Any:
        return write(elementwise.floor_divide, self, other)

    def __imod__(self, other: Any) -> Any:
        return write(elementwise.remainder, self, other)

    def __ipow__(self, other: Any) -> Any:
        return write(elementwise.pow, self, other)

    def __imatmul__(self, other: Any) -> Any:
        return write(linear.matmul, self, other)

    def __iand__(self, other: Any) -> Any:
        return write(elementwise.bitwise_and, self, other)

    def __ior__(self, other: Any) -> Any:
        return write(elementwise.bitwise_or, self, other)

    def __ixor__(self, other: Any) -> Any:
        return write(elementwise.bitwise_xor, self, other)

    def __ilshift__(self, other: Any) -> Any:
        return write(elementwise.bitwise_left_shift, self, other)

    def __irshift__(self, other: Any) -> Any:
        return write(elementwise.bitwise_right_shift, self, other)

    def add_(self, other: Any, *, alpha: float = 1) -> Tensor:
        """``self += alpha * other``."""
        return write(elementwise.add, self, other if alpha == 1 else other * alpha)  # type: ignore[no-any-return]

    def sub_(self, other: Any, *, alpha: float = 1) -> Tensor:
        """``self -= alpha * other``."""
        return write(elementwise.subtract, self, other if alpha == 1 else other * alpha)  # type: ignore[no-any-return]

    def mul_(self, other: Any) -> Tensor:
        """``self *= other``."""
        return write(elementwise.multiply, self, other)  # type: ignore[no-any-return]

    def div_(self, other: Any) -> Tensor:
        """``self /= other``."""
        return write(elementwise.divide, self, other)  # type: ignore[no-any-return]

    def zero_(self) -> Tensor:
        """Set all values to 0."""
        return self.fill_(0)

    def fill_(self, value: Any) -> Tensor:
        """Set all values to one number."""
        self[...] = value
        return self

    def copy_(self, source: Any) -> Tensor:
        """Set the values to those of ``source``, broadcast and cast; from another device too."""
        self[...] = source.to(self.device) if isinstance(source, Tensor) else source
        return self

    def t_(self) -> Tensor:
        """Exchange the two axes of a matrix, in place."""
        if self.ndim > 2:
            raise ValueError(f"t_ expects at most 2 axes, got shape {self.shape}; use permute_dims")
        if self.requires_grad:
            raise RuntimeError("t_: this tensor requires a gradient; use .T, which is recorded")
        self.data = self.data.T if self.ndim == 2 else self.data
        self._whole = None
        return self

    # --------------------------------------------------------------------------- functions as methods
    def sum(self, axis: Axis = None, *, dtype: DType | None = None, keepdims: bool = False) -> Tensor:
        """Sum over the given axes, or over all."""
        return reduction.sum(self, axis=axis, dtype=dtype, keepdims=keepdims)  # type: ignore[no-any-return]

    def prod(self, axis: Axis = None, *, dtype: DType | None = None, keepdims: bool = False) -> Tensor:
        """Product over the given axes, or over all."""
        return reduction.prod(self, axis=axis, dtype=dtype, keepdims=keepdims)  # type: ignore[no-any-return]

    def mean(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Mean over the given axes, or over all."""
        return reduction.mean(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def max(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Largest value over the given axes, or over all."""
        return reduction.max(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def min(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Smallest value over the given axes, or over all."""
        return reduction.min(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def var(self, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        """Variance over the given axes, or over all."""
        return reduction.var(self, axis=axis, correction=correction, keepdims=keepdims)  # type: ignore[no-any-return]

    def std(self, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        """Standard deviation over the given axes, or over all."""
        return reduction.std(self, axis=axis, correction=correction, keepdims=keepdims)  # type: ignore[no-any-return]

    def all(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Whether all values are true."""
        return reduction.all(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def any(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Whether any value is true."""
        return reduction.any(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
        """Position of the largest value."""
        return reduction.argmax(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
        """Position of the smallest value."""
        return reduction.argmin(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def reshape(self, *shape: Any) -> Tensor:
        """The same values in another shape, given as a tuple or as several numbers."""
        return manipulation.reshape(self, _lengths(shape))  # type: ignore[no-any-return]

    def flatten(self, start: int = 0, end: int = -1) -> Tensor:
        """The axes from ``start`` to ``end`` made one."""
        n = self.ndim or 1
        start, end = start % n, end % n
        return self.reshape((*self.shape[:start], -1, *self.shape[end + 1 :]))

    def permute_dims(self, *axes: Any) -> Tensor:
        """The axes in another order."""
        return manipulation.permute_dims(self, _lengths(axes))  # type: ignore[no-any-return]

    def transpose(self, axis1: int = -2, axis2: int = -1) -> Tensor:
        """Two axes exchanged, by default the last two."""
        order = list(range(self.ndim))
        order[axis1], order[axis2] = order[axis2], order[axis1]
        return manipulation.permute_dims(self, tuple(order))  # type: ignore[no-any-return]

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Without the given axes of length one, or without all such."""
        axis = tuple(i for i, n in enumerate(self.shape) if n == 1) if axis is None else axis
        return manipulation.squeeze(self, axis)  # type: ignore[no-any-return]

    def unsqueeze(self, axis: int) -> Tensor:
        """With a new axis of length one."""
        return manipulation.expand_dims(self, axis=axis)  # type: ignore[no-any-return]

    def broadcast_to(self, *shape: Any) -> Tensor:
        """Repeated, without copying, to a shape that it broadcasts to."""
        return manipulation.broadcast_to(self, _lengths(shape))  # type: ignore[no-any-return]

    def matmul(self, other: Any) -> Tensor:
        """Matrix product."""
        return linear.matmul(self, other)  # type: ignore[no-any-return]

    def take(self, indices: Any, axis: int | None = None) -> Tensor:
        """The entries at ``indices`` along an axis."""
        return indexing.take(self, indices, axis=axis)  # type: ignore[no-any-return]

    def abs(self) -> Tensor:
        """Absolute value."""
        return elementwise.abs(self)  # type: ignore[no-any-return]

    def exp(self) -> Tensor:
        """Exponential of each value."""
        return elementwise.exp(self)  # type: ignore[no-any-return]

    def log(self) -> Tensor:
        """Natural logarithm."""
        return elementwise.log(self)  # type: ignore[no-any-return]

    def sqrt(self) -> Tensor:
        """Square root."""
        return elementwise.sqrt(self)  # type: ignore[no-any-return]

    def sigmoid(self) -> Tensor:
        """``1 / (1 + exp(-x))``."""
        return elementwise.sigmoid(self)  # type: ignore[no-any-return]

    def tanh(self) -> Tensor:
        """Hyperbolic tangent."""
        return elementwise.tanh(self)  # type: ignore[no-any-return]

    def relu(self) -> Tensor:
        """``max(x, 0)``."""
        return elementwise.relu(self)  # type: ignore[no-any-return]

    def softmax(self, axis: int = -1) -> Tensor:
        """``exp(x) / sum(exp(x))`` along an axis."""
        return softmax.softmax(self, axis=axis)  # type: ignore[no-any-return]

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Bounded below and above."""
        return elementwise.clip(self, min, max)  # type: ignore[no-any-return]


_COMPARABLE = (Variable, int, float, complex)


def _comparable(other: Any) -> bool:
    return isinstance(other, _COMPARABLE) or backend_of(other) is not None


def _lengths(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape


def _is_dtype_name(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    try:
        np.dtype(name)
    except TypeError:
        return False
    return True


def _rebuild(cls: type[Tensor], host: np.ndarray[Any, Any], requires_grad: bool, device: str) -> Tensor:
    t = make_tensor(get_backend(device), get_backend(device).asarray(host))
    t.__class__ = cls
    t.requires_grad = requires_grad
    return t  # type: ignore[no-any-return]
