"""How time and memory grow with the vocabulary, the length and the width, against the slopes one expects."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.budget import Budget
from benchmarks.measure import compare
from benchmarks.workloads import growth_workloads

EXPECTED: dict[str, dict[str, float]] = {
    "V": {"time": 0.0, "memory": 1.0},
    "T": {"time": 1.0, "memory": 1.0},
    "H": {"time": 2.0, "memory": 1.0},
}
WHY = {
    "V": "a step costs what the batch touches, and the table is held once",
    "T": "each word costs the same, and its states are kept for the backward",
    "H": "products dominate the time of large H, states the memory until H is thousands",
}


def measure(budget: Budget, rates: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """One series for each size that grows: the points, and how steeply they rise at the end.

    Returns
    -------
    list of dict
        ``size``, ``values``, ``median_ms``, ``peak_mb``, ``slope`` and ``expected`` for ``time`` and ``memory``.

    Raises
    ------
    RuntimeError
        If a workload fails.
    """
    series = []
    for size, workloads in growth_workloads().items():
        rows = []
        for workload in workloads:
            row = compare(workload, ["cpu"], set(), budget.share, rates)
            budget.finished(row["set_up_s"])
            if row["failed"]:
                raise RuntimeError(f"{workload.name}: {row['failed']}")
            rows.append((workload.sizes[size], row["peers"]["ours"]))
        values, peers = zip(*rows)
        times, memory = ([peer[key] for peer in peers] for key in ("median_ms", "peak_mb"))
        series.append(
            {
                "size": size,
                "values": list(values),
                "median_ms": times,
                "peak_mb": memory,
                "slope": {"time": slope(values, times), "memory": slope_above_first(values, memory)},
                "expected": EXPECTED[size],
                "why": WHY[size],
            }
        )
    return series


def slope(xs: Any, ys: Any) -> float:
    """The exponent of a power law through the last two points.

    Examples
    --------
    >>> slope([1, 10, 100], [5, 3, 300])
    2.0
    """
    return math.log(ys[-1] / ys[-2]) / math.log(xs[-1] / xs[-2])


def slope_above_first(xs: Any, ys: Any) -> float:
    """The same of what is above the first point: libraries take memory that grows with nothing.

    Examples
    --------
    >>> round(slope_above_first([1, 10, 100], [61, 70, 160]), 6)
    1.0
    """
    above = max(ys[-1] - ys[0], 1e-9), max(ys[-2] - ys[0], 1e-9)
    return slope([x - xs[0] for x in xs[-2:]], above[::-1])
