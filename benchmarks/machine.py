"""What the results were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "scipy", "array-api-compat", "cupy-cuda12x", "cupy-cuda13x", "torch", "jax", "numba")


def describe() -> dict[str, Any]:
    """Processor, cores, memory, system, GPU and the versions of the libraries."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "gpu": _gpu(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpu() -> str:
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def import_ms(module: str, repeat: int = 7) -> float:
    """Median milliseconds that a fresh interpreter takes to import a module."""
    timer = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    times = [float(subprocess.check_output([sys.executable, "-c", timer])) for _ in range(repeat)]
    return 1e3 * sorted(times)[repeat // 2]


def installed_mb(*names: str) -> float:
    """Megabytes that the files of some distributions take on the disk."""
    total = 0
    for name in names:
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            continue
        total += sum(Path(str(file.locate())).stat().st_size for file in files if Path(str(file.locate())).is_file())
    return total / 2**20
