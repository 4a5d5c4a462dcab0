"""Making tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from backends import Backend, backend_of, get_backend
from framework.autograd.graph import make_tensor
from framework.dtypes import default_for, get_default_dtype
from framework.tensor import Tensor, get_default_device, to_raw

Shape = int | tuple[int, ...]


def _backend(device: str | None) -> Backend:
    return get_backend(device or get_default_device())


def asarray(obj: Any, /, *, dtype: Any = None, device: str | None = None, copy: bool | None = None) -> Tensor:
    """A tensor from a number, nested sequences, an array of any library, or a tensor.

    Parameters
    ----------
    obj : scalar, sequence, array or Tensor
        The values. A tensor keeps its place in the graph.
    dtype : dtype, optional
        By default that of an array; float32 (see :func:`set_default_dtype`) for Python floats, int64 for ints.
    device : str, optional
        By default where an array is, else the default device.
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
    return make_tensor(backend, data)


def _filled(name: str, doc: str) -> Any:
    def create(shape: Shape, *, dtype: Any = None, device: str | None = None) -> Tensor:
        backend = _backend(device)
        native = backend.native_dtype(dtype or get_default_dtype())
        return make_tensor(backend, getattr(backend.xp, name)(shape, dtype=native))

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"{doc} of the given shape, float32 unless said otherwise."
    return create


zeros = _filled("zeros", "A tensor of zeros")
ones = _filled("ones", "A tensor of ones")
empty = _filled("empty", "A tensor of unspecified values")


def full(shape: Shape, fill_value: complex, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of one value, whose type decides the dtype if none is given."""
    backend = _backend(device)
    dtype = dtype or default_for(np.asarray(fill_value).dtype, from_python=True)
    return make_tensor(backend, backend.xp.full(shape, fill_value, dtype=backend.native_dtype(dtype)))


def _like(name: str, doc: str) -> Any:
    def create(x: Any, /, *, dtype: Any = None, device: str | None = None) -> Tensor:
        x = asarray(x)
        make = globals()[name]
        return make(x.shape, dtype=dtype or x.dtype, device=device or x.device)  # type: ignore[no-any-return]

    create.__name__ = create.__qualname__ = f"{name}_like"
    create.__doc__ = f"{doc} with the shape, dtype and device of ``x``."
    return create


zeros_like = _like("zeros", "A tensor of zeros")
ones_like = _like("ones", "A tensor of ones")
empty_like = _like("empty", "A tensor of unspecified values")


def full_like(x: Any, /, fill_value: complex, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of one value with the shape, dtype and device of ``x``."""
    x = asarray(x)
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device or x.device)


def arange(
    start: float, /, stop: float | None = None, step: float = 1, *, dtype: Any = None, device: str | None = None
) -> Tensor:
    """Evenly spaced values in ``[start, stop)``, or in ``[0, start)``."""
    backend = _backend(device)
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, stop if stop is not None else 0, step))
        dtype = np.dtype("int64") if whole else get_default_dtype()
    return make_tensor(backend, backend.xp.arange(start, stop, step, dtype=backend.native_dtype(dtype)))


def linspace(
    start: complex, stop: complex, /, num: int, *, dtype: Any = None, device: str | None = None, endpoint: bool = True
) -> Tensor:
    """``num`` evenly spaced values from ``start`` to ``stop``."""
    backend = _backend(device)
    if dtype is None:
        dtype = default_for(np.result_type(np.asarray(start), np.asarray(stop), np.float16), from_python=True)
    native = backend.native_dtype(dtype)
    return make_tensor(backend, backend.xp.linspace(start, stop, num, dtype=native, endpoint=endpoint))


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: str | None = None
) -> Tensor:
    """Ones on the ``k``-th diagonal, zeros elsewhere."""
    backend = _backend(device)
    native = backend.native_dtype(dtype or get_default_dtype())
    return make_tensor(backend, backend.xp.eye(n_rows, n_cols, k=k, dtype=native))


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of any object with ``__dlpack__``, without a copy where possible."""
    backend = backend_of(x)
    if backend is None:
        backend = get_backend(device or "cpu")
        data = backend.xp.from_dlpack(x) if copy is None else backend.xp.from_dlpack(x, copy=copy)
        return make_tensor(backend, data)
    t = make_tensor(backend, backend.xp.asarray(x, copy=True) if copy else x)
    return t if device is None or device == t.device else t.to(device)  # type: ignore[no-any-return]

