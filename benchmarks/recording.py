"""What a call costs above NumPy's own: ``python -m benchmarks.recording [--rounds 200]``.

Each operation on arrays of 4 x 4, in NumPy, on tensors, and on tensors that record: the fastest of many short rounds,
taken in turns, since whatever else the machine does only adds to a time.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

import framework as fw

CALLS = 50
"""How often a round calls an operation."""

AIM = (0.7, 1.5)
"""Microseconds above NumPy, plain and recorded."""


def operations() -> dict[str, Callable[[Any, Any, Any], Any]]:
    """Functions of a namespace and two matrices."""
    mask = {np: np.eye(4, dtype=bool), fw: fw.eye(4, dtype=fw.bool)}
    rows = {np: np.array([0, 2, 1]), fw: fw.asarray([0, 2, 1])}
    places = {np: np.zeros((1, 4), dtype=np.int64), fw: fw.zeros((1, 4), dtype=fw.int64)}
    return {
        "a + b": lambda m, a, b: a + b,
        "a * 2.0": lambda m, a, b: a * 2.0,
        "a ** 2": lambda m, a, b: a**2,
        "a < b": lambda m, a, b: a < b,
        "a == b": lambda m, a, b: a == b,
        "add": lambda m, a, b: m.add(a, b),
        "exp": lambda m, a, b: m.exp(a),
        "astype": lambda m, a, b: m.astype(a, m.float64),
        "matmul": lambda m, a, b: m.matmul(a, b),
        "vecdot": lambda m, a, b: m.vecdot(a, b),
        "tensordot": lambda m, a, b: m.tensordot(a, b, axes=1),
        "sum": lambda m, a, b: m.sum(a, axis=0),
        "mean": lambda m, a, b: m.mean(a, axis=0),
        "max": lambda m, a, b: m.max(a, axis=-1),
        "argmax": lambda m, a, b: m.argmax(a, axis=-1),
        "any": lambda m, a, b: m.any(a, axis=0),
        "reshape": lambda m, a, b: m.reshape(a, (2, 8)),
        "permute_dims": lambda m, a, b: m.permute_dims(a, (1, 0)),
        "moveaxis": lambda m, a, b: m.moveaxis(a, 0, 1),
        "broadcast_to": lambda m, a, b: m.broadcast_to(a, (3, 4, 4)),
        "flip": lambda m, a, b: m.flip(a, axis=0),
        "roll": lambda m, a, b: m.roll(a, 1, axis=0),
        "tile": lambda m, a, b: m.tile(a, (2, 1)),
        "repeat": lambda m, a, b: m.repeat(a, 2, axis=0),
        "tril": lambda m, a, b: m.tril(a),
        "matrix_transpose": lambda m, a, b: m.matrix_transpose(a),
        "expand_dims": lambda m, a, b: m.expand_dims(a, axis=0),
        "where": lambda m, a, b: m.where(mask[m], a, b),
        "clip": lambda m, a, b: m.clip(a, -1.0, 1.0),
        "take": lambda m, a, b: m.take(a, rows[m], axis=0),
        "take_along_axis": lambda m, a, b: m.take_along_axis(a, places[m], axis=0),
        "a[1]": lambda m, a, b: a[1],
        "a[1:3, :]": lambda m, a, b: a[1:3, :],
        "a[rows]": lambda m, a, b: a[rows[m]],
        "a[:, rows]": lambda m, a, b: a[:, rows[m]],
        "a[mask]": lambda m, a, b: a[mask[m]],
        "concat": lambda m, a, b: m.concat([a, b], axis=0),
        "stack": lambda m, a, b: m.stack([a, b], axis=0),
        "einsum": lambda m, a, b: m.einsum("ij,jk->ik", a, b),
        "cumulative_sum": lambda m, a, b: m.cumulative_sum(a, axis=0),
        "sort": lambda m, a, b: m.sort(a, axis=0),
        "var": lambda m, a, b: m.var(a, axis=0),
        "inv": lambda m, a, b: m.linalg.inv(a),
        "solve": lambda m, a, b: m.linalg.solve(a, b),
        "qr (two results)": lambda m, a, b: m.linalg.qr(a),
        "fft (two operations)": lambda m, a, b: m.fft.fft(a),
    }


def _microseconds(function: Callable[..., Any], *args: Any) -> float:
    start = perf_counter()
    for _ in range(CALLS):
        function(*args)
    return (perf_counter() - start) / CALLS * 1e6


def measure(rounds: int) -> dict[str, tuple[float, float, float]]:
    """Microseconds in NumPy, and those that a tensor's call takes above it, plain and recorded."""
    arrays = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)
    a, b = arrays
    plain, other = fw.asarray(a), fw.asarray(b)
    recorded = fw.Tensor(a, requires_grad=True)
    functions = operations()
    best = {name: [float("inf")] * 3 for name in functions}
    gc.disable()
    for _ in range(rounds):
        for name, function in functions.items():
            for i, args in enumerate(((np, a, b), (fw, plain, other), (fw, recorded, other))):
                best[name][i] = min(best[name][i], _microseconds(function, *args))
    gc.enable()
    return {name: (bare, tensor - bare, graph - bare) for name, (bare, tensor, graph) in best.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rows = measure(parser.parse_args().rounds)
    print(f"{'operation':<22}{'NumPy':>8}{'plain':>9}{'recorded':>10}   us; aims above NumPy: {AIM[0]} and {AIM[1]}")
    for name, (bare, plain, recorded) in rows.items():
        over = "" if plain <= AIM[0] and recorded <= AIM[1] else "   over"
        print(f"{name:<22}{bare:8.2f}{plain:+9.2f}{recorded:+10.2f}{over}")


if __name__ == "__main__":
    main()
