"""Run the benchmarks: ``python -m benchmarks [--quick] [--only WORDS] [--device cpu,cuda]``."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import growth, machine, rates, report
from benchmarks.budget import Budget
from benchmarks.measure import compare, environment
from benchmarks.page import write_html
from benchmarks.peers import PEERS
from benchmarks.workloads import Workload, cpu_workloads, gpu_workloads, growth_workloads

OTHERS = [name for name in PEERS if name != "ours"]
RESULTS = Path(__file__).with_name("results")
MINUTES = {"quick": 2.0, "gpu": 8.0, "cpu": 20.0}
FOLDER = Path("runs/benchmarks")
RESERVE = 20.0
"""Seconds for what is done once: rates before the first row, import times after the last."""


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few workloads, in two minutes")
    parser.add_argument("--only", default="", metavar="WORDS", help="names to run; | between choices")
    parser.add_argument("--device", default="cpu", help="devices side by side, such as cpu,cuda (default: cpu)")
    parser.add_argument("--table", choices=("cpu", "gpu"), help="which workloads (default: gpu with a GPU's device)")
    parser.add_argument("--peers", default=",".join(OTHERS), help=f"of {', '.join(OTHERS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=2.0, help="at most, for each peer on a row (default: 2)")
    parser.add_argument("--minutes", type=float, help="for the whole run (default: quick 2, with a GPU 8, else 20)")
    parser.add_argument("--out", type=Path, help=f"folder for the results (default: {FOLDER}, or results/<GPU> here)")
    parser.add_argument("--no-growth", action="store_true", help="leave out how time grows with the sizes")
    options = parser.parse_args(arguments)
    options.devices = options.device.split(",")
    options.gpu = any(device != "cpu" for device in options.devices)
    options.table = options.table or ("gpu" if options.gpu else "cpu")
    options.minutes = options.minutes or MINUTES["quick" if options.quick else "gpu" if options.gpu else "cpu"]
    return options


def _chosen(options: argparse.Namespace) -> list[Workload]:
    every = gpu_workloads() if options.table == "gpu" else cpu_workloads()
    choices = [choice.split() for choice in options.only.split("|")]
    chosen = [w for w in every if any(all(word in w.name for word in words) for words in choices)]
    chosen = [w for w in chosen if w.quick] if options.quick else chosen
    if not chosen:
        sys.exit(f"no workload's name holds {options.only!r}; there are: " + "; ".join(w.name for w in every))
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Measure, print one table, and write the results; returns 1 if a peer failed."""
    options = _parse(arguments)
    chosen = _chosen(options)
    everything = not (options.quick or options.only)
    grows = everything and options.table == "cpu" and not options.no_growth
    count = len(chosen) + (sum(map(len, growth_workloads().values())) if grows else 0)
    budget = Budget(60 * options.minutes - RESERVE * everything, count, options.seconds)
    about = machine.describe()
    folder = options.out or _folder(options, about)
    try:
        rate = {device: rates.measure(device) for device in options.devices}
    except RuntimeError as error:
        sys.exit(f"benchmarks: {error}")
    results: dict[str, Any] = {
        "when": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": about,
        "tf32": environment()["CUPY_TF32"] == "1",
        "rates": rate,
        "workloads": [],
        "not_run": [],
        "growth": [],
        "install": {},
    }
    for workload in chosen:
        if budget.over:
            results["not_run"].append(workload.name)
            continue
        row = compare(workload, options.devices, set(options.peers.split(",")), budget.share, rate)
        budget.finished(row["set_up_s"])
        results["workloads"].append(row)
        print(report.line(row), file=sys.stderr, flush=True)
        _write(results, folder)
    if grows:
        results["growth"] = growth.measure(budget, rate)
    if everything:
        results["install"] = _install()
    _write(results, folder)
    print(report.table(results))
    print(f"wrote results.json and results.html to {folder}")
    return int(any(row["failed"] for row in results["workloads"]))


def _folder(options: argparse.Namespace, about: dict[str, Any]) -> Path:
    return RESULTS / machine.slug(about["gpu"] or "gpu") if options.gpu else FOLDER


def _write(results: dict[str, Any], folder: Path) -> None:
    """Write what there is so far: a run that is cut short has not been in vain."""
    folder.mkdir(parents=True, exist_ok=True)
    report.write_json(results, folder / "results.json")
    write_html(results, folder / "results.html")


def _install() -> dict[str, str]:
    """Import times and installed sizes."""
    base = machine.import_ms("numpy")
    needs = ("numpy", "scipy", "array-api-compat")
    ours = machine.sources_mb("framework", "backends") + machine.installed_mb(*needs)
    return {
        "import numpy": f"{base:.0f} ms",
        "import framework, above numpy": f"{machine.import_ms('framework') - base:.0f} ms",
        f"installed: framework with {', '.join(needs)}": f"{ours:.0f} MB",
        "installed: the same with numba": f"{ours + machine.installed_mb('numba') - machine.installed_mb('numpy'):.0f} MB",
        "installed: torch and what it requires": f"{machine.installed_mb('torch'):.0f} MB",
        "installed: jax and what it requires": f"{machine.installed_mb('jax'):.0f} MB",
    }


if __name__ == "__main__":
    sys.exit(main())
