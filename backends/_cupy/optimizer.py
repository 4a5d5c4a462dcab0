"""Optimizer updates: one launch for up to 96 parameters of one number type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backends._cupy.launching import blocks, dense, supported
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
