"""Functions that gradient rules need beyond the standard, in the Array API alone.

Each takes the namespace first; :func:`backends._namespace.make_namespace` binds it. They carry the names and
signatures under which ``framework`` offers them, so that one rule serves raw arrays and tensors alike.
"""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

Array = Any

__all__ = [
    "assign",
    "bincount",
    "convolve",
    "einsum",
    "getitem",
    "inner",
    "interp",
    "scatter",
    "setitem",
    "sigmoid",
    "trace",
]


def getitem(xp: Any, x: Array, key: Any) -> Array:
    """``x[key]``, for every key that NumPy takes."""
    if _is_simple(key):
        place, backwards = _plain(key, x.shape)
        return xp.flip(x[place], axis=backwards) if backwards else x[place]
    positions = _positions(xp, x.shape, key)
    flat = xp.take(xp.reshape(x, (-1,)), xp.reshape(positions, (-1,)), axis=0)
    return xp.reshape(flat, positions.shape)


def setitem(xp: Any, x: Array, key: Any, value: Any) -> Array:
    """Return a copy of ``x`` with ``copy[key] = value``."""
    out = xp.asarray(x, copy=True)
    assign(xp, out, key, value)
    return out


def assign(xp: Any, x: Array, key: Any, value: Any) -> None:
    """``x[key] = value`` in place, for every key that NumPy takes."""
    if _is_simple(key):
        place, backwards = _plain(key, x.shape)
        same = isinstance(value, type(x))
        value = xp.astype(value, x.dtype, copy=False) if same else xp.asarray(value, dtype=x.dtype, device=x.device)
        if isinstance(place, tuple) and (backwards or None in place):
            value = _spread(xp, value, x[place].shape)
            value = xp.flip(value, axis=backwards) if backwards else value
            place = _without_new_axes(place)
            value = xp.reshape(value, x[place].shape)
        x[place] = value
        return
    positions = _positions(xp, x.shape, key)
    flat = xp.asarray(xp.reshape(x, (-1,)), copy=True)
    value = _spread(xp, xp.asarray(value, dtype=x.dtype), positions.shape)
    rows, columns = xp.reshape(positions, (-1,)), xp.reshape(value, (-1,))
    for i in range(rows.shape[0]):
        flat[int(rows[i])] = columns[i]
    x[...] = xp.reshape(flat, x.shape)


def scatter(xp: Any, values: Array, key: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape`` with ``values`` added at ``key``; repeated positions add up. The transpose of ``x[key]``."""
    out = xp.zeros(shape, dtype=values.dtype)
    if _is_simple(key):
        assign(xp, out, key, values)
        return out
    positions = _positions(xp, shape, key)
    values, positions = xp.reshape(_spread(xp, values, positions.shape), (-1,)), xp.reshape(positions, (-1,))
    flat = xp.reshape(out, (-1,))
    order = xp.argsort(positions, stable=True)
    positions, values = xp.take(positions, order, axis=0), xp.take(values, order, axis=0)
    for i in range(positions.shape[0]):
        where = int(positions[i])
        flat[where] = flat[where] + values[i]
    return xp.reshape(flat, shape)


def bincount(xp: Any, x: Array, *, minlength: int) -> Array:
    """How often each of 0, 1, 2, ... occurs."""
    least, most = (int(xp.min(x)), int(xp.max(x))) if x.shape[0] else (0, -1)
    if least < 0:
        raise ValueError(f"expected values >= 0, got {least}")
    return xp.scatter(xp.ones(x.shape, dtype=xp.int64, device=x.device), x, (max(minlength, most + 1),))


def convolve(xp: Any, a: Array, v: Array, mode: str) -> Array:
    """Sums of products of two sequences, one of them reversed, at all their overlaps, or at some; as NumPy has it."""
    if a.shape[0] < v.shape[0]:
        a, v = v, a
    n, m = a.shape[0], v.shape[0]
    before, length = {"full": (m - 1, n + m - 1), "same": (m // 2, n), "valid": (0, n - m + 1)}[mode]
    start, end = (xp.zeros(k, dtype=a.dtype, device=a.device) for k in (before, length + m - 1 - n - before))
    steps = [xp.arange(k, device=a.device) for k in (length, m)]
    windows = xp.reshape(xp.expand_dims(steps[0], axis=1) + steps[1], (-1,))
    padded = xp.take(xp.concat([start, a, end]), windows, axis=0)
    return xp.matmul(xp.reshape(padded, (length, m)), xp.flip(v))


def einsum(xp: Any, equation: str, *operands: Array) -> Array:
    """Einstein summation with an explicit output and no letter twice in one term: multiply, then sum."""
    terms, _, output = equation.partition("->")
    order = output + "".join(sorted(set(terms) - {",", *output}))
    aligned = [_aligned(xp, x, term, order) for term, x in zip(terms.split(","), operands)]
    product = reduce(operator.mul, aligned)
    return xp.sum(product, axis=tuple(range(len(output), len(order))), dtype=product.dtype)


def inner(xp: Any, a: Array, b: Array) -> Array:
    """Sum of products over the last axes."""
    return xp.tensordot(a, b, axes=((-1,), (-1,)))


def interp(xp: Any, x: Array, points: Array, values: Array) -> Array:
    """Straight lines between points, and flat ones outside of all."""
    if points.ndim != 1 or points.shape != values.shape or not points.shape[0]:
        raise ValueError(f"expected points (n,) and as many values, n >= 1, got {points.shape} and {values.shape}")
    n, flat = points.shape[0], xp.reshape(x, (-1,))
    after = xp.clip(xp.searchsorted(points, flat, side="right"), min(1, n - 1), n - 1)
    before = xp.clip(after - 1, 0, n - 1)
    (x0, y0), (x1, y1) = ((xp.take(points, i, axis=0), xp.take(values, i, axis=0)) for i in (before, after))
    width = xp.where(x1 == x0, xp.ones_like(x0), x1 - x0)
    return xp.reshape(y0 + (y1 - y0) * xp.clip((flat - x0) / width, 0.0, 1.0), x.shape)


def sigmoid(xp: Any, x: Array) -> Array:
    """``1 / (1 + exp(-x))``, as a quotient that neither overflows nor loses the digits of what is close to 0."""
    if xp.isdtype(x.dtype, "complex floating"):
        return 0.5 * xp.tanh(0.5 * x) + 0.5
    small = xp.exp(-1.0 * xp.abs(x))
    return xp.where(x < 0, small, xp.ones_like(small)) / (1 + small)


def trace(xp: Any, x: Array, *, offset: int, dtype: Any = None) -> Array:
    """Sums of the diagonals of matrices."""
    return xp.sum(xp.linalg.diagonal(x, offset=offset), axis=-1, dtype=dtype)


def _aligned(xp: Any, x: Array, term: str, order: str) -> Array:
    """One axis for each letter of ``order``, of length one where ``term`` lacks it."""
    x = xp.permute_dims(x, tuple(term.index(letter) for letter in order if letter in term))
    lengths = iter(x.shape)
    return xp.reshape(x, tuple(next(lengths) if letter in term else 1 for letter in order))


def _is_simple(key: Any) -> bool:
    """Whether every Array-API library takes the key: integers, slices, None, Ellipsis, or one mask alone."""
    if isinstance(key, tuple):
        return all(_is_simple_part(part) for part in key)
    return _is_simple_part(key) or ("bool" in str(getattr(key, "dtype", "")) and len(key.shape) > 0)


def _is_simple_part(part: Any) -> bool:
    return part is None or part is ... or (isinstance(part, (int, slice)) and not isinstance(part, bool))


def _plain(key: Any, shape: tuple[int, ...]) -> tuple[Any, tuple[int, ...]]:
    """The key as every library takes it, and the axes of what it names that are to be reversed then.

    Slices lie within bounds and run forwards, and an Ellipsis stands for the axes that are not mentioned.
    """
    if hasattr(key, "dtype"):
        return key, ()
    parts = key if isinstance(key, tuple) else (key,)
    parts = parts if ... in parts else (*parts, ...)
    if parts.count(...) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    middle = parts.index(...)
    before, after = _in_bounds(parts[:middle], shape), _in_bounds(parts[:middle:-1], shape[::-1])
    backwards = (*_backwards(parts[:middle]), *[-1 - axis for axis in _backwards(parts[:middle:-1])])
    return (*before, ..., *after[::-1]), backwards


def _backwards(parts: tuple[Any, ...]) -> list[int]:
    """Which of the resulting axes are of slices that run backwards."""
    axes = [part for part in parts if part is None or isinstance(part, slice)]
    return [axis for axis, part in enumerate(axes) if part is not None and part.step is not None and part.step < 0]


def _in_bounds(parts: tuple[Any, ...], lengths: tuple[int, ...]) -> tuple[Any, ...]:
    """The parts with each slice's ends brought within its axis's length."""
    rest = iter(lengths)
    bounded = []
    for part in parts:
        length = None if part is None else next(rest, None)
        bounded.append(part if length is None or not isinstance(part, slice) else _within(part, length))
    return tuple(bounded)


def _within(part: slice, length: int) -> slice:
    """The same entries, in ascending order, by a slice whose ends lie in the axis."""
    entries = range(length)[part]
    if not entries:
        return slice(0, 0)
    entries = entries if entries.step > 0 else entries[::-1]
    return slice(entries[0], entries[-1] + 1, entries.step)


def _spread(xp: Any, value: Array, shape: tuple[int, ...]) -> Array:
    """The value broadcast to a shape, which may have fewer axes than it if its first ones have length one."""
    more = max(0, value.ndim - len(shape))
    if more and set(value.shape[:more]) == {1}:
        value = xp.reshape(value, value.shape[more:])
    return xp.broadcast_to(value, shape)


def _without_new_axes(key: Any) -> Any:
    """The key without None, which strict libraries do not take where they write."""
    return tuple([part for part in key if part is not None]) if isinstance(key, tuple) else key


def _positions(xp: Any, shape: tuple[int, ...], key: Any) -> Array:
    """Flat positions of the entries that ``key`` names, worked out on the host by NumPy's own indexing."""
    import numpy as np

    size = 1
    for length in shape:
        size *= length
    parts = key if isinstance(key, tuple) else (key,)
    host = tuple(np.asarray(part) if hasattr(part, "dtype") else part for part in parts)
    return xp.asarray(np.arange(size).reshape(shape)[host], dtype=xp.int64)
