"""Tests and benchmarks on a machine with a GPU, in one command: ``python -m benchmarks.gpu_check``.

Runs the suite on the GPU (``pytest -m gpu``; agreement with the CPU is among it), then the benchmarks of both devices, whatever
becomes of the tests. Writes one folder, named after the GPU, to be committed: ``tests.json``, ``results.json``,
``results.html`` and ``summary.md``, which is also printed. The exit status is 1 if anything failed or took longer than it may.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from benchmarks import machine, report
from benchmarks.measure import cores

RESULTS = Path(__file__).with_name("results")
MINUTES = {"tests": 5.0, "benchmarks": 8.0}
AGREEMENT = "tests.cuda.test_agreement"


def main(arguments: list[str] | None = None) -> int:
    """Run both parts, and write what came of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    parser.add_argument("--device", default="cpu,cuda", help="as for the benchmarks (default: cpu,cuda)")
    parser.add_argument("--out", type=Path, help="folder (default: benchmarks/results/ and the GPU's name)")
    parser.add_argument("--tests", default="-m gpu", help="pytest's arguments (default: -m gpu)")
    parser.add_argument("--benchmarks", default="", help="further arguments of the benchmarks, such as --quick")
    options = parser.parse_args(arguments)
    about = machine.describe()
    out = options.out or RESULTS / machine.slug(about["gpu"] or "no gpu")
    out.mkdir(parents=True, exist_ok=True)
    tests = run_tests(options.tests.split())
    (out / "tests.json").write_text(json.dumps(tests, indent=1) + "\n")
    benchmarks = run_benchmarks(["--device", options.device, "--out", str(out), *options.benchmarks.split()])
    text = summary(about, tests, benchmarks, read(out / "results.json", benchmarks["began"]))
    (out / "summary.md").write_text(text)
    print(text)
    print(f"all of it is in {out}")
    return int(bool(tests["wrong"] or benchmarks["wrong"]))


# ---------------------------------------------------------------- the two parts
def run_tests(arguments: list[str]) -> dict[str, Any]:
    """Run pytest; returns how many tests passed, failed and were skipped, and what those on agreement measured."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tests.xml"
        workers = ["-n", str(min(8, cores()))]
        command = ["pytest", "-q", *workers, f"--junitxml={path}", "-o", "junit_family=xunit1", *arguments]
        # Several processes with several threads each would only get in each other's way.
        done = _run(command, "tests", env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
        found = read_tests(path)
    if not found["counts"].get("passed"):
        done["wrong"] = done["wrong"] or "no test passed: is there a GPU?"
    return {**done, **found}


def run_benchmarks(arguments: list[str]) -> dict[str, Any]:
    """Run the benchmarks, which write their own results."""
    return _run(["benchmarks", *arguments], "benchmarks", stdout=subprocess.DEVNULL)


def _run(command: list[str], part: str, **options: Any) -> dict[str, Any]:
    """Run a module; ``wrong`` says what is wrong with it, if anything."""
    began, clock = time.time(), time.monotonic()
    limit = 60 * MINUTES[part]
    try:
        status = subprocess.run([sys.executable, "-m", *command], timeout=2 * limit, **options).returncode
        wrong = f"exit status {status}" if status else ""
    except subprocess.TimeoutExpired:
        wrong = f"stopped after {2 * MINUTES[part]:.0f} minutes"
    seconds = time.monotonic() - clock
    if not wrong and seconds > limit:
        wrong = f"took {seconds:.0f} seconds, more than {limit:.0f}"
    return {"began": began, "seconds": round(seconds, 1), "wrong": wrong}


# ---------------------------------------------------------------- what came of them
def read_tests(path: Path) -> dict[str, Any]:
    """Counts, the first lines of failures, and recorded properties from pytest's XML; nothing if there is none."""
    if not path.is_file():
        return {"counts": {}, "failures": {}, "agreement": {}}
    counts: Counter[str] = Counter()
    failures, agreement = {}, {}
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        trouble = [mark for kind in ("failure", "error") for mark in case.findall(kind)]
        counts["failed" if trouble else "skipped" if case.find("skipped") is not None else "passed"] += 1
        if trouble:
            failures[name] = (trouble[0].get("message") or "").strip().partition("\n")[0][:300]
        if case.get("classname") == AGREEMENT:
            found = {p.get("name"): p.get("value") for p in case.iter("property")}
            if found:
                agreement[case.get("name")] = found
    return {"counts": dict(counts), "failures": failures, "agreement": agreement}


def read(path: Path, began: float) -> dict[str, Any] | None:
    """The benchmarks' results, unless they are of an earlier run."""
    if not path.is_file() or path.stat().st_mtime < began:
        return None
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def summary(
    about: dict[str, Any], tests: dict[str, Any], benchmarks: dict[str, Any], results: dict[str, Any] | None
) -> str:
    """The summary as Markdown."""
    libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items())
    counts = ", ".join(f"{count} {what}" for what, count in sorted(tests["counts"].items())) or "none ran"
    lines = [
        f"# {about['gpu'] or 'No GPU'}",
        "",
        f"Driver {about['driver'] or 'none'}; {about['processor']}, {about['cores']} cores.",
        f"Python {about['python']}; {libraries}.",
        "",
        f"- tests: {_verdict(tests)}, {counts}, {tests['seconds']:.0f} s",
        f"- benchmarks: {_verdict(benchmarks)}, {benchmarks['seconds']:.0f} s",
        *_section("Tests that failed", [f"{name}: {why}" for name, why in tests["failures"].items()]),
        *_section("Agreement with the CPU", [_measured(name, found) for name, found in tests["agreement"].items()]),
    ]
    if results:
        failed = [
            f"{row['name']}: {name}: {why}" for row in results["workloads"] for name, why in row["failed"].items()
        ]
        lines += _section("Aims that are not reached", report.missed(results))
        lines += _section("Peers that failed", failed)
        lines += _section("Rows for which there was no time", results["not_run"])
        lines += ["", "```", report.table(results), "```"]
    return "\n".join(lines) + "\n"


def _verdict(part: dict[str, Any]) -> str:
    return f"FAILED ({part['wrong']})" if part["wrong"] else "passed"


def _measured(name: str, found: dict[str, str]) -> str:
    return f"{name}: " + ", ".join(f"{what} {value}" for what, value in found.items())


def _section(title: str, items: list[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {item}" for item in items)] if items else []


if __name__ == "__main__":
    sys.exit(main())
