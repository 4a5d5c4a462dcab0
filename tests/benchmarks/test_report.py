"""The table, the page, and the command line that writes them."""

from __future__ import annotations

import doctest
import json
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from benchmarks import __main__ as program
from benchmarks import budget, gpu_check, growth, machine, page, report
from benchmarks.workloads import Workload

RATES = {"copy": 1e10, "products": 1e11, "launch": 1e-6, "captured_launch": 1e-6}


def peer(milliseconds, share=0.5, device_peak=None):
    times = {"median_ms": milliseconds, "low_ms": milliseconds, "high_ms": milliseconds, "samples": 9}
    floor = {"floor_ms": milliseconds * share, "floor_by": "bytes", "floor_share": share}
    return {**times, **floor, "peak_mb": 70.0, "device_peak_mb": device_peak, "version": "1", "loss": 0.5}


def row(**options):
    peers = {"ours": peer(2.0), "torch": peer(4.0)}
    ratio = {"ours": "ours", "peer": "torch", "time": 0.5, "memory": 0.25, "aim": 0.4}
    fields = {"name": "a <net>", "kind": "chain", "sizes": {}, "floor_aim": None, "peers": peers, "ratios": [ratio]}
    return {**fields, "missing": {}, "failed": {}, "set_up_s": 1.0, **options}


def results(*rows, **options):
    about = {
        "processor": "CPU & Co",
        "cores": 2,
        "gpu": "",
        "driver": "",
        "python": "3.12",
        "libraries": {"numpy": "2"},
    }
    series = {
        "size": "T",
        "values": [16, 64, 256],
        "median_ms": [0.01, 3.0, 12.0],
        "peak_mb": [60.0, 61.0, 70.0],
        "slope": {"time": 1.0, "memory": 1.6},
        "expected": {"time": 1.0, "memory": 1.0},
        "why": "each word costs the same",
    }
    fields = {"when": "now", "machine": about, "tf32": False, "rates": {"cpu": RATES}, "workloads": list(rows)}
    return {**fields, "not_run": [], "growth": [series], "install": {"import numpy": "90 ms"}, **options}


@pytest.mark.parametrize("module", [budget, growth, machine, report], ids=lambda module: module.__name__)
def test_examples(module):
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0


def test_table():
    failing = row(
        name="b", failed={"jax": "exit status 1: no"}, missing={"torch": "x"}, peers={"ours": peer(0.02)}, ratios=[]
    )
    lines = report.table(results(row(), failing, not_run=["c"])).splitlines()
    assert lines[0].split()[:3] == ["workload", "ours", "torch"]
    assert lines[1].split()[2:6] == ["2", "ms", "4", "ms"]
    assert "ours/torch 0.5 (NOT <= 0.4), memory 0.25; ours 50% of bytes" in lines[1]
    assert lines[2].split()[1:4] == ["20.0", "us", "-"]
    assert "torch: not installed; jax: FAILED, exit status 1: no" in lines[2]
    assert lines[3] == "not run, no time left: c"
    assert "slope of time 1.00 (expected 1), slope of memory 1.60 (expected 1)" in lines[4]


def test_what_is_missed():
    reached = {**row()["ratios"][0], "aim": 0.6}
    gpu = {"ours": peer(1.0, 0.9), "ours@cuda": peer(1.0, 0.3), "ours-captured@cuda": peer(1.0, 0.6)}
    near = {**gpu, "ours@cuda": peer(1.0, 0.8)}
    found = results(
        row(), row(ratios=[reached]), row(peers=gpu, floor_aim=0.7, ratios=[]), row(peers=near, floor_aim=0.7)
    )
    assert report.missed(found) == [
        "a <net>: ours/torch 0.5 (NOT <= 0.4), memory 0.25",
        "a <net>: 60% of the floor (NOT >= 70%)",
        "a <net>: ours/torch 0.5 (NOT <= 0.4), memory 0.25",
    ]


class Tags(HTMLParser):
    """Checks that tags are closed in order, and collects what a browser would load."""

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.seen = [], [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.loads += [value for name, value in attributes if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing():
    failing = row(name="b", failed={"jax": "exit & die"}, floor_aim=0.7, not_run=["c"])
    text = page.page(results(row(), failing))
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.loads == []
    assert "://" not in text
    assert "@import" not in text
    assert tags.seen.count("svg") == 2
    assert "a &lt;net&gt;" in text
    assert "jax: exit &amp; die" in text
    assert "CPU &amp; Co, 2 cores; no GPU" in text
    assert "0 of 2 aims reached" in text
    for figure in text.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + figure.partition("</svg>")[0] + "</svg>")


def test_the_page_names_the_gpu_and_its_versions():
    versions = {
        "cuda": "12.9",
        "driver_cuda": "13.1",
        "cupy": "14.0.1",
        "products_float32": 1e11,
        "products_tf32": 4e14,
    }
    found = results(row(peers={}, ratios=[]), rates={"cpu": RATES, "cuda": {**RATES, **versions}}, growth=[])
    found["machine"] |= {"gpu": "NVIDIA H100", "driver": "580.12"}
    text = page.page(found)
    assert "NVIDIA H100, driver 580.12" in text
    assert "products in TF32 (off) 400 TFLOP/s, CUDA 12.9 on a driver of 13.1, CuPy 14.0.1" in text


# ---------------------------------------------------------------- the command line
@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """One small workload, no machine, no rates; returns a function that runs the program."""
    monkeypatch.setattr(program, "cpu_workloads", lambda: [Workload("xor net", "xor", quick=True)])
    monkeypatch.setattr(program, "gpu_workloads", lambda: [Workload("xor on a gpu", "xor", quick=True)])
    monkeypatch.setattr(program.rates, "measure", lambda device: RATES)

    def run(*arguments):
        status = program.main(["--quick", "--seconds", "0.1", "--out", str(tmp_path / "out"), *arguments])
        return status, json.loads((tmp_path / "out/results.json").read_text())

    return run


def test_a_run_writes_its_results(tiny, tmp_path, capsys):
    status, found = tiny()
    assert status == 0
    assert [row["name"] for row in found["workloads"]] == ["xor net"]
    assert found["workloads"][0]["peers"]["ours"]["samples"] >= 3
    assert found["machine"]["python"]
    assert (tmp_path / "out/results.html").read_text().startswith("<!doctype html>")
    assert capsys.readouterr().out.splitlines()[1].startswith("xor net")


def test_a_failure_shows_in_the_exit_status(tiny, monkeypatch):
    monkeypatch.setattr(program, "compare", lambda *arguments: row(failed={"torch": "why"}))
    assert tiny()[0] == 1


def test_rows_for_which_there_is_no_time_are_named(tiny):
    status, found = tiny("--minutes", "1e-9")
    assert (status, found["workloads"], found["not_run"]) == (0, [], ["xor net"])


def test_a_gpus_results_go_to_a_folder_of_its_name(monkeypatch):
    options = program._parse(["--device", "cpu,cuda"])
    assert (options.table, options.minutes) == ("gpu", 8.0)
    folder = program._folder(options, {"gpu": "NVIDIA H100 80GB HBM3"})
    assert folder == program.RESULTS / "nvidia-h100-80gb-hbm3"
    assert program._folder(program._parse([]), {"gpu": "NVIDIA H100"}) == program.FOLDER


def test_a_device_that_is_missing_stops_the_run_at_once(tiny, monkeypatch):
    def measure(device):
        raise RuntimeError("device 'cuda' needs CuPy")

    monkeypatch.setattr(program.rates, "measure", measure)
    with pytest.raises(SystemExit, match="needs CuPy"):
        program.main(["--device", "cpu,cuda"])


def test_growth_is_measured_against_what_is_expected(monkeypatch):
    def compare(workload, *rest):
        size = next(iter(set(workload.name) & set("VTH")))
        value = workload.sizes[size]
        ours = {**peer(1e-3 * value**2), "peak_mb": 60 + 1e-3 * value}
        return {"peers": {"ours": ours}, "set_up_s": 0.0, "failed": {}}

    monkeypatch.setattr(growth, "compare", compare)
    series = growth.measure(budget.Budget(1.0, 12, 1.0), {"cpu": RATES})
    assert [s["size"] for s in series] == ["V", "T", "H"]
    for s in series:
        assert s["slope"] == {"time": pytest.approx(2.0), "memory": pytest.approx(1.0)}


# ---------------------------------------------------------------- the machine
def test_the_size_of_a_distribution_is_that_of_all_that_it_requires(monkeypatch, tmp_path):
    for name, requires, size in (
        ("one", ["Two_x>=1; python_version > '3'", "four; extra == 'all'"], 3),
        ("two-x", ["one"], 5),
    ):
        info = tmp_path / f"{name.replace('-', '_')}-1.dist-info"
        info.mkdir()
        lines = [f"Name: {name}", "Version: 1", "Metadata-Version: 2.1", *(f"Requires-Dist: {r}" for r in requires)]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        (tmp_path / f"{name}.py").write_bytes(b"#" * size * 2**20)
        (info / "RECORD").write_text(f"{name}.py,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert machine.installed_mb("one") == 8
    assert machine.installed_mb("two.X") == 8
    assert machine.installed_mb("absent") == 0


def test_what_nvidia_smi_says(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 580.12'\necho 'NVIDIA H100 80GB HBM3, 580.12'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    about = machine.describe()
    assert (about["gpu"], about["driver"]) == ("NVIDIA H100 80GB HBM3", "580.12")
    tool.unlink()
    assert machine.describe()["gpu"] == ""


# ---------------------------------------------------------------- tests and benchmarks in one command
def test_the_check_goes_on_after_a_failure_and_says_so(monkeypatch, tmp_path, capsys):
    test = tmp_path / "test_it.py"
    test.write_text(
        "def test_good(record_property):\n    record_property('relative error', 1e-7)\n\n"
        "def test_bad():\n    raise ValueError('broken\\nin two lines')\n"
    )
    monkeypatch.setattr(gpu_check, "AGREEMENT", "test_it")
    monkeypatch.setattr(gpu_check, "cores", lambda: 0)
    out = tmp_path / "out"
    run = gpu_check._run

    def benchmarks_only_pretend(command, part, **options):
        if part == "tests":
            return run(
                [*command, "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path)], part, **options
            )
        (out / "results.json").write_text(json.dumps(results(row(), not_run=["c"])))
        return {"began": 0.0, "seconds": 100.0, "wrong": ""}

    monkeypatch.setattr(gpu_check, "_run", benchmarks_only_pretend)
    assert gpu_check.main(["--out", str(out), "--tests", str(test)]) == 1
    text = capsys.readouterr().out
    assert (out / "summary.md").read_text() in text
    assert "- tests: FAILED (exit status 1), 1 failed, 1 passed" in text
    assert "- benchmarks: passed, 100 s" in text
    assert "test_it::test_bad: ValueError: broken" in text
    assert "test_good: relative error 1e-07" in text
    assert "a <net>: ours/torch 0.5 (NOT <= 0.4)" in text
    assert "- c" in text


@pytest.mark.parametrize(
    ("counts", "tests", "benchmarks", "status"),
    [
        ({"passed": 3}, "", "", 0),
        ({"skipped": 3}, "", "", 1),
        ({"passed": 3}, "", "exit status 1", 1),
        ({}, "x", "", 1),
    ],
)
def test_the_exit_status_of_the_check(monkeypatch, tmp_path, counts, tests, benchmarks, status):
    def run(command, part, **options):
        return {"began": 0.0, "seconds": 1.0, "wrong": tests if part == "tests" else benchmarks}

    monkeypatch.setattr(gpu_check, "_run", run)
    monkeypatch.setattr(gpu_check, "read_tests", lambda path: {"counts": counts, "failures": {}, "agreement": {}})
    assert gpu_check.main(["--out", str(tmp_path)]) == status


def test_results_of_an_earlier_run_do_not_count(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("{}")
    assert gpu_check.read(path, began=path.stat().st_mtime + 1) is None
    assert gpu_check.read(path, began=path.stat().st_mtime - 1) == {}
    assert gpu_check.read(tmp_path / "none.json", began=0.0) is None


def test_a_part_that_takes_too_long_is_wrong(monkeypatch):
    monkeypatch.setattr(gpu_check, "MINUTES", {"tests": 1e-4, "benchmarks": 1e-2})
    assert (
        "stopped after"
        in gpu_check._run(["timeit", "-n", "1", "-r", "1", "import time; time.sleep(5)"], "tests")["wrong"]
    )
    slow = gpu_check._run(["timeit", "-n", "1", "-r", "1", "import time; time.sleep(0.7)"], "benchmarks")
    assert "more than" in slow["wrong"]
