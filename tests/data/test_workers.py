"""Background workers: crashes are reported with the worker's traceback, and no process stays behind."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pytest

from framework.data import DataLoader, Dataset, IterableDataset, get_worker_info
from framework.data.workers import default_start_method

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and sends signals"),
    pytest.mark.cpu("about processes, which begin without the GPU"),
]


@pytest.fixture(autouse=True)
def no_cupy(monkeypatch):
    """Fork workers also where the suite has loaded CuPy: they do not touch the GPU."""
    monkeypatch.delitem(sys.modules, "cupy", raising=False)


def children():
    """Return the processes whose parent is this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid() and fields[0] != "Z":
                found.append(int(entry.name))
    return set(found)


@pytest.fixture(autouse=True)
def no_process_left():
    before = children()
    yield
    gc.collect()
    assert children() - before <= resource_trackers()


def resource_trackers():
    """Python's own helper of the spawn method, which lives as long as the interpreter."""
    from multiprocessing import resource_tracker

    return {resource_tracker._resource_tracker._pid}


class Unpicklable(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


class Trouble(Dataset):
    """Sample ``i`` is ``i``, but for one that does something else."""

    def __init__(self, action, at=5, n=20):
        self.action, self.at, self.n = action, at, n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        if index == self.at:
            getattr(self, self.action)()
        return index

    def value(self):
        raise ValueError("sample 5 is bad")

    def custom(self):
        raise Unpicklable("this", "that")

    def stop(self):
        raise StopIteration

    def leave(self):
        sys.exit(3)

    def interrupt(self):
        raise KeyboardInterrupt

    def segfault(self):
        ctypes.string_at(0)

    def kill(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def exit(self):
        os._exit(7)

    def nothing(self):
        pass

    def sleep(self):
        time.sleep(600)


CRASHES = {
    "value": (ValueError, "sample 5 is bad", "in value\n    raise ValueError"),
    "custom": (RuntimeError, "Unpicklable: this and that", "in custom\n    raise Unpicklable"),
    "stop": (RuntimeError, "StopIteration", "in stop\n    raise StopIteration"),
    "leave": (RuntimeError, "SystemExit: 3", "in leave\n    sys.exit(3)"),
    "interrupt": (RuntimeError, "KeyboardInterrupt", "in interrupt\n    raise KeyboardInterrupt"),
    "segfault": (RuntimeError, "killed by SIGSEGV", "in segfault"),
    "kill": (RuntimeError, "killed by SIGKILL; the system may have run out of memory", ""),
    "exit": (RuntimeError, "ended with exit code 7", ""),
}


@pytest.mark.parametrize("action", CRASHES)
def test_a_crash_is_reported_with_the_workers_traceback(action):
    kind, message, trace = CRASHES[action]
    data = Trouble(action)
    loader = DataLoader(data, batch_size=2, num_workers=2)
    seen = []
    with pytest.raises(kind) as caught:
        seen.extend(batch.tolist() for batch in loader)
    report = "".join(traceback.format_exception(caught.value))
    assert message in str(caught.value)
    assert trace in report
    if trace:
        assert "in DataLoader worker 0:" in report
    assert seen == [[0, 1], [2, 3]]
    data.action = "nothing"
    assert len(list(loader)) == 10


def test_an_error_without_workers_is_the_error_itself():
    with pytest.raises(ValueError, match="sample 5 is bad"):
        list(DataLoader(Trouble("value"), batch_size=2))


class BadStream(IterableDataset):
    def __iter__(self):
        yield 1
        raise ValueError(f"stream broken in {get_worker_info().id}")


def test_streams_crash_alike():
    loader = iter(DataLoader(BadStream(), num_workers=2))
    assert [next(loader).tolist(), next(loader).tolist()] == [[1], [1]]
    with pytest.raises(ValueError, match="stream broken in 0"):
        next(loader)


def test_what_cannot_be_sent_back_is_named():
    with pytest.raises(TypeError, match="worker 0 cannot send its batch, which does not pickle"):
        list(DataLoader([1], collate_fn=lambda batch: lambda: batch, num_workers=1))


def test_worker_init_fn():
    def init(number):
        os.environ["FRAMEWORK_TEST_WORKER"] = str(number)

    def read(batch):
        return os.environ["FRAMEWORK_TEST_WORKER"], get_worker_info().id, get_worker_info().num_workers

    got = list(DataLoader(range(4), collate_fn=read, worker_init_fn=init, num_workers=2))
    assert got == [("0", 0, 2), ("1", 1, 2)] * 2

    def fail(number):
        raise ValueError(f"worker {number} cannot start")

    with pytest.raises(ValueError, match="worker 0 cannot start"):
        list(DataLoader(range(4), worker_init_fn=fail, num_workers=2))


def test_large_batches_of_both_directions_do_not_block():
    big = np.zeros(200_000)
    loader = DataLoader(
        range(10**6), batch_sampler=[list(range(300_000))] * 6, collate_fn=lambda batch: big, num_workers=2
    )
    assert sum(batch.size for batch in loader) == 6 * big.size


def test_what_a_worker_prints_is_not_lost(capfd):
    list(DataLoader(range(2), collate_fn=lambda batch: print("hello from", batch), num_workers=1))
    assert capfd.readouterr().out == "hello from [0]\nhello from [1]\n"


# ------------------------------------------------------------------------------------------------ no process behind
def test_workers_end_when_the_iterator_is_dropped():
    before = children()
    batches = iter(DataLoader(range(100), num_workers=2))
    next(batches)
    assert len(children() - before) == 2
    del batches
    gc.collect()
    assert children() == before


def test_workers_end_when_the_loop_is_left():
    before = children()
    for _ in DataLoader(range(100), num_workers=2):
        break
    gc.collect()
    assert children() == before


def test_workers_end_when_the_loop_raises():
    before = children()

    def loop():
        for batch in DataLoader(range(100), num_workers=2):
            raise ValueError(batch)

    with pytest.raises(ValueError):
        loop()
    gc.collect()
    assert children() == before


def test_a_worker_that_hangs_is_ended():
    before = children()
    batches = iter(DataLoader(Trouble("sleep", at=1), num_workers=2))
    next(batches)
    del batches
    gc.collect()
    assert children() == before


def test_two_loaders_at_once():
    before = children()
    one, two = (iter(DataLoader(range(50), num_workers=2)) for _ in range(2))
    assert [next(one).item(), next(two).item(), next(one).item()] == [0, 0, 1]
    del one
    gc.collect()
    assert len(children() - before) == 2
    assert len(list(two)) == 49
    assert children() == before


SCRIPT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
from framework.data import DataLoader

def show(batch):
    time.sleep(0.01)
    return batch

batches = iter(DataLoader(range(10**6), batch_size=2, collate_fn=show, num_workers=2))
next(batches)
import os
from pathlib import Path
kids = [p.name for p in Path("/proc").iterdir() if p.name.isdigit() and (p / "stat").exists()
        and int((p / "stat").read_text().rpartition(")")[2].split()[1]) == os.getpid()]
print(*kids, flush=True)
for batch in batches:
    pass
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(number):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(workers) == 2
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as Ctrl-C does: the workers get it too
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert errors.count("Traceback") == (number == signal.SIGINT)
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(alive(pid) for pid in workers)


# ------------------------------------------------------------------------------------------------ start methods
def test_workers_are_forked_unless_cuda_is_in_use(monkeypatch):
    assert default_start_method() == "fork"
    monkeypatch.setitem(sys.modules, "cupy", object())
    assert default_start_method() == "spawn"


def test_spawned_workers():
    loader = DataLoader([1.0, 2.0, 3.0], batch_size=2, num_workers=1, multiprocessing_context="spawn")
    assert [batch.tolist() for batch in loader] == [[1.0, 2.0], [3.0]]


def test_what_cannot_be_sent_to_a_spawned_worker_is_named():
    loader = DataLoader([1], collate_fn=lambda batch: batch, num_workers=1, multiprocessing_context="spawn")
    with pytest.raises(RuntimeError, match=r"could not be sent to a worker .*num_workers=0"):
        list(loader)
