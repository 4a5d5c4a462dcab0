"""Products of small and middling matrices, compiled by numba: what is used often is laid out once, the rest stays as it lies.

OpenBLAS copies both operands into an order that its inner loop likes in every product, which for the few rows that a
recurrent layer has at a step takes as long as the product itself. Here the right matrix is cut into *strips* of 16 columns
once, ``(N / 16, K, 16)``, the last filled up with zeros; the left one is read where it is, for the inner loop needs single
numbers of it. The loop holds a tile of sums in registers (Goto, van de Geijn: Anatomy of high-performance matrix
multiplication, 2008), one vector of 16 for each row: of 512 bits where the processor has such, else two of 256.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from backends._numpy.jit import inlined, jit

Array = Any

STRIP = 16

_DEPTH = 256
"""Terms that are summed before the next rows: a strip of so many stays in a core's first-level cache."""

_HAS_512_BITS = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))

_TALL, _PAIR = (8, 2) if _HAS_512_BITS else (6, 1)
"""Rows and strips of the largest tile: the most that registers hold."""


@jit
def copy_rows(a: Array, at: int, row: int, out: Array, out_at: int, out_row: int, rows: int, width: int) -> None:
    """Copy rows between flat arrays: of each the place of the first number, and the distance between rows.

    Without views of rows, which take longer to make than a short row to copy; and without signs, since numba would ask
    of every index whether it counts from the end.
    """
    here, there, step, out_step = np.uint64(at), np.uint64(out_at), np.uint64(row), np.uint64(out_row)
    for i in range(np.uint64(rows)):
        for j in range(np.uint64(width)):
            out[there + i * out_step + j] = a[here + i * step + j]


@jit
def add_rows(a: Array, at: int, row: int, out: Array, out_at: int, out_row: int, rows: int, width: int) -> None:
    """Add rows, which may all go to the same one, as :func:`copy_rows` copies them."""
    here, there, step, out_step = np.uint64(at), np.uint64(out_at), np.uint64(row), np.uint64(out_row)
    for i in range(np.uint64(rows)):
        for j in range(np.uint64(width)):
            out[there + i * out_step + j] += a[here + i * step + j]


@jit
def put_in_strips(
    a: Array, at: int, row: int, strips: Array, strips_at: int, strip: int, rows: int, columns: int
) -> None:
    """Copy rows of a flat array, as :func:`copy_rows` does, to strips at the given distance from each other."""
    for j in range(0, columns, STRIP):
        copy_rows(a, at + j, row, strips, strips_at + j // STRIP * strip, STRIP, rows, min(STRIP, columns - j))


@jit
def in_strips(a: Array) -> Array:
    """A contiguous matrix cut into strips."""
    rows, columns = a.shape
    if columns == STRIP:
        return a.reshape(1, rows, STRIP)
    out = np.zeros((-(-columns // STRIP), rows, STRIP), np.float32)
    put_in_strips(a.reshape(-1), 0, columns, out.reshape(-1), 0, rows * STRIP, rows, columns)
    return out


@numba.extending.intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _tile(
    context: Any,
    rows: Any,
    strips: Any,
    w: Any,
    w_at: Any,
    row: Any,
    column: Any,
    b: Any,
    b_at: Any,
    strip: Any,
    out: Any,
    out_at: Any,
    out_row: Any,
    depth: Any,
    add: Any,
) -> Any:
    """A tile of sums of some rows and strips; of all arrays, which are flat, the place where it begins and the distances.

    Written in LLVM's terms, since numba has no vectors: only so do the sums stay in registers.
    """
    size = types.int64
    signature = types.void(rows, strips, w, size, size, size, b, size, size, out, size, size, size, types.boolean)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, _, w, w_at, row, column, b, b_at, strip, out, out_at, out_row, depth, add = args
        height, width = rows.literal_value, strips.literal_value
        integer, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), STRIP)
        nothing, first = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), STRIP), None)

        def place(i: int, array: Any, start: Any) -> Any:
            return builder.gep(context.make_array(signature.args[i])(context, builder, array).data, [start])

        def times(distance: Any, count: int) -> Any:
            return builder.mul(distance, integer(count))

        def load(p: Any) -> Any:
            return builder.load(p, align=4)

        def everywhere(number: Any) -> Any:
            return builder.shuffle_vector(builder.insert_element(nothing, number, ir.IntType(32)(0)), nothing, first)

        weights, terms, results = place(2, w, w_at), place(6, b, b_at), place(9, out, out_at)
        targets = [
            builder.bitcast(
                builder.gep(results, [builder.add(times(out_row, r), integer(s * STRIP))]), vector.as_pointer()
            )
            for r in range(height)
            for s in range(width)
        ]
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in targets]
        with builder.if_then(add):
            for total, target in zip(sums, targets):
                builder.store(load(target), total)
        with cgutils.for_range(builder, depth) as loop:
            here = builder.gep(terms, [times(loop.index, STRIP)])
            line = [
                load(builder.bitcast(builder.gep(here, [times(strip, s)]), vector.as_pointer())) for s in range(width)
            ]
            numbers = builder.gep(weights, [builder.mul(loop.index, column)])
            for r in range(height):
                weight = everywhere(builder.load(builder.gep(numbers, [times(row, r)])))
                for total, term in zip(sums[r * width :], line):
                    share = builder.fmul(weight, term, flags=("contract",))
                    builder.store(builder.fadd(builder.load(total), share, flags=("contract",)), total)
        for total, target in zip(sums, targets):
            builder.store(builder.load(total), target, align=4)
        return context.get_dummy_value()

    return signature, generate


def _bands(height: int, width: int) -> Any:
    """Rows ``[first, stop)`` of a product in tiles of so many rows and strips; a few strips stay in cache for all rows."""

    @inlined
    def bands(
        first: int,
        stop: int,
        w: Array,
        w_at: int,
        row: int,
        column: int,
        b: Array,
        b_at: int,
        size: int,
        strips: int,
        out: Array,
        out_at: int,
        out_row: int,
        depth: int,
        add: bool,
    ) -> None:
        whole = strips - strips % width
        for j in range(0, whole, width):
            b_j, o = b_at + j * size, out_at + j * STRIP
            for i in range(first, stop, height):
                _tile(
                    height,
                    width,
                    w,
                    w_at + i * row,
                    row,
                    column,
                    b,
                    b_j,
                    size,
                    out,
                    o + i * out_row,
                    out_row,
                    depth,
                    add,
                )
        for j in range(whole, strips):
            b_j, o = b_at + j * size, out_at + j * STRIP
            for i in range(first, stop, height):
                _tile(
                    height, 1, w, w_at + i * row, row, column, b, b_j, size, out, o + i * out_row, out_row, depth, add
                )

    return bands


_tall, _quads, _single = _bands(_TALL, _PAIR), _bands(4, _PAIR), _bands(1, 4)


@jit
def product(
    w: Array,
    w_at: int,
    row: int,
    column: int,
    rows: int,
    depth: int,
    b: Array,
    b_at: int,
    strip: int,
    strips: int,
    out: Array,
    out_at: int,
    out_row: int,
    add: bool,
) -> None:
    """``out = w @ b``, or added to what is there, for ``b (depth, N)`` in strips.

    All lie in flat arrays, from the given places on: ``w (rows, depth)`` with its rows and columns at the given distances, the
    strips at theirs, and ``out (rows, N)`` with its rows at a distance that leaves room for all strips.
    """
    for start in range(0, depth, _DEPTH):
        k, more, w_k, b_k = min(_DEPTH, depth - start), add or start > 0, w_at + start * column, b_at + start * STRIP
        tall = rows - rows % _TALL
        quads = tall + (rows - tall) // 4 * 4
        if tall:
            _tall(0, tall, w, w_k, row, column, b, b_k, strip, strips, out, out_at, out_row, k, more)
        if quads > tall:
            _quads(tall, quads, w, w_k, row, column, b, b_k, strip, strips, out, out_at, out_row, k, more)
        if rows > quads:
            _single(quads, rows, w, w_k, row, column, b, b_k, strip, strips, out, out_at, out_row, k, more)
