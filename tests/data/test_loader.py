"""DataLoader: batches, positions, and what it refuses."""

from __future__ import annotations

import json
import random
from itertools import cycle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import framework as fw
from framework.data import (
    BatchSampler,
    BucketSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    Sampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
    pad_collate,
)
from framework.random import Generator, default_generator, permutation, rand


class Stream(IterableDataset):
    """0, 1, ... below ``n``; in workers, each worker's part."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        start, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(start, self.n, step))


class Noisy(Dataset):
    """Samples that draw random numbers from everywhere."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return index, rand(1).item(), random.random(), np.random.rand()


@pytest.fixture(autouse=True)
def keep_random_states():
    states = default_generator.get_state(), random.getstate(), np.random.get_state()
    yield
    default_generator.set_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])


def values(batches):
    return [batch.tolist() for batch in batches]


# ------------------------------------------------------------------------------------------------ batches
@pytest.mark.parametrize("num_workers", [0, 2])
def test_in_order(num_workers):
    loader = DataLoader(range(7), batch_size=3, num_workers=num_workers)
    assert values(loader) == values(loader) == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(loader) == 3
    assert loader.epoch == 2


def test_drop_last_and_sizes():
    assert values(DataLoader(range(7), batch_size=3, drop_last=True)) == [[0, 1, 2], [3, 4, 5]]
    assert len(DataLoader(range(7), batch_size=3, drop_last=True)) == 2
    assert values(DataLoader([], batch_size=3)) == []
    assert values(DataLoader([], batch_size=3, shuffle=True)) == []


def test_single_samples():
    got = list(DataLoader([np.ones(2), "a", 3], batch_size=None))
    assert isinstance(got[0], fw.Tensor)
    assert got[1:] == ["a", 3]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]


def test_shuffled_epochs_follow_from_the_seed():
    loaders = [DataLoader(range(50), batch_size=7, shuffle=True, generator=Generator(seed)) for seed in (1, 1, 2)]
    one, same, other = [[values(loader), values(loader)] for loader in loaders]
    assert one == same != other
    assert one[0] != one[1]
    assert sorted(i for batch in one[0] for i in batch) == list(range(50))


def test_the_default_generator_shuffles_when_none_is_given():
    default_generator.manual_seed(3)
    first = values(DataLoader(range(20), shuffle=True))
    default_generator.manual_seed(3)
    assert values(DataLoader(range(20), shuffle=True)) == first


def test_own_samplers_and_collate():
    assert values(DataLoader(range(9), sampler=[3, 1, 2], batch_size=2)) == [[3, 1], [2]]
    assert values(DataLoader(range(9), batch_sampler=[[8], [1, 2]])) == [[8], [1, 2]]
    assert list(DataLoader(range(3), batch_size=3, collate_fn=sum)) == [3]
    assert list(DataLoader(Stream(3), batch_size=2, collate_fn=sum)) == [1, 2]
    sequences = [[1, 2, 3], [4], [5, 6]]
    sampler = BucketSampler([3, 1, 2], 2, shuffle=False)
    padded = [
        (tokens.tolist(), lengths.tolist())
        for tokens, lengths in DataLoader(sequences, batch_sampler=sampler, collate_fn=pad_collate)
    ]
    assert padded == [([[4, 0], [5, 6]], [1, 2]), ([[1, 2, 3]], [3])]
    assert len(list(DataLoader(range(4), sampler=WeightedRandomSampler([1, 0, 0, 0], 5), batch_size=2))) == 3


@pytest.mark.parametrize("num_workers", [0, 3])
def test_streams(num_workers):
    loader = DataLoader(Stream(10), batch_size=2, num_workers=num_workers)
    batches = values(loader)
    assert sorted(i for batch in batches for i in batch) == list(range(10))
    assert batches == values(loader)
    if not num_workers:
        assert batches == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_the_length_of_a_stream_is_its_own():
    class Sized(Stream):
        def __len__(self):
            return self.n

    for drop_last in (False, True):
        loader = DataLoader(Sized(7), batch_size=2, drop_last=drop_last)
        assert len(loader) == len(list(loader))
    with pytest.raises(TypeError):
        len(DataLoader(Stream(7)))


def test_batches_are_moved(device):
    data = TensorDataset(np.arange(6.0).reshape(3, 2), [0, 1, 2])
    for x, y in DataLoader(data, batch_size=2, device=device):
        assert x.device == y.device == fw.zeros(1, device=device).device
    for batch in DataLoader([{"a": (1.0, "s")}], device=device):
        assert batch["a"][0].device == fw.zeros(1, device=device).device
        assert batch["a"][1] == ["s"]


@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.cpu("sets the default device itself")
def test_workers_move_to_a_device_and_to_the_default_one(num_workers):
    loader = DataLoader(range(5), batch_size=2, num_workers=num_workers, device="strict")
    assert [(batch.device, batch.cpu().tolist()) for batch in loader] == [
        ("strict", [0, 1]),
        ("strict", [2, 3]),
        ("strict", [4]),
    ]
    fw.set_default_device("strict")
    try:
        devices = [[batch.device for batch in DataLoader(range(3), num_workers=n)] for n in (0, num_workers)]
    finally:
        fw.set_default_device("cpu")
    assert devices == [["strict"] * 3] * 2


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_every_batch_comes_through_the_prefetch(n):
    assert values(DataLoader(range(n), num_workers=1, device="cpu")) == [[i] for i in range(n)]


@given(st.integers(0, 40), st.integers(1, 7), st.booleans(), st.booleans())
def test_the_batches_are_those_of_pytorch(n, size, drop_last, by_batch_sampler):
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader as TorchLoader

    if by_batch_sampler:
        ours = DataLoader(range(n), batch_sampler=BatchSampler(range(n), size, drop_last))
    else:
        ours = DataLoader(range(n), batch_size=size, drop_last=drop_last)
    theirs = TorchLoader(range(n), batch_size=size, drop_last=drop_last)
    assert values(ours) == values(theirs)
    assert len(ours) == len(theirs)
    assert torch is not None


# ------------------------------------------------------------------------------------------------ with any workers
def test_workers_change_nothing():
    def epochs(num_workers):
        loader = DataLoader(range(23), batch_size=4, shuffle=True, generator=Generator(9), num_workers=num_workers)
        return [values(loader), values(loader)]

    assert epochs(0) == epochs(1) == epochs(3)


def test_random_numbers_in_workers_do_not_depend_on_their_number():
    def epochs(num_workers):
        loader = DataLoader(Noisy(), batch_size=5, shuffle=True, generator=Generator(4), num_workers=num_workers)
        return [[[column.tolist() for column in batch] for batch in loader] for _ in range(2)]

    one = epochs(1)
    assert one == epochs(3)
    draws = [x for epoch in one for batch in epoch for x in batch[1]]
    assert len(set(draws)) == len(draws)


# ------------------------------------------------------------------------------------------------ positions
class Lazy(Sampler):
    """Draws as it goes."""

    def __init__(self, n, generator):
        self.n, self.generator = n, generator

    def __iter__(self):
        for _ in range(self.n):
            yield int(permutation(self.n, device="cpu", generator=self.generator)[0].item())

    def __len__(self):
        return self.n


MAKERS = {
    "sequential": lambda workers: DataLoader(range(23), batch_size=4, num_workers=workers),
    "shuffled": lambda workers: DataLoader(range(23), 4, True, generator=Generator(1), num_workers=workers),
    "single": lambda workers: DataLoader(range(11), None, True, generator=Generator(1), num_workers=workers),
    "weighted": lambda workers: DataLoader(
        range(5), 2, sampler=WeightedRandomSampler(range(5), 13, generator=Generator(2)), num_workers=workers
    ),
    "buckets": lambda workers: DataLoader(
        range(30),
        batch_sampler=BucketSampler(np.arange(30) % 7, 4, generator=Generator(3), bucket_batches=2),
        num_workers=workers,
    ),
    "lazy": lambda workers: DataLoader(range(9), 2, sampler=Lazy(9, Generator(4)), num_workers=workers),
    "stream": lambda workers: DataLoader(Stream(17), batch_size=2, num_workers=workers),
    "subset": lambda workers: DataLoader(
        Subset(TensorDataset(np.arange(30)), range(3, 20)), 4, True, generator=Generator(5), num_workers=workers
    ),
}


def as_numbers(batch):
    return (
        [as_numbers(part) for part in batch] if isinstance(batch, tuple) else getattr(batch, "tolist", lambda: batch)()
    )


def run(loader, count):
    """Return the next ``count`` batches over as many epochs as needed, and the state after each."""
    batches, states = [], []
    while len(batches) < count:
        for batch in loader:
            batches.append(as_numbers(batch))
            states.append(json.loads(json.dumps(loader.state_dict())))
            if len(batches) == count:
                break
    return batches, states


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 2), (2, 2)])
@pytest.mark.cpu("about processes, which begin without the GPU")
def test_a_run_resumed_anywhere_gives_the_same_batches(kind, before, after):
    if kind == "stream" and before != after:
        pytest.skip("a stream's order depends on the number of workers")
    total = 3 * len(list(MAKERS[kind](before)))
    expected, states = run(MAKERS[kind](before), total)
    stops = range(total) if not after else (0, total // 2)
    for stop in stops:
        resumed = MAKERS[kind](after)
        resumed.load_state_dict(states[stop])
        assert resumed.state_dict() == states[stop]
        left = total - stop - 1
        if left:
            assert run(resumed, left)[0] == expected[stop + 1 :]


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 2**100), st.integers(0, 60))
@settings(max_examples=50)
def test_positions_by_property(n, size, seed, steps):
    def make():
        return DataLoader(range(n), size, True, generator=Generator(seed))

    expected, states = run(make(), steps + 10)
    resumed = make()
    if steps:
        resumed.load_state_dict(states[steps - 1])
    assert run(resumed, 10)[0] == expected[steps:]


class Endless:
    generator = None

    def __iter__(self):
        return cycle([2, 0, 1])


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("batch_size", [None, 2])
def test_samplers_without_a_length(batch_size, num_workers):
    first, second = (DataLoader([5, 6, 7], batch_size, sampler=Endless(), num_workers=num_workers) for _ in range(2))
    batches = iter(first)
    for _ in range(2):
        next(batches)
    second.load_state_dict(first.state_dict())
    expected = [6, 7] if batch_size is None else [[5, 6], [7, 5]]
    for loop in (batches, iter(second)):
        assert [next(loop) if batch_size is None else next(loop).tolist() for _ in range(2)] == expected
    first.sampler.generator = Generator(0)
    DataLoader([5, 6, 7], batch_size, sampler=Endless()).state_dict()
    with pytest.raises(TypeError, match="needs a length to be resumed"):
        DataLoader([5, 6, 7], batch_size, sampler=first.sampler).state_dict()


def test_a_generator_shared_with_the_model_resumes_exactly():
    def losses(resume_at=None):
        default_generator.manual_seed(8)
        loader = DataLoader(range(10), batch_size=2, shuffle=True)
        seen, saved = [], None
        for _ in range(2):
            for batch in loader:
                seen.append((batch.tolist(), rand(2).tolist()))
                if len(seen) == resume_at:
                    saved = loader.state_dict(), default_generator.get_state()
        if saved is None:
            return seen
        default_generator.manual_seed(999)
        again = DataLoader(range(10), batch_size=2, shuffle=True)
        default_generator.set_state(saved[1])
        again.load_state_dict(saved[0])
        rest = []
        while again.epoch < 2:
            rest += [(batch.tolist(), rand(2).tolist()) for batch in again]
        return seen[:resume_at] + rest

    whole = losses()
    for stop in range(1, 11):
        assert losses(stop) == whole


def test_random_samples_in_workers_resume_exactly():
    def make():
        return DataLoader(Noisy(), batch_size=2, shuffle=True, generator=Generator(4), num_workers=2)

    loader = make()
    seen, states = [], []
    for batch in loader:
        seen.append([column.tolist() for column in batch])
        states.append(loader.state_dict())
    resumed = make()
    resumed.load_state_dict(states[2])
    assert [[column.tolist() for column in batch] for batch in resumed] == seen[3:]


def test_a_loop_left_early_starts_anew():
    loader = DataLoader(range(6), batch_size=2)
    assert next(iter(loader)).tolist() == [0, 1]
    assert values(loader) == [[0, 1], [2, 3], [4, 5]]
    assert loader.epoch == 1


def test_a_position_goes_through_a_checkpoint(tmp_path):
    pytest.importorskip("safetensors")
    expected, states = run(MAKERS["shuffled"](0), 9)
    fw.save({"loader": states[3]}, tmp_path / "checkpoint")
    resumed = MAKERS["shuffled"](0)
    resumed.load_state_dict(fw.load(tmp_path / "checkpoint")["loader"])
    assert run(resumed, 5)[0] == expected[4:]


GOOD = {"epoch": 0, "batch": 1, "start": [1, 0], "generator": [1, 5], "samples": 23, "batches": 6}
BAD_STATES = {
    "no dict": ([], TypeError, "got list"),
    "a key missing": ({key: GOOD[key] for key in GOOD if key != "start"}, ValueError, "lacks 'start'"),
    "a key too many": ({**GOOD, "x": 1}, ValueError, "unexpected keys 'x'"),
    "negative batch": ({**GOOD, "batch": -1}, ValueError, "'batch' must be at least 0"),
    "half a batch": ({**GOOD, "batch": 0.5}, TypeError, "'batch' must be an integer"),
    "epoch of text": ({**GOOD, "epoch": "1"}, TypeError, "'epoch' must be an integer"),
    "other samples": ({**GOOD, "samples": 24}, ValueError, "belongs to 24 samples, this loader has 23"),
    "other batches": ({**GOOD, "batches": 12}, ValueError, "belongs to 12 batches, this loader has 6"),
    "a batch beyond the end": ({**GOOD, "batch": 7}, ValueError, "batch 7 of 6"),
    "batches of text": ({**GOOD, "batches": "6"}, TypeError, "'batches' must be an integer"),
    "a stream's": ({**GOOD, "samples": None}, ValueError, "belongs to None samples"),
    "one that does not shuffle": ({**GOOD, "generator": None}, ValueError, "shuffles"),
    "half a generator": ({**GOOD, "generator": [1]}, ValueError, "a seed and an offset"),
    "generator of text": ({**GOOD, "generator": "ab"}, ValueError, "a seed and an offset"),
    "negative seed": ({**GOOD, "start": [-1, 0]}, ValueError, "seed must be in"),
    "a seed of text": ({**GOOD, "start": ["a", 0]}, TypeError, "seed must be an integer"),
    "no start": ({**GOOD, "start": None}, ValueError, "within an epoch, but 'start' is None"),
}


@pytest.mark.parametrize("name", BAD_STATES)
def test_bad_positions_change_nothing(name):
    state, kind, message = BAD_STATES[name]
    loader = MAKERS["shuffled"](0)
    run(loader, 8)
    before = loader.state_dict()
    with pytest.raises(kind, match=message):
        loader.load_state_dict(state)
    assert loader.state_dict() == before


# ------------------------------------------------------------------------------------------------ bad arguments
def one(**arguments):
    dataset = arguments.pop("dataset", [1, 2, 3])
    return lambda: list(DataLoader(dataset, **arguments))


BAD = {
    "an iterator": (one(dataset=iter([1])), TypeError, "got list_iterator; put an iterator into an IterableDataset"),
    "a number": (one(dataset=3), TypeError, "got int"),
    "None": (one(dataset=None), TypeError, "got NoneType"),
    "batch_size 0": (one(batch_size=0), ValueError, "batch_size must be at least 1, got 0"),
    "batch_size -1": (one(batch_size=-1), ValueError, "at least 1, got -1"),
    "batch_size 1.5": (one(batch_size=1.5), TypeError, "must be an integer, got float 1.5"),
    "batch_size text": (one(batch_size="2"), TypeError, "got str '2'"),
    "batch_size True": (one(batch_size=True), TypeError, "got bool True"),
    "shuffle 1": (one(shuffle=1), TypeError, "shuffle must be True or False, got int 1"),
    "drop_last text": (one(drop_last="no"), TypeError, "drop_last must be True or False"),
    "sampler and shuffle": (one(sampler=[0], shuffle=True), ValueError, "exclude each other"),
    "sampler a number": (one(sampler=3), TypeError, "sampler must be iterable, got int"),
    "batch_sampler a number": (one(batch_sampler=3), TypeError, "batch_sampler must be iterable"),
    "batch_sampler and batch_size": (one(batch_sampler=[[0]], batch_size=2), ValueError, "batch_sampler excludes"),
    "batch_sampler and shuffle": (one(batch_sampler=[[0]], shuffle=True), ValueError, "batch_sampler excludes"),
    "batch_sampler and sampler": (one(batch_sampler=[[0]], sampler=[0]), ValueError, "batch_sampler excludes"),
    "batch_sampler and drop_last": (one(batch_sampler=[[0]], drop_last=True), ValueError, "batch_sampler excludes"),
    "drop_last of nothing": (one(batch_size=None, drop_last=True), ValueError, "nothing to drop"),
    "a shuffled stream": (one(dataset=Stream(3), shuffle=True), ValueError, "has its own order"),
    "a sampled stream": (one(dataset=Stream(3), sampler=[0]), ValueError, "has its own order"),
    "a batched stream": (one(dataset=Stream(3), batch_sampler=[[0]]), ValueError, "has its own order"),
    "num_workers -1": (one(num_workers=-1), ValueError, "num_workers must be at least 0"),
    "num_workers 0.5": (one(num_workers=0.5), TypeError, "num_workers must be an integer"),
    "prefetch_factor 0": (one(prefetch_factor=0), ValueError, "prefetch_factor must be at least 1"),
    "device": (one(device="tpu"), ValueError, "unknown device 'tpu'"),
    "device number": (one(device=0), TypeError, "device must be a string"),
    "generator": (one(shuffle=True, generator=0), TypeError, "framework.random.Generator, got int"),
    "collate_fn": (one(collate_fn="stack"), TypeError, "collate_fn must be callable, got str"),
    "worker_init_fn": (one(worker_init_fn=3), TypeError, "worker_init_fn must be callable"),
    "multiprocessing_context": (one(multiprocessing_context="thread"), ValueError, "one of .*'spawn'.* got 'thread'"),
    "sampler beyond the end": (one(sampler=[0, 9]), IndexError, "out of range"),
    "sampler of text": (one(sampler=["a"]), TypeError, "str"),
    "batches of numbers": (one(batch_sampler=[0, 1]), TypeError, "not iterable"),
    "an empty batch": (one(batch_sampler=[[]]), ValueError, "batch is empty"),
    "samples that do not stack": (one(dataset=[[1, 2], [3]], batch_size=2), ValueError, "use pad_collate"),
    "samples of no kind": (one(dataset=[object()]), TypeError, "sample is a object in sample 0; expected tensors"),
    "rows beyond the end": (one(dataset=TensorDataset([1]), sampler=[1]), IndexError, "1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_named(name):
    call, kind, message = BAD[name]
    with pytest.raises(kind, match=message):
        call()
