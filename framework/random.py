"""Random numbers: one counter-based stream, the same on every device.

The stream is Philox4x64-10, that of ``numpy.random.Philox(key=seed)``; a :class:`Generator` is no more than its seed
and how many blocks of four 64-bit words it has given out. Every draw takes whole blocks, so what comes next depends on
how much was drawn, never on where. Integers, uniforms, masks and permutations have the same bits on every device;
normals agree to a few units in the last place.

Every function takes ``generator`` (the default one if None), ``device`` and, where it applies, ``dtype``.
"""

from __future__ import annotations

import math
import os
import threading
from typing import Any

import numpy as np

from backends import get_backend
from framework.autograd.composed import composed
from framework.autograd.forks import held_over_forks
from framework.autograd.graph import make_tensor
from framework.devices import backend_for
from framework.dtypes import DType, get_default_dtype, named
from framework.inspection import finfo
from framework.ops.transfer import move
from framework.tensor import Tensor

Array = Any
Shape = int | tuple[int, ...]

_BLOCK = 4
_WORDS = 2**64
_FLOATING = ("bfloat16", "float16", "float32", "float64")
_lock = held_over_forks(threading.Lock())


class Generator:
    """A place in the stream of a seed.

    Parameters
    ----------
    seed : int
        Which stream, ``0 <= seed < 2**128``.

    Raises
    ------
    TypeError, ValueError
        If the seed is not an integer in that range.

    References
    ----------
    J. Salmon, M. Moraes, R. Dror, D. Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011).

    Examples
    --------
    >>> generator = Generator(0)
    >>> state = generator.get_state()
    >>> a = rand(3, generator=generator)
    >>> generator.set_state(state)
    >>> (rand(3, generator=generator) == a).all()
    Tensor(True)
    """

    def __init__(self, seed: int) -> None:
        self.manual_seed(seed)

    @property
    def seed(self) -> int:
        """The stream's number."""
        return self._seed

    @property
    def offset(self) -> int:
        """How many blocks of four words were given out."""
        return self._offset

    def manual_seed(self, seed: int) -> Generator:
        """Go to the beginning of the stream ``seed``; returns the generator."""
        self.set_state((seed, 0))
        return self

    def get_state(self) -> tuple[int, int]:
        """Return ``(seed, offset)``, all there is to remember."""
        return self._seed, self._offset

    def set_state(self, state: tuple[int, int]) -> None:
        """Go to a place that :meth:`get_state` returned."""
        seed, offset = state
        self._seed, self._offset = _natural("seed", seed, 2**128), _natural("offset", offset, 2**256)

    def reserve(self, n: int) -> tuple[int, int]:
        """Give out the next ``n`` words, in whole blocks: the stream, and how many blocks of it precede them."""
        if n < 0:
            raise ValueError(f"Generator: expected to give out at least 0 words, got {n}")
        with _lock:
            start = self._offset
            self._offset += -(-n // _BLOCK)
        return self._seed, start

    def bits(self, n: int, device: str | None = None) -> Array:
        """The next ``n`` words: a raw array ``(n,)`` of uint64 of the device's library."""
        return backend_for(device).random_bits(*self.reserve(n), n)

    def __repr__(self) -> str:
        return f"Generator(seed={self._seed}, offset={self._offset})"


def _integer(name: str, value: Any) -> int:
    try:
        return int(value.__index__())
    except AttributeError:
        raise TypeError(f"{name} must be an integer, got {type(value).__name__} {value!r:.40}") from None


def _natural(name: str, value: Any, end: int) -> int:
    number = _integer(name, value)
    if not 0 <= number < end:
        raise ValueError(f"{name} must be in [0, 2**{end.bit_length() - 1}), got {number}")
    return number


def _number(name: str, value: Any) -> float:
    try:
        return float(value.__float__())
    except AttributeError:
        raise TypeError(f"{name} must be a number, got {type(value).__name__} {value!r:.40}") from None


default_generator = Generator(int.from_bytes(os.urandom(8), "little"))
"""Used wherever no generator is given. Its seed differs in each process until :func:`manual_seed` is called."""


def checked_generator(generator: Generator | None) -> Generator:
    """The generator given, or the default one."""
    if generator is not None and not isinstance(generator, Generator):
        raise TypeError(f"generator must be a framework.random.Generator, got {type(generator).__name__}")
    return default_generator if generator is None else generator


def manual_seed(seed: int) -> Generator:
    """Start the default generator again, with ``seed``; returns it.

    Examples
    --------
    >>> manual_seed(7)
    Generator(seed=7, offset=0)
    """
    return default_generator.manual_seed(seed)


def get_state() -> tuple[int, int]:
    """Return the default generator's ``(seed, offset)``."""
    return default_generator.get_state()


def set_state(state: tuple[int, int]) -> None:
    """Bring the default generator to a place that :func:`get_state` returned."""
    default_generator.set_state(state)


# ------------------------------------------------------------------------------------------ distributions


class _Draw:
    """One draw, its arguments checked: of what shape and dtype, from which generator, and where it is worked out."""

    def __init__(self, shape: Shape, kind: DType, device: str | None, generator: Generator | None) -> None:
        self.backend = backend_for(device)
        self.kind = kind
        self.shape = _checked(shape)
        self.size = math.prod(self.shape)
        self.generator = checked_generator(generator)

    def place(self, numbers: int) -> tuple[int, int]:
        """Where in the stream so many floating numbers are; those below float64 take half a word each."""
        return self.generator.reserve(numbers if self.kind.itemsize == 8 else (numbers + 1) // 2)

    def tensor(self, values: Array) -> Tensor:
        return make_tensor(self.backend, self.backend.xp.reshape(values, self.shape))  # type: ignore[no-any-return]


class _WordDraw(_Draw):
    """A draw made of words, which goes by the host where the library has no words of 64 bits."""

    def __init__(self, shape: Shape, kind: DType, device: str | None, generator: Generator | None) -> None:
        super().__init__(shape, kind, device, generator)
        self.target = self.backend
        if "uint64" not in self.target.dtype_names():
            self.backend = get_backend("cpu")
        self.dtype = self.backend.native_dtype(kind)

    def words(self) -> Array:
        return self.generator.bits(self.size, self.backend.device)

    def tensor(self, values: Array) -> Tensor:
        if self.target is not self.backend:
            values = move(values, self.backend, self.target)
        return make_tensor(self.target, self.target.xp.reshape(values, self.shape))  # type: ignore[no-any-return]


def _floating(dtype: Any, device: str | None) -> DType:
    kind = named(get_default_dtype() if dtype is None else dtype)
    if kind.name not in _FLOATING:
        raise TypeError(f"expected a real floating dtype such as float32, got {kind}")
    backend_for(device).native_dtype(kind)
    return kind


def _checked(shape: Shape) -> tuple[int, ...]:
    lengths = tuple([_integer("a shape's length", n) for n in (shape if isinstance(shape, tuple | list) else (shape,))])
    if any(n < 0 for n in lengths):
        raise ValueError(f"expected a shape without negative lengths, got {lengths}")
    return lengths


def uniform(
    low: float = 0.0,
    high: float = 1.0,
    shape: Shape = (),
    *,
    dtype: Any = None,
    device: str | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers spread evenly over ``[low, high)``.

    Parameters
    ----------
    low, high : float
        The bounds. Rounding may reach ``high`` unless the interval is ``[0, 1)``.
    shape : int or tuple of int
        Of the result.
    dtype : dtype, optional
        A real floating one; the default dtype if None. float64 takes the high 53 bits of each word, float32 the high
        24 of each half word, the low half first, float16 11 and bfloat16 8.

    Returns
    -------
    Tensor
        Of the given shape. The first ``k`` numbers do not depend on how many follow.

    Raises
    ------
    TypeError
        If ``dtype`` is not a real floating one, or a bound is no number.
    ValueError
        If ``low > high``, ``dtype`` does not hold ``high - low``, or the shape has a negative length.

    Examples
    --------
    >>> uniform(-1, 1, (2, 3), generator=Generator(0)).shape
    (2, 3)
    """
    low, high = _number("low", low), _number("high", high)
    if not low <= high:
        raise ValueError(f"uniform: low must not be above high, got low={low:g}, high={high:g}")
    draw = _Draw(shape, _floating(dtype, device), device, generator)
    largest = float(finfo(draw.kind).max)
    if not max(high - low, abs(low), abs(high)) <= largest:
        raise ValueError(
            f"uniform: {draw.kind} holds numbers up to {largest:.4g}; expected an interval of at most this length, "
            f"got low={low:g}, high={high:g}"
        )
    values = draw.backend.random_uniform(*draw.place(draw.size), draw.size, draw.kind, low, high)
    return draw.tensor(values)


def normal(
    mean: float = 0.0,
    std: float = 1.0,
    shape: Shape = (),
    *,
    dtype: Any = None,
    device: str | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers from the normal distribution, by the method of Box and Muller.

    Parameters
    ----------
    mean, std : float
        Mean and standard deviation, ``std >= 0``.
    shape : int or tuple of int
        Of the result.
    dtype : dtype, optional
        A real floating one; the default dtype if None.

    Returns
    -------
    Tensor
        Of the given shape. The first ``k`` numbers do not depend on how many follow. The farthest from the mean that
        can come are 5.8 standard deviations away in float32, 8.6 in float64.

    Raises
    ------
    TypeError
        If ``dtype`` is not a real floating one, or mean or standard deviation is no number.
    ValueError
        If ``std`` is negative.

    References
    ----------
    G. Box, M. Muller: A note on the generation of random normal deviates (Ann. Math. Statist. 29, 1958).

    Examples
    --------
    >>> normal(5.0, 0.0, (2,))
    Tensor([5., 5.])
    """
    mean, std = _number("mean", mean), _number("std", std)
    if not std >= 0:
        raise ValueError(f"normal: std must not be negative, got {std:g}")
    draw = _Draw(shape, _floating(dtype, device), device, generator)
    place = draw.place(draw.size + draw.size % 2)
    return draw.tensor(draw.backend.random_normal(*place, draw.size, draw.kind, mean, std))


def integers(
    low: int,
    high: int | None = None,
    shape: Shape = (),
    *,
    dtype: Any = "int64",
    device: str | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Whole numbers spread evenly over ``[low, high)``, or over ``[0, low)``.

    Each is the remainder of one 64-bit word, so that in a range of ``r`` numbers none is more likely than another by
    more than one in ``2**64 / r``.

    Parameters
    ----------
    low, high : int
        The bounds.
    shape : int or tuple of int
        Of the result.
    dtype : dtype
        An integer one.

    Raises
    ------
    TypeError
        If ``dtype`` is not an integer one, or a bound is no integer.
    ValueError
        If the range is empty, or holds numbers that ``dtype`` does not.

    Examples
    --------
    >>> integers(3, 4, (2,))
    Tensor([3, 3])
    """
    low, high = (0, _integer("high", low)) if high is None else (_integer("low", low), _integer("high", high))
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        raise TypeError(f"integers: dtype must be an integer one, got {kind}; use uniform for floating ones")
    info = np.iinfo(kind)
    if not info.min <= low < high <= info.max + 1:
        raise ValueError(
            f"integers: expected {info.min} <= low < high <= {info.max + 1}, the range of {kind}, "
            f"got low={low}, high={high}"
        )
    draw = _WordDraw(shape, kind, device, generator)
    xp, words = draw.backend.xp, draw.words()
    words = words if high - low == _WORDS else words % (high - low)
    wide = draw.backend.native_dtype("uint64" if kind.kind == "u" else "int64")
    return draw.tensor(xp.astype(xp.astype(words, wide) + low, draw.dtype))


def bernoulli(
    p: float | Tensor,
    shape: Shape | None = None,
    *,
    dtype: Any = "bool",
    device: str | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """True (or one) with probability ``p``.

    Parameters
    ----------
    p : float or Tensor
        Probability, in [0, 1]; a tensor gives one for each result.
    shape : int or tuple of int, optional
        Of the result; by default that of ``p``, which else is broadcast to it.
    dtype : dtype
        Of the result.

    Raises
    ------
    TypeError
        If ``p`` is neither a number nor a floating tensor.
    ValueError
        If a probability is outside [0, 1], or ``p`` does not broadcast to the shape.

    Examples
    --------
    >>> bernoulli(1.0, (3,))
    Tensor([ True,  True,  True])
    """
    p = p.detach() if isinstance(p, Tensor) else _number("p", p)
    if not _is_probability(p):
        raise ValueError(f"bernoulli: probabilities must be in [0, 1], got {p}")
    width: Any = "float32"
    if isinstance(p, Tensor):
        width, device, shape = p.dtype, device or p.device, p.shape if shape is None else shape
        p = p.to(device).broadcast_to(_checked(shape))
    backend_for(device).native_dtype(named(dtype))
    shape = () if shape is None else shape
    hit: Tensor = uniform(0.0, 1.0, shape, dtype=width, device=device, generator=generator) < p
    return hit.to(dtype=dtype)


def _is_probability(p: float | Tensor) -> bool:
    low, high = (p.min().item(), p.max().item()) if isinstance(p, Tensor) and p.size else (p, p)
    return isinstance(low, Tensor) or 0 <= low <= high <= 1


def permutation(n: int, *, device: str | None = None, generator: Generator | None = None) -> Tensor:
    """The integers below ``n`` in random order: the order that sorts ``n`` random words.

    Raises
    ------
    TypeError, ValueError
        If ``n`` is not an integer of at least 0.

    Examples
    --------
    >>> sorted(permutation(5).tolist())
    [0, 1, 2, 3, 4]
    """
    draw = _WordDraw((_natural("n", n, 2**63),), np.dtype("int64"), device, generator)
    order = draw.backend.xp.argsort(draw.words(), stable=True)
    return draw.tensor(draw.backend.xp.astype(order, draw.dtype, copy=False))


# ---------------------------------------------------------------------------------------- PyTorch's names


def rand(*shape: Any, dtype: Any = None, device: str | None = None, generator: Generator | None = None) -> Tensor:
    """Numbers spread evenly over [0, 1); the shape is given as several numbers or as a tuple."""
    return uniform(0.0, 1.0, _lengths(shape), dtype=dtype, device=device, generator=generator)


def randn(*shape: Any, dtype: Any = None, device: str | None = None, generator: Generator | None = None) -> Tensor:
    """Numbers of mean 0 and variance 1 from the normal distribution; the shape as several numbers or as a tuple."""
    return normal(0.0, 1.0, _lengths(shape), dtype=dtype, device=device, generator=generator)


randint = integers
randperm = permutation


@composed
def rand_like(
    x: Tensor, /, *, dtype: Any = None, device: str | None = None, generator: Generator | None = None
) -> Tensor:
    """As :func:`rand`, with the shape, dtype and device of ``x``."""
    return rand(x.shape, dtype=dtype or x.dtype, device=x.device if device is None else device, generator=generator)


@composed
def randn_like(
    x: Tensor, /, *, dtype: Any = None, device: str | None = None, generator: Generator | None = None
) -> Tensor:
    """As :func:`randn`, with the shape, dtype and device of ``x``."""
    return randn(x.shape, dtype=dtype or x.dtype, device=x.device if device is None else device, generator=generator)


@composed
def randint_like(
    x: Tensor,
    /,
    low: int,
    high: int | None = None,
    *,
    dtype: Any = None,
    device: str | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """As :func:`integers`, with the shape, dtype and device of ``x``."""
    device = x.device if device is None else device
    return integers(low, high, x.shape, dtype=dtype or x.dtype, device=device, generator=generator)


def _lengths(shape: tuple[Any, ...]) -> Shape:
    return shape[0] if len(shape) == 1 else shape
