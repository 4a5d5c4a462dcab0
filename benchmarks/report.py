"""Results as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NAME, COLUMN = 44, 11


def table(results: dict[str, Any]) -> str:
    """The results as text: a line each with everybody's times, then ratios with their aims, and the share of the floor."""
    rows = results["workloads"]
    columns = list(dict.fromkeys(name for row in rows for name in row["peers"]))
    widths = {name: max(COLUMN, len(name) + 2) for name in columns}
    head = f"{'workload':<{NAME}}" + "".join(f"{name:>{widths[name]}}" for name in columns)
    lines = [f"{head}  ratios of times (aim) and memory; share of the floor"]
    for row in rows:
        cells = "".join(f"{_cell(row, name):>{widths[name]}}" for name in columns)
        lines.append(f"{row['name']:<{NAME}}{cells}  {remarks(row)}")
    lines += [f"not run, no time left: {name}" for name in results["not_run"]]
    lines += [growth_line(series) for series in results["growth"]]
    lines += [f"{name}: {value}" for name, value in results["install"].items()]
    return "\n".join(lines)


def line(row: dict[str, Any]) -> str:
    """One row, for who waits."""
    times = ", ".join(f"{name} {milliseconds(peer['median_ms'])}" for name, peer in row["peers"].items())
    return f"{row['name']}: {times}; {remarks(row)}"


def _cell(row: dict[str, Any], name: str) -> str:
    if name in row["peers"]:
        return milliseconds(row["peers"][name]["median_ms"])
    return "failed" if name in row["failed"] else "-"


def milliseconds(value: float) -> str:
    """A time in the unit that suits it.

    Examples
    --------
    >>> milliseconds(0.0123), milliseconds(4.5), milliseconds(1234.5)
    ('12.3 us', '4.5 ms', '1.23 s')
    """
    return f"{value * 1e3:.1f} us" if value < 0.1 else f"{value:.3g} ms" if value < 1000 else f"{value / 1e3:.3g} s"


def ratio_text(ratio: dict[str, Any]) -> str:
    """One ratio, its aim, and whether it is reached."""
    text = f"{ratio['ours']}/{ratio['peer']} {ratio['time']:.3g}"
    if ratio["aim"] is not None:
        text += f" ({'<=' if ratio['time'] <= ratio['aim'] else 'NOT <='} {ratio['aim']:g})"
    return text + (f", memory {ratio['memory']:.2f}" if ratio["memory"] is not None else "")


def floor_text(name: str, peer: dict[str, Any], aim: float | None) -> str:
    """Share of the floor of one of ours, and its aim."""
    share = peer["floor_share"]
    text = f"{name} {share:.0%} of {peer['floor_by']}"
    return text + ("" if aim is None else f" ({'>=' if share >= aim else 'NOT >='} {aim:.0%})")


def remarks(row: dict[str, Any]) -> str:
    """Ratios, floors, and who is missing."""
    ours = {name: peer for name, peer in row["peers"].items() if name.startswith("ours")}
    parts = [ratio_text(ratio) for ratio in row["ratios"]]
    parts += [floor_text(name, peer, row["floor_aim"] if name != "ours" else None) for name, peer in ours.items()]
    parts += [f"{name}: not installed" for name in row["missing"]]
    parts += [f"{name}: FAILED, {why}" for name, why in row["failed"].items()]
    return "; ".join(parts)


def growth_line(series: dict[str, Any]) -> str:
    """How time and memory grow with one size."""
    points = ", ".join(
        f"{v}: {milliseconds(t)} {m:.0f} MB"
        for v, t, m in zip(series["values"], series["median_ms"], series["peak_mb"])
    )
    slopes = ", ".join(
        f"slope of {what} {series['slope'][what]:.2f} (expected {series['expected'][what]:g})"
        for what in ("time", "memory")
    )
    return f"growth in {series['size']}: {points}; {slopes}: {series['why']}"


def aims(results: dict[str, Any]) -> list[tuple[str, bool]]:
    """Everything that was aimed at and measured, and whether it is reached."""
    found = []
    for row in results["workloads"]:
        for ratio in row["ratios"]:
            if ratio["aim"] is not None:
                found.append((f"{row['name']}: {ratio_text(ratio)}", ratio["time"] <= ratio["aim"]))
        # What is aimed at is a GPU's; eager or captured may reach it.
        shares = [p["floor_share"] for name, p in row["peers"].items() if name.startswith("ours") and name != "ours"]
        if row["floor_aim"] is not None and shares:
            reached = max(shares) >= row["floor_aim"]
            sign = ">=" if reached else "NOT >="
            found.append((f"{row['name']}: {max(shares):.0%} of the floor ({sign} {row['floor_aim']:.0%})", reached))
    return found


def missed(results: dict[str, Any]) -> list[str]:
    """What was aimed at and is not reached."""
    return [text for text, reached in aims(results) if not reached]


def write_json(results: dict[str, Any], path: Path) -> None:
    """Write everything that was measured."""
    path.write_text(json.dumps(results, indent=1) + "\n")
