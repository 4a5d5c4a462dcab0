"""Measure what ``import framework`` costs above ``import numpy``; fail above the limit.

Each import runs in a process of its own, the two kinds taking turns, and the shortest of each are compared: what
else the machine does can only add to a time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

TIMER = "from time import perf_counter; start = perf_counter(); import {module}; print(perf_counter() - start)"


def import_seconds(module: str) -> float:
    """Seconds that one fresh interpreter takes to import a module."""
    command = [sys.executable, "-c", TIMER.format(module=module)]
    # An environment that keeps bytecode from being written would have every run compile the package anew.
    caching = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=caching).stdout)


def main() -> int:
    """Return 0 if the import is cheap enough, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=80.0, help="milliseconds above `import numpy`")
    parser.add_argument("--repeat", type=int, default=20)
    args = parser.parse_args()

    import_seconds("framework")  # writes the bytecode caches
    runs = [(import_seconds("numpy"), import_seconds("framework")) for _ in range(args.repeat)]
    numpy, framework = (1e3 * min(column) for column in zip(*runs))
    extra = framework - numpy
    print(f"import numpy: {numpy:.0f} ms; import framework: {extra:.0f} ms more (limit {args.limit:.0f} ms)")
    return int(extra > args.limit)


if __name__ == "__main__":
    sys.exit(main())
