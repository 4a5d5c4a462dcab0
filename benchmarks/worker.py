"""One peer on one workload, in a process of its own; the parent says when to run.

Reads ``run COUNT`` or ``stop`` from standard input, a line each, and answers in JSON, a line each.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib import import_module
from typing import Any

from benchmarks.workloads import Workload, find, make_data

MODULES = {"ours": "ours", "torch": "pytorch", "torch-sparse": "pytorch", "jax": "jax_jit", "founding": "founders"}
WARM_UP = 3


def say(**message: Any) -> None:
    """Send one line to the parent."""
    print(json.dumps(message), flush=True)


def load(workload: Workload, peer: str, device: str) -> tuple[Any, Any]:
    """The peer's step and its module."""
    module = import_module(f"benchmarks.peers.{MODULES[peer]}")
    options = {"sparse": True} if peer == "torch-sparse" else {}
    return module.make(workload, make_data(workload), device, **options), module


def main() -> None:
    """Serve the parent until it says stop."""
    name, peer, device = sys.argv[1:4]
    workload = find(name)
    try:
        step, module = load(workload, peer, device)
    except ImportError as error:
        say(missing=str(error))
        return
    losses = [float(step().item()) for _ in range(WARM_UP)]
    say(losses=losses, version=module.VERSION)
    for line in sys.stdin:
        if line.strip() == "stop":
            break
        count = int(line.split()[1])
        module.synchronize(device)
        times = []
        for _ in range(count):
            start = time.perf_counter()
            step()
            module.synchronize(device)
            times.append(time.perf_counter() - start)
        say(times=times)
    say(peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
