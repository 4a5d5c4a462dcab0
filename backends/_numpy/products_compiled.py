"""Products of one matrix with many, compiled by numba: the matrix is laid out once, so that each product only computes.

A recurrent layer multiplies its weights with a few columns at every step. OpenBLAS copies both operands into an order
that its inner loop likes in every product, which for few columns takes as long as the product itself. Here the
weights are brought into that order once (Goto, van de Geijn: Anatomy of high-performance matrix multiplication, 2008): blocks
of `_DEPTH` columns, in them bands of 6 rows (then 2, then 1), in them column after column. The inner loop holds a tile
of 6 x 16 sums in registers and reads its weights in a single stream.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from backends._numpy import threads
from backends._numpy.jit import jit

Array = Any

PLAIN, TURNED, PACKED = 0, 1, 2

_DEPTH = 256
"""Terms that are summed before the next rows: 16 columns of so many stay in a core's first-level cache."""

_ROWS = 240
"""Rows that are multiplied with all columns before the next ones: so many of `_DEPTH` columns stay in the second level."""

_LANES, _VECTORS = 8, 2
_STRIP = _LANES * _VECTORS

_PACK_FOR = 128
"""Columns, over all products, for which packing pays."""


class Matrix(NamedTuple):
    """A float32 matrix, laid out for :func:`product`."""

    values: Array
    rows: int
    layout: int


@jit
def pack(w: Array) -> Array:
    """The numbers of ``w (M, K)`` in the order in which :func:`_strip` reads them."""
    (m, k), out = w.shape, np.empty(w.size, w.dtype)
    place = 0
    for start in range(0, k, _DEPTH):
        block, i = w[:, start : start + _DEPTH], 0
        depth = block.shape[1]
        while i + 6 <= m:
            _interleave(block[i : i + 6], out[place : place + 6 * depth])
            place, i = place + 6 * depth, i + 6
        while i + 2 <= m:
            out[place : place + 2 * depth : 2], out[place + 1 : place + 2 * depth : 2] = block[i], block[i + 1]
            place, i = place + 2 * depth, i + 2
        if i < m:
            out[place : place + depth] = block[i]
            place += depth
    return out


@jit
def _interleave(rows: Array, out: Array) -> None:
    """Six rows, column by column."""
    a, b, c, d, e, f = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]
    for j in range(rows.shape[1]):
        o = out[6 * j : 6 * j + 6]
        o[0], o[1], o[2], o[3], o[4], o[5] = a[j], b[j], c[j], d[j], e[j], f[j]


@jit
def lay_out(w: Array, columns: int, times: int) -> Matrix:
    """``w (M, K)`` for so many products with ``(K, columns)``: turned for one column, packed where that pays."""
    if columns == 1:
        return Matrix(np.ascontiguousarray(w.T).reshape(-1), len(w), TURNED)
    if columns < _STRIP or columns * times < _PACK_FOR:
        return Matrix(np.ascontiguousarray(w).reshape(-1), len(w), PLAIN)
    return Matrix(pack(w), len(w), PACKED)


@jit
def product(w: Matrix, b: Array, out: Array) -> None:
    """``out (M, N) = w @ b`` for a laid out ``w (M, K)`` and ``b (K, N)``, both contiguous."""
    (k, n), m = b.shape, w.rows
    if w.layout == TURNED:
        _product_with_column(w.values.reshape(k, m), b.reshape(k), out.reshape(m))
    elif w.layout == PLAIN:
        _sgemm(_ROW_MAJOR, _PLAIN, _PLAIN, m, n, k, _ONE, w.values.ctypes, k, b.ctypes, n, _ZERO, out.ctypes, n)
    else:
        for j in range(0, n - _STRIP, _STRIP):
            _strip(w.values, m, b, out, j, False)
        _strip(
            w.values, m, b, out, n - _STRIP, False
        )  # may overlap the one before, and then computes the same once more


@jit
def strips_for(rows: int, columns: int) -> Array:
    """Zeros for a matrix that is cut into strips of 16 columns, ``(columns / 16, rows, 16)``, the last filled up."""
    return np.zeros((-(-columns // _STRIP), rows, _STRIP), np.float32)


@jit
def in_strips(a: Array) -> Array:
    """A matrix cut into strips."""
    out = strips_for(*a.shape)
    for i in range(a.shape[0]):
        for j in range(out.shape[0]):
            start = j * _STRIP
            for column in range(start, min(start + _STRIP, a.shape[1])):
                out[j, i, column - start] = a[i, column]
    return out


@jit
def out_of_strips(strips: Array, out: Array) -> None:
    """Fill in a matrix from strips."""
    for i in range(out.shape[0]):
        for j in range(strips.shape[0]):
            start = j * _STRIP
            for column in range(start, min(start + _STRIP, out.shape[1])):
                out[i, column] = strips[j, i, column - start]


@jit
def add_product(w: Array, b: Array, out: Array) -> None:
    """``out += w @ b`` for ``w (M, K)``, used this once, with the columns of ``b (K, N)`` and of the result in strips."""
    m, k = w.shape
    for i in range(0, m, _ROWS):
        for start in range(0, k, _DEPTH):
            block = w[i : i + _ROWS, start : start + _DEPTH]
            packed = pack(block)
            for j in range(len(b)):
                _strip(packed, len(block), b[j, start : start + _DEPTH], out[j, i : i + _ROWS], 0, True)


# ---------------------------------------------------------------- one column
@jit
def _product_with_column(w: Array, x: Array, y: Array) -> None:
    """``y (M,) = w.T @ x`` for ``w (K, M)``, four rows of it at a time."""
    k, m = w.shape
    y[:] = _ZERO
    whole = k - k % 4
    for r in range(0, whole, 4):
        x0, x1, x2, x3 = x[r], x[r + 1], x[r + 2], x[r + 3]
        for j in range(m):
            y[j] += w[r, j] * x0 + w[r + 1, j] * x1 + w[r + 2, j] * x2 + w[r + 3, j] * x3
    for r in range(whole, k):
        for j in range(m):
            y[j] += w[r, j] * x[r]


# ---------------------------------------------------------------- few columns, or few products
_ROW_MAJOR, _PLAIN = 101, 111
"""The C interface of BLAS names its options so."""

_ZERO, _ONE = np.float32(0), np.float32(1)


def _external_sgemm() -> Any:
    """OpenBLAS's ``cblas_sgemm`` with 64-bit sizes, under a name that stored machine code finds again."""
    address = ctypes.cast(threads.function_of_openblas("scipy_cblas_sgemm64_"), ctypes.c_void_p).value
    llvmlite.binding.add_symbol("framework_sgemm", address)
    option, size, number, matrix = types.int32, types.int64, types.float32, types.CPointer(types.float32)
    sizes, operand = (size, size, size), (matrix, size)
    return types.ExternalFunction(
        "framework_sgemm",
        types.void(option, option, option, *sizes, number, *operand, *operand, number, *operand),
    )


_sgemm = _external_sgemm()


# ---------------------------------------------------------------- packed
@jit
def _strip(w: Array, m: int, b: Array, out: Array, j: int, add: bool) -> None:
    """The columns ``j`` to ``j + 16`` of the product, added to what is there or in its place."""
    k, n = b.shape
    for start in range(0, k, _DEPTH):
        depth, i, more = min(_DEPTH, k - start), 0, add or start > 0
        block = m * start
        while i + 6 <= m:
            _tile(6, w, block + i * depth, b, start * n + j, out, i * n + j, n, depth, more)
            i += 6
        while i + 2 <= m:
            _tile(2, w, block + i * depth, b, start * n + j, out, i * n + j, n, depth, more)
            i += 2
        if i < m:
            _tile(1, w, block + i * depth, b, start * n + j, out, i * n + j, n, depth, more)


@numba.extending.intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _tile(
    context: Any, rows: Any, w: Any, w_at: Any, b: Any, b_at: Any, out: Any, out_at: Any, n: Any, depth: Any, add: Any
) -> Any:
    """A tile of sums: ``rows`` times 16 of ``out``, from places in the packed ``w``, in ``b (K, n)`` and in ``out (M, n)``.

    Written in LLVM's terms, since numba has no vectors: only so do the sums stay in registers.
    """
    size = types.int64
    signature = types.void(rows, w, size, b, size, out, size, size, size, types.boolean)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, w, w_at, b, b_at, out, out_at, n, depth, add = args
        height, integer, vector = rows.literal_value, ir.IntType(64), ir.VectorType(ir.FloatType(), _LANES)
        nothing, first = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), _LANES), None)

        def place(i: int, array: Any, start: Any) -> Any:
            return builder.gep(context.make_array(signature.args[i])(context, builder, array).data, [start])

        def vectors(start: Any) -> list[Any]:
            places = [builder.gep(start, [integer(_LANES * v)]) for v in range(_VECTORS)]
            return [builder.bitcast(p, vector.as_pointer()) for p in places]

        def load(p: Any) -> Any:
            return builder.load(p, align=4)

        def everywhere(number: Any) -> Any:
            return builder.shuffle_vector(builder.insert_element(nothing, number, ir.IntType(32)(0)), nothing, first)

        weights, terms, results = place(1, w, w_at), place(3, b, b_at), place(5, out, out_at)
        targets = [p for r in range(height) for p in vectors(builder.gep(results, [builder.mul(n, integer(r))]))]
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in targets]
        with builder.if_then(add):
            for total, target in zip(sums, targets):
                builder.store(load(target), total)
        with cgutils.for_range(builder, depth) as loop:
            row = [load(p) for p in vectors(builder.gep(terms, [builder.mul(loop.index, n)]))]
            column = builder.gep(weights, [builder.mul(loop.index, integer(height))])
            for r in range(height):
                weight = everywhere(builder.load(builder.gep(column, [integer(r)])))
                for total, term in zip(sums[r * _VECTORS :], row):
                    share = builder.fmul(weight, term, flags=("contract",))
                    builder.store(builder.fadd(builder.load(total), share, flags=("contract",)), total)
        for total, target in zip(sums, targets):
            builder.store(builder.load(total), target, align=4)
        return context.get_dummy_value()

    return signature, generate
