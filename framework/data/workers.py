"""Background processes that fetch batches: in order, reproducibly, and gone when they are no longer needed.

Worker ``k`` of ``n`` makes batches ``k, k + n, ...`` and answers in that order over a pipe of its own, so that the
batches come in the same order every time and a death is noticed as the end of the pipe.

On Linux workers are forked: that takes milliseconds, shares the data set's memory and needs nothing picklable. Where
CuPy is loaded they are spawned, since CUDA does not survive a fork, and so they are on other systems.
"""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import pickle
import queue
import random
import signal
import sys
import tempfile
import threading
import traceback
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from framework.devices import set_default_device
from framework.random import manual_seed

Fetch = Callable[[Any], Any]
Task = tuple[Any, int]
"""What a worker is sent: indices (or None for the next batch of a stream), and the seed for random numbers."""

PATIENCE = 1.0


class EndOfStream(Exception):
    """Raised by a fetch that has no more batches to give."""


class WorkerInfo(NamedTuple):
    """Which worker this process is: number ``id`` of ``num_workers``, with its own copy of ``dataset``."""

    id: int
    num_workers: int
    dataset: Any


_info: WorkerInfo | None = None
# The parent's ends of all pipes. A forked child inherits them; were it to keep them open, a sibling would never see
# the end of its pipe.
_parent_ends: weakref.WeakSet[Connection] = weakref.WeakSet()


def get_worker_info() -> WorkerInfo | None:
    """Which worker the calling process is, or None outside of workers.

    >>> get_worker_info() is None
    True
    """
    return _info


class Plan(NamedTuple):
    """What the workers are to do: the same for all of them."""

    dataset: Any
    make_fetch: Callable[[], Fetch]
    num_workers: int
    prefetch_factor: int
    init: Callable[[int], Any] | None
    start_method: str | None


def parallel_batches(plan: Plan, tasks: Iterator[Task]) -> Iterator[Any]:
    """Yield the batches of the tasks in order; stop the workers at the end, at an error, and when dropped."""
    with tempfile.TemporaryDirectory(prefix="framework-workers-") as folder:
        workers: list[_Worker] = []
        try:
            for number in range(plan.num_workers):
                workers.append(_Worker(plan, number, Path(folder)))
            yield from _in_turn(workers, tasks, plan.prefetch_factor)
        finally:
            _stop(workers)


def _in_turn(workers: list[_Worker], tasks: Iterator[Task], prefetch_factor: int) -> Iterator[Any]:
    """Deal the tasks out to the workers in turn, a few ahead; an exhausted worker drops out."""
    waiting: deque[_Worker] = deque()
    turn = deque(workers)
    ahead = prefetch_factor * len(workers)
    while True:
        while turn and len(waiting) < ahead and (task := next(tasks, None)) is not None:
            turn[0].send(task)
            waiting.append(turn[0])
            turn.rotate(-1)
        if not waiting:
            return
        worker = waiting.popleft()
        kind, value = worker.receive()
        if kind == "end":
            ahead -= prefetch_factor * (worker in turn)
            turn = deque([other for other in turn if other is not worker])
        else:
            yield value


# ------------------------------------------------------------------------------------------------ in the parent
class _Worker:
    """One process, seen from the parent."""

    def __init__(self, plan: Plan, number: int, folder: Path) -> None:
        context = multiprocessing.get_context(plan.start_method or default_start_method())
        self.number = number
        self.dump = folder / str(number)
        self.connection, theirs = context.Pipe()
        _parent_ends.add(self.connection)
        info = WorkerInfo(number, plan.num_workers, plan.dataset)
        self.process = context.Process(  # type: ignore[attr-defined]
            target=_work,
            args=(theirs, plan.make_fetch, info, plan.init, self.dump),
            name=f"DataLoader worker {number}",
            daemon=True,
        )
        try:
            _start(self.process)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            self.connection.close()
            raise RuntimeError(
                f"DataLoader: the data set and functions could not be sent to a worker ({error}); define them at the "
                "top level of a module, or use num_workers=0"
            ) from error
        finally:
            theirs.close()

    def send(self, task: Task) -> None:
        """Give the worker something to do; if it is dead, receiving will tell."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(task)

    def receive(self) -> tuple[str, Any]:
        """The next answer; raises what the worker raised, or that it is dead."""
        try:
            kind, value = pickle.loads(self.connection.recv_bytes())
        except (EOFError, ConnectionResetError):
            raise self._death() from None
        if kind == "error":
            raise value
        return kind, value

    def _death(self) -> RuntimeError:
        self.process.join(PATIENCE)
        error = RuntimeError(
            f"DataLoader worker {self.number} (process {self.process.pid}) died: {_cause_of(self.process.exitcode)}"
        )
        last_words = self.dump.read_text(errors="replace").strip() if self.dump.exists() else ""
        if last_words:
            error.add_note(f"in DataLoader worker {self.number}:\n{last_words}")
        return error


def default_start_method() -> str:
    """How workers are started if nobody says: see the top of this file."""
    return "fork" if sys.platform == "linux" and "cupy" not in sys.modules else "spawn"


def _start(process: Any) -> None:
    # Python warns of every fork beside threads, those of a BLAS included. The child below takes no lock but its own.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        process.start()


def _stop(workers: list[_Worker]) -> None:
    for worker in workers:
        with contextlib.suppress(OSError):
            worker.connection.send(None)
        worker.connection.close()
    for worker in workers:
        worker.process.join(PATIENCE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.process.close()


def _cause_of(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"it ended with exit code {exitcode}"
    hint = "; the system may have run out of memory" if -exitcode == signal.SIGKILL else ""
    return f"it was killed by {signal.Signals(-exitcode).name}{hint}"


# ------------------------------------------------------------------------------------------------ in the worker
def _work(
    connection: Connection,
    make_fetch: Callable[[], Fetch],
    info: WorkerInfo,
    init: Callable[[int], Any] | None,
    dump: Path,
) -> None:
    """A worker's life: answer each task with ("batch", b), ("end", None) or ("error", exception)."""
    global _info
    _info = info
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers.
    for inherited in list(_parent_ends):
        inherited.close()
    set_default_device("cpu")
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_read_tasks, args=(connection, tasks), daemon=True).start()
    with dump.open("w") as last_words:
        faulthandler.enable(last_words)
        fetch = _prepared(make_fetch, init, info)
        while True:
            indices, seed = tasks.get()
            _send(connection, info, *_answer(fetch, indices, seed, info))


def _read_tasks(connection: Connection, tasks: queue.SimpleQueue[Task]) -> None:
    """Take tasks off the pipe at once, so that the parent never waits to send; die with the parent."""
    try:
        while (task := connection.recv()) is not None:
            tasks.put(task)
    except (EOFError, OSError):
        pass
    _leave()


def _prepared(make_fetch: Callable[[], Fetch], init: Any, info: WorkerInfo) -> Fetch:
    """Make the fetch at the first task, so that what it raises answers that task."""
    made: list[Fetch] = []

    def fetch(indices: Any) -> Any:
        if not made:
            if init is not None:
                init(info.id)
            made.append(make_fetch())
        return made[0](indices)

    return fetch


def _answer(fetch: Fetch, indices: Any, seed: int, info: WorkerInfo) -> tuple[str, Any]:
    # Seeded for each batch, what is drawn does not depend on the number of workers, nor on where an epoch resumed.
    manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        return "batch", fetch(indices)
    except EndOfStream:
        return "end", None
    except BaseException as error:
        return "error", _with_traceback(error, info)


def _with_traceback(error: BaseException, info: WorkerInfo) -> BaseException:
    """The exception with the worker's traceback as a note; a RuntimeError if it cannot travel, or is no error."""
    lines = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
        travels = isinstance(error, Exception) and type(copy) is type(error)
    except Exception:
        travels = False
    sent = error if travels else RuntimeError(f"{type(error).__name__}: {error}")
    sent.add_note(f"in DataLoader worker {info.id}:\n{lines}")
    return sent


def _send(connection: Connection, info: WorkerInfo, kind: str, value: Any) -> None:
    try:
        content = ForkingPickler.dumps((kind, value))
    except Exception as error:
        problem = TypeError(f"DataLoader worker {info.id} cannot send its batch, which does not pickle: {error}")
        content = ForkingPickler.dumps(("error", problem))
    try:
        connection.send_bytes(content)
    except OSError:
        _leave()


def _leave() -> None:
    """End the process whatever its main thread is doing, with all that it printed."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)
