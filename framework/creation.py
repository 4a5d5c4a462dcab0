"""Making tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from backends import Backend, get_backend
from framework.autograd.graph import make_tensor
from framework.devices import backend_for
from framework.dtypes import default_for, get_default_dtype, int64
from framework.ops.manipulation import broadcast_to
from framework.tensor import Tensor, to_raw

Shape = int | tuple[int, ...]

_WHOLE = int, np.integer
_REAL = int, float


def asarray(obj: Any, /, *, dtype: Any = None, device: str | None = None, copy: bool | None = None) -> Tensor:
    """A tensor from a number, nested sequences, an array of any library, or a tensor.

    Parameters
    ----------
    obj : scalar, sequence, array or Tensor
        The values. A tensor keeps its place in the graph.
    dtype : dtype, optional
        By default that of an array; float32 (see :func:`set_default_dtype`) for Python floats, int64 for ints.
    device : str, optional
        By default where an array is; the default device for NumPy's arrays and for numbers.
    copy : bool, optional
        True always copies, False never does (and raises ValueError if it must), None copies if needed.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import framework as fw
    >>> fw.asarray([1.0, 2.0]).dtype
    dtype('float32')
    """
    if isinstance(obj, Tensor):
        moved = obj if device is None and dtype is None else obj.to(device=device, dtype=dtype)
        if copy is False and moved is not obj and moved.data is not obj.data:
            raise ValueError("asarray: copy=False, but another dtype or device needs a copy")
        return moved.clone() if copy and moved is obj else moved
    data, backend = to_raw(obj, dtype, device, copy)
    return make_tensor(backend, data)  # type: ignore[no-any-return]


def _filled(name: str, shape: Shape, dtype: Any, backend: Backend) -> Tensor:
    data = getattr(backend.xp, name)(shape, dtype=backend.native_dtype(dtype or get_default_dtype()))
    return make_tensor(backend, data)  # type: ignore[no-any-return]


def _filled_like(name: str, x: Any, dtype: Any, device: str | None) -> Tensor:
    x = x if isinstance(x, Tensor) else asarray(x)
    return _filled(name, x.data.shape, dtype or x.dtype, x.backend if device is None else backend_for(device))


def _dtype_of_numbers(*numbers: complex) -> Any:
    """The dtype that Python numbers have together."""
    return default_for(np.result_type(*map(np.asarray, numbers)), from_python=True)


def zeros(shape: Shape, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of zeros.

    Parameters
    ----------
    shape : int or tuple of int
        Its lengths.
    dtype : dtype, optional
        The default floating dtype if not given.
    device : str, optional
        The default device if not given.

    Examples
    --------
    >>> zeros((2, 3))
    Tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _filled("zeros", shape, dtype, backend_for(device))


def ones(shape: Shape, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of ones; the arguments are those of :func:`zeros`."""
    return _filled("ones", shape, dtype, backend_for(device))


def empty(shape: Shape, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of unspecified values, for writing into; the arguments are those of :func:`zeros`."""
    return _filled("empty", shape, dtype, backend_for(device))


def full(shape: Shape, fill_value: complex | Tensor, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of one value.

    Parameters
    ----------
    shape : int or tuple of int
        Its lengths.
    fill_value : number or Tensor
        The value, whose type decides the dtype if none is given; a gradient flows back to a tensor.
    dtype, device : optional
        As for :func:`zeros`.

    Examples
    --------
    >>> full(3, 7)
    Tensor([7, 7, 7])
    """
    if isinstance(fill_value, Tensor):
        shape = (shape,) if isinstance(shape, int) else shape
        return broadcast_to(fill_value.to(device, dtype), shape).clone()  # type: ignore[no-any-return]
    backend = backend_for(device)
    native = backend.native_dtype(
        dtype or (get_default_dtype() if type(fill_value) is float else _dtype_of_numbers(fill_value))
    )
    if isinstance(fill_value, complex) and native not in backend.complex_dtypes:
        raise TypeError(f"full: expected a real number for a tensor of {np.dtype(dtype)}, got {fill_value}")
    data = backend.xp.full(shape, fill_value, dtype=native)
    return make_tensor(backend, data)  # type: ignore[no-any-return]


def zeros_like(x: Any, /, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of zeros with the shape of ``x``, and its dtype and device if not told otherwise."""
    return _filled_like("zeros", x, dtype, device)


def ones_like(x: Any, /, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of ones with the shape of ``x``, and its dtype and device if not told otherwise."""
    return _filled_like("ones", x, dtype, device)


def empty_like(x: Any, /, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of unspecified values with the shape of ``x``, and its dtype and device if not told otherwise."""
    return _filled_like("empty", x, dtype, device)


def full_like(x: Any, /, fill_value: complex | Tensor, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of one value with the shape of ``x``, and its dtype and device if not told otherwise."""
    x = x if isinstance(x, Tensor) else asarray(x)
    dtype = x.dtype if dtype is None else dtype
    return full(x.data.shape, fill_value, dtype=dtype, device=x.backend.device if device is None else device)


def arange(
    start: float, /, stop: float | None = None, step: float = 1, *, dtype: Any = None, device: str | None = None
) -> Tensor:
    """Evenly spaced values in ``[start, stop)``, or in ``[0, start)`` if there is no ``stop``.

    Parameters
    ----------
    start, stop, step : number
        The first value, the end, which is left out, and the spacing.
    dtype : dtype, optional
        int64 for whole numbers, otherwise the default floating dtype, if not given.
    device : str, optional
        The default device if not given.

    Examples
    --------
    >>> arange(1, 7, 2)
    Tensor([1, 3, 5])
    """
    backend = backend_for(device)
    if not step:
        raise ValueError("arange: step must not be 0")
    if dtype is None:
        whole = isinstance(start, _WHOLE) and isinstance(step, _WHOLE) and (stop is None or isinstance(stop, _WHOLE))
        dtype = int64 if whole else get_default_dtype()
    data = backend.xp.arange(start, stop, step, dtype=backend.native_dtype(dtype))
    return make_tensor(backend, data)  # type: ignore[no-any-return]


def linspace(
    start: complex, stop: complex, /, num: int, *, dtype: Any = None, device: str | None = None, endpoint: bool = True
) -> Tensor:
    """``num`` evenly spaced values from ``start`` to ``stop``.

    Parameters
    ----------
    start, stop : number
        The first and the last value.
    num : int
        How many.
    dtype, device : optional
        As for :func:`zeros`.
    endpoint : bool
        Whether ``stop`` itself is the last value; otherwise the one after it.

    Examples
    --------
    >>> linspace(0, 1, 5)
    Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    backend = backend_for(device)
    if dtype is None:
        real = isinstance(start, _REAL) and isinstance(stop, _REAL)
        dtype = get_default_dtype() if real else _dtype_of_numbers(start, stop, 0.0)
    data = backend.xp.linspace(start, stop, num, dtype=backend.native_dtype(dtype), endpoint=endpoint)
    return make_tensor(backend, data)  # type: ignore[no-any-return]


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: str | None = None
) -> Tensor:
    """Ones on the ``k``-th diagonal, zeros elsewhere.

    Parameters
    ----------
    n_rows, n_cols : int
        Lengths; as many columns as rows if not given.
    k : int
        How far above the main diagonal.
    dtype, device : optional
        As for :func:`zeros`.

    Examples
    --------
    >>> eye(2, 3, k=1)
    Tensor([[0., 1., 0.],
            [0., 0., 1.]])
    """
    backend = backend_for(device)
    data = backend.xp.eye(n_rows, n_cols, k=k, dtype=backend.native_dtype(dtype or get_default_dtype()))
    return make_tensor(backend, data)  # type: ignore[no-any-return]


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of any object with ``__dlpack__``, without a copy where possible.

    Parameters
    ----------
    x : object
        With ``__dlpack__`` and ``__dlpack_device__``: an array of NumPy, CuPy, PyTorch, ..., or a tensor.
    device : str, optional
        Where the result shall be; by default where the memory is.
    copy : bool, optional
        True always copies, False never does (and raises ValueError if it must), None copies if needed.

    Returns
    -------
    Tensor
        On ``"cpu"`` or ``"cuda:i"``, whichever holds the memory, unless ``device`` says otherwise.

    Raises
    ------
    AttributeError
        If ``x`` does not speak DLPack.
    BufferError
        If ``x`` is a tensor that requires a gradient, which would be lost, or memory that cannot be shared.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.zeros(2)
    >>> t = from_dlpack(a)
    >>> a[0] = 7.0
    >>> t
    Tensor([7., 0.], dtype=float64)
    """
    backend = x.backend if isinstance(x, Tensor) else _backend_of_memory(x)
    data = backend.xp.from_dlpack(x) if copy is None else backend.xp.from_dlpack(x, copy=copy)
    t: Tensor = make_tensor(backend, data)
    if device is None or get_backend(device) is backend:
        return t
    if copy is False:
        raise ValueError(f"from_dlpack: copy=False, but moving from {t.device!r} to {device!r} needs a copy")
    return t.to(device)


def _backend_of_memory(x: Any) -> Backend:
    """NumPy for the host's memory, CuPy for that of a GPU."""
    if not hasattr(x, "__dlpack_device__"):
        raise AttributeError(f"from_dlpack: expected an array with __dlpack__, got {type(x).__name__}")
    kind, index = x.__dlpack_device__()
    if int(kind) == 1:
        return get_backend("cpu")
    if int(kind) in (2, 13):
        return get_backend(f"cuda:{index}")
    raise BufferError(f"from_dlpack: expected memory of the CPU or of an NVIDIA GPU, got DLPack device type {kind}")
