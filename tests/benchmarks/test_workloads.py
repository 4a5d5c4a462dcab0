"""The tables hold what was promised, and the data is the same for every peer."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers import PEERS
from benchmarks.workloads import Workload, cpu_workloads, gpu_workloads, growth_workloads, make_data, popularity

TABLES = {"cpu": cpu_workloads(), "gpu": gpu_workloads()}


@pytest.mark.parametrize("table", TABLES)
def test_names_are_unique_and_aims_are_about_peers_that_take_part(table):
    workloads = TABLES[table]
    names = [w.name for w in workloads]
    assert len(set(names)) == len(names)
    for w in workloads:
        assert set(w.peers) < set(PEERS)
        for ours, peer in w.target:
            assert ours in ("ours", "ours-captured")
            assert peer in w.peers
    assert 3 <= sum(w.quick for w in workloads) <= 10


def shapes(table, kind, letters):
    return {tuple(w.sizes[x] for x in letters) for w in TABLES[table] if w.kind == kind}


def test_the_shapes_of_the_issues_are_there():
    embeddings = {(10_000, 64, 64, 64), (50_000, 128, 128, 64), (400_000, 300, 64, 64)}
    small = {(100, 5, 16, 16), (1, 64, 64, 64)}
    large = {(32, 64, 256, 512), (128, 128, 64, 64)}
    assert shapes("cpu", "embedding", "VDNT") == embeddings
    assert shapes("gpu", "embedding", "VDNT") > embeddings
    assert shapes("cpu", "recurrent", "NTDH") == small | large | {(32, 64, 128, 128)}
    assert shapes("gpu", "recurrent", "NTDH") == small | large | {(64, 256, 512, 512), (256, 64, 1024, 1024)}
    for table in TABLES.values():
        assert {w.sizes["cell"] for w in table if w.kind == "recurrent"} == {"rnn", "gru", "lstm"}


def test_the_aims_of_the_gpu_issue():
    for w in TABLES["gpu"]:
        small = w.kind == "recurrent" and w.sizes["N"] * w.sizes["H"] <= 1600
        if w.kind == "embedding":
            assert set(w.target.values()) == {0.7}
            assert (w.floor_target == 0.7) == (w.sizes["N"] == 4096)
        elif small:
            assert w.target == {("ours-captured", "torch"): 0.5, ("ours-captured", "torch-captured"): 1.0}
        elif w.kind == "recurrent":
            assert w.target == {("ours", "torch"): 1.0, ("ours-captured", "torch-captured"): 1.0}


def test_growth_goes_as_far_as_was_asked():
    values = {size: [w.sizes[size] for w in series] for size, series in growth_workloads().items()}
    assert {size: (v[0], v[-1]) for size, v in values.items()} == {
        "V": (1000, 1_000_000),
        "T": (16, 1024),
        "H": (32, 1024),
    }


SMALL = {"V": 30, "D": 4, "N": 3, "T": 5, "H": 6}


@pytest.mark.parametrize("kind", ["embedding", "recurrent", "language", "babi", "xor", "chain"])
def test_data_is_the_same_each_time_and_in_float32(kind):
    w = next(w for w in TABLES["cpu"] if w.kind == kind)
    w = Workload(w.name, kind, sizes={name: SMALL.get(name, value) for name, value in w.sizes.items()})
    first, second = make_data(w), make_data(w)
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
        assert array.dtype == (np.int64 if name in ("ids", "labels") else np.float32)
    if "ids" in first:
        assert 0 <= first["ids"].min() <= first["ids"].max() < SMALL["V"]


def test_rows_follow_zipfs_law():
    sizes = {
        "V": 50,
        "D": 1,
        "N": 2000,
        "T": 10,
        "ids": "zipf",
        "momentum": 0,
        "decay": 0,
        "layer": "bag",
        "train": True,
    }
    counts = np.sort(np.bincount(make_data(Workload("", "embedding", sizes=sizes))["ids"].ravel(), minlength=50))[::-1]
    np.testing.assert_allclose(counts / counts.sum(), popularity("zipf", 50), rtol=0.1)
    assert popularity("zipf", 50)[0] == pytest.approx(10 * popularity("zipf", 50)[9])
