"""What is measured: a table of workloads, and the data that all peers share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Workload:
    """One row of the results.

    Attributes
    ----------
    name : str
        As it stands in the tables.
    kind : str
        ``embedding``, ``recurrent``, ``language``, ``xor``, ``babi`` or ``chain``.
    peers : tuple of str
        Who runs it besides us.
    sizes : dict
        What :func:`make_data` and the peers need to know.
    target : dict
        The ratio to each peer that we aim at.
    quick : bool
        Whether it belongs to the quick run.
    """

    name: str
    kind: str
    peers: tuple[str, ...]
    sizes: dict[str, Any] = field(default_factory=dict)
    target: dict[str, float] = field(default_factory=dict)
    quick: bool = False


EMBEDDINGS = [(10_000, 64, 64, 64), (50_000, 128, 128, 64), (400_000, 300, 64, 64)]
RECURRENT = [(100, 5, 16, 16), (32, 64, 128, 128), (32, 64, 256, 512), (1, 64, 64, 64), (128, 128, 64, 64)]
UPDATES = {"sgd": (0.0, 0.0), "momentum": (0.9, 0.0), "decay": (0.0, 1e-4)}


def _embedding(shape: tuple[int, ...], ids: str, update: str, layer: str, train: bool = True) -> Workload:
    v, d, n, t = shape
    momentum, decay = UPDATES[update]
    sparse = update == "sgd" and train
    peers = ("torch", "torch-sparse") if sparse else ("torch",)
    if ids == "uniform" and layer == "embedding" and update == "sgd" and train:
        peers = (*peers, "jax", "founding")
    target = {"torch": {10_000: 1.0, 50_000: 0.2, 400_000: 0.03}[v], "torch-sparse": 1.0, "jax": 1.0, "founding": 0.05}
    return Workload(
        f"{layer} {v // 1000}k x {d}, {ids}, {update if train else 'inference'}",
        "embedding",
        peers,
        {
            "V": v,
            "D": d,
            "N": n,
            "T": t,
            "ids": ids,
            "momentum": momentum,
            "decay": decay,
            "layer": layer,
            "train": train,
        },
        {peer: target[peer] for peer in peers} if train else {},
        quick=v == 50_000 and ids == "uniform" and update == "sgd" and train,
    )


def _recurrent(cell: str, shape: tuple[int, ...], train: bool = True) -> Workload:
    n, t, d, h = shape
    aim = 1.0 if cell == "lstm" else 0.8
    return Workload(
        f"{cell} {n} x {t}, {d} -> {h}" + ("" if train else ", inference"),
        "recurrent",
        ("torch", "jax") if train else ("torch",),
        {"cell": cell, "N": n, "T": t, "D": d, "H": h, "train": train},
        {"torch": aim, "jax": 1.0} if train else {},
        quick=train and cell != "rnn" and t <= 64 and h <= 128,
    )


def all_workloads() -> list[Workload]:
    """Every workload, in the order of the tables."""
    embeddings = [
        *(_embedding(s, ids, u, "embedding") for s in EMBEDDINGS for ids in ("uniform", "zipf") for u in UPDATES),
        *(_embedding(s, "uniform", u, "bag") for s in EMBEDDINGS for u in ("sgd", "momentum")),
        *(_embedding(s, "uniform", "sgd", layer, train=False) for s in EMBEDDINGS for layer in ("embedding", "bag")),
    ]
    recurrent = [
        _recurrent(cell, s, train) for train in (True, False) for cell in ("rnn", "gru", "lstm") for s in RECURRENT
    ]
    language = {"V": 96, "D": 64, "H": 128, "N": 32, "T": 64, "cell": "lstm"}
    return [
        *embeddings,
        *recurrent,
        Workload("character language model, lstm", "language", ("torch",), language, {"torch": 1.0}),
        Workload("xor net", "xor", ("torch",), {}, {"torch": 0.5}, quick=True),
        Workload(
            "bAbI step 100 x 5, 16 hidden",
            "babi",
            ("torch", "founding"),
            {"V": 83, "H": 16, "N": 100, "T": 5},
            {"torch": 0.4, "founding": 0.05},
            quick=True,
        ),
        Workload("50 chained additions", "chain", ("torch",), {"length": 50}, {"torch": 1.1}, quick=True),
    ]


def growth_workloads() -> dict[str, list[Workload]]:
    """For each size that grows, the workloads from small to large."""
    embedding = {
        "D": 64,
        "N": 64,
        "T": 64,
        "ids": "uniform",
        "momentum": 0.0,
        "decay": 0.0,
        "layer": "embedding",
        "train": True,
    }
    lstm = {"cell": "lstm", "N": 32, "T": 64, "D": 64, "H": 64, "train": True}
    return {
        "V": [_growing("embedding", "V", v, embedding) for v in (1_000, 10_000, 100_000, 1_000_000)],
        "T": [_growing("recurrent", "T", t, lstm) for t in (16, 64, 256, 1024)],
        "H": [_growing("recurrent", "H", h, lstm) for h in (32, 128, 512, 1024)],
    }


def _growing(kind: str, size: str, value: int, sizes: dict[str, Any]) -> Workload:
    return Workload(f"{kind}, {size} = {value}", kind, (), {**sizes, size: value})


def find(name: str) -> Workload:
    """The workload of a name."""
    every = [*all_workloads(), *(w for series in growth_workloads().values() for w in series)]
    return next(w for w in every if w.name == name)


def make_data(workload: Workload) -> Arrays:
    """Initial parameters and a few batches, the same for every peer."""
    rng = np.random.default_rng(0)
    s = workload.sizes
    if workload.kind == "embedding":
        return {
            "table": rng.normal(size=(s["V"], s["D"])).astype(np.float32),
            "weight": (rng.normal(size=(2, s["D"])) / s["D"] ** 0.5).astype(np.float32),
            "bias": np.zeros(2, np.float32),
            "ids": _ids(rng, s["ids"], s["V"], (8, s["N"], s["T"])),
            "labels": rng.integers(0, 2, (8, s["N"])),
        }
    if workload.kind == "recurrent":
        return {**_cell(rng, s["cell"], s["D"], s["H"]), **_sequence(rng, s)}
    if workload.kind == "language":
        text = np.cumsum(rng.integers(-3, 4, (8, s["N"], s["T"] + 1)), axis=2) % s["V"]
        return {
            "table": rng.normal(size=(s["V"], s["D"])).astype(np.float32),
            **_cell(rng, s["cell"], s["D"], s["H"]),
            "out": (rng.normal(size=(s["V"], s["H"])) / s["H"] ** 0.5).astype(np.float32),
            "out_bias": np.zeros(s["V"], np.float32),
            "ids": text,
        }
    if workload.kind == "babi":
        return {
            "table": rng.uniform(-0.03, 0.03, (s["V"], s["H"])).astype(np.float32),
            **_cell(rng, "rnn", s["H"], s["H"]),
            "out": (rng.normal(size=(s["V"], s["H"])) / s["H"] ** 0.5).astype(np.float32),
            "out_bias": np.zeros(s["V"], np.float32),
            "ids": rng.integers(0, s["V"], (1, s["N"], s["T"] + 1)),
        }
    return {
        "w1": rng.normal(size=(3, 2)).astype(np.float32),
        "w2": rng.normal(size=(1, 3)).astype(np.float32),
        "x": np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32),
        "y": np.array([[0], [1], [1], [0]], np.float32),
        "a": rng.normal(size=(4, 2)).astype(np.float32),
        "b": rng.normal(size=(4, 2)).astype(np.float32),
    }


def _ids(rng: np.random.Generator, kind: str, v: int, shape: tuple[int, ...]) -> np.ndarray:
    """Row numbers: all as likely, or by Zipf's law with exponent 1, as words are."""
    if kind == "uniform":
        return rng.integers(0, v, shape)
    weights = 1 / np.arange(1, v + 1)
    cumulative = np.cumsum(weights) / weights.sum()
    ranks = np.minimum(np.searchsorted(cumulative, rng.uniform(size=shape)), v - 1)
    return rng.permutation(v)[ranks]


def _cell(rng: np.random.Generator, cell: str, d: int, h: int) -> Arrays:
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[cell]
    shapes = {"w_ih": (gates * h, d), "w_hh": (gates * h, h), "b_ih": (gates * h,), "b_hh": (gates * h,)}
    return {name: rng.uniform(-(h**-0.5), h**-0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def _sequence(rng: np.random.Generator, s: dict[str, Any]) -> Arrays:
    return {
        "x": rng.normal(size=(s["T"], s["N"], s["D"])).astype(np.float32),
        "target": rng.normal(size=(s["T"], s["N"], s["H"])).astype(np.float32),
    }
