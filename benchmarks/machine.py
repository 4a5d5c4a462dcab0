"""What the results were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from benchmarks.measure import cores

LIBRARIES = ("numpy", "scipy", "array-api-compat", "cupy-cuda12x", "cupy-cuda13x", "torch", "jax", "numba")


def describe() -> dict[str, Any]:
    """Processor, cores, memory, system, GPU, its driver, and the versions of the libraries."""
    gpu = _gpu()
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "gpu": gpu["name"],
        "driver": gpu["driver_version"],
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpu() -> dict[str, str]:
    """What the driver says of the first GPU; empty without one."""
    fields = ("name", "driver_version")
    try:
        command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        lines = []
    return dict(zip(fields, (lines or [", " * len(fields)])[0].split(", ")))


def slug(name: str) -> str:
    """The name of a processor as the name of a folder.

    Examples
    --------
    >>> slug("NVIDIA H100 80GB HBM3")
    'nvidia-h100-80gb-hbm3'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def import_ms(module: str, repeat: int = 15) -> float:
    """Least milliseconds that a fresh interpreter takes to import a module, after a first one has written its bytecode."""
    timer = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    caching = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", timer]
    times = [float(subprocess.check_output(command, env=caching)) for _ in range(1 + repeat)][1:]
    return 1e3 * min(times)


def installed_mb(*names: str) -> float:
    """Megabytes on the disk of some distributions and of all that they require, as installed here."""
    return sum(_size(found) for found in _with_requirements(names)) / 2**20


def sources_mb(*packages: str) -> float:
    """Megabytes of packages of this project, which a development install leaves where they are."""
    root = Path(__file__).parents[1]
    paths = [path for package in packages for path in (root / package).rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in paths if "__pycache__" not in path.parts) / 2**20


def _with_requirements(names: Iterable[str]) -> list[Distribution]:
    """The distributions of the names, and those that they require on this machine, each once."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = canonical(waiting.pop())
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += [_required(line) for line in found[name].requires or () if "extra ==" not in line]
    return list(found.values())


def canonical(name: str) -> str:
    """The one spelling of a distribution's name.

    Examples
    --------
    >>> canonical("Array_API.compat")
    'array-api-compat'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _required(line: str) -> str:
    """The name in a requirement such as ``networkx>=2.5.1; python_version > "3"``."""
    return re.match(r"[A-Za-z0-9._-]+", line)[0]  # type: ignore[index]


def _size(found: Distribution) -> int:
    paths = [Path(str(file.locate())) for file in found.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file())
