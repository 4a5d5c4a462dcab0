"""Results as one HTML page that needs nothing but a browser."""

from __future__ import annotations

from html import escape
from math import log10
from pathlib import Path
from typing import Any

from benchmarks.report import aims, milliseconds, ratio_text

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 380, 220, 44, 34, 28
"""Of a plot, and of its margins, in pixels."""
GREEN = "#1a8f63"


def write_html(results: dict[str, Any], path: Path) -> None:
    """Write the page."""
    path.write_text(page(results))


def page(results: dict[str, Any]) -> str:
    """The page's text."""
    rows = results["workloads"]
    reached = [reached for _, reached in aims(results)]
    install = "".join(f"<li>{escape(name)}: {escape(str(value))}</li>" for name, value in results["install"].items())
    sections = [
        f"<p>{escape(_machine(results['machine']))}. {escape(results['when'])}.</p>",
        f"<p>{escape(_rates(results['rates']))}</p>",
        f"<p>{sum(reached)} of {len(reached)} aims reached. {LEGEND}</p>",
        f"<table>{''.join(_row(row) for row in rows)}</table>",
    ]
    if results["not_run"]:
        sections.append(f"<p>Not run, no time left: {escape(', '.join(results['not_run']))}.</p>")
    if results["growth"]:
        sections.append(f"<h2>Growth</h2>{GROWTH}{''.join(_growth(series) for series in results['growth'])}")
    if install:
        sections.append(f"<h2>Installation</h2><ul>{install}</ul>")
    return _PAGE.format(body="\n".join(sections))


def _machine(machine: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    gpu = f"{machine['gpu']}, driver {machine['driver']}" if machine["gpu"] else "no GPU"
    return f"{machine['processor']}, {machine['cores']} cores; {gpu}; Python {machine['python']}, {libraries}"


def _rates(rates: dict[str, dict[str, Any]]) -> str:
    texts = [
        f"{device}: copies {rate['copy'] / 1e9:.1f} GB/s, products {rate['products'] / 1e12:.2f} TFLOP/s, "
        f"a launch {rate['launch'] * 1e6:.1f} us" + _cuda(rate)
        for device, rate in rates.items()
    ]
    return "Measured here, for the floors. " + "; ".join(texts) + "."


def _cuda(rate: dict[str, Any]) -> str:
    if "cuda" not in rate:
        return ""
    tf32 = "allowed" if rate["products"] == rate["products_tf32"] else "off"
    return (
        f" and in a graph {rate['captured_launch'] * 1e6:.1f} us, products in TF32 ({tf32}) "
        f"{rate['products_tf32'] / 1e12:.0f} TFLOP/s, "
        f"CUDA {rate['cuda']} on a driver of {rate['driver_cuda']}, CuPy {rate['cupy']}"
    )


# ---------------------------------------------------------------- workloads
def _row(row: dict[str, Any]) -> str:
    slowest = max((peer["median_ms"] for peer in row["peers"].values()), default=1.0)
    bars = "".join(_bar(name, peer, slowest) for name, peer in row["peers"].items())
    ratios = "".join(_chip(ratio) for ratio in row["ratios"])
    notes = "".join(f"<small>{escape(name)}: not installed</small>" for name in row["missing"])
    notes += "".join(f'<small class="no">{escape(name)}: {escape(why)}</small>' for name, why in row["failed"].items())
    return f"<tr><th>{escape(row['name'])}</th><td>{bars}</td><td>{ratios}{notes}</td></tr>\n"


def _bar(name: str, peer: dict[str, Any], slowest: float) -> str:
    """A bar as long as the peer's time, with a mark at its floor; the slowest fills the column."""
    spread = f"{milliseconds(peer['low_ms'])} to {milliseconds(peer['high_ms'])}, peak {peer['peak_mb']:.0f} MB"
    mark = f"floor {milliseconds(peer['floor_ms'])} ({peer['floor_by']}), reached to {peer['floor_share']:.0%}"
    kind = "ours" if name.startswith("ours") else "peer"
    width, floor = (min(100.0, 100 * peer[key] / slowest) for key in ("median_ms", "floor_ms"))
    return (
        f'<div class="line" title="{spread}; {mark}"><span class="name">{escape(name)}</span><span class="track">'
        f'<span class="{kind}" style="width:{width:.2f}%"></span><span class="floor" style="left:{floor:.2f}%"></span>'
        f'</span><span class="time">{milliseconds(peer["median_ms"])}</span></div>'
    )


def _chip(ratio: dict[str, Any]) -> str:
    kind = "" if ratio["aim"] is None else "yes" if ratio["time"] <= ratio["aim"] else "no"
    return f'<small class="{kind}">{escape(ratio_text(ratio))}</small>'


# ---------------------------------------------------------------- growth
def _growth(series: dict[str, Any]) -> str:
    plots = "".join(
        _plot(series, what, key, text)
        for what, key, text in (("time", "median_ms", milliseconds), ("memory", "peak_mb", _megabytes))
    )
    return f"<figure>{plots}<figcaption>{escape(series['size'])}: {escape(series['why'])}.</figcaption></figure>"


def _megabytes(value: float) -> str:
    return f"{value:.0f} MB"


def _plot(series: dict[str, Any], what: str, key: str, text: Any) -> str:
    """What was measured over the size, both on logarithmic scales, and a dashed line of what one expects."""
    sizes, values = series["values"], series[key]
    steps = [sizes[0] * (sizes[-1] / sizes[0]) ** (i / 24) for i in range(25)]
    guide = [_expected(x, sizes, values, series["expected"][what], above_first=what == "memory") for x in steps]
    low, high = log10(min(values)) - 0.15, max(log10(max(values)), log10(min(values)) + 0.85) + 0.25

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = log10(x / sizes[0]) / log10(sizes[-1] / sizes[0]), (log10(y) - low) / (high - low)
        return LEFT + (WIDTH - 2 * LEFT) * across, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * up

    points = [place(x, y) for x, y in zip(sizes, values)]
    marks = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{GREEN}"/><text x="{x:.1f}" y="{y - 8:.1f}">{text(value)}</text>'
        f'<text x="{x:.1f}" y="{HEIGHT - 10}">{size:,}</text>'
        for (x, y), value, size in zip(points, values, sizes)
    )
    # Where the guide would leave the plot below, it begins later.
    dashes = _line([place(x, y) for x, y in zip(steps, guide) if log10(y) >= low], "#888", 'stroke-dasharray="4 3"')
    title = f"{what}: slope {series['slope'][what]:.2f}, expected {series['expected'][what]:g}"
    axis = _line([(LEFT - 20, HEIGHT - BOTTOM), (WIDTH - LEFT + 20, HEIGHT - BOTTOM)], "#bbb")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-size="10" text-anchor="middle">'
        f'<text x="{WIDTH / 2}" y="14">{title}</text>{axis}{dashes}{_line(points, GREEN)}{marks}</svg>'
    )


def _expected(x: float, sizes: list[float], values: list[float], slope: float, above_first: bool) -> float:
    """A power law through the last point; of what is above the first point, where libraries take their share."""
    if not above_first or not slope:
        return values[-1] * (x / sizes[-1]) ** slope  # type: ignore[no-any-return]
    part = (x**slope - sizes[0] ** slope) / (sizes[-1] ** slope - sizes[0] ** slope)
    return values[0] + (values[-1] - values[0]) * part  # type: ignore[no-any-return]


def _line(places: list[tuple[float, float]], colour: str, dashes: str = "") -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5" {dashes}/>'


LEGEND = (
    "Bars are medians of whole steps, each peer in a process of its own, in turns; shorter is better. Spread, memory and "
    "floor stand in each bar's tooltip; the thin mark is the floor: the least time for its bytes, its operations or its "
    "launches on this machine. Ratios are our time to the peer's, with the aim in brackets."
)
GROWTH = (
    "<p>Both axes are logarithmic; the dashed lines are what one expects through the last point. Of memory the slope is "
    "that of what is above the smallest size's, which is the libraries'.</p>"
)

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Benchmarks</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; }}
body {{ color: #222; background: #fff; }}
table {{ width: 100%; border-collapse: collapse; }}
th, td {{ vertical-align: top; text-align: left; padding: .5em 1em .5em 0; border-top: 1px solid #ddd; }}
th {{ width: 20%; font-weight: 600; }} td:last-child {{ width: 30%; }}
.line {{ display: flex; align-items: center; height: 1.35em; font-size: 12px; }}
.name {{ flex: 0 0 13em; white-space: nowrap; }} .time {{ flex: 0 0 6em; text-align: right; }}
.track {{ flex: 1; position: relative; height: 9px; background: #f3f3f3; }}
.ours, .peer {{ display: block; height: 9px; background: #1a8f63; }} .peer {{ background: #9aa3b5; }}
.floor {{ position: absolute; top: -2px; width: 2px; height: 13px; background: #c2410c; }}
small {{ display: block; font-size: 12px; }} .yes {{ color: #14704e; }} .no {{ color: #b3261e; }}
figure {{ margin: 1em 0; }} figcaption {{ font-size: 13px; }}
</style></head>
<body>
<h1>Benchmarks</h1>
{body}
</body></html>
"""
