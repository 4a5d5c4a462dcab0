"""Run the benchmarks: ``python -m benchmarks [--quick] [--only WORDS] [--device cpu,cuda]``."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import growth, machine, report
from benchmarks.measure import compare
from benchmarks.workloads import all_workloads

PEERS = ("torch", "torch-sparse", "jax", "founding")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few workloads, in two minutes")
    parser.add_argument("--only", default="", metavar="WORDS", help="names to run; | between choices")
    parser.add_argument("--device", default="cpu", help="devices side by side, such as cpu,cuda (default: cpu)")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each peer on each workload (default: 2)")
    parser.add_argument("--out", type=Path, help="folder for results.json and results.html (default: print only)")
    parser.add_argument("--no-growth", action="store_true", help="leave out how time grows with the sizes")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print one table, and write the results where asked to."""
    options = _parse(arguments)
    seconds = min(options.seconds, 1.0) if options.quick else options.seconds
    devices = options.device.split(",")
    choices = [choice.split() for choice in options.only.split("|")]
    chosen = [w for w in all_workloads() if any(all(word in w.name for word in words) for words in choices)]
    chosen = [w for w in chosen if w.quick] if options.quick else chosen
    if not chosen:
        sys.exit(f"no workload's name holds {options.only!r}; there are: " + "; ".join(w.name for w in all_workloads()))
    results: dict[str, Any] = {
        "when": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine.describe(),
        "workloads": [],
        "growth": [],
        "install": {},
    }
    for workload in chosen:
        row = compare(workload, seconds, devices, set(options.peers.split(",")))
        results["workloads"].append(row)
        print(
            report.table({"workloads": [row], "growth": [], "install": {}}).splitlines()[1], file=sys.stderr, flush=True
        )
    if not options.quick and not options.only:
        results["install"] = _install()
        if not options.no_growth:
            results["growth"] = growth.measure(seconds, devices)
    print(report.table(results))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        report.write_json(results, options.out / "results.json")
        report.write_html(results, options.out / "results.html")
        print(f"wrote {options.out / 'results.json'} and {options.out / 'results.html'}")
    return 0


def _install() -> dict[str, str]:
    """Import times and installed sizes."""
    base = machine.import_ms("numpy")
    return {
        "import numpy": f"{base:.0f} ms",
        "import framework, above numpy": f"{machine.import_ms('framework') - base:.0f} ms",
        "installed: numpy, scipy, array-api-compat": f"{machine.installed_mb('numpy', 'scipy', 'array-api-compat'):.0f} MB",
        "installed: torch": f"{machine.installed_mb('torch'):.0f} MB",
        "installed: jax, jaxlib": f"{machine.installed_mb('jax', 'jaxlib'):.0f} MB",
    }


if __name__ == "__main__":
    sys.exit(main())
