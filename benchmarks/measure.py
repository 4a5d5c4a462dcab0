"""Time peers against each other: each in a process of its own, taking turns round by round."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median
from typing import Any

from benchmarks.floors import floor
from benchmarks.workloads import Workload

WORKER = [sys.executable, "-m", "benchmarks.worker"]
TURN = 0.3
"""Seconds that one peer runs before it is another's turn."""
REST = 0.03
"""Seconds between turns: threads of the peer before may still be spinning."""
BATCH = 0.02
"""Seconds that a batch of steps on a GPU takes at least: waiting for it must not count."""
START = 180.0
"""Seconds after which a process that has not said hello is given up."""
TOLERANCE = 1e-3


class Peer:
    """A worker process that waits until it is told to run.

    Whatever goes wrong in it is noted in ``failure``, and it is done for.
    """

    def __init__(self, workload: Workload, name: str, device: str) -> None:
        self.kind, self.device = name, device
        self.name = name if device == "cpu" else f"{name}@{device}"
        task = {"kind": workload.kind, "sizes": workload.sizes, "peer": name, "device": device}
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 as long as the process
        self._process = subprocess.Popen(
            [*WORKER, json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(),
        )
        self.failure = self.version = ""
        self.missing = False
        self.losses: list[float] = []
        self.times: list[float] = []
        self.peak_mb = 0.0
        self.device_peak_mb: float | None = None

    @property
    def ours(self) -> bool:
        """Whether it is this project."""
        return self.kind.startswith("ours")

    @property
    def captured(self) -> bool:
        """Whether its step is one launch of a recorded graph."""
        return self.kind.endswith("-captured")

    def wait(self) -> None:
        """Wait until it is ready."""
        hello = self._answer(START)
        self.missing = "missing" in hello
        if self.missing:
            self.give_up(hello["missing"])
        self.losses, self.version = hello.get("losses", []), hello.get("version", "")

    def run(self, batches: int, size: int) -> list[float]:
        """Seconds a step of each of some batches; none if it fails, or has failed before."""
        if self.failure:
            return []
        self._say(f"run {batches} {size}")
        return self._answer(START).get("times", [])  # type: ignore[no-any-return]

    def stop(self) -> None:
        """End the process, and note how much memory it took at most."""
        if not self.failure:
            self._say("stop")
            answer = self._answer(START)
            self.peak_mb, self.device_peak_mb = answer.get("peak_mb", 0.0), answer.get("device_peak_mb")
            self._end()

    def give_up(self, why: str) -> None:
        """End the process, which is of no use."""
        self.failure = why
        self._end()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        # Where the process is gone, that there is no answer will tell why.
        with suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _answer(self, timeout: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        if not ready:
            self.give_up(f"no answer in {timeout:.0f} seconds")
        elif line := self._process.stdout.readline():
            return json.loads(line)  # type: ignore[no-any-return]
        else:
            self._errors.seek(0)
            lines = self._errors.read().strip().splitlines() or ["no message"]
            self.give_up(f"exit status {self._process.wait()}: {lines[-1][:300]}")
        return {}

    def _end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        if self.failure:
            self._process.kill()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment() -> dict[str, str]:
    """The user's, with every library allowed the same number of threads."""
    threads = str(cores())
    defaults = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "CUPY_TF32": "0"}
    return {**defaults, **os.environ}


# ---------------------------------------------------------------- one row
def peers_on(workload: Workload, device: str, wanted: set[str]) -> list[str]:
    """Who runs a workload on a device; ours first.

    A GPU's rows are run on the CPU by us alone: for comparison of the devices.
    """
    others = [peer for peer in workload.peers if peer in wanted]
    if device != "cpu":
        return ["ours", *(["ours-captured"] if "ours-captured" in wanted else []), *others]
    return ["ours"] if "torch-captured" in workload.peers else ["ours", *others]


def compare(
    workload: Workload,
    devices: list[str],
    wanted: set[str],
    share: Callable[[int], float],
    rates: dict[str, dict[str, float]],
) -> dict[str, Any]:
    """Measure a workload with all its peers.

    Parameters
    ----------
    workload : Workload
        What to run.
    devices : list of str
        Devices of ours, and of PyTorch where they are GPUs.
    wanted : set of str
        Which peers to take, of those that the workload has.
    share : callable
        Number of peers to seconds for each.
    rates : dict
        What each device can do (:mod:`benchmarks.rates`).

    Returns
    -------
    dict
        For each peer medians, spread, peak memory and share of the floor; the ratios of pairs; what failed.
    """
    began = time.perf_counter()
    everyone = [(name, device) for device in devices for name in peers_on(workload, device, wanted)]
    peers = _start(workload, everyone)
    running = _working(peers)
    _check_equal(workload, running)
    running = _working(running)
    spent = _take_turns(running, share(len(everyone)))
    for peer in peers:
        peer.stop()
    running = _working(running)
    return {
        "name": workload.name,
        "kind": workload.kind,
        "sizes": workload.sizes,
        "floor_aim": workload.floor_target,
        "peers": {peer.name: _summary(peer, workload, rates[peer.device]) for peer in running},
        "ratios": _ratios(workload, running),
        "missing": {peer.name: peer.failure for peer in peers if peer.missing},
        "failed": {peer.name: peer.failure for peer in peers if peer.failure and not peer.missing},
        "set_up_s": time.perf_counter() - began - spent,
    }


def _working(peers: list[Peer]) -> list[Peer]:
    return [peer for peer in peers if not peer.failure]


def _start(workload: Workload, everyone: list[tuple[str, str]]) -> list[Peer]:
    """Start the processes, as many at once as there are cores: importing and drawing data take one each."""
    peers: list[Peer] = []
    for i in range(0, len(everyone), cores()):
        starting = [Peer(workload, name, device) for name, device in everyone[i : i + cores()]]
        for peer in starting:
            peer.wait()
        peers += starting
    return peers


def _check_equal(workload: Workload, running: list[Peer]) -> None:
    """Give up the peers whose losses are not those of the first, which is ours."""
    for peer in running[1:]:
        first = running[0]
        if not all(abs(a - b) <= TOLERANCE * max(1.0, abs(a)) for a, b in zip(first.losses, peer.losses)):
            peer.give_up(f"computes {peer.losses}, {first.name} {first.losses}")


def _take_turns(running: list[Peer], seconds: float) -> float:
    """Time every peer for about so long, and slow ones a little longer; returns the seconds that all took together."""
    plans = [(peer, *_plan(peer)) for peer in running]
    spent = 0.0
    for _ in range(max(3, round(seconds / TURN))):
        for peer, batches, size in plans:
            taken = size * sum(peer.times)
            if not peer.failure and (taken < seconds or (len(peer.times) < 3 and taken < 4 * seconds)):
                time.sleep(REST)
                peer.times += peer.run(batches, size)
                spent += size * sum(peer.times) - taken
    return spent


def _plan(peer: Peer) -> tuple[int, int]:
    """How many batches a turn has, and how many steps a batch: on a CPU, where nobody must be waited for, one."""
    first = peer.run(1, 1)
    if sum(first) >= TURN:
        peer.times += first
        return 1, 1
    step = max(min(peer.run(2, 1), default=TURN), 1e-7)
    size = 1 if peer.device == "cpu" else max(1, min(1000, round(BATCH / step)))
    return max(1, min(5000, int(TURN / (size * step)))), size


# ---------------------------------------------------------------- what comes of it
def _summary(peer: Peer, workload: Workload, rates: dict[str, float]) -> dict[str, Any]:
    times = sorted(peer.times)
    least = floor(workload, rates, captured=peer.captured)
    return {
        "median_ms": 1e3 * median(times),
        "low_ms": 1e3 * times[len(times) // 10],
        "high_ms": 1e3 * times[-1 - len(times) // 10],
        "samples": len(times),
        "peak_mb": round(peer.peak_mb, 1),
        "device_peak_mb": peer.device_peak_mb,
        "floor_ms": 1e3 * least.seconds,
        "floor_by": least.by,
        "floor_share": least.seconds / median(times),
        "version": peer.version,
        "loss": peer.losses[-1],
    }


def _ratios(workload: Workload, running: list[Peer]) -> list[dict[str, Any]]:
    """Ours to each peer on the same device, and ours on a GPU to ours on the CPU."""
    pairs = [(us, peer) for us in running if us.ours for peer in running if _comparable(us, peer, workload)]
    return [_ratio(us, peer, workload.target.get((us.kind, peer.kind))) for us, peer in pairs]


def _comparable(us: Peer, peer: Peer, workload: Workload) -> bool:
    if peer.ours:
        return us.device != "cpu" and peer.device == "cpu"
    alike = us.captured == peer.captured or (us.kind, peer.kind) in workload.target
    return us.device == peer.device and alike


def _ratio(us: Peer, peer: Peer, aim: float | None) -> dict[str, Any]:
    memory = None
    if us.device == peer.device == "cpu":
        memory = us.peak_mb / peer.peak_mb
    elif us.device_peak_mb and peer.device_peak_mb and not us.captured:
        memory = us.device_peak_mb / peer.device_peak_mb
    time_ratio = median(us.times) / median(peer.times)
    return {"ours": us.name, "peer": peer.name, "time": time_ratio, "memory": memory, "aim": aim}
