"""How time and memory grow with the vocabulary, the length and the width, against the slope one expects."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.measure import compare
from benchmarks.workloads import growth_workloads

EXPECTED = {
    "V": "0: a step costs what the batch touches",
    "T": "1: each word costs the same",
    "H": "2 for large H: the products dominate",
}


def measure(seconds: float, devices: list[str]) -> list[dict[str, Any]]:
    """One series for each size that grows: the points, and the slope between the last two of log time in log size."""
    series = []
    for name, workloads in growth_workloads().items():
        points = [compare(w, seconds, devices[:1], set()) for w in workloads]
        sizes = [w.sizes[name] for w in workloads]
        times = [p["peers"]["ours"]["median_ms"] for p in points]
        memory = [p["peers"]["ours"]["peak_mb"] for p in points]
        series.append(
            {
                "size": name,
                "values": sizes,
                "median_ms": times,
                "peak_mb": memory,
                "slope": math.log(times[-1] / times[-2]) / math.log(sizes[-1] / sizes[-2]),
                "expected": EXPECTED[name],
            }
        )
    return series
