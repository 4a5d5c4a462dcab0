"""One peer on one workload, in a process of its own; the parent says when to run.

Called with one argument, JSON of the workload's kind and sizes, the peer and the device. Reads ``run BATCHES SIZE`` or
``stop`` from standard input, a line each, and answers in JSON, a line each.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.peers import PEERS
from benchmarks.workloads import Workload, make_data

WARM_UP = 3
"""Steps before anything is timed; their losses are compared. Fewer where they take seconds."""
PATIENCE = 2.0


def speaker() -> Callable[..., None]:
    """A function that sends one line to the parent; what libraries print from now on goes to the errors."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**message: Any) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    return say


def load(workload: Workload, peer: str, device: str) -> tuple[Callable[[], Any], ModuleType]:
    """The peer's step and its module."""
    name, options = PEERS[peer]
    module = import_module(f"benchmarks.peers.{name}")
    return module.make(workload, make_data(workload), device, **options), module


def warm_up(step: Callable[[], Any]) -> list[float]:
    """The losses of the first steps."""
    losses: list[float] = []
    start = time.perf_counter()
    while len(losses) < WARM_UP and time.perf_counter() - start < PATIENCE:
        losses.append(float(step().item()))
    return losses


def timed(step: Callable[[], Any], synchronize: Callable[[], None], batches: int, size: int) -> list[float]:
    """Seconds a step, of each of some batches of steps; the device is waited for before and after each batch."""
    seconds = []
    for _ in range(batches):
        synchronize()
        start = time.perf_counter()
        for _ in range(size):
            step()
        synchronize()
        seconds.append((time.perf_counter() - start) / size)
    return seconds


# ---------------------------------------------------------------- memory
def forget_peak() -> None:
    """Count the most memory anew from here on, where the system can: what was needed to set up does not count."""
    gc.collect()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """The most memory that this process had, libraries included."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024
    except (OSError, StopIteration):
        units = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units


# ---------------------------------------------------------------- talking to the parent
def main() -> None:
    """Serve the parent until it says stop."""
    say = speaker()
    task = json.loads(sys.argv[1])
    peer, device = task["peer"], task["device"]
    gpu = device != "cpu"
    try:
        step, module = load(Workload("", task["kind"], sizes=task["sizes"]), peer, device)
        losses = warm_up(step)
    except ImportError as error:
        say(missing=str(error))
        return
    say(losses=losses, version=module.VERSION)
    forget_peak()
    if gpu:
        module.reset_device_peak(device)
    for line in sys.stdin:
        if line.strip() == "stop":
            break
        batches, size = map(int, line.split()[1:])
        say(times=timed(step, lambda: module.synchronize(device), batches, size))
    say(peak_mb=peak_mb(), device_peak_mb=module.device_peak_mb(device) if gpu else None)


if __name__ == "__main__":
    main()
