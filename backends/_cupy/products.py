"""Products of arrays inside captured steps, in which CuPy does not call cuBLAS: a handle of our own does, or a kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import prod
from typing import Any

from backends._cupy.launching import blocks, supported
from backends.reference import extensions

Array = Any

_TILE = 64


def overrides(gpu: Any, module: Any, own_einsum: Callable[..., Array]) -> dict[str, Callable[..., Array]]:
    """Products for a namespace: the module's own, but in a captured step those of this file."""

    def either(own: Callable[..., Array], captured: Callable[..., Array]) -> Callable[..., Array]:
        @wraps(own)
        def product(*args: Any, **kwargs: Any) -> Array:
            return captured(gpu, *args, **kwargs) if gpu.capturing() else own(*args, **kwargs)

        return product

    pairs = {"matmul": matmul, "tensordot": tensordot, "vecdot": vecdot}
    made = {name: either(getattr(module, name), captured) for name, captured in pairs.items()}
    return made | {"einsum": either(own_einsum, _einsum)}


def matmul(gpu: Any, x1: Array, x2: Array) -> Array:
    """``x1 @ x2``."""
    xp = gpu.xp
    if not supported(x1, x2):
        raise RuntimeError(f"matmul: a captured step has products of float arrays only, got {x1.dtype} and {x2.dtype}")
    if x2.ndim == 1:
        return matmul(gpu, x1, x2[:, None])[..., 0]
    if x1.ndim == 1:
        return matmul(gpu, x1[None, :], x2)[..., 0, :]
    leading = _leading(x1.shape[:-2], x2.shape[:-2])
    (rows, terms), columns = x1.shape[-2:], x2.shape[-1]
    out = xp.zeros((*leading, rows, columns), dtype=x1.dtype)
    if out.size and terms:
        (left, *of_left), (right, *of_right) = _layout(xp, x1, leading), _layout(xp, x2, leading)
        shape, batch, blas = (rows, columns, terms), prod(leading), gpu.capture.blas
        layouts = ((gpu.address(x), *strides) for x, strides in ((left, of_left), (right, of_right)))
        if blas is not None and blas.multiply(x1.dtype.name, *layouts, gpu.address(out), shape, batch):
            return out
        grid = (blocks(rows, _TILE), blocks(columns, _TILE), batch)
        arguments = (left, right, out, rows, columns, terms, *of_left, *of_right)
        gpu.launch("products.matmul", x1.dtype.name, grid, (16, 16, 1), arguments)
    return out


def _leading(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which two shapes broadcast."""
    longest = max(len(a), len(b))
    pairs = zip((1,) * (longest - len(a)) + a, (1,) * (longest - len(b)) + b)
    return tuple(m if n == 1 else n for m, n in pairs)


def _layout(xp: Any, x: Array, leading: tuple[int, ...]) -> tuple[Array, int, int, int]:
    """The array, or a copy, with its strides: from row to row, from column to column, from matrix to matrix."""
    if x.ndim > 2 and x.shape[:-2] != leading:
        x = xp.broadcast_to(x, (*leading, *x.shape[-2:])).copy()
    rows, columns = x.shape[-2:]
    each = rows * columns if x.ndim > 2 else 0
    turned = xp.matrix_transpose(x)
    if turned.flags.c_contiguous:
        return turned, 1, rows, each
    return (x if x.flags.c_contiguous else x.copy()), columns, 1, each


def tensordot(gpu: Any, x1: Array, x2: Array, *, axes: Any = 2) -> Array:
    """Sum of products over the axes named, the last of ``x1`` and the first of ``x2`` if a number is given."""
    xp = gpu.xp
    if isinstance(axes, int):
        axes = (range(x1.ndim - axes, x1.ndim), range(axes))
    first, second = ([axis % x.ndim for axis in part] for x, part in zip((x1, x2), axes))
    free1, free2 = ([i for i in range(x.ndim) if i not in part] for x, part in ((x1, first), (x2, second)))
    shape = (*(x1.shape[i] for i in free1), *(x2.shape[i] for i in free2))
    terms = prod(x1.shape[i] for i in first)
    left = xp.reshape(xp.permute_dims(x1, (*free1, *first)), (prod(x1.shape[i] for i in free1), terms))
    right = xp.reshape(xp.permute_dims(x2, (*second, *free2)), (terms, prod(x2.shape[i] for i in free2)))
    return xp.reshape(matmul(gpu, left, right), shape)


def vecdot(gpu: Any, x1: Array, x2: Array, *, axis: int = -1) -> Array:
    """Sum of products along an axis."""
    return gpu.xp.sum(gpu.xp.conj(x1) * x2 if gpu.xp.isdtype(x1.dtype, "complex floating") else x1 * x2, axis=axis)


def _einsum(gpu: Any, equation: str, *operands: Array) -> Array:
    """Einstein summation with an explicit output."""
    return extensions.einsum(gpu.xp, equation, *operands)
