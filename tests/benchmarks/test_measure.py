"""Peers that fail, hang or compute something else are noted, and the others are measured."""

from __future__ import annotations

import json
import re
import sys
import textwrap

import pytest

from benchmarks import measure, worker
from benchmarks.budget import LEAST, Budget
from benchmarks.workloads import Workload

RATES = {"cpu": {"copy": 1e10, "products": 1e11, "launch": 1e-6, "captured_launch": 1e-6}}
RATES["gpu"] = RATES["cpu"]
CHAIN = {"length": 50}

# A worker whose behaviour is written in the workload's sizes; its steps take no time.
FAKE = """
    import json, sys, time
    task = json.loads(sys.argv[1])
    how = task["sizes"].get(task["peer"], "good")
    if how == "dies": raise ValueError("at the start")
    if how == "absent": print(json.dumps({"missing": "No module named 'x'"})); sys.exit()
    if how == "hangs": time.sleep(60)
    losses = {"differs": [1.0, 2.1], "nan": [1.0, float("nan")], "slow": [1.0]}.get(how, [1.0, 2.0])
    print(json.dumps({"losses": losses, "version": task["peer"] + " 1"}), flush=True)
    for line in sys.stdin:
        if line.strip() == "stop": break
        if how == "breaks": raise ValueError("on the way")
        word, batches, size = line.split()
        seconds = {"slow": 5.0}.get(how, 2e-3 if task["peer"] == "ours" else 4e-3)
        print(json.dumps({"times": [seconds] * int(batches), "asked": line}), flush=True)
    gpu = 10.0 if task["device"] != "cpu" else None
    print(json.dumps({"peak_mb": 50.0 if task["peer"] == "ours" else 100.0, "device_peak_mb": gpu}), flush=True)
"""


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Run the fake worker instead of the real one."""
    path = tmp_path / "fake_worker.py"
    path.write_text(textwrap.dedent(FAKE))
    monkeypatch.setattr(measure, "WORKER", [sys.executable, str(path)])
    monkeypatch.setattr(measure, "REST", 0.0)


def compare(sizes=None, peers=("torch", "jax"), devices=("cpu",), target=None):
    workload = Workload("fake", "chain", tuple(peers), {**CHAIN, **(sizes or {})}, target or {("ours", "torch"): 0.4})
    return measure.compare(workload, list(devices), set(peers) | {"ours-captured"}, lambda count: 0.5, RATES)


def test_medians_ratios_and_floors(fake):
    row = compare()
    assert {name: peer["median_ms"] for name, peer in row["peers"].items()} == {"ours": 2.0, "torch": 4.0, "jax": 4.0}
    assert row["ratios"] == [
        {"ours": "ours", "peer": "torch", "time": 0.5, "memory": 0.5, "aim": 0.4},
        {"ours": "ours", "peer": "jax", "time": 0.5, "memory": 0.5, "aim": None},
    ]
    assert row["peers"]["ours"]["floor_share"] == pytest.approx(52e-6 / 2e-3)
    assert row["missing"] == row["failed"] == {}
    json.dumps(row)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("dies", r"exit status 1: ValueError: at the start"),
        ("breaks", r"exit status 1: ValueError: on the way"),
        ("differs", r"computes \[1.0, 2.1\], ours \[1.0, 2.0\]"),
        ("nan", r"computes \[1.0, nan\], ours"),
    ],
)
def test_a_peer_that_fails_alone(fake, how, why):
    row = compare({"torch": how})
    assert list(row["peers"]) == ["ours", "jax"]
    assert list(row["failed"]) == ["torch"]
    assert re.match(why, row["failed"]["torch"])
    assert row["peers"]["jax"]["samples"] > 3


def test_a_peer_that_hangs_is_given_up(fake, monkeypatch):
    monkeypatch.setattr(measure, "START", 0.7)
    row = compare({"torch": "hangs"})
    assert row["failed"] == {"torch": "no answer in 1 seconds"}
    assert list(row["peers"]) == ["ours", "jax"]


def test_a_peer_that_is_not_installed_is_no_failure(fake):
    row = compare({"jax": "absent"})
    assert row["missing"] == {"jax": "No module named 'x'"}
    assert row["failed"] == {}


def test_the_others_are_measured_where_ours_fails(fake):
    row = compare({"ours": "dies"})
    assert list(row["peers"]) == ["torch", "jax"]
    assert row["ratios"] == []


def test_a_row_on_which_everybody_fails(fake):
    row = compare({"ours": "dies", "torch": "dies", "jax": "breaks"})
    assert (row["peers"], row["ratios"], set(row["failed"])) == ({}, [], {"ours", "torch", "jax"})


def test_slow_steps_are_not_repeated_for_long(fake):
    row = compare({"jax": "slow"})
    assert row["peers"]["jax"]["samples"] == 1
    assert row["peers"]["torch"]["samples"] > 50


def test_devices_side_by_side(fake):
    target = {("ours-captured", "torch"): 0.5, ("ours-captured", "torch-captured"): 1.0}
    row = compare(peers=("torch", "torch-captured"), devices=("cpu", "gpu"), target=target)
    assert list(row["peers"]) == ["ours", "ours@gpu", "ours-captured@gpu", "torch@gpu", "torch-captured@gpu"]
    pairs = {(ratio["ours"], ratio["peer"]): (ratio["aim"], ratio["memory"]) for ratio in row["ratios"]}
    assert pairs == {
        ("ours@gpu", "ours"): (None, None),
        ("ours@gpu", "torch@gpu"): (None, 1.0),
        ("ours-captured@gpu", "ours"): (None, None),
        ("ours-captured@gpu", "torch@gpu"): (0.5, None),
        ("ours-captured@gpu", "torch-captured@gpu"): (1.0, None),
    }


def test_steps_on_a_gpu_are_timed_in_batches(monkeypatch):
    class Recorded:
        device, times, failure = "gpu", (), ""

        def run(self, batches, size):
            return [1e-3] * batches

    assert measure._plan(Recorded()) == (15, 20)
    Recorded.device = "cpu"
    assert measure._plan(Recorded()) == (300, 1)


# ---------------------------------------------------------------- the worker
def test_the_device_is_waited_for_around_each_batch():
    log = []
    times = worker.timed(lambda: log.append("step"), lambda: log.append("wait"), 2, 3)
    assert log == ["wait", "step", "step", "step", "wait"] * 2
    assert len(times) == 2


def test_a_real_worker_measures_and_counts_memory_from_the_first_step_on():
    sizes = {"V": 500_000, "D": 32, "N": 4, "T": 4, "ids": "uniform", "momentum": 0.0, "decay": 0.0}
    workload = Workload("", "embedding", sizes={**sizes, "layer": "embedding", "train": True})
    row = measure.compare(workload, ["cpu"], set(), lambda count: 0.05, RATES)
    ours = row["peers"]["ours"]
    assert row["failed"] == {}
    assert ours["samples"] >= 3
    # The table takes 61 MB; the data that it was copied from, and what drew it, are gone.
    assert 61 < ours["peak_mb"] < 61 + 110
    assert ours["version"].startswith("framework")


# ---------------------------------------------------------------- the budget
class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(("set_up", "peers"), [(0.0, 3), (2.0, 6), (9.0, 2)])
def test_a_run_ends_when_it_was_said_to(set_up, peers):
    clock = Clock()
    budget = Budget(100.0, rows=10, most=5.0, clock=clock)
    for _ in range(10):
        clock.now += set_up
        clock.now += peers * budget.share(peers)
        budget.finished(set_up)
    assert clock.now <= 100 + 10 * peers * LEAST
    if set_up < 9:
        assert clock.now > 60


def test_when_time_is_up():
    clock = Clock()
    budget = Budget(10.0, rows=2, most=5.0, clock=clock)
    assert not budget.over
    clock.now = 11.0
    assert budget.over
    assert budget.share(4) == LEAST
