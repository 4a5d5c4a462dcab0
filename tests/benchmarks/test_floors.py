"""Floors: counted by hand for small sizes, and positive for every row."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import rates
from benchmarks.floors import count, distinct_rows, floor
from benchmarks.workloads import Workload, cpu_workloads, gpu_workloads, growth_workloads, make_data

RATES = {"copy": 1e9, "products": 1e12, "launch": 1e-5, "captured_launch": 1e-6}
EVERY = [*cpu_workloads(), *gpu_workloads(), *(w for series in growth_workloads().values() for w in series)]


def embedding(**options):
    sizes = {"V": 1, "D": 3, "N": 2, "T": 5, "ids": "uniform", "momentum": 0.0, "layer": "embedding", "train": True}
    return count(Workload("", "embedding", sizes={**sizes, **options}))


def test_embedding_by_hand():
    # One row of 3 for 2 x 5 lookups; a linear layer of 3 x 2 on 2 rows.
    linear = 4 * (6 + 6 + 2 * 4)
    forward = 8 * 10 + 4 * (3 + 2 * 30 + 6) + linear
    assert embedding(train=False) == (forward, 2 * 2 * 3 * 2, 4)
    backward = 4 * (6 + 2 * 3) + 4 * (2 * 6 + 3 * 6 + 3 * 4)
    assert embedding() == (forward + backward, 3 * 24, 9)
    assert embedding(momentum=0.9).bytes - embedding().bytes == 4 * 2 * 3
    assert embedding().bytes - embedding(layer="bag").bytes == 4 * 2 * 30
    assert embedding(layer="bag").launches == 8


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_recurrent_by_hand(cell, gates):
    sizes = {"cell": cell, "N": 2, "T": 3, "D": 5, "H": 7}
    inference, training = (count(Workload("", "recurrent", sizes={**sizes, "train": train})) for train in (False, True))
    products = 2 * 2 * 3 * gates * 7 * (5 + 7)
    parameters = gates * 7 * (5 + 7 + 2)
    x, y = 2 * 3 * 5, 2 * 3 * 7
    assert inference == (4 * (x + y + parameters + 2 * y), products, 3)
    assert training == (4 * (3 * x + 6 * y + 4 * parameters), 3 * products, 10)


@pytest.mark.parametrize("ids", ["uniform", "zipf"])
def test_distinct_rows_are_as_many_as_in_the_data(ids):
    sizes = {"V": 500, "D": 1, "N": 40, "T": 30, "ids": ids, "momentum": 0, "decay": 0, "layer": "bag", "train": True}
    batches = make_data(Workload("", "embedding", sizes=sizes))["ids"]
    assert distinct_rows(sizes) == pytest.approx(np.mean([len(np.unique(batch)) for batch in batches]), rel=0.03)


def test_the_floor_is_the_largest_of_the_three():
    w = next(w for w in EVERY if w.kind == "recurrent" and w.sizes["train"])
    work = count(w)
    assert floor(w, {**RATES, "copy": 1.0}) == (work.bytes, "bytes")
    assert floor(w, {**RATES, "products": 1.0}) == (work.operations, "operations")
    assert floor(w, {**RATES, "launch": 1e3}) == (1e3 * work.launches, "launches")
    assert floor(w, {**RATES, "launch": 1e3, "captured_launch": 10.0}, captured=True) == (
        10 * work.launches,
        "launches",
    )


@pytest.mark.parametrize("workload", EVERY, ids=lambda w: w.name)
def test_every_row_has_a_floor(workload):
    assert 0 < floor(workload, RATES).seconds < 10


# ---------------------------------------------------------------- rates
def test_rates_of_the_cpu():
    found = rates.cpu_rates(copied=1 << 20, size=64, calls=10)
    assert found.keys() == RATES.keys()
    assert all(value > 0 for value in found.values())


class FakeCupy:
    """What :func:`benchmarks.rates.gpu_rates` needs of CuPy, on NumPy, with a log."""

    __version__ = "14.0"
    ones, zeros_like, empty_like = staticmethod(np.ones), staticmethod(np.zeros_like), staticmethod(np.empty_like)
    dot, copyto = staticmethod(np.dot), staticmethod(np.copyto)

    def __init__(self):
        self.log = []
        log = self.log

        class Stream:
            def __init__(self, non_blocking):
                self.capturing = False

            def __enter__(self):
                return self

            def __exit__(self, *error):
                assert not self.capturing

            def begin_capture(self):
                self.capturing = True
                log.append("begin")

            def end_capture(self):
                self.capturing = False
                log.append("end")
                return Graph()

            def synchronize(self):
                assert not self.capturing

        class Graph:
            def launch(self, stream):
                log.append("graph")

        class Device:
            def synchronize(self):
                log.append("wait")

        class RawKernel:
            def __init__(self, code, name):
                assert f"void {name}()" in code

            def __call__(self, grid, block, arguments):
                log.append("launch")

        class runtime:
            runtimeGetVersion = staticmethod(lambda: 12090)
            driverGetVersion = staticmethod(lambda: 13010)

        class cuda:
            pass

        cuda.Stream, cuda.Device, cuda.runtime = Stream, Device, runtime
        self.cuda, self.RawKernel = cuda, RawKernel


def test_rates_of_a_gpu_are_measured_between_waits():
    cupy = FakeCupy()
    found = rates.gpu_rates(cupy, copied=1 << 16, size=32, launches=4)
    assert found.keys() == RATES.keys() | {"cuda", "driver_cuda", "cupy"}
    assert (found["cuda"], found["driver_cuda"]) == ("12.9", "13.1")
    log = " ".join(cupy.log)
    assert "wait launch launch launch launch wait" in log
    assert log.endswith("begin launch launch launch launch end" + " graph" * (rates.REPEAT + 1))


def test_a_gpus_products_are_measured_with_and_without_tf32(monkeypatch):
    def ask(device, **variables):
        return {**RATES, "products": 8e12 if variables["CUPY_TF32"] == "1" else 1e12}

    monkeypatch.setattr(rates, "_ask", ask)
    monkeypatch.delenv("CUPY_TF32", raising=False)
    found = rates.measure("cuda")
    assert (found["products"], found["products_float32"], found["products_tf32"]) == (1e12, 1e12, 8e12)
    monkeypatch.setenv("CUPY_TF32", "1")
    assert rates.measure("cuda")["products"] == 8e12


def test_a_device_that_is_missing_says_what_helps():
    with pytest.raises(RuntimeError, match="unknown device 'nowhere'"):
        rates.measure("nowhere")
