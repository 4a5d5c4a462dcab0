"""In which order samples are visited, and how they are grouped.

A sampler draws the whole of an epoch's order when it is iterated, from its ``generator``; so the order of an epoch
follows from the generator's state at its beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

from framework.random import Generator, checked_generator, integers, permutation, uniform


class Sampler:
    """Indices of samples, or lists of them: subclasses give ``__iter__`` and ``__len__``.

    Attributes
    ----------
    generator : Generator or None
        Where the order is drawn from; None if nothing is drawn.
    """

    generator: Generator | None = None

    def __iter__(self) -> Iterator[Any]:
        """One epoch's indices."""
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")

    def __len__(self) -> int:
        """Number of indices in an epoch."""
        raise NotImplementedError(f"{type(self).__name__} must define __len__")


class SequentialSampler(Sampler):
    """0, 1, 2, ... as often as the data set has samples.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, dataset: Sized) -> None:
        self.dataset = dataset

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.dataset)))

    def __len__(self) -> int:
        return len(self.dataset)


class RandomSampler(Sampler):
    """All indices in random order, or indices drawn independently.

    Parameters
    ----------
    dataset : sized
        Whose samples are drawn.
    replacement : bool
        Draw each index independently of the others.
    num_samples : int, optional
        How many to draw; all of the data set by default, and at most that many without replacement.
    generator : Generator, optional
        The default one if None.

    Examples
    --------
    >>> sorted(RandomSampler("abc", generator=Generator(0)))
    [0, 1, 2]
    """

    def __init__(
        self,
        dataset: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.dataset = dataset
        self.replacement = replacement
        self.num_samples = None if num_samples is None else natural("num_samples", num_samples)
        self.generator = checked_generator(generator)
        if not replacement and len(self) > len(dataset):
            raise ValueError(f"cannot draw {num_samples} of {len(dataset)} samples without replacement")

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        if self.replacement and n:
            return iter(integers(0, n, (len(self),), device="cpu", generator=self.generator).tolist())
        return iter(permutation(n, device="cpu", generator=self.generator).tolist()[: len(self)])

    def __len__(self) -> int:
        return len(self.dataset) if self.num_samples is None else self.num_samples


class WeightedRandomSampler(Sampler):
    """Indices drawn with probabilities in proportion to weights.

    Without replacement, by the keys of Efraimidis and Spirakis: *Weighted random sampling with a reservoir* (2006).

    Parameters
    ----------
    weights : sequence of float
        One for each sample: finite, at least 0, and not all 0.
    num_samples : int
        How many to draw.
    replacement : bool
        Whether an index may come more than once.
    generator : Generator, optional
        The default one if None.

    Raises
    ------
    ValueError
        If the weights are no such numbers, or too few are above 0 to draw so many without replacement.

    Examples
    --------
    >>> list(WeightedRandomSampler([0.0, 1.0, 0.0], 3))
    [1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        self.weights = np.asarray(weights, dtype=np.float64)
        self.num_samples = natural("num_samples", num_samples)
        self.replacement = replacement
        self.generator = checked_generator(generator)
        positive = np.count_nonzero(self.weights)
        if self.weights.ndim != 1 or not np.all(np.isfinite(self.weights) & (self.weights >= 0)) or not positive:
            raise ValueError("weights must be a sequence of finite numbers of at least 0, not all of them 0")
        if not replacement and num_samples > positive:
            raise ValueError(f"cannot draw {num_samples} samples without replacement: {positive} weights are above 0")

    def __iter__(self) -> Iterator[int]:
        n = self.num_samples if self.replacement else len(self.weights)
        draws = uniform(0.0, 1.0, (n,), dtype="float64", device="cpu", generator=self.generator).numpy()
        if self.replacement:
            # Of the largest weights the sums would be infinite, and those of the smallest would have no digits.
            sums = np.cumsum(self.weights / self.weights.max())
            return iter(np.searchsorted(sums, draws * sums[-1], side="right").tolist())
        # The keys' logarithms: an exponentially distributed time each, which is the shorter the larger the weight.
        with np.errstate(divide="ignore", invalid="ignore"):
            keys = np.log(-np.log1p(-draws)) - np.log(self.weights)
        return iter(np.argsort(keys, kind="stable")[: self.num_samples].tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """The indices of another sampler in lists of ``batch_size``.

    Parameters
    ----------
    sampler : iterable of int
        Where the indices come from.
    batch_size : int
        How many are put together.
    drop_last : bool
        Leave out a last list that would be shorter.

    Examples
    --------
    >>> list(BatchSampler(SequentialSampler("abcde"), 2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False) -> None:
        self.sampler = sampler
        self.batch_size = natural("batch_size", batch_size, least=1)
        self.drop_last = drop_last

    @property
    def generator(self) -> Generator | None:  # type: ignore[override]
        """That of the sampler inside."""
        return getattr(self.sampler, "generator", None)

    def __iter__(self) -> Iterator[list[int]]:
        batch = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        return _count(len(self.sampler), self.batch_size, self.drop_last)  # type: ignore[arg-type]


class BucketSampler(Sampler):
    """Batches of samples of similar length, so that little is padded.

    The samples are shuffled, cut into buckets of ``bucket_batches`` batches, and sorted by length within a bucket;
    then the batches are shuffled.

    Parameters
    ----------
    lengths : sequence of int
        The length of each sample.
    batch_size : int
        How many samples a batch has.
    drop_last : bool
        Leave out the one batch that would be shorter.
    shuffle : bool
        If not, the buckets are cut from the samples as they stand, and batches keep their order.
    generator : Generator, optional
        The default one if None.
    bucket_batches : int
        Large means little padding, small means random batches.

    Examples
    --------
    >>> list(BucketSampler([5, 1, 4, 2, 3], 2, shuffle=False))
    [[1, 3], [4, 2], [0]]
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        drop_last: bool = False,
        shuffle: bool = True,
        generator: Generator | None = None,
        bucket_batches: int = 100,
    ) -> None:
        self.lengths = np.asarray(lengths, dtype=np.int64) if len(lengths) else np.zeros(0, np.int64)
        if self.lengths.ndim != 1 or np.any(self.lengths < 0):
            raise ValueError("lengths must be a sequence of integers of at least 0, one for each sample")
        self.batch_size = natural("batch_size", batch_size, least=1)
        self.bucket_batches = natural("bucket_batches", bucket_batches, least=1)
        self.drop_last = drop_last
        self.generator = checked_generator(generator) if shuffle else None

    def __iter__(self) -> Iterator[list[int]]:
        n = len(self.lengths)
        order = np.arange(n) if self.generator is None else self._permutation(n)
        batches = [batch for bucket in self._cut(order, self._bucket_size) for batch in self._batches_of(bucket)]
        if self.generator is None:
            return iter(batches)
        return iter([batches[i] for i in self._permutation(len(batches))])

    def __len__(self) -> int:
        whole, rest = divmod(len(self.lengths), self._bucket_size)
        return whole * self.bucket_batches + _count(rest, self.batch_size, self.drop_last)

    @property
    def _bucket_size(self) -> int:
        return self.batch_size * self.bucket_batches

    def _permutation(self, n: int) -> np.ndarray[Any, Any]:
        return permutation(n, device="cpu", generator=self.generator).numpy()

    def _batches_of(self, bucket: np.ndarray[Any, Any]) -> list[list[int]]:
        by_length = bucket[np.argsort(self.lengths[bucket], kind="stable")]
        batches = [batch.tolist() for batch in self._cut(by_length, self.batch_size)]
        return batches[:-1] if self.drop_last and batches and len(batches[-1]) < self.batch_size else batches

    @staticmethod
    def _cut(array: np.ndarray[Any, Any], size: int) -> list[np.ndarray[Any, Any]]:
        return [array[start : start + size] for start in range(0, len(array), size)]


def natural(name: str, value: Any, least: int = 0) -> int:
    """The value as an int that is at least ``least``."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, got {type(value).__name__} {value!r:.40}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def _count(samples: int, batch_size: int, drop_last: bool) -> int:
    return samples // batch_size if drop_last else -(-samples // batch_size)
