"""What is measured: two tables of workloads, one for the CPU and one for GPUs, and the data that all peers share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Pair = tuple[str, str]


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
        For pairs such as ``("ours", "torch")`` the ratio of their times that we aim at, at most.
    floor_target : float, optional
        The share of the floor (:mod:`benchmarks.floors`) that we aim at, at least.
    quick : bool
        Whether it belongs to the quick run.
    """

    name: str
    kind: str
    peers: tuple[str, ...] = ()
    sizes: dict[str, Any] = field(default_factory=dict)
    target: dict[Pair, float] = field(default_factory=dict)
    floor_target: float | None = None
    quick: bool = False


EMBEDDINGS = [(10_000, 64, 64, 64), (50_000, 128, 128, 64), (400_000, 300, 64, 64)]
RECURRENT = [(100, 5, 16, 16), (32, 64, 128, 128), (32, 64, 256, 512), (1, 64, 64, 64), (128, 128, 64, 64)]
CELLS = ("rnn", "gru", "lstm")
UPDATES = {"sgd": (0.0, 0.0), "momentum": (0.9, 0.0), "decay": (0.0, 1e-4)}

LARGE_BATCH = (400_000, 300, 4096, 64)
GPU_RECURRENT = [(32, 64, 256, 512), (128, 128, 64, 64), (64, 256, 512, 512), (256, 64, 1024, 1024)]
GPU_SMALL = [(100, 5, 16, 16), (1, 64, 64, 64)]

LANGUAGE = {"V": 96, "D": 64, "H": 128, "N": 32, "T": 64, "cell": "lstm"}
BABI = {"V": 83, "D": 16, "H": 16, "N": 100, "T": 5, "cell": "rnn"}


# ---------------------------------------------------------------- the CPU's table
def cpu_workloads() -> list[Workload]:
    """Every workload of the CPU's table, in its order."""
    embeddings = [
        *(_cpu_embedding(s, ids, u, "embedding") for s in EMBEDDINGS for ids in ("uniform", "zipf") for u in UPDATES),
        *(_cpu_embedding(s, "uniform", u, "bag") for s in EMBEDDINGS for u in ("sgd", "momentum")),
        *(_cpu_embedding(s, "uniform", "sgd", layer, False) for s in EMBEDDINGS for layer in ("embedding", "bag")),
    ]
    recurrent = [_cpu_recurrent(cell, s, train) for train in (True, False) for cell in CELLS for s in RECURRENT]
    return [
        *embeddings,
        *recurrent,
        Workload("character language model, lstm", "language", ("torch",), LANGUAGE, {("ours", "torch"): 1.0}),
        Workload("xor net", "xor", ("torch",), {}, {("ours", "torch"): 0.5}, quick=True),
        Workload(
            "bAbI step 100 x 5, 16 hidden",
            "babi",
            ("torch", "founding"),
            BABI,
            {("ours", "torch"): 0.4, ("ours", "founding"): 0.05},
            quick=True,
        ),
        Workload("50 chained additions", "chain", ("torch",), {"length": 50}, {("ours", "torch"): 1.1}, quick=True),
    ]


def _cpu_embedding(shape: tuple[int, ...], ids: str, update: str, layer: str, train: bool = True) -> Workload:
    v, plain = shape[0], update == "sgd" and train
    peers = ("torch", "torch-sparse") if plain else ("torch",)
    if plain and ids == "uniform" and layer == "embedding":
        peers = (*peers, "jax", "jax-sparse", "founding")
    dense = {10_000: 1.0, 50_000: 0.2, 400_000: 0.03}[v]
    target = {"torch": dense, "torch-sparse": 1.0, "founding": 0.05}
    if v >= 50_000:
        target |= {"jax": 1.0, "jax-sparse": 1.0}
    return Workload(
        _embedding_name(shape, ids, update if train else "inference", layer),
        "embedding",
        peers,
        _embedding_sizes(shape, ids, update, layer, train),
        {("ours", peer): target[peer] for peer in peers if peer in target} if train else {},
        quick=v == 50_000 and ids == "uniform" and plain,
    )


def _cpu_recurrent(cell: str, shape: tuple[int, ...], train: bool) -> Workload:
    _, t, _, h = shape
    target = {("ours", "torch"): 1.0 if cell == "lstm" else 0.8, ("ours", "jax"): 1.0}
    return Workload(
        _recurrent_name(cell, shape) + ("" if train else ", inference"),
        "recurrent",
        ("torch", "jax") if train else ("torch",),
        _recurrent_sizes(cell, shape, train),
        target if train else {},
        quick=train and t <= 64 and h <= 128 and (cell == "lstm" or (cell == "gru" and h == 128)),
    )


# ---------------------------------------------------------------- the GPUs' table
def gpu_workloads() -> list[Workload]:
    """Every workload of the GPUs' table: training steps, those with an aim first."""
    _, medium, large = EMBEDDINGS
    return [
        *(_gpu_embedding(s, "uniform", "sgd", layer) for layer in ("embedding", "bag") for s in EMBEDDINGS),
        *(_gpu_embedding(LARGE_BATCH, "uniform", "sgd", layer) for layer in ("embedding", "bag")),
        *(_gpu_recurrent(cell, s) for s in GPU_RECURRENT for cell in CELLS),
        *(_gpu_recurrent(cell, s) for s in GPU_SMALL for cell in CELLS),
        *(_gpu_embedding(s, "uniform", "momentum", "embedding") for s in EMBEDDINGS),
        *(_gpu_embedding(s, "zipf", "sgd", "embedding") for s in (medium, large)),
        _gpu_embedding(medium, "uniform", "decay", "embedding"),
        Workload("character language model, lstm", "language", GPU_PEERS, LANGUAGE),
        Workload("bAbI step 100 x 5, 16 hidden", "babi", GPU_PEERS, BABI, quick=True),
    ]


GPU_PEERS = ("torch", "torch-captured")


def _gpu_embedding(shape: tuple[int, ...], ids: str, update: str, layer: str) -> Workload:
    peers = ("torch", "torch-sparse", "torch-captured") if update == "sgd" else GPU_PEERS
    pairs = [("ours-captured" if peer == "torch-captured" else "ours", peer) for peer in peers]
    return Workload(
        _embedding_name(shape, ids, update, layer) + (", batch 4096" if shape == LARGE_BATCH else ""),
        "embedding",
        peers,
        _embedding_sizes(shape, ids, update, layer),
        dict.fromkeys(pairs, 0.7),
        floor_target=0.7 if shape == LARGE_BATCH else None,
        quick=shape == EMBEDDINGS[1] and update == "sgd" and ids == "uniform",
    )


def _gpu_recurrent(cell: str, shape: tuple[int, ...]) -> Workload:
    small = shape in GPU_SMALL
    eager = {("ours-captured", "torch"): 0.5} if small else {("ours", "torch"): 1.0}
    return Workload(
        _recurrent_name(cell, shape),
        "recurrent",
        GPU_PEERS,
        _recurrent_sizes(cell, shape),
        {**eager, ("ours-captured", "torch-captured"): 1.0},
        quick=cell == "lstm" and (small or shape == GPU_RECURRENT[0]),
    )


# ---------------------------------------------------------------- growth
def growth_workloads() -> dict[str, list[Workload]]:
    """For each size that grows, the workloads from small to large."""
    embedding = _embedding_sizes((0, 64, 64, 64), "uniform", "sgd", "embedding")
    lstm = _recurrent_sizes("lstm", (32, 64, 64, 64))
    return {
        "V": [_growing("embedding", "V", v, embedding) for v in (1_000, 10_000, 100_000, 1_000_000)],
        "T": [_growing("recurrent", "T", t, lstm) for t in (16, 64, 256, 1024)],
        "H": [_growing("recurrent", "H", h, lstm) for h in (32, 128, 512, 1024)],
    }


def _growing(kind: str, size: str, value: int, sizes: dict[str, Any]) -> Workload:
    return Workload(f"{kind}, {size} = {value}", kind, (), {**sizes, size: value})


# ---------------------------------------------------------------- names and sizes
def _embedding_name(shape: tuple[int, ...], ids: str, what: str, layer: str) -> str:
    return f"{layer} {shape[0] // 1000}k x {shape[1]}, {ids}, {what}"


def _embedding_sizes(shape: tuple[int, ...], ids: str, update: str, layer: str, train: bool = True) -> dict[str, Any]:
    momentum, decay = UPDATES[update]
    options = {"ids": ids, "momentum": momentum, "decay": decay, "layer": layer, "train": train}
    return {**dict(zip("VDNT", shape)), **options}


def _recurrent_name(cell: str, shape: tuple[int, ...]) -> str:
    n, t, d, h = shape
    return f"{cell} {n} x {t}, {d} -> {h}"


def _recurrent_sizes(cell: str, shape: tuple[int, ...], train: bool = True) -> dict[str, Any]:
    return {"cell": cell, **dict(zip("NTDH", shape)), "train": train}


# ---------------------------------------------------------------- data
def make_data(workload: Workload) -> Arrays:
    """Initial parameters and a few batches, the same for every peer.

    Nothing larger than what is returned is made on the way.
    """
    rng = np.random.default_rng(0)
    s = workload.sizes
    if workload.kind == "embedding":
        return {
            "table": _normal(rng, (s["V"], s["D"])),
            **_linear(rng, s["D"], 2),
            "ids": _ids(rng, s["ids"], s["V"], (8, s["N"], s["T"])),
            "labels": rng.integers(0, 2, (8, s["N"])),
        }
    if workload.kind == "recurrent":
        shape = s["T"], s["N"]
        sequence = {"x": _normal(rng, (*shape, s["D"])), "target": _normal(rng, (*shape, s["H"]))}
        return {**_cell(rng, s["cell"], s["D"], s["H"]), **sequence}
    if workload.kind in ("language", "babi"):
        steps = rng.integers(-3, 4, (8, s["N"], s["T"] + 1))
        steps[:, :, 0] = rng.integers(0, s["V"], steps.shape[:2])
        return {
            "table": _normal(rng, (s["V"], s["D"])),
            **_cell(rng, s["cell"], s["D"], s["H"]),
            **_linear(rng, s["H"], s["V"]),
            "ids": np.cumsum(steps, axis=2) % s["V"],
        }
    return {
        "w1": _normal(rng, (3, 2)),
        "w2": _normal(rng, (1, 3)),
        "x": np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32),
        "y": np.array([[0], [1], [1], [0]], np.float32),
        "a": _normal(rng, (4, 2)),
        "b": _normal(rng, (4, 2)),
    }


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


def _linear(rng: np.random.Generator, inputs: int, outputs: int) -> Arrays:
    weight = _normal(rng, (outputs, inputs))
    weight /= np.float32(inputs**0.5)
    return {"weight": weight, "bias": np.zeros(outputs, np.float32)}


def _cell(rng: np.random.Generator, cell: str, d: int, h: int) -> Arrays:
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[cell]
    shapes = {"w_ih": (gates * h, d), "w_hh": (gates * h, h), "b_ih": (gates * h,), "b_hh": (gates * h,)}
    return {name: rng.uniform(-(h**-0.5), h**-0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def _ids(rng: np.random.Generator, kind: str, v: int, shape: tuple[int, ...]) -> np.ndarray:
    """Row numbers that follow :func:`popularity`, the popular ones anywhere in the table."""
    if kind == "uniform":
        return rng.integers(0, v, shape)
    ranks = np.searchsorted(np.cumsum(popularity(kind, v)), rng.uniform(size=shape))
    return rng.permutation(v)[np.minimum(ranks, v - 1)]


def popularity(kind: str, v: int) -> np.ndarray:
    """How likely each of ``v`` rows is: all the same, or by Zipf's law with exponent 1, as words are."""
    weights = np.ones(v) if kind == "uniform" else 1 / np.arange(1, v + 1)
    weights /= weights.sum()
    return weights
