"""Data sets: anything with a length and samples by index, or a stream of samples."""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from framework.creation import asarray
from framework.data.collate import default_collate
from framework.random import Generator, permutation
from framework.tensor import Tensor


class Dataset:
    """Samples by index: subclasses give ``__getitem__`` and ``__len__``.

    Any object with these two, such as a list, can stand where a data set is expected.

    Examples
    --------
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 5
    ...
    ...     def __getitem__(self, index):
    ...         return index**2
    >>> Squares().batch([1, 3])
    Tensor([1, 9])
    """

    def __init_subclass__(cls, **options: Any) -> None:
        # Who changes the samples of a class that reads batches at once, to augment them say, changes its batches.
        super().__init_subclass__(**options)
        definer = next(base for base in cls.__mro__ if not {"__getitem__", "batch"}.isdisjoint(vars(base)))
        if "batch" not in vars(definer):
            cls.batch = Dataset.batch  # type: ignore[method-assign]

    def __getitem__(self, index: int) -> Any:
        """The sample at ``index``."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __len__(self) -> int:
        """Number of samples."""
        raise NotImplementedError(f"{type(self).__name__} must define __len__")

    def batch(self, indices: Sequence[int]) -> Any:
        """Several samples, collated; override it where that is faster than one by one."""
        return default_collate([self[index] for index in indices])

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset:
    """A stream of samples: subclasses give ``__iter__``, which starts from the beginning.

    In a background worker each worker goes through its own copy; :func:`get_worker_info` tells a worker which part
    is its own.
    """

    def __iter__(self) -> Iterator[Any]:
        """Samples, from the first."""
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class TensorDataset(Dataset):
    """Rows of one or several tensors: sample ``i`` is the tuple of all ``tensor[i]``.

    Parameters
    ----------
    *tensors : Tensor or array
        Of equal lengths along the first axis.

    Raises
    ------
    ValueError
        If there is none, or the lengths differ.

    Examples
    --------
    >>> data = TensorDataset(np.eye(2), [3, 4])
    >>> data[1]
    (Tensor([0., 1.], dtype=float64), Tensor(4))
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple([asarray(tensor) for tensor in tensors])
        shapes = [tensor.shape for tensor in self.tensors]
        if not shapes:
            raise ValueError("TensorDataset: expected at least one tensor")
        if () in shapes or len({shape[0] for shape in shapes}) != 1:
            raise ValueError(
                f"TensorDataset: expected tensors of equal lengths along the first axis, got shapes {shapes}"
            )

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple([tensor[index] for tensor in self.tensors])

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        """The rows at ``indices`` of each tensor."""
        rows = np.asarray(indices) if len(indices) else np.zeros(0, np.int64)
        return tuple([tensor[asarray(rows, device=tensor.device)] for tensor in self.tensors])


class Subset(Dataset):
    """The samples of another data set at the given indices.

    Parameters
    ----------
    dataset : Dataset
        Where the samples are.
    indices : sequence of int
        Which of them, in their new order.

    Raises
    ------
    IndexError, TypeError
        If an index is outside the data set, or no integer.

    Examples
    --------
    >>> Subset("abcde", [4, 0])[0]
    'e'
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = [operator.index(index) for index in indices]
        n = len(dataset)
        for position, index in enumerate(self.indices):
            if not -n <= index < n:
                raise IndexError(f"Subset: index {index} at position {position} is outside the data set of {n} samples")

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: Sequence[int]) -> Any:
        """As the underlying data set makes it."""
        if not isinstance(self.dataset, Dataset):
            return super().batch(indices)
        return self.dataset.batch([self.indices[index] for index in indices])


class ConcatDataset(Dataset):
    """Several data sets, one after the other.

    Parameters
    ----------
    datasets : sequence of Dataset
        At least one, each with a length.

    Examples
    --------
    >>> ConcatDataset(["ab", "cd"])[2]
    'c'
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one data set")
        for position, dataset in enumerate(self.datasets):
            if not hasattr(dataset, "__len__"):
                kind = type(dataset).__name__
                raise TypeError(f"ConcatDataset: data set {position} is a {kind}, which has no length")
        self.ends = list(accumulate(len(dataset) for dataset in self.datasets))

    def __getitem__(self, index: int) -> Any:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"ConcatDataset: index {index} is outside the {n} samples")
        index %= n
        which = bisect_right(self.ends, index)
        return self.datasets[which][index - (self.ends[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.ends[-1]


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Split a data set at random into parts that do not overlap.

    Parameters
    ----------
    dataset : Dataset
        What to split.
    lengths : sequence of int, or of float
        How many samples each part gets, which add up to all; or fractions, which add up to 1. What rounding down
        leaves over goes to the first parts, one each.
    generator : Generator, optional
        The default one if None.

    Raises
    ------
    ValueError
        If a length is negative, or the sum is another.

    Examples
    --------
    >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    n = len(dataset)
    sizes = _sizes(n, list(lengths))
    order = permutation(n, device="cpu", generator=generator).tolist()
    ends = list(accumulate(sizes))
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends)]


def _sizes(n: int, lengths: list[float]) -> list[int]:
    if not lengths or not all(length >= 0 for length in lengths):
        raise ValueError(f"random_split: expected lengths or fractions of at least 0, got {lengths}")
    if all(isinstance(length, int | np.integer) for length in lengths):
        if sum(lengths) != n:
            raise ValueError(f"random_split: the lengths {lengths} add up to {sum(lengths)}, expected {n} samples")
        return [int(length) for length in lengths]
    if abs(sum(lengths) - 1) > 1e-9:
        raise ValueError(f"random_split: the fractions {lengths} add up to {sum(lengths)}, expected 1")
    sizes = [int(n * fraction) for fraction in lengths]
    for i in range(n - sum(sizes)):
        sizes[i % len(sizes)] += 1
    return sizes
