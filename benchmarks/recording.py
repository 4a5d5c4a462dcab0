"""What a call costs above NumPy's own: ``python -m benchmarks.recording [--rounds 200]``.

Each function that NumPy has too, on arrays of 4 x 4, in NumPy, on tensors, and on tensors that record: the fastest of many
short rounds, taken in turns, since whatever else the machine does only adds to a time. Where NumPy would answer in another
dtype than the framework, its side casts, and the eigenvalues that record are held against NumPy's ``eig``, whose vectors
their gradient needs.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable
from operator import attrgetter
from time import perf_counter
from typing import Any

import numpy as np

import framework as fw
from framework.autograd.graph import Node

CALLS = 50
"""How often a round calls an operation."""

AIM = (0.7, 1.5)
"""Microseconds above NumPy, plain and recorded."""


_ONE = """
    abs acos acosh asin asinh atan atanh ceil conj cos cosh exp expm1 floor imag isfinite isinf isnan log log10 log1p log2
    logical_not negative positive real reciprocal round sign signbit sin sinh sqrt square tan tanh trunc
    all any argmax argmin argsort count_nonzero max mean median min nonzero prod sort std sum var
    diff nan_to_num nanmean nansum ones_like empty_like zeros_like unique_all unique_counts unique_inverse unique_values
    cov diagonal matrix_transpose trace tril triu unstack
    linalg.cholesky linalg.det linalg.diagonal linalg.eig linalg.eigh linalg.eigvals linalg.eigvalsh linalg.inv
    linalg.matrix_norm linalg.matrix_rank linalg.matrix_transpose linalg.pinv linalg.qr linalg.slogdet linalg.svd
    linalg.svdvals linalg.trace linalg.vector_norm
    fft.fft fft.fftn fft.fftshift fft.hfft fft.ifft fft.ifftn fft.ifftshift fft.ihfft fft.irfft fft.irfftn fft.rfft fft.rfftn
"""
_TWO = """
    add atan2 copysign divide equal floor_divide greater greater_equal hypot less less_equal logaddexp logical_and logical_or
    logical_xor maximum minimum multiply nextafter not_equal pow remainder subtract
    allclose broadcast_arrays inner isclose isin matmul vecdot result_type
    linalg.matmul linalg.solve linalg.tensordot linalg.vecdot
"""
_ORDERED = np.arange(4.0, dtype=np.float32)
_VECTORS = "convolve kron meshgrid outer linalg.cross linalg.outer"


def operations() -> dict[str, Callable[..., Any]]:
    """Functions of a namespace, two matrices of 4 x 4 and two vectors of 3, with values between 0 and 1."""
    mask = {np: np.eye(4, dtype=bool), fw: fw.eye(4, dtype=fw.bool)}
    rows = {np: np.array([0, 2, 1]), fw: fw.asarray([0, 2, 1])}
    places = {np: np.zeros((1, 4), dtype=np.int64), fw: fw.zeros((1, 4), dtype=fw.int64)}
    one = {np: np.ones((1, 4), dtype=np.float32), fw: fw.ones((1, 4))}
    ordered = {np: _ORDERED, fw: fw.asarray(_ORDERED)}
    return {
        **{name: _one(name) for name in _ONE.split()},
        **{name: _two(name) for name in _TWO.split()},
        **{name: _vectors(name) for name in _VECTORS.split()},
        "a + b": lambda m, a, b, u, v: a + b,
        "a * 2.0": lambda m, a, b, u, v: a * 2.0,
        "2.0 * a": lambda m, a, b, u, v: 2.0 * a,
        "a ** 2": lambda m, a, b, u, v: a**2,
        "-a": lambda m, a, b, u, v: -a,
        "a @ b": lambda m, a, b, u, v: a @ b,
        "a < b": lambda m, a, b, u, v: a < b,
        "a == b": lambda m, a, b, u, v: a == b,
        "a.T": lambda m, a, b, u, v: a.T,
        "a.shape": lambda m, a, b, u, v: a.shape,
        "astype": lambda m, a, b, u, v: m.astype(a, m.float64),
        "bitwise_and": lambda m, a, b, u, v: m.bitwise_and(rows[m], rows[m]),
        "bitwise_invert": lambda m, a, b, u, v: m.bitwise_invert(rows[m]),
        "bitwise_left_shift": lambda m, a, b, u, v: m.bitwise_left_shift(rows[m], rows[m]),
        "bincount": lambda m, a, b, u, v: m.bincount(rows[m]),
        "cumulative_prod": lambda m, a, b, u, v: m.cumulative_prod(a, axis=0),
        "cumulative_sum": lambda m, a, b, u, v: m.cumulative_sum(a, axis=0),
        "interp": lambda m, a, b, u, v: m.interp(u, ordered[m], ordered[m]),
        "tensordot": lambda m, a, b, u, v: m.tensordot(a, b, axes=1),
        "sum over axis 0": lambda m, a, b, u, v: m.sum(a, axis=0),
        "mean over axis 0": lambda m, a, b, u, v: m.mean(a, axis=0),
        "max over axis -1": lambda m, a, b, u, v: m.max(a, axis=-1),
        "var over axis 0": lambda m, a, b, u, v: m.var(a, axis=0),
        "quantile": lambda m, a, b, u, v: m.quantile(a, 0.5),
        "reshape": lambda m, a, b, u, v: m.reshape(a, (2, 8)),
        "permute_dims": lambda m, a, b, u, v: m.permute_dims(a, (1, 0)),
        "moveaxis": lambda m, a, b, u, v: m.moveaxis(a, 0, 1),
        "broadcast_to": lambda m, a, b, u, v: m.broadcast_to(a, (3, 4, 4)),
        "flip": lambda m, a, b, u, v: m.flip(a, axis=0),
        "roll": lambda m, a, b, u, v: m.roll(a, 1, axis=0),
        "tile": lambda m, a, b, u, v: m.tile(a, (2, 1)),
        "repeat": lambda m, a, b, u, v: m.repeat(a, 2, axis=0),
        "pad": lambda m, a, b, u, v: m.pad(a, 1),
        "expand_dims": lambda m, a, b, u, v: m.expand_dims(a, axis=0),
        "squeeze": lambda m, a, b, u, v: m.squeeze(one[m], axis=0),
        "where": lambda m, a, b, u, v: m.where(mask[m], a, b),
        "clip": lambda m, a, b, u, v: m.clip(a, 0.2, 0.8),
        "take": lambda m, a, b, u, v: m.take(a, rows[m], axis=0),
        "take_along_axis": lambda m, a, b, u, v: m.take_along_axis(a, places[m], axis=0),
        "searchsorted": lambda m, a, b, u, v: m.searchsorted(ordered[m], u),
        "a[1]": lambda m, a, b, u, v: a[1],
        "a[1, 2]": lambda m, a, b, u, v: a[1, 2],
        "a[1:3, :]": lambda m, a, b, u, v: a[1:3, :],
        "a[None]": lambda m, a, b, u, v: a[None],
        "a[rows]": lambda m, a, b, u, v: a[rows[m]],
        "a[:, rows]": lambda m, a, b, u, v: a[:, rows[m]],
        "a[mask]": lambda m, a, b, u, v: a[mask[m]],
        "concat": lambda m, a, b, u, v: m.concat([a, b], axis=0),
        "stack": lambda m, a, b, u, v: m.stack([a, b], axis=0),
        "trapezoid": lambda m, a, b, u, v: m.trapezoid(a),
        "einsum": lambda m, a, b, u, v: m.einsum("ij,jk->ik", a, b),
        "linalg.matrix_power": lambda m, a, b, u, v: m.linalg.matrix_power(a, 3),
        "fft.fftfreq": lambda m, a, b, u, v: m.fft.fftfreq(4),
        "fft.rfftfreq": lambda m, a, b, u, v: m.fft.rfftfreq(4),
        "arange": lambda m, a, b, u, v: m.arange(4),
        "asarray of a list": lambda m, a, b, u, v: m.asarray([1.0, 2.0]),
        "asarray of an array": lambda m, a, b, u, v: m.asarray(a),
        "empty": lambda m, a, b, u, v: m.empty((4, 4)),
        "eye": lambda m, a, b, u, v: m.eye(4),
        "full": lambda m, a, b, u, v: m.full((4, 4), 2.0),
        "full_like": lambda m, a, b, u, v: m.full_like(a, 2.0),
        "linspace": lambda m, a, b, u, v: m.linspace(0.0, 1.0, 4),
        "ones": lambda m, a, b, u, v: m.ones((4, 4)),
        "zeros": lambda m, a, b, u, v: m.zeros((4, 4)),
    }


_NUMPY = {
    "asarray of a list": lambda m, a, b, u, v: np.asarray([1.0, 2.0], dtype=np.float32),
    "fft.fftfreq": lambda m, a, b, u, v: np.fft.fftfreq(4).astype(np.float32),
    "fft.rfftfreq": lambda m, a, b, u, v: np.fft.rfftfreq(4).astype(np.float32),
    "interp": lambda m, a, b, u, v: np.interp(u, _ORDERED, _ORDERED).astype(np.float32),
    "linalg.eigvals": lambda m, a, b, u, v: np.linalg.eigvals(a).astype(np.complex64),
    "linspace": lambda m, a, b, u, v: np.linspace(0.0, 1.0, 4, dtype=np.float32),
}
"""What gives in NumPy what the framework's function does, where it is not the function of that name alone."""

_NUMPY_FOR_GRADIENT = {"linalg.eigvals": lambda m, a, b, u, v: np.linalg.eig(a)}


def _one(name: str) -> Callable[..., Any]:
    find = attrgetter(name)
    return lambda m, a, b, u, v: find(m)(a)


def _two(name: str) -> Callable[..., Any]:
    find = attrgetter(name)
    return lambda m, a, b, u, v: find(m)(a, b)


def _vectors(name: str) -> Callable[..., Any]:
    find = attrgetter(name)
    return lambda m, a, b, u, v: find(m)(u, v)


def _microseconds(function: Callable[..., Any], *args: Any) -> float:
    start = perf_counter()
    for _ in range(CALLS):
        function(*args)
    return (perf_counter() - start) / CALLS * 1e6


def _places(result: Any) -> int:
    """How many places in the graph a call has made, of which each costs; at least one."""
    found: set[Any] = set()
    parts = result if isinstance(result, tuple) else (result,)
    left: list[Any] = [part.node for part in parts if isinstance(part, fw.Tensor)]
    while left:
        node = left.pop()
        if isinstance(node, Node) and node not in found:
            found.add(node)
            left.extend(node.inputs)
    several = [node for node in found if isinstance(node.shape, list)]
    below = [node for node in found if any(parent in several for parent in node.inputs)]
    return max(1, len(found) - len(below) + sum(len(node.shape) for node in several))


def measure(rounds: int) -> dict[str, tuple[float, float, float, int]]:
    """Microseconds in NumPy, those that a tensor's call takes above it, plain and recorded, and how many places it makes."""
    random = np.random.default_rng(0)
    a, b = random.uniform(0.1, 0.3, size=(2, 4, 4))
    arrays = [x.astype(np.float32) for x in (a + a.T + 0.3 * np.eye(4), b, *random.uniform(0.1, 0.9, size=(2, 3)))]
    plain = [fw.asarray(x) for x in arrays]
    recorded = [fw.Tensor(arrays[0], requires_grad=True), plain[1], fw.Tensor(arrays[2], requires_grad=True), plain[3]]
    functions = operations()
    calls = {
        name: [
            (_NUMPY.get(name, function), np, *arrays),
            (function, fw, *plain),
            (function, fw, *recorded),
            *[(bare, np, *arrays) for bare in [_NUMPY_FOR_GRADIENT.get(name)] if bare],
        ]
        for name, function in functions.items()
    }
    best = {name: [float("inf")] * len(ways) for name, ways in calls.items()}
    gc.disable()
    for _ in range(rounds):
        for name, ways in calls.items():
            best[name] = [min(time, _microseconds(*way)) for time, way in zip(best[name], ways)]
    gc.enable()
    places = {name: _places(function(fw, *recorded)) for name, function in functions.items()}
    return {
        name: (bare, plain - bare, recorded - (for_gradient or [bare])[0], places[name])
        for name, (bare, plain, recorded, *for_gradient) in best.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rows = measure(parser.parse_args().rounds)
    print(f"{'':<24}{'NumPy':>8}{'plain':>9}{'recorded':>10}   us; aims above NumPy, for each operation: {AIM}")
    for name, (bare, plain, recorded, places) in rows.items():
        note = f"{places} operations" if places > 1 else ""
        over = "over" if plain > AIM[0] * places or recorded > AIM[1] * places else ""
        print(f"{name:<24}{bare:8.2f}{plain:+9.2f}{recorded:+10.2f}   {note:<14}{over}".rstrip())


if __name__ == "__main__":
    main()
