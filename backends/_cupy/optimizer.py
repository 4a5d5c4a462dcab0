"""Optimizer updates: one launch for up to 80 parameters, and rows of 6 tables, of one number type."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from backends._cupy.launching import adds_atomically, blocks, dense, flat_ids, over_rows, supported
from backends._cupy.sorting import BLOCK, Runs, sorted_runs
from backends.reference import optimizer as reference

Array = Any

_TENSORS, _TABLES = 80, 6
_CHUNK = 2048


class _Debt(NamedTuple):
    """What the kernels know of a table whose rows are behind, or not, without `seen`."""

    table: Array
    buffer: Array | None
    seen: Array | None
    products: Array | None
    width: int
    size: int
    steps: int


_TABLE = np.dtype(
    [(f"runs_{name}", "i8") for name in Runs._fields]
    + [(f"debt_{name}", "i8") for name in _Debt._fields]
    + [("w_gain", "f8"), ("b_gain", "f8"), ("end", "i8")]
)
_COLUMNS = {"params": "i8", "grads": "i8", "buffers": "i8", "sizes": "i8", "fresh": "i4", "ends": "i4"}
_WORK = np.dtype([("tables", _TABLE, _TABLES)] + [(name, kind, _TENSORS) for name, kind in _COLUMNS.items()])
_OPTIONS = ("lr", "momentum", "dampening", "nesterov", "weight_decay", "maximize")


def sgd_step(
    backend: Any,
    params: Sequence[Array],
    grads: Sequence[Array],
    buffers: Sequence[Array | None],
    tables: Sequence[reference.TableStep] = (),
    *,
    lr: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
    weight_decay: float,
    maximize: bool,
) -> list[Array | None]:
    """One step on each array of ``params`` and ``buffers``, and on rows of ``tables``, in place; returns the buffers."""
    options = dict(zip(_OPTIONS, (lr, momentum, dampening, nesterov, weight_decay, maximize)))
    after: list[Array | None] = list(buffers)
    work: dict[str, tuple[list[int], list[reference.TableStep]]] = {}
    for i, (param, buffer) in enumerate(zip(params, buffers)):
        if not _all_fit(param, buffer):
            after[i] = reference.sgd_step(backend, [param], [grads[i]], [buffer], **options)[0]  # type: ignore[arg-type]
            continue
        if momentum and buffer is None:
            after[i] = backend.xp.empty_like(param)
        work.setdefault(param.dtype.name, ([], []))[0].append(i)
    for step in tables:
        if not _all_fit(step.table, step.buffer) or (step.seen is None and adds_atomically(backend, step.table)):
            step.take(backend)
        else:
            work.setdefault(step.table.dtype.name, ([], []))[1].append(step)
    for dtype, (members, steps) in work.items():
        for k in range(max(blocks(len(members), _TENSORS), blocks(len(steps), _TABLES))):
            some = members[k * _TENSORS : (k + 1) * _TENSORS]
            tensors = [(params[i], grads[i], after[i] if momentum else None, buffers[i] is None) for i in some]
            _launch(backend, dtype, tensors, steps[k * _TABLES : (k + 1) * _TABLES], tuple(options.values()))
    return after


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
        step = reference.TableStep(table, buffer, seen, products, ids, rows, gains)
        _launch(backend, table.dtype.name, [], [step], (0,) * len(_OPTIONS))


def _launch(
    backend: Any,
    dtype: str,
    tensors: Sequence[tuple[Array, Array, Array | None, bool]],
    tables: Sequence[reference.TableStep],
    options: tuple[float, ...],
) -> None:
    """Step tensors (values, gradient, momentum, whether that is new) and tables, at most as many as a launch takes."""
    xp, work, count = backend.xp, np.zeros(1, _WORK), 0
    alive: list[Any] = []  # what the kernel is told the addresses of
    for k, (table, buffer, seen, products, ids, rows, gains) in enumerate(tables):
        runs = sorted_runs(backend, ids, xp.astype(rows, table.dtype, copy=False), prod(table.shape[1:]))
        debt = _debt(table, buffer, seen, products)
        alive += [runs, debt]
        count += runs.pieces
        work["tables"][0, k] = (*(_number(backend, value) for value in (*runs, *debt)), *gains, count)
    work["tables"]["end"][0, len(tables) :] = count
    columns: list[list[int]] = [[] for _ in _COLUMNS]
    for param, grad, buffer, fresh in tensors:
        grad = dense(xp.astype(grad, param.dtype, copy=False))
        alive.append(grad)
        count += blocks(param.size, _CHUNK)
        for column, value in zip(columns, (param, grad, buffer, param.size, fresh, count)):
            column.append(_number(backend, value))
    for name, column in zip(_COLUMNS, columns):
        work[name][0, : len(column)] = column
    work["ends"][0, len(tensors) :] = count
    lr, momentum, dampening, nesterov, weight_decay, maximize = options
    numbers = (float(lr), float(momentum), float(dampening), int(nesterov), float(weight_decay), int(maximize))
    backend.launch("optimizer.sgd_step", dtype, (count, 1, 1), BLOCK, (work, *numbers))


def _number(backend: Any, value: Any) -> int:
    """A number itself, an array's address, 0 for none."""
    return 0 if value is None else value if isinstance(value, int) else backend.address(value)


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


def _fits(array: Array) -> bool:
    return supported(array) and bool(array.flags.c_contiguous)


def _debt(table: Array, buffer: Array | None, seen: Array | None, products: Array | None) -> _Debt:
    products = None if products is None else dense(products)
    steps = 0 if products is None else products.shape[0] - 1
    return _Debt(table, buffer, seen, products, prod(table.shape[1:]), table.shape[0], steps)
