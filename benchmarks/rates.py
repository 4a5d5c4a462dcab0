"""What a device can do: bytes copied, operations in products of matrices, and launches, each at its best.

``python -m benchmarks.rates DEVICE`` measures in this process, and prints JSON; :func:`measure` does it in others.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.measure import cores, environment

REPEAT = 5
COPIED = 2**28
"""Bytes of the array that is copied: more than any cache holds."""

EMPTY = 'extern "C" __global__ void empty() {}'


def measure(device: str) -> dict[str, Any]:
    """Measure a device in a process of its own; a GPU's products in a second one, where TF32 is allowed.

    Returns
    -------
    dict
        ``copy`` in bytes a second, read and written; ``products`` in operations a second, as the peers run them;
        ``launch`` and ``captured_launch`` in seconds. For GPUs also ``products_float32``, ``products_tf32``, and the
        versions of CUDA, of the driver's CUDA and of CuPy.

    Raises
    ------
    RuntimeError
        If the device cannot be used.
    """
    if device == "cpu":
        return _ask(device)
    plain, tf32 = _ask(device, CUPY_TF32="0"), _ask(device, CUPY_TF32="1")
    used = tf32 if environment()["CUPY_TF32"] == "1" else plain
    both = {"products_float32": plain["products"], "products_tf32": tf32["products"]}
    return {**plain, **both, "products": used["products"]}


def _ask(device: str, **variables: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.rates", device]
    done = subprocess.run(command, capture_output=True, text=True, env={**environment(), **variables}, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def best(run: Callable[[], Any], wait: Callable[[], Any] = lambda: None, repeat: int = REPEAT) -> float:
    """Seconds of the quickest of some runs, after one that does not count."""
    seconds = []
    for _ in range(repeat + 1):
        wait()
        start = time.perf_counter()
        run()
        wait()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


# ---------------------------------------------------------------- CPU
def cpu_rates(copied: int = COPIED, size: int = 2048, calls: int = 10_000) -> dict[str, float]:
    """Rates of NumPy and its BLAS on all cores that this process may use."""
    threads = cores()
    source = np.ones(copied // 4, np.float32)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads)))
    with ThreadPoolExecutor(threads) as pool:
        copy = best(lambda: list(pool.map(lambda part: np.copyto(*part), parts)))
    a, c = np.ones((size, size), np.float32), np.empty((size, size), np.float32)
    products = best(lambda: np.matmul(a, a, out=c))
    x = np.ones((4, 2), np.float32)
    y = np.empty_like(x)

    def call() -> None:
        for _ in range(calls):
            np.add(x, x, out=y)

    launch = best(call) / calls
    return {
        "copy": 2 * source.nbytes / copy,
        "products": 2 * size**3 / products,
        "launch": launch,
        "captured_launch": launch,
    }


# ---------------------------------------------------------------- GPU
def gpu_rates(cupy: Any, copied: int = COPIED * 4, size: int = 8192, launches: int = 1000) -> dict[str, Any]:
    """Rates of the current GPU, through CuPy."""
    wait = cupy.cuda.Device().synchronize
    source = cupy.ones(copied // 4, dtype=np.float32)
    target = cupy.zeros_like(source)
    copy = best(lambda: cupy.copyto(target, source), wait)
    a = cupy.ones((size, size), dtype=np.float32)
    c = cupy.empty_like(a)
    products = best(lambda: cupy.dot(a, a, out=c), wait)
    kernel = cupy.RawKernel(EMPTY, "empty")

    def launch() -> None:
        for _ in range(launches):
            kernel((1,), (1,), ())

    eager = best(launch, wait)
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        launch()
        graph = stream.end_capture()
        captured = best(lambda: graph.launch(stream=stream), stream.synchronize)
    runtime = cupy.cuda.runtime
    return {
        "copy": 2 * source.nbytes / copy,
        "products": 2 * size**3 / products,
        "launch": eager / launches,
        "captured_launch": captured / launches,
        "cuda": _version(runtime.runtimeGetVersion()),
        "driver_cuda": _version(runtime.driverGetVersion()),
        "cupy": cupy.__version__,
    }


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def main() -> None:
    """Measure the device that is named on the command line."""
    device = sys.argv[1]
    if device == "cpu":
        print(json.dumps(cpu_rates()))
        return
    from backends import get_backend

    with get_backend(device).active():  # type: ignore[attr-defined]
        import cupy

        print(json.dumps(gpu_rates(cupy)))


if __name__ == "__main__":
    main()
