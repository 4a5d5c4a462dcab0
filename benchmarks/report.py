"""Results as a table, as JSON, and as one self-contained HTML page with plots."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any


def table(results: dict[str, Any]) -> str:
    """The results as text."""
    lines = [f"{'workload':<46} {'ours':>9}  ratio of our time to each peer's (aim), memory"]
    for row in results["workloads"]:
        ours = row["peers"]["ours"]["median_ms"]
        lines.append(f"{row['name']:<46} {_ms(ours):>9}  {_ratios(row)}")
    for series in results["growth"]:
        points = ", ".join(f"{v}: {_ms(t)}" for v, t in zip(series["values"], series["median_ms"]))
        lines.append(
            f"growth in {series['size']}: {points}; last slope {series['slope']:.2f}, expected {series['expected']}"
        )
    for name, value in results["install"].items():
        lines.append(f"{name}: {value}")
    return "\n".join(lines)


def _ms(value: float) -> str:
    return f"{value * 1e3:.1f} us" if value < 0.1 else f"{value:.3g} ms" if value < 1000 else f"{value / 1e3:.3g} s"


def _ratios(row: dict[str, Any]) -> str:
    parts = []
    for peer, ratio in row["time_ratio"].items():
        aim = row["target"].get(peer)
        mark = "" if aim is None else f" ({'<=' if ratio <= aim else 'NOT <='} {aim:g})"
        parts.append(f"{peer} {ratio:.3g}{mark}, memory {row['memory_ratio'][peer]:.2f}")
    parts += [f"{peer}: not installed" for peer in row["missing"]]
    return "; ".join(parts)


def write_json(results: dict[str, Any], path: Path) -> None:
    """Write everything that was measured."""
    path.write_text(json.dumps(results, indent=1) + "\n")


def write_html(results: dict[str, Any], path: Path) -> None:
    """Write a page that needs nothing but a browser."""
    machine = results["machine"]
    about = ", ".join(f"{name} {found}" for name, found in machine["libraries"].items())
    rows = "".join(_html_row(row) for row in results["workloads"])
    growth = "".join(_plot(series) for series in results["growth"])
    install = "".join(
        f"<li>{html.escape(name)}: {html.escape(str(value))}</li>" for name, value in results["install"].items()
    )
    path.write_text(
        _PAGE.format(
            machine=html.escape(
                f"{machine['processor']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}; {about}"
            ),
            when=html.escape(results["when"]),
            rows=rows,
            growth=growth,
            install=install,
        )
    )


def _html_row(row: dict[str, Any]) -> str:
    bars = "".join(_bar(name, peer, row) for name, peer in row["peers"].items())
    return f"<tr><td>{html.escape(row['name'])}</td><td>{bars}</td></tr>"


def _bar(name: str, peer: dict[str, Any], row: dict[str, Any]) -> str:
    """A bar as long as the peer's time, on a scale on which the slowest fills the column."""
    slowest = max(p["median_ms"] for p in row["peers"].values())
    width = max(0.3, 100 * peer["median_ms"] / slowest)
    spread = f"{_ms(peer['low_ms'])} to {_ms(peer['high_ms'])}, peak {peer['peak_mb']:.0f} MB"
    ratio = row["time_ratio"].get(name)
    text = f"{name} {_ms(peer['median_ms'])}" + (f", ours takes {ratio:.2f} of it" if ratio is not None else "")
    kind = "ours" if name.startswith("ours") else "peer"
    return f'<div class="{kind}" style="width:{width:.1f}%" title="{spread}"></div><small>{html.escape(text)}</small>'


def _plot(series: dict[str, Any]) -> str:
    """Time over size, both on logarithmic scales, as SVG."""
    from math import log10

    xs, ys = [log10(v) for v in series["values"]], [log10(t) for t in series["median_ms"]]
    low, high = min(ys) - 0.2, max(ys) + 0.2

    def place(x: float, y: float) -> tuple[float, float]:
        return 30 + 300 * (x - xs[0]) / (xs[-1] - xs[0]), 150 - 130 * (y - low) / (high - low)

    points = [place(x, y) for x, y in zip(xs, ys)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    labels = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/><text x="{x:.1f}" y="{y - 8:.1f}">{_ms(t)}</text>'
        f'<text x="{x:.1f}" y="168">{v}</text>'
        for (x, y), v, t in zip(points, series["values"], series["median_ms"])
    )
    caption = f"{series['size']}: last slope {series['slope']:.2f}, expected {series['expected']}"
    return (
        f'<figure><svg viewBox="0 0 380 175" width="380"><polyline points="{line}"/>{labels}</svg>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Benchmarks</title>
<style>
body {{ font: 15px/1.4 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }}
td {{ vertical-align: top; padding: .4em 1em .4em 0; border-top: 1px solid #ddd; }}
td:first-child {{ width: 22em; }} table {{ width: 100%; border-collapse: collapse; }}
.ours, .peer {{ height: 9px; background: #2a7; }} .peer {{ background: #99a; }}
small {{ display: block; margin-bottom: 3px; }} figure {{ display: inline-block; margin: 1em; }}
svg text {{ font-size: 10px; text-anchor: middle; }} polyline {{ fill: none; stroke: #2a7; stroke-width: 2; }}
</style>
<h1>Benchmarks</h1>
<p>{machine}. {when}. Medians of whole steps; each peer in a process of its own, in turns; shorter is better. The spread is
in each bar's tooltip.</p>
<table>{rows}</table>
<h2>Growth</h2>{growth}
<h2>Installation</h2><ul>{install}</ul>
</html>
"""
