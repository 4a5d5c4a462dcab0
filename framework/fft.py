"""Discrete Fourier transforms: the Array API's extension, with gradients of any order.

``norm`` says where the factor ``1 / n`` goes: to the inverse (``"backward"``), to the forward transform
(``"forward"``), or its square root to both (``"ortho"``).

>>> import framework as fw
>>> fw.fft.rfft(fw.asarray([1.0, 0.0, 0.0, 0.0]))
Tensor([1.+0.j, 1.+0.j, 1.+0.j], dtype=complex64)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from framework.autograd.primitive import primitive
from framework.creation import asarray
from framework.dtypes import FLOATING, get_default_dtype
from framework.ops.elementwise import conj
from framework.ops.manipulation import astype, roll

Array = Any
Norm = Literal["backward", "ortho", "forward"]

_COMPLEX = {np.dtype("float64"): np.dtype("complex128")}
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


def _fit_all(xp: Any, x: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
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


# ---------------------------------------------------------------------------------------------- primitives


@primitive
def _fftn(xp: Any, x: Array, /, *, s: tuple[int, ...], axes: tuple[int, ...], norm: Norm) -> Array:
    if len(axes) == 1:
        return xp.fft.fft(x, n=s[0], axis=axes[0], norm=norm)
    return xp.fft.fftn(x, s=s, axes=axes, norm=norm)


_fftn.defvjp(
    lambda xp, g, shape, axes, norm: _fit_all(xp, xp.fft.fftn(g, axes=axes, norm=norm), shape, axes),
)


@primitive
def _ifftn(xp: Any, x: Array, /, *, s: tuple[int, ...], axes: tuple[int, ...], norm: Norm) -> Array:
    if len(axes) == 1:
        return xp.fft.ifft(x, n=s[0], axis=axes[0], norm=norm)
    return xp.fft.ifftn(x, s=s, axes=axes, norm=norm)


_ifftn.defvjp(
    lambda xp, g, shape, axes, norm: _fit_all(xp, xp.fft.ifftn(g, axes=axes, norm=norm), shape, axes),
)


@primitive(holomorphic=False)
def _rfft(xp: Any, x: Array, /, *, n: int, axis: int, norm: Norm) -> Array:
    return xp.fft.rfft(x, n=n, axis=axis, norm=norm)


def _rfft_rule(xp: Any, g: Array, shape: tuple[int, ...], n: int, axis: int, norm: Norm) -> Array:
    """The inverse counts each inner frequency twice, once for its mirror image; here it counts once."""
    halved = _weigh_inner(xp, g, 0.5, n, axis)
    return _fit(xp, xp.fft.irfft(halved, n=n, axis=axis, norm=_OPPOSITE[norm]), shape[axis], axis)


_rfft.defvjp(_rfft_rule)


@primitive(holomorphic=False)
def _irfft(xp: Any, x: Array, /, *, n: int, axis: int, norm: Norm) -> Array:
    return xp.fft.irfft(x, n=n, axis=axis, norm=norm)


def _irfft_rule(xp: Any, g: Array, shape: tuple[int, ...], n: int, axis: int, norm: Norm) -> Array:
    spectrum = xp.fft.rfft(g, axis=axis, norm=_OPPOSITE[norm])
    return _fit(xp, _weigh_inner(xp, spectrum, 2.0, n, axis), shape[axis], axis)


_irfft.defvjp(_irfft_rule)

# ------------------------------------------------------------------------------------- checking arguments


def _check_norm(name: str, norm: str) -> None:
    if norm not in _OPPOSITE:
        raise ValueError(f"{name}: norm must be 'backward', 'ortho' or 'forward', got {norm!r}")


def _real(name: str, x: Any) -> Any:
    if x.dtype.kind not in FLOATING:
        raise TypeError(f"{name}: expected a real floating dtype, got {x.dtype}; cast with astype first")
    return x


def _complex(name: str, x: Any) -> Any:
    """Complex values as they are, real ones made complex of the same precision."""
    if x.dtype.kind == "c":
        return x
    return astype(_real(name, x), _COMPLEX.get(x.dtype, np.complex64))


def _lengths(
    name: str, x: Any, s: Sequence[int] | None, axes: Sequence[int] | None, last: int | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The lengths to transform and their axes; ``last`` replaces the length of the last axis if none is given."""
    axes = tuple(range(-len(s), 0) if s is not None else range(x.ndim)) if axes is None else tuple(axes)
    if any(not -x.ndim <= axis < x.ndim for axis in axes):
        raise IndexError(f"{name}: axes {axes} are out of range for {x.ndim} dimensions")
    if len({axis % x.ndim for axis in axes}) < len(axes):
        raise ValueError(f"{name}: axes must differ from each other, got {axes}")
    default = [x.shape[axis] for axis in axes]
    if last is not None and axes:
        default[-1] = last
    lengths = default if s is None else list(s)
    if len(lengths) != len(axes):
        raise ValueError(f"{name}: expected one length in s for each of the axes {axes}, got {tuple(lengths)}")
    if any(n < 1 for n in lengths):
        raise ValueError(f"{name}: expected at least one value along each transformed axis, got {tuple(lengths)}")
    return tuple(lengths), axes


def _length(name: str, x: Any, n: int | None, axis: int, default: int | None = None) -> int:
    if n is None and default is None and -x.ndim <= axis < x.ndim and x.shape[axis]:
        return x.shape[axis]  # type: ignore[no-any-return]
    lengths, _ = _lengths(name, x, None if n is None else (n,), (axis,), default)
    return lengths[0]


def _mirrored(x: Any, axis: int) -> int | None:
    """How many real values a half spectrum belongs to, if it is not said: an even number."""
    return 2 * (x.shape[axis] - 1) if -x.ndim <= axis < x.ndim else None


# -------------------------------------------------------------------------------------------- one dimension


def fft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Any:
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
    _check_norm("fft", norm)
    return _fftn(_complex("fft", x), s=(_length("fft", x, n, axis),), axes=(axis,), norm=norm)


def ifft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Any:
    """Inverse of :func:`fft`, which describes the parameters; the factors are ``1 / n``, ``1 / sqrt(n)`` and none.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.ifft(fw.asarray([2.0, 0.0]))
    Tensor([1.+0.j, 1.+0.j], dtype=complex64)
    """
    _check_norm("ifft", norm)
    return _ifftn(_complex("ifft", x), s=(_length("ifft", x, n, axis),), axes=(axis,), norm=norm)


def rfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Any:
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
    _check_norm("rfft", norm)
    return _rfft(_real("rfft", x), n=_length("rfft", x, n, axis), axis=axis, norm=norm)


def irfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Any:
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
    _check_norm("irfft", norm)
    n = _length("irfft", x, n, axis, _mirrored(x, axis))
    return _irfft(_complex("irfft", x), n=n, axis=axis, norm=norm)


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Any:
    """Transform of a signal that is its own conjugate mirror image, given by its first half; the result is real.

    Parameters are those of :func:`irfft`; the factors are none, ``1 / sqrt(n)`` and ``1 / n``.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.hfft(fw.asarray([1.0, 1.0]))
    Tensor([2., 0.])
    """
    _check_norm("hfft", norm)
    n = _length("hfft", x, n, axis, _mirrored(x, axis))
    return _irfft(conj(_complex("hfft", x)), n=n, axis=axis, norm=_OPPOSITE[norm])


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Any:
    """Inverse of :func:`hfft`: the first half of a signal whose transform is real.

    Parameters are those of :func:`rfft`; the factors are ``1 / n``, ``1 / sqrt(n)`` and none.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.ihfft(fw.asarray([2.0, 0.0])).real
    Tensor([1., 1.])
    """
    _check_norm("ihfft", norm)
    n = _length("ihfft", x, n, axis)
    return conj(_rfft(_real("ihfft", x), n=n, axis=axis, norm=_OPPOSITE[norm]))


# --------------------------------------------------------------------------------------- several dimensions


def fftn(
    x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Any:
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
    _check_norm("fftn", norm)
    lengths, axes = _lengths("fftn", x, s, axes)
    return _fftn(_complex("fftn", x), s=lengths, axes=axes, norm=norm)


def ifftn(
    x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Any:
    """Inverse of :func:`fftn`, which describes the parameters.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.ifftn(fw.asarray([[4.0, 0.0], [0.0, 0.0]])).real
    Tensor([[1., 1.],
            [1., 1.]])
    """
    _check_norm("ifftn", norm)
    lengths, axes = _lengths("ifftn", x, s, axes)
    return _ifftn(_complex("ifftn", x), s=lengths, axes=axes, norm=norm)


def rfftn(
    x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Any:
    """Transform of real values along several axes: the half, along the last one, that determines the other half.

    Parameters are those of :func:`fftn`, but ``x`` is real floating.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.rfftn(fw.asarray([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).shape
    (2, 2)
    """
    _check_norm("rfftn", norm)
    lengths, axes = _some_lengths("rfftn", x, s, axes)
    half = _rfft(_real("rfftn", x), n=lengths[-1], axis=axes[-1], norm=norm)
    return _fftn(half, s=lengths[:-1], axes=axes[:-1], norm=norm) if len(axes) > 1 else half


def irfftn(
    x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Any:
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
    _check_norm("irfftn", norm)
    lengths, axes = _some_lengths("irfftn", x, s, axes, _mirrored(x, axes[-1] if axes else -1))
    x = _complex("irfftn", x)
    if len(axes) > 1:
        x = _ifftn(x, s=lengths[:-1], axes=axes[:-1], norm=norm)
    return _irfft(x, n=lengths[-1], axis=axes[-1], norm=norm)


def _some_lengths(
    name: str, x: Any, s: Sequence[int] | None, axes: Sequence[int] | None, last: int | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    lengths, axes = _lengths(name, x, s, axes, last)
    if not axes:
        raise ValueError(f"{name}: expected at least one axis to transform")
    return lengths, axes


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
    return asarray(np.fft.fftfreq(n, d), dtype=dtype or get_default_dtype(), device=device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Any:
    """The ``n // 2 + 1`` frequencies of :func:`rfft`; :func:`fftfreq` describes the parameters.

    Examples
    --------
    >>> import framework as fw
    >>> fw.fft.rfftfreq(4)
    Tensor([0.  , 0.25, 0.5 ])
    """
    return asarray(np.fft.rfftfreq(n, d), dtype=dtype or get_default_dtype(), device=device)


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
