"""Discrete Fourier transforms: the Array API's extension, with gradients of any order.

``norm`` says where the factor ``1 / n`` goes: to the inverse (``"backward"``), to the forward transform
(``"forward"``), or its square root to both (``"ortho"``).

>>> import framework as fw
>>> fw.fft.rfft(fw.asarray([1.0, 0.0, 0.0, 0.0]))
Tensor([1.+0.j, 1.+0.j, 1.+0.j], dtype=complex64)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from framework.autograd.composed import composed
from framework.autograd.graph import make_tensor
from framework.autograd.primitive import primitive
from framework.devices import backend_for
from framework.dtypes import get_default_dtype
from framework.ops.manipulation import roll

Array = Any
Norm = Literal["backward", "ortho", "forward"]

_OPPOSITE: dict[str, Norm] = {"backward": "forward", "ortho": "ortho", "forward": "backward"}

# -------------------------------------------------------------------------------------- shared by the rules


def _fit(xp: Any, x: Array, length: int, axis: int) -> Array:
    """Cut off or filled up with zeros to a length: the transpose of doing the opposite."""
    axis %= len(x.shape)
    if x.shape[axis] == length:
        return x
    key = (*(slice(None),) * axis, slice(min(length, x.shape[axis])), ...)
    if x.shape[axis] > length:
        return x[key]
    return xp.scatter(x, key, (*x.shape[:axis], length, *x.shape[axis + 1 :]))


def _filled(xp: Any, x: Array, axis: int) -> Array:
    """A half spectrum of at least one value: of none NumPy takes the first from beyond the array."""
    return x if x.shape[axis] else _fit(xp, x, 1, axis)


def _fit_all(xp: Any, x: Array, shape: tuple[int, ...], axes: Sequence[int]) -> Array:
    for axis in axes:
        x = _fit(xp, x, shape[axis], axis)
    return x


def _weigh_inner(xp: Any, x: Array, weight: float, n: int, axis: int) -> Array:
    """The half spectrum of ``n`` real values times a weight, except for frequencies that stand for one only.

    Zero, and for even ``n`` the last one, have no mirror image in the other half.
    """
    k = xp.arange(n // 2 + 1, device=x.device)
    alone = xp.astype(xp.logical_or(k == 0, 2 * k == n), x.dtype)
    weights = weight + (1 - weight) * alone
    return x * xp.reshape(weights, (-1,) + (1,) * (len(x.shape) - axis % len(x.shape) - 1))


# ------------------------------------------------------------------------------------- checking arguments


@lru_cache(maxsize=256)
def _of_one(
    xp: Any, dtype: Any, shape: tuple[int, ...], n: int | None, axis: int, norm: Norm, kind: str = ""
) -> tuple[Any, int]:
    """Of one axis: the dtype to cast to, or None, and the length."""
    dtype, lengths, _ = _plan(xp, dtype, shape, n if n is None else (n,), (axis,), norm, kind)
    return dtype, lengths[0]


def _prepared(
    xp: Any,
    x: Array,
    s: Sequence[int] | None,
    axes: Sequence[int] | None,
    norm: Norm,
    kind: Literal["real", "half", ""] = "",
) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
    """The values in a precision that transforms have, the lengths to transform, and their axes.

    Values have to be real, or are the ``half`` of a spectrum, whose last length is that of the real result.
    """
    s, axes = s if s is None else tuple(s), axes if axes is None else tuple(axes)
    dtype, lengths, axes = _plan(xp, x.dtype, x.shape, s, axes, norm, kind)
    return x if dtype is None else xp.astype(x, dtype), lengths, axes


@lru_cache(maxsize=256)
def _plan(
    xp: Any,
    dtype: Any,
    shape: tuple[int, ...],
    s: tuple[int, ...] | None,
    axes: tuple[int, ...] | None,
    norm: str,
    kind: str,
) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """The same with the dtype to cast the values to, or None, in their place."""
    if norm not in _OPPOSITE:
        raise ValueError(f"norm must be 'backward', 'ortho' or 'forward', got {norm!r}")
    is_real = xp.isdtype(dtype, "real floating")
    if not is_real and (kind == "real" or not xp.isdtype(dtype, "complex floating")):
        raise TypeError(f"expected a real floating dtype, got {str(dtype).rpartition('.')[2]}; cast with astype first")
    short = is_real and dtype not in (xp.float32, xp.float64)
    return xp.float32 if short else None, *_lengths(shape, s, axes, kind == "half")


def _lengths(
    shape: tuple[int, ...], s: Sequence[int] | None, axes: Sequence[int] | None, half: bool = False
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The lengths to transform and their axes; of half a spectrum the last one is that of the real values."""
    ndim = len(shape)
    axes = tuple(range(-len(s), 0) if s is not None else range(ndim)) if axes is None else tuple(axes)
    if any(not -ndim <= axis < ndim for axis in axes):
        raise IndexError(f"axes {axes} are out of range for {ndim} dimensions")
    if len({axis % ndim for axis in axes}) < len(axes):
        raise ValueError(f"axes must differ from each other, got {axes}")
    lengths = tuple([shape[axis] for axis in axes] if s is None else s)
    if len(lengths) != len(axes):
        raise ValueError(f"expected one length in s for each of the axes {axes}, got {lengths}")
    if half and s is None and axes:
        lengths = (*lengths[:-1], 2 * (lengths[-1] - 1))
    if any(n < 1 for n in lengths):
        raise ValueError(f"expected at least one value along each transformed axis, got {lengths}")
    return lengths, axes


def _complex(xp: Any, x: Array) -> Array:
    """The values, transformed along no axis."""
    return xp.astype(x, xp.result_type(x.dtype, xp.complex64), copy=False)


def _check_some(axes: Sequence[int]) -> None:
    if not axes:
        raise ValueError("expected at least one axis to transform")


# -------------------------------------------------------------------------------------------- one dimension


@primitive
def fft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Discrete Fourier transform along an axis.

    Parameters
    ----------
    x : Tensor
        Complex or real floating.
    n : int, optional
        Length of the transform; ``x`` is cut off or filled up with zeros at its end.
    axis : int
        The axis to transform.
    norm : {"backward", "ortho", "forward"}
        No factor, ``1 / sqrt(n)`` or ``1 / n``.

    Returns
    -------
    Tensor
        Complex, of length ``n`` along the axis.

    Raises
    ------
    TypeError
        For other dtypes.
    ValueError
        For another ``norm`` or a length below one.
    IndexError
        If there is no such axis.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.fft(fw.asarray([1.0, 1.0]))
    Tensor([2.+0.j, 0.+0.j], dtype=complex64)
    """
    dtype, n = _of_one(xp, x.dtype, x.shape, n, axis, norm)
    x = x if dtype is None else xp.astype(x, dtype)
    return xp.fft.fft(x, n=n, axis=axis, norm=norm)


fft.defvjp(lambda xp, g, shape, axis, norm: _fit(xp, xp.fft.fft(g, axis=axis, norm=norm), shape[axis], axis))


@primitive
def ifft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Inverse of :func:`fft`, which describes the parameters; the factors are ``1 / n``, ``1 / sqrt(n)`` and none.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.ifft(fw.asarray([2.0, 0.0]))
    Tensor([1.+0.j, 1.+0.j], dtype=complex64)
    """
    dtype, n = _of_one(xp, x.dtype, x.shape, n, axis, norm)
    x = x if dtype is None else xp.astype(x, dtype)
    return xp.fft.ifft(x, n=n, axis=axis, norm=norm)


ifft.defvjp(lambda xp, g, shape, axis, norm: _fit(xp, xp.fft.ifft(g, axis=axis, norm=norm), shape[axis], axis))


@primitive(holomorphic=False)
def rfft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The half of :func:`fft` of real values that determines the other half.

    Parameters
    ----------
    x : Tensor
        Real floating.
    n : int, optional
        Length of the transform; ``x`` is cut off or filled up with zeros at its end.
    axis : int
        The axis to transform.
    norm : {"backward", "ortho", "forward"}
        No factor, ``1 / sqrt(n)`` or ``1 / n``.

    Returns
    -------
    Tensor
        Complex, of length ``n // 2 + 1`` along the axis.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.rfft(fw.asarray([1.0, 1.0]))
    Tensor([2.+0.j, 0.+0.j], dtype=complex64)
    """
    dtype, n = _of_one(xp, x.dtype, x.shape, n, axis, norm, "real")
    x = x if dtype is None else xp.astype(x, dtype)
    return xp.fft.rfft(x, n=n, axis=axis, norm=norm)


def _rfft_rule(xp: Any, g: Array, shape: tuple[int, ...], n: int | None, axis: int, norm: Norm) -> Array:
    """The inverse counts each inner frequency twice, once for its mirror image; here it counts once."""
    n = shape[axis] if n is None else n
    halved = _weigh_inner(xp, g, 0.5, n, axis)
    return _fit(xp, xp.fft.irfft(halved, n=n, axis=axis, norm=_OPPOSITE[norm]), shape[axis], axis)


rfft.defvjp(_rfft_rule)


@primitive(holomorphic=False)
def irfft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Inverse of :func:`rfft`.

    Parameters
    ----------
    x : Tensor
        Complex or real floating. Imaginary parts at frequency zero and, for even ``n``, at the last one do not count.
    n : int, optional
        Length of the result, by default ``2 * (x.shape[axis] - 1)``; ``x`` is cut off or filled up with zeros to
        ``n // 2 + 1``.
    axis : int
        The axis to transform.
    norm : {"backward", "ortho", "forward"}
        ``1 / n``, ``1 / sqrt(n)`` or no factor.

    Returns
    -------
    Tensor
        Real, of length ``n`` along the axis.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.irfft(fw.asarray([2.0, 0.0]))
    Tensor([1., 1.])
    """
    dtype, n = _of_one(xp, x.dtype, x.shape, n, axis, norm, "half")
    x = x if dtype is None else xp.astype(x, dtype)
    return xp.fft.irfft(_filled(xp, x, axis), n=n, axis=axis, norm=norm)


def _irfft_rule(xp: Any, g: Array, shape: tuple[int, ...], axis: int, norm: Norm) -> Array:
    spectrum = xp.fft.rfft(g, axis=axis, norm=_OPPOSITE[norm])
    return _fit(xp, _weigh_inner(xp, spectrum, 2.0, g.shape[axis], axis), shape[axis], axis)


irfft.defvjp(_irfft_rule)


@primitive(holomorphic=False)
def hfft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Transform of a signal that is its own conjugate mirror image, given by its first half; the result is real.

    Parameters are those of :func:`irfft`; the factors are none, ``1 / sqrt(n)`` and ``1 / n``.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.hfft(fw.asarray([1.0, 1.0]))
    Tensor([2., 0.])
    """
    dtype, n = _of_one(xp, x.dtype, x.shape, n, axis, norm, "half")
    x = x if dtype is None else xp.astype(x, dtype)
    return xp.fft.irfft(xp.conj(_filled(xp, x, axis)), n=n, axis=axis, norm=_OPPOSITE[norm])


hfft.defvjp(
    lambda xp, g, shape, axis, norm: xp.conj(_irfft_rule(xp, g, shape, axis, _OPPOSITE[norm])),
)


@primitive(holomorphic=False)
def ihfft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Inverse of :func:`hfft`: the first half of a signal whose transform is real.

    Parameters are those of :func:`rfft`; the factors are ``1 / n``, ``1 / sqrt(n)`` and none.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.ihfft(fw.asarray([2.0, 0.0])).real
    Tensor([1., 1.])
    """
    dtype, n = _of_one(xp, x.dtype, x.shape, n, axis, norm, "real")
    x = x if dtype is None else xp.astype(x, dtype)
    return xp.conj(xp.fft.rfft(x, n=n, axis=axis, norm=_OPPOSITE[norm]))


ihfft.defvjp(
    lambda xp, g, shape, n, axis, norm: _rfft_rule(xp, xp.conj(g), shape, n, axis, _OPPOSITE[norm]),
)

# --------------------------------------------------------------------------------------- several dimensions


@primitive
def fftn(
    xp: Any, x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """Discrete Fourier transform along several axes.

    Parameters
    ----------
    x : Tensor
        Complex or real floating.
    s : sequence of int, optional
        Length of the transform along each axis; ``x`` is cut off or filled up with zeros at its ends.
    axes : sequence of int, optional
        The axes to transform, by default all, or the last ``len(s)``.
    norm : {"backward", "ortho", "forward"}
        No factor, ``1 / sqrt(n)`` or ``1 / n``, with ``n`` the product of the lengths.

    Returns
    -------
    Tensor
        Complex.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.fftn(fw.asarray([[1.0, 0.0], [0.0, 0.0]])).real
    Tensor([[1., 1.],
            [1., 1.]])
    """
    x, s, axes = _prepared(xp, x, s, axes, norm)
    return xp.fft.fftn(x, s=s, axes=axes, norm=norm) if axes else _complex(xp, x)


@primitive
def ifftn(
    xp: Any, x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """Inverse of :func:`fftn`, which describes the parameters.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.ifftn(fw.asarray([[4.0, 0.0], [0.0, 0.0]])).real
    Tensor([[1., 1.],
            [1., 1.]])
    """
    x, s, axes = _prepared(xp, x, s, axes, norm)
    return xp.fft.ifftn(x, s=s, axes=axes, norm=norm) if axes else _complex(xp, x)


def _several(inverse: bool) -> Callable[..., Array]:
    def rule(xp: Any, g: Array, shape: tuple[int, ...], s: Any, axes: Any, norm: Norm) -> Array:
        _, axes = _lengths(shape, s, axes)
        back = xp.fft.ifftn if inverse else xp.fft.fftn
        return _fit_all(xp, back(g, axes=axes, norm=norm), shape, axes)

    return rule


fftn.defvjp(_several(inverse=False))
ifftn.defvjp(_several(inverse=True))


@primitive(holomorphic=False)
def rfftn(
    xp: Any, x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """Transform of real values along several axes: the half, along the last one, that determines the other half.

    Parameters are those of :func:`fftn`, but ``x`` is real floating.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.rfftn(fw.asarray([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).shape
    (2, 2)
    """
    x, s, axes = _prepared(xp, x, s, axes, norm, "real")
    _check_some(axes)
    return xp.fft.rfftn(x, s=s, axes=axes, norm=norm)


def _rfftn_rule(xp: Any, g: Array, shape: tuple[int, ...], s: Any, axes: Any, norm: Norm) -> Array:
    """Back along the other axes, then along the halved one."""
    s, (*others, last) = _lengths(shape, s, axes)
    g = _fit_all(xp, xp.fft.ifftn(g, axes=others, norm=_OPPOSITE[norm]), shape, others) if others else g
    return _rfft_rule(xp, g, shape, s[-1], last, norm)


rfftn.defvjp(_rfftn_rule)


@primitive(holomorphic=False)
def irfftn(
    xp: Any, x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """Inverse of :func:`rfftn`.

    Parameters are those of :func:`ifftn`; ``s`` gives the lengths of the result, the last one by default
    ``2 * (x.shape[axes[-1]] - 1)``.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.irfftn(fw.asarray([[4.0, 0.0], [0.0, 0.0]]))
    Tensor([[1., 1.],
            [1., 1.]])
    """
    x, s, axes = _prepared(xp, x, s, axes, norm, "half")
    _check_some(axes)
    return xp.fft.irfftn(_filled(xp, x, axes[-1]), s=s, axes=axes, norm=norm)


def _irfftn_rule(xp: Any, g: Array, shape: tuple[int, ...], s: Any, axes: Any, norm: Norm) -> Array:
    """Back along the halved axis, then along the others."""
    _, (*others, last) = _lengths(shape, s, axes, half=True)
    g = _irfft_rule(xp, g, (*g.shape[: last % g.ndim], shape[last], *g.shape[last % g.ndim + 1 :]), last, norm)
    return _fit_all(xp, xp.fft.fftn(g, axes=others, norm=_OPPOSITE[norm]), shape, others) if others else g


irfftn.defvjp(_irfftn_rule)

# --------------------------------------------------------------------------------------- frequencies, shifts


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Any:
    """The frequencies of :func:`fft`, in cycles per unit of ``d``.

    Parameters
    ----------
    n : int
        Length of the transform.
    d : float
        Distance between two samples.
    dtype : dtype, optional
        A real floating one.
    device : str, optional
        Where to make the tensor.

    Returns
    -------
    (n,) Tensor

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.fftfreq(4)
    Tensor([ 0.  ,  0.25, -0.5 , -0.25])
    """
    return _frequencies(np.fft.fftfreq(n, d), dtype, device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Any:
    """The ``n // 2 + 1`` frequencies of :func:`rfft`; :func:`fftfreq` describes the parameters.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.rfftfreq(4)
    Tensor([0.  , 0.25, 0.5 ])
    """
    return _frequencies(np.fft.rfftfreq(n, d), dtype, device)


def _frequencies(values: Array, dtype: Any, device: str | None) -> Any:
    backend = backend_for(device)
    return make_tensor(backend, backend.from_numpy(values, backend.native_dtype(dtype or get_default_dtype())))


@composed
def fftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Any:
    """The spectrum with frequency zero in the middle of the given axes, or of all.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.fftshift(fw.fft.fftfreq(4))
    Tensor([-0.5 , -0.25,  0.  ,  0.25])
    """
    axes = _shift_axes(x, axes)
    return roll(x, tuple(x.shape[axis] // 2 for axis in axes), axis=axes)


@composed
def ifftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Any:
    """Inverse of :func:`fftshift`.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.ifftshift(fw.asarray([-0.5, -0.25, 0.0, 0.25]))
    Tensor([ 0.  ,  0.25, -0.5 , -0.25])
    """
    axes = _shift_axes(x, axes)
    return roll(x, tuple(-(x.shape[axis] // 2) for axis in axes), axis=axes)


def _shift_axes(x: Any, axes: int | Sequence[int] | None) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
