"""DataLoader: batches from a data set, in an order that can be stopped in the middle and resumed exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice, repeat
from typing import Any

import numpy as np

from backends import get_backend
from framework.autograd.graph import make_tensor
from framework.data.collate import default_collate, default_convert, map_tensors
from framework.data.dataset import Dataset, IterableDataset
from framework.data.samplers import BatchSampler, RandomSampler, SequentialSampler, natural
from framework.data.workers import EndOfStream, Fetch, Plan, Task, parallel_batches
from framework.devices import get_default_device
from framework.random import Generator, checked_generator, default_generator
from framework.tensor import Tensor

STATE_KEYS = ("epoch", "batch", "start", "generator", "samples", "batches")


class DataLoader:
    """Batches of a data set, once through for each ``for`` loop over the loader.

    Parameters
    ----------
    dataset : Dataset, IterableDataset or anything with ``len`` and indices
        Where the samples are.
    batch_size : int or None
        Samples in a batch. None yields single samples as they are, with arrays turned into tensors.
    shuffle : bool
        Visit the samples in a new random order each epoch.
    sampler : iterable of int, optional
        The order, in place of ``shuffle``.
    batch_sampler : iterable of lists of int, optional
        The batches, in place of ``batch_size``, ``shuffle``, ``sampler`` and ``drop_last``.
    drop_last : bool
        Leave out a last batch that would be smaller.
    collate_fn : callable, optional
        Makes a batch of a list of samples; :func:`default_collate` unless given.
    generator : Generator, optional
        Where ``shuffle`` draws from; the default one if None.
    num_workers : int
        Background processes that fetch; 0 fetches in this process. The batches are the same either way.
    prefetch_factor : int
        Batches that each worker makes ahead.
    device : str, optional
        Where the batches shall be. With workers the next batch is on its way there while one works on the last.
    worker_init_fn : callable, optional
        Called in each worker with its number before it fetches anything.
    multiprocessing_context : {"fork", "forkserver", "spawn"}, optional
        How workers are started. By default forked on Linux, spawned elsewhere and where CuPy is in use.
    pin_memory : bool
        Send batches to a GPU through memory that it fetches from by itself, beside its work on earlier ones; with
        workers one batch ahead. Without a GPU this changes nothing.

    Attributes
    ----------
    epoch : int
        How many times the loader was gone through to the end.

    Raises
    ------
    ValueError, TypeError
        If arguments are of another type or range, or exclude each other.

    Notes
    -----
    :meth:`state_dict` tells where the last loop stands; a loader made alike continues there after
    :meth:`load_state_dict`, with exactly the batches that would have followed. The order is not stored but drawn
    again from the generator's two integers. A sampler of one's own resumes exactly if it has a length and draws from
    its attribute ``generator``, or always gives the same order; a stream is read again up to the position.

    In a worker, ``framework.random``, ``random`` and ``numpy.random`` are seeded anew for each batch.

    Examples
    --------
    >>> loader = DataLoader([0.0, 1.0, 2.0, 3.0, 4.0], batch_size=2)
    >>> list(loader)
    [Tensor([0., 1.]), Tensor([2., 3.]), Tensor([4.])]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[list[int]] | None = None,
        drop_last: bool = False,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        generator: Generator | None = None,
        num_workers: int = 0,
        prefetch_factor: int = 2,
        device: str | None = None,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: str | None = None,
        pin_memory: bool = False,
    ) -> None:
        self._is_stream = _is_stream(dataset)
        _check_exclusive(self._is_stream, batch_size, shuffle, sampler, batch_sampler, drop_last)
        _check_callable(collate_fn=collate_fn, worker_init_fn=worker_init_fn)
        self.dataset = dataset
        self.batch_size = None if batch_size is None else natural("batch_size", batch_size, least=1)
        self.drop_last = drop_last
        self.collate_fn = collate_fn
        self.num_workers = natural("num_workers", num_workers)
        self.prefetch_factor = natural("prefetch_factor", prefetch_factor, least=1)
        self.device = None if device is None else get_backend(device).device
        _check_flags(pin_memory=pin_memory)
        self.pin_memory = bool(pin_memory)
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = _start_method(multiprocessing_context)
        generator = checked_generator(generator)
        if not self._is_stream and sampler is None and batch_sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is None and sampler is not None and batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.epoch = 0
        self._done = 0
        self._start: tuple[int, int] | None = None
        self._resuming = False

    def __len__(self) -> int:
        if not self._is_stream:
            return len(self._order)
        n = len(self.dataset)
        return n if self.batch_size is None else -(-(n - self.drop_last * (n % self.batch_size)) // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        done = self._done if self._resuming else 0
        batches = self._batches(self._draw(), done)
        self._done, self._resuming = done, False
        for batch in self._on_device(batches):
            self._done += 1
            yield batch
        self.epoch, self._done, self._start = self.epoch + 1, 0, None

    # -------------------------------------------------------------------------------------------- position
    def state_dict(self) -> dict[str, Any]:
        """Where the last loop stands, in numbers that :func:`framework.save` and JSON can write.

        Raises
        ------
        TypeError
            If the sampler draws from a generator and has no length: its order could not be drawn again.
        """
        generator = self._generator
        return {
            "epoch": self.epoch,
            "batch": self._done,
            "start": None if self._start is None else list(self._start),
            "generator": None if generator is None else list(generator.get_state()),
            "samples": self._samples(),
            "batches": self._number_of_batches(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go where :meth:`state_dict` was called: the next loop yields what followed there.

        Parameters
        ----------
        state : dict
            What ``state_dict`` returned, of a loader of the same data and order.

        Raises
        ------
        TypeError, ValueError
            If the state is not such a dict or does not fit this loader; nothing is changed then.
        """
        _check_state(state)
        for key, mine in (("samples", self._samples()), ("batches", self._number_of_batches())):
            if state[key] != mine:
                raise ValueError(f"DataLoader: the position belongs to {state[key]} {key}, this loader has {mine}")
        generator = self._generator
        if (generator is None) != (state["generator"] is None):
            raise ValueError(
                "DataLoader: the position belongs to a loader that shuffles, or this one does, but not both"
            )
        start = None if state["start"] is None else Generator(0)
        if start is not None:
            start.set_state(tuple(state["start"]))
        if generator is not None:
            generator.set_state(tuple(state["generator"]))
        self.epoch, self._done = state["epoch"], state["batch"]
        self._start = None if start is None else start.get_state()
        self._resuming = start is not None

    @property
    def _order(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    @property
    def _generator(self) -> Generator | None:
        return getattr(self._order, "generator", None)

    def _samples(self) -> int | None:
        return None if self._is_stream else len(self.dataset)

    def _number_of_batches(self) -> int | None:
        count = _length(self._order)
        if count is None and self._generator is not None:
            raise TypeError(
                "DataLoader: a sampler that draws from a generator needs a length to be resumed; give it __len__"
            )
        return count

    # -------------------------------------------------------------------------------------------- fetching
    def _draw(self) -> Iterator[Any]:
        """The epoch's order, from its beginning; all drawing happens here and now."""
        generator = self._generator or default_generator
        now = generator.get_state()
        resuming = self._resuming and self._start is not None
        if resuming:
            generator.set_state(self._start)  # type: ignore[arg-type]
        self._start = generator.get_state()
        order = repeat(None) if self._is_stream else _drawn(self._order)
        if resuming:
            generator.set_state(now)
        return order

    def _batches(self, order: Iterator[Any], done: int) -> Iterator[Any]:
        """The batches after the first ``done``; a stream has to be read up to there."""
        first = 0 if self._is_stream else done
        order = islice(order, first, None)
        if not self.num_workers:
            batches = _serial_batches(self._fetch_maker(), order)
        else:
            batches = parallel_batches(self._plan(), self._seeded(order, first))
        return islice(batches, done - first, None)

    def _seeded(self, order: Iterator[Any], first: int) -> Iterator[Task]:
        """Each batch's indices with a seed that follows from its number and the epoch's beginning."""
        place = (*(self._start or ()), self.epoch)
        return ((indices, _seed(place, number)) for number, indices in enumerate(order, start=first))

    def _plan(self) -> Plan:
        maker, context = self._fetch_maker, self.multiprocessing_context
        return Plan(self.dataset, maker, self.num_workers, self.prefetch_factor, self.worker_init_fn, context)

    @property
    def _fetch_maker(self) -> Callable[[], Fetch]:
        """Makes the function that turns indices into a batch; it goes to the workers, the loader does not."""
        if self._is_stream:
            return partial(_stream_fetch, self.dataset, self.collate_fn, self.batch_size, self.drop_last)
        return partial(_fetch, self.dataset, self.collate_fn, self.batch_sampler is not None)

    def _on_device(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Move the batches; with workers one ahead, since asking for it draws no random numbers here."""
        device = self.device or (get_default_device() if self.num_workers else None)
        ahead = _one_ahead if self.device and self.num_workers else iter
        transfer = get_backend(device).new_transfer() if device and self.pin_memory else None
        if transfer is not None:
            return _transferred(transfer, device, batches, ahead)
        return ahead(batches if device is None else (map_tensors(partial(_move, device), batch) for batch in batches))


# ------------------------------------------------------------------------------------------------ checks
def _is_stream(dataset: Any) -> bool:
    if isinstance(dataset, IterableDataset):
        return True
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        return False
    raise TypeError(
        f"dataset must be an IterableDataset or have __getitem__ and __len__, got {type(dataset).__name__}; "
        "put an iterator into an IterableDataset, or its items into a list"
    )


def _check_exclusive(
    is_stream: bool, batch_size: Any, shuffle: bool, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    _check_flags(shuffle=shuffle, drop_last=drop_last)
    for name, value in (("sampler", sampler), ("batch_sampler", batch_sampler)):
        if value is not None and not hasattr(value, "__iter__"):
            raise TypeError(f"{name} must be iterable, got {type(value).__name__}")
    if is_stream and (shuffle or sampler is not None or batch_sampler is not None):
        raise ValueError("an IterableDataset has its own order: it takes no shuffle, sampler or batch_sampler")
    if sampler is not None and shuffle:
        raise ValueError("sampler and shuffle=True exclude each other: a sampler is the order")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("batch_sampler excludes batch_size, shuffle, sampler and drop_last: it makes the batches")
    if batch_size is None and drop_last:
        raise ValueError("batch_size=None makes no batches, so drop_last has nothing to drop")


def _check_flags(**flags: Any) -> None:
    for name, value in flags.items():
        if not isinstance(value, bool | np.bool):
            raise TypeError(f"{name} must be True or False, got {type(value).__name__} {value!r:.40}")


def _check_callable(**functions: Any) -> None:
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be callable, got {type(function).__name__}")


def _start_method(name: str | None) -> str | None:
    import multiprocessing

    known = multiprocessing.get_all_start_methods()
    if name is not None and name not in known:
        raise ValueError(f"multiprocessing_context must be one of {', '.join(map(repr, known))}, got {name!r}")
    return name


def _check_state(state: Any) -> None:
    if not isinstance(state, Mapping):
        raise TypeError(f"DataLoader: expected the dict that state_dict returned, got {type(state).__name__}")
    if missing := [key for key in STATE_KEYS if key not in state]:
        raise ValueError(f"DataLoader: the position lacks {', '.join(map(repr, missing))}")
    if unexpected := sorted(set(map(str, state)) - set(STATE_KEYS)):
        raise ValueError(f"DataLoader: the position has unexpected keys {', '.join(map(repr, unexpected))}")
    for key in ("epoch", "batch", "samples", "batches"):
        if state[key] is not None or key in ("epoch", "batch"):
            natural(f"DataLoader: the position's {key!r}", state[key])
    for key in ("start", "generator"):
        _check_generator_state(key, state[key])
    if state["batches"] is not None and state["batch"] > state["batches"]:
        raise ValueError(f"DataLoader: the position is batch {state['batch']} of {state['batches']}")
    if state["batch"] and state["start"] is None:
        raise ValueError("DataLoader: the position is within an epoch, but 'start' is None")


def _check_generator_state(key: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"DataLoader: the position's {key!r} must be a seed and an offset, got {value!r:.60}")
    Generator(0).set_state(tuple(value))


# ------------------------------------------------------------------------------------------------ fetching
def _drawn(order: Any) -> Iterator[Any]:
    """One epoch's order; drawn in whole, unless it is endless."""
    return iter(order) if _length(order) is None else iter(list(order))


def _length(order: Any) -> int | None:
    """The length, unless there is none, as of a sampler's batches if the sampler has none."""
    try:
        return len(order)
    except (TypeError, NotImplementedError):
        return None


def _seed(place: tuple[int, ...], number: int) -> int:
    """The seed for random numbers in batch ``number`` of the epoch that begins at a place."""
    low, high = np.random.SeedSequence([*place, number]).generate_state(2, np.uint64).tolist()
    return int(low) + (int(high) << 64)


def _fetch(dataset: Any, collate: Fetch | None, batched: bool) -> Fetch:
    if not batched:
        convert = collate or default_convert
        return lambda index: convert(dataset[index])
    if collate is None and isinstance(dataset, Dataset):
        return dataset.batch
    make = collate or default_collate
    return lambda indices: make([dataset[index] for index in indices])


def _stream_fetch(dataset: Any, collate: Fetch | None, size: int | None, drop_last: bool) -> Fetch:
    samples = iter(dataset)
    convert, make = collate or default_convert, collate or default_collate

    def fetch(_: Any) -> Any:
        batch = list(islice(samples, size or 1))
        if not batch or (drop_last and len(batch) < (size or 1)):
            raise EndOfStream
        return make(batch) if size else convert(batch[0])

    return fetch


def _serial_batches(fetch: Fetch, order: Iterator[Any]) -> Iterator[Any]:
    for indices in order:
        try:
            batch = fetch(indices)
        except EndOfStream:
            return
        yield batch


def _one_ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """The same batches, each asked for before the one before it is handed out."""
    for current in batches:
        for following in batches:
            yield current
            current = following
        yield current


def _move(device: str, value: Any) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value


def _transferred(
    transfer: Any, device: Any, batches: Iterator[Any], ahead: Callable[..., Iterator[Any]]
) -> Iterator[Any]:
    """The batches on a GPU; each is on its way before it is asked for, and waited for by the GPU, not by the host."""
    backend = get_backend(device)

    def send(batch: Any) -> tuple[Any, Any]:
        hosts: list[Any] = []
        map_tensors(lambda x: hosts.append(x.data) if _on_host(x) else None, batch)
        arrays, event = transfer.send(hosts)
        sent = iter(arrays)
        return map_tensors(
            lambda x: make_tensor(backend, next(sent)) if _on_host(x) else _move(device, x), batch
        ), event

    try:
        for batch, event in ahead(send(batch) for batch in batches):
            transfer.receive(event)
            yield batch
    finally:
        transfer.close()


def _on_host(value: Any) -> bool:
    """Whether a batch's entry is a tensor of values alone that lies in the host's memory."""
    return isinstance(value, Tensor) and value.device == "cpu" and not value.requires_grad
