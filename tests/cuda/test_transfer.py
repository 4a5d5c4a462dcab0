"""Batches sent to a GPU that is late, or early, wherever nothing makes it wait; and loaders that send them.

The GPU is played: a stream is a list of things to do, done when somebody waits for them, or as soon as the events allow
in a stream that is early. Memory that an array gave back is taken again at once.
"""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import backends
import framework as fw
from backends._cupy.transfer import Transfer
from backends._numpy import NumpyBackend
from framework.data import DataLoader
from tests.cuda.emulation import Namespace


class Event:
    def __init__(self, stream):
        self.stream, self.done = stream, False

    def synchronize(self):
        self.stream.run(self)


class Stream:
    """Things to do, in order."""

    def __init__(self):
        self.todo = []

    def wait_event(self, event):
        self.todo.append(lambda: event.stream.run(event))

    def run(self, until=None):
        while self.todo and not (until and until.done):
            self.todo.pop(0)()

    synchronize = run


class PlayedGPU(NumpyBackend):
    """The ``"played"`` device: two streams, one of copies and one of the consumer's work."""

    name = device = "played"

    def __init__(self):
        super().__init__()
        self.xp = Namespace(np, empty=self.empty)
        self.start()

    def start(self, early=()):
        self.early = early
        self.copies, self.work, self.free, self.seen, self.pinned_blocks = Stream(), Stream(), [], [], 0

    def empty(self, shape, dtype):
        """Memory that was given back last, if it is large enough; what is new holds nothing sensible."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        fits = [memory for memory in self.free if memory.size >= size]
        memory = fits[-1] if fits else np.full(size, 0x7F, np.uint8)
        self.free[:] = [other for other in self.free if other is not memory]
        array = memory[:size].view(dtype).reshape(shape).view(Watched)
        array.plain = memory[:size].view(dtype).reshape(shape)  # does not keep the other alive
        weakref.finalize(array, self.free.append, memory)
        return array

    def new_transfer(self):
        return Transfer(self)

    def copy_stream(self):
        return self.copies

    def current_stream(self):
        return self.work

    def record(self, stream):
        event = Event(stream)
        stream.todo.append(lambda: setattr(event, "done", True))
        return event

    def order(self, first, then):
        then.wait_event(self.record(first))

    def pinned(self, size):
        self.pinned_blocks += 1
        return np.zeros(size, np.uint8)

    def copy_pinned(self, source, out, stream):
        plain = out.plain
        stream.todo.append(lambda: np.copyto(plain, source))
        if "copies" in self.early:
            stream.run()

    def use(self, array):
        """Read an array some time later, after what the stream of work holds now."""
        plain = array.plain
        self.work.todo.append(lambda: self.seen.append(plain.copy()))
        if "work" in self.early:
            self.work.run()


class Watched(np.ndarray):
    """An array whose end can be seen."""


GPU = PlayedGPU()
backends.register("played", lambda rest: GPU)


@pytest.fixture(params=[(), ("copies",), ("work",), ("copies", "work")], ids=str)
def gpu(request):
    GPU.start(request.param)
    return GPU


class Samples:
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return {"x": np.full((3,), i, np.float32), "y": (i % 5, f"sample {i}")}


def consume(gpu, **options):
    """Use each batch's ``x`` some time after it was handed out, and return what was seen."""
    for batch in DataLoader(Samples(23), batch_size=4, device="played", pin_memory=True, **options):
        assert batch["x"].device == batch["y"][0].device == "played"
        gpu.use(batch["x"].data)
        del batch
    gpu.work.run()
    return gpu.seen


EXPECTED = [np.repeat(np.arange(i, min(i + 4, 23))[:, None], 3, axis=1) for i in range(0, 23, 4)]


def equal(seen):
    return len(seen) == len(EXPECTED) and all(np.array_equal(a, e) for a, e in zip(seen, EXPECTED))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_arrive_whole(gpu, workers):
    assert equal(consume(gpu, num_workers=workers))
    assert not gpu.copies.todo
    assert gpu.pinned_blocks == 2


@pytest.mark.parametrize(
    ("early", "missing"),
    [
        ((), (Event, "synchronize", lambda self: None)),  # a buffer is filled again before it was fetched
        (("copies",), (GPU, "order", lambda first, then: None)),  # memory is written while it is still to be read
        (("work",), (Transfer, "receive", lambda self, event: None)),  # a batch is read before it is there
    ],
)
def test_each_wait_is_needed(monkeypatch, early, missing):
    GPU.start(early)
    assert equal(consume(GPU))
    GPU.start(early)
    monkeypatch.setattr(*missing, raising=False)
    assert not equal(consume(GPU))


def test_with_workers_the_next_batch_is_sent_before_this_one_is_used(gpu, monkeypatch):
    sent = []
    send = Transfer.send
    monkeypatch.setattr(Transfer, "send", lambda self, arrays: sent.append(0) or send(self, arrays))
    for workers, ahead in ((0, 0), (2, 1)):
        sent.clear()
        loader = iter(DataLoader(Samples(23), batch_size=4, device="played", pin_memory=True, num_workers=workers))
        next(loader)
        assert len(sent) == 1 + ahead
        loader.close()
        assert not gpu.copies.todo


def test_arrays_of_any_kind(gpu):
    made = [np.zeros((0, 3)), np.asarray(7), np.arange(12).reshape(3, 4)[:, ::2], np.array([True]), np.ones(5, "f2")]
    made[2].flags.writeable = False
    transfer = Transfer(gpu)
    for _ in range(3):
        arrays, event = transfer.send(made)
        transfer.receive(event)
        gpu.work.run()
        for a, e in zip(arrays, made, strict=True):
            assert (a.shape, a.dtype) == (e.shape, e.dtype)
            np.testing.assert_array_equal(a, e)
    transfer.send([])
    transfer.close()


def test_larger_batches_take_larger_buffers(gpu):
    transfer = Transfer(gpu)
    for n in (1, 1, 5000, 5000, 3):
        (array,), event = transfer.send([np.full(n, n)])
        transfer.receive(event)
        gpu.work.run()
        assert array.tolist() == [n] * n
    assert gpu.pinned_blocks == 4


def test_an_error_leaves_nothing_under_way(gpu):
    class Bad(Samples):
        def __getitem__(self, i):
            if i == 9:
                raise KeyError(i)
            return super().__getitem__(i)

    with pytest.raises(KeyError):
        list(DataLoader(Bad(23), batch_size=4, device="played", pin_memory=True))
    gc.collect()
    assert not gpu.copies.todo


@pytest.mark.parametrize("options", [{}, {"device": "cpu"}, {"device": "strict"}])
def test_without_a_gpu_nothing_changes(options):
    plain = [batch["x"] for batch in DataLoader(Samples(9), batch_size=4, **options)]
    pinned = [batch["x"] for batch in DataLoader(Samples(9), batch_size=4, pin_memory=True, **options)]
    assert [x.tolist() for x in plain] == [x.tolist() for x in pinned]
    assert {x.device for x in pinned} == {x.device for x in plain}


def test_a_position_resumes(gpu):
    def loader():
        options = {"batch_size": 4, "shuffle": True, "generator": fw.random.Generator(3)}
        return DataLoader(Samples(23), device="played", pin_memory=True, num_workers=2, **options)

    whole = [batch["y"][1] for batch in loader()]
    first = loader()
    batches = iter(first)
    begun = [next(batches)["y"][1] for _ in range(2)]
    state = first.state_dict()
    batches.close()
    again = loader()
    again.load_state_dict(state)
    assert begun + [batch["y"][1] for batch in again] == whole


def test_pin_memory_is_true_or_false():
    with pytest.raises(TypeError, match="pin_memory must be True or False, got int 1"):
        DataLoader(Samples(3), pin_memory=1)
