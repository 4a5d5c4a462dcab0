"""Optimizer updates: one launch for up to 96 parameters of one number type, and few for a table's rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from backends._cupy.embedding import PIECE, matrix, sorted_keys
from backends._cupy.launching import blocks, dense, flat_ids, over_rows, supported, wide
from backends.reference import optimizer as reference

Array = Any

_TENSORS = 96
_TABLE = np.dtype([(name, "i8", _TENSORS) for name in ("params", "grads", "buffers", "sizes", "fresh")])


def sgd_step(
    backend: Any,
    params: Sequence[Array],
    grads: Sequence[Array],
    buffers: Sequence[Array | None],
    *,
    lr: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
    weight_decay: float,
    maximize: bool,
) -> list[Array | None]:
    """One step on each array of ``params`` and ``buffers``, which are changed in place; returns the buffers."""
    options = {"lr": lr, "momentum": momentum, "dampening": dampening, "nesterov": nesterov}
    options |= {"weight_decay": weight_decay, "maximize": maximize}
    after: list[Array | None] = list(buffers)
    groups: dict[str, list[int]] = {}
    for i, (param, buffer) in enumerate(zip(params, buffers)):
        if not _fits(param) or (buffer is not None and not _fits(buffer)):
            after[i] = reference.sgd_step(backend, [param], [grads[i]], [buffer], **options)[0]  # type: ignore[arg-type]
        else:
            groups.setdefault(param.dtype.name, []).append(i)
    for dtype, members in groups.items():
        for start in range(0, len(members), _TENSORS):
            part = members[start : start + _TENSORS]
            kept = _launch(backend, dtype, [(params[i], grads[i], buffers[i]) for i in part], options)
            for i, buffer in zip(part, kept):
                after[i] = buffer
    return after


def _fits(array: Array) -> bool:
    return supported(array) and bool(array.flags.c_contiguous)


def _launch(backend: Any, dtype: str, triples: list[tuple[Any, ...]], options: dict[str, Any]) -> list[Array | None]:
    xp = backend.xp
    grads = [dense(xp.astype(grad, param.dtype, copy=False)) for param, grad, _ in triples]
    momentum = options["momentum"]
    buffers = [xp.empty_like(p) if b is None and momentum else b for p, _, b in triples]
    table = np.zeros(1, _TABLE)
    for k, ((param, _, old), grad, buffer) in enumerate(zip(triples, grads, buffers)):
        used = buffer if momentum else None
        addresses = (backend.address(param), backend.address(grad), 0 if used is None else backend.address(used))
        for name, value in zip(_TABLE.names or (), (*addresses, param.size, old is None)):
            table[name][0, k] = value
    largest = max(param.size for param, _, _ in triples)
    numbers = (float(options["lr"]), float(momentum), float(options["dampening"]), int(options["nesterov"]))
    arguments = (table, *numbers, float(options["weight_decay"]), int(options["maximize"]))
    grid = (min(blocks(largest, 1024), 1 << 12), len(triples), 1)
    backend.launch("optimizer.sgd_step", dtype, grid, (256, 1, 1), arguments)
    return buffers


def advance_rows(
    backend: Any,
    table: Array,
    buffer: Array | None,
    seen: Array,
    products: Array,
    ids: Array | None,
    rows: Array | None,
    gains: tuple[float, float],
) -> None:
    """Bring rows that are owed steps up to date, in place, and add a gradient to them; rows are read and written once."""
    if not _all_fit(table, buffer):
        reference.advance_rows(backend, table, buffer, seen, products, ids, rows, gains)
    elif rows is None or ids is None:
        keys = None if ids is None else flat_ids(backend.xp, ids)
        n = table.shape[0] if keys is None else keys.shape[0]
        arguments = (keys, n, *_debt(table, buffer, seen, products))
        backend.launch("optimizer.advance_rows", table.dtype.name, (blocks(n, 8), 1, 1), (32, 8, 1), arguments)
    else:
        _advance_with_gradient(backend, (table, buffer, seen, products), ids, rows, gains)


def _advance_with_gradient(
    backend: Any, arrays: tuple[Any, ...], ids: Array, rows: Array, gains: tuple[float, float]
) -> None:
    xp, table = backend.xp, arrays[0]
    debt, dtype = _debt(*arrays), table.dtype.name
    keys, width = flat_ids(xp, ids), prod(table.shape[1:])
    rows = matrix(xp, keys, xp.astype(rows, table.dtype, copy=False), width)
    keys, order = sorted_keys(xp, keys)
    n, pieces, numbers = keys.shape[0], blocks(keys.shape[0], PIECE), tuple(map(float, gains))
    parts = xp.empty((2 * pieces, width), dtype=wide(table))
    arguments = (keys, order, rows, parts, n, *debt, *numbers)
    backend.launch("optimizer.advance_runs", dtype, (blocks(n, 8), 1, 1), (32, 8, 1), arguments)
    if pieces > 1:
        joined = (keys, parts, n, *debt, *numbers)
        backend.launch("optimizer.join_advanced", dtype, (pieces - 1, 1, 1), (32, 16, 1), joined)


def take_advanced_rows(
    backend: Any, table: Array, buffer: Array | None, seen: Array, products: Array, ids: Array
) -> Array:
    """The rows as :func:`advance_rows` would leave them, ``ids.shape + table.shape[1:]``; nothing is changed."""
    if not _all_fit(table, buffer):
        return reference.take_advanced_rows(backend, table, buffer, seen, products, ids)
    flat, width = flat_ids(backend.xp, ids), prod(table.shape[1:])
    out = backend.xp.empty((*ids.shape, *table.shape[1:]), dtype=table.dtype)
    arguments = (flat, out, flat.shape[0], *_debt(table, buffer, seen, products))
    grid, block = over_rows(flat.shape[0], width)
    backend.launch("optimizer.take_advanced_rows", table.dtype.name, grid, block, arguments)
    return out


def _all_fit(table: Array, buffer: Array | None) -> bool:
    return _fits(table) and (buffer is None or (_fits(buffer) and buffer.dtype == table.dtype))


def _debt(table: Array, buffer: Array | None, seen: Array, products: Array) -> tuple[Any, ...]:
    """What the kernels know of a table whose rows are behind."""
    return table, buffer, seen, dense(products), prod(table.shape[1:]), table.shape[0], products.shape[0] - 1
