"""Time peers against each other: each in a process of its own, taking turns round by round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median
from typing import Any

from benchmarks.workloads import Workload

ROUND_SECONDS = 0.3
"""How long one peer runs before it is another's turn."""


class Peer:
    """A worker process that waits until it is told to run."""

    def __init__(self, workload: Workload, name: str, device: str) -> None:
        self.name = name if device == "cpu" else f"{name}@{device}"
        command = [sys.executable, "-m", "benchmarks.worker", workload.name, name, device]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
        )
        hello = self._answer()
        self.missing = hello.get("missing", "")
        self.losses = hello.get("losses", [])
        self.version = hello.get("version", "")
        self.times: list[float] = []
        self.peak_mb = 0.0

    def run(self, count: int) -> list[float]:
        """Seconds of each of ``count`` steps."""
        self._say(f"run {count}")
        return self._answer()["times"]  # type: ignore[no-any-return]

    def stop(self) -> None:
        """End the process, and note how much memory it took at most."""
        self._say("stop")
        self.peak_mb = self._answer()["peak_mb"]
        self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} died:\n{self._process.stderr.read()[-3000:]}")
        return json.loads(line)  # type: ignore[no-any-return]


def _environment() -> dict[str, str]:
    """The user's, with every library allowed the same number of threads."""
    cores = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    defaults = {"OMP_NUM_THREADS": cores, "OPENBLAS_NUM_THREADS": cores, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return {**defaults, **os.environ}


def compare(workload: Workload, seconds: float, devices: list[str], peers: set[str]) -> dict[str, Any]:
    """Measure a workload with all its peers.

    Parameters
    ----------
    workload : Workload
        What to run.
    seconds : float
        About how long each peer shall run.
    devices : list of str
        Devices of ours and of PyTorch.
    peers : set of str
        Which peers to take, of those that the workload has.

    Returns
    -------
    dict
        For each peer medians, spread and peak memory, and the ratios of ours to the others'.

    Raises
    ------
    RuntimeError
        If a peer's losses are not ours.
    """
    names = ["ours", *(peer for peer in workload.peers if peer in peers)]
    running = [
        Peer(workload, name, device)
        for device in devices
        for name in names
        if device == "cpu" or name in ("ours", "torch", "torch-sparse")
    ]
    missing = {peer.name: peer.missing for peer in running if peer.missing}
    running = [peer for peer in running if not peer.missing]
    _check_equal(workload, running)
    counts = {peer.name: max(1, int(ROUND_SECONDS / max(peer.run(1)[0], 1e-7))) for peer in running}
    rounds = max(3, round(seconds / ROUND_SECONDS))
    for _ in range(rounds):
        for peer in running:
            if len(peer.times) < 5 or sum(peer.times) < seconds:
                peer.times += peer.run(min(counts[peer.name], 5000))
    for peer in running:
        peer.stop()
    return _result(workload, running, missing)


def _check_equal(workload: Workload, running: list[Peer]) -> None:
    ours = running[0].losses
    for peer in running[1:]:
        if any(abs(a - b) > 1e-3 * max(1.0, abs(a)) for a, b in zip(ours, peer.losses)):
            raise RuntimeError(f"{workload.name}: {peer.name} computes {peer.losses}, ours {ours}; nothing was timed")


def _result(workload: Workload, running: list[Peer], missing: dict[str, str]) -> dict[str, Any]:
    ours = running[0]
    rows = {peer.name: _summary(peer) for peer in running}
    others = [peer for peer in running if peer is not ours]
    return {
        "name": workload.name,
        "kind": workload.kind,
        "sizes": workload.sizes,
        "peers": rows,
        "time_ratio": {peer.name: median(ours.times) / median(peer.times) for peer in others},
        "memory_ratio": {peer.name: ours.peak_mb / peer.peak_mb for peer in others},
        "target": workload.target,
        "missing": missing,
    }


def _summary(peer: Peer) -> dict[str, Any]:
    times = sorted(peer.times)
    return {
        "median_ms": 1e3 * median(times),
        "low_ms": 1e3 * times[len(times) // 10],
        "high_ms": 1e3 * times[-1 - len(times) // 10],
        "steps": len(times),
        "peak_mb": round(peer.peak_mb, 1),
        "version": peer.version,
        "loss": peer.losses[-1],
    }
