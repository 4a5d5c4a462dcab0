"""Samplers: permutations, distributions, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from framework.data import BatchSampler, BucketSampler, RandomSampler, Sampler, SequentialSampler, WeightedRandomSampler
from framework.random import Generator, default_generator


def test_sequential():
    assert list(SequentialSampler("abcd")) == [0, 1, 2, 3]
    assert len(SequentialSampler("")) == 0


@given(st.integers(0, 50), st.integers(0, 2**64))
def test_random_is_a_permutation_that_the_seed_decides(n, seed):
    sampler = RandomSampler(range(n), generator=Generator(seed))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(n))
    assert first == list(RandomSampler(range(n), generator=Generator(seed)))


def test_epochs_differ_and_the_default_generator_is_used_when_none_is_given():
    state = default_generator.get_state()
    sampler = RandomSampler(range(100))
    assert sampler.generator is default_generator
    assert list(sampler) != list(sampler)
    default_generator.set_state(state)
    assert sorted(sampler) == list(range(100))


def test_random_with_replacement_is_uniform():
    draws = list(RandomSampler(range(10), replacement=True, num_samples=5000, generator=Generator(3)))
    assert len(draws) == 5000
    assert stats.chisquare(np.bincount(draws, minlength=10)).pvalue > 1e-4


def test_some_of_the_samples():
    draws = list(RandomSampler(range(10), num_samples=4, generator=Generator(0)))
    assert len(draws) == len(set(draws)) == 4
    assert list(RandomSampler([], replacement=True)) == []


@pytest.mark.parametrize("weights", [[1, 2, 3, 4], [0, 0.1, 0, 5, 0], [1e-300, 1e-300], [1e308] * 3, [5e-324] * 3])
def test_weights_are_probabilities(weights):
    draws = list(WeightedRandomSampler(weights, 4000, generator=Generator(1)))
    counts = np.bincount(draws, minlength=len(weights))
    shares = np.asarray(weights) / np.max(weights)
    expected = shares / np.sum(shares) * 4000
    assert (counts[expected == 0] == 0).all()
    assert stats.chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 1e-4


def test_weighted_without_replacement():
    first = []
    for seed in range(1000):
        draws = list(WeightedRandomSampler([1, 0, 2, 5], 3, replacement=False, generator=Generator(seed)))
        assert sorted(draws) == [0, 2, 3]
        first.append(draws[0])
    assert stats.chisquare(np.bincount(first)[[0, 2, 3]], np.array([1, 2, 5]) / 8 * 1000).pvalue > 1e-4


def test_of_any_weights_those_of_0_are_never_drawn():
    weights = [0.0, 5e-324, 1e308, 1.0]
    for seed in range(20):
        draws = list(WeightedRandomSampler(weights, 3, replacement=False, generator=Generator(seed)))
        assert draws == [2, 3, 1]


@given(st.integers(0, 30), st.integers(1, 7), st.booleans())
def test_batches_are_the_list_cut(n, size, drop_last):
    sampler = BatchSampler(range(n), size, drop_last)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert [i for batch in batches for i in batch] == list(range(n - n % size if drop_last else n))
    assert all(len(batch) == size for batch in batches[:-1])


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 5), st.integers(1, 4), st.booleans(), st.booleans())
def test_buckets_hold_every_sample_once(lengths, size, bucket_batches, shuffle, drop_last):
    sampler = BucketSampler(lengths, size, drop_last, shuffle, Generator(5), bucket_batches)
    batches = list(sampler)
    drawn = [i for batch in batches for i in batch]
    assert len(batches) == len(sampler)
    assert len(drawn) == len(set(drawn)) == (len(lengths) - len(lengths) % size if drop_last else len(lengths))
    assert all(len(batch) == size for batch in batches) or not drop_last


def test_buckets_pad_little_and_still_shuffle():
    lengths = np.random.default_rng(0).integers(1, 100, 2000)
    sampler = BucketSampler(lengths, 10, generator=Generator(0))

    def padded(batches):
        return sum(len(batch) * lengths[batch].max() for batch in batches)

    batches = list(sampler)
    assert padded(batches) < 1.1 * lengths.sum() < 1.5 * lengths.sum() < padded(BatchSampler(range(2000), 10))
    assert batches != list(sampler)
    means = [lengths[batch].mean() for batch in batches]
    assert means != sorted(means)


def test_batches_know_their_generator():
    generator = Generator(0)
    assert BatchSampler(RandomSampler("ab", generator=generator), 1).generator is generator
    assert BatchSampler([0, 1], 1).generator is None
    assert BucketSampler([1], 1, shuffle=False).generator is None


BAD = {
    "too many": (lambda: RandomSampler("ab", num_samples=3), ValueError, "cannot draw 3 of 2"),
    "negative": (lambda: RandomSampler("ab", num_samples=-1), ValueError, "num_samples must be at least 0, got -1"),
    "half a sample": (lambda: RandomSampler("ab", num_samples=0.5), TypeError, "must be an integer, got float"),
    "a NumPy generator": (
        lambda: RandomSampler("ab", generator=np.random.default_rng()),
        TypeError,
        "framework.random.Generator, got Generator",
    ),
    "a seed": (lambda: RandomSampler("ab", generator=3), TypeError, "got int"),
    "no weights": (lambda: WeightedRandomSampler([], 1), ValueError, "not all of them 0"),
    "zero weights": (lambda: WeightedRandomSampler([0.0], 1), ValueError, "not all of them 0"),
    "negative weights": (lambda: WeightedRandomSampler([1.0, -1.0], 1), ValueError, "at least 0"),
    "nan weights": (lambda: WeightedRandomSampler([1.0, float("nan")], 1), ValueError, "finite"),
    "infinite weights": (lambda: WeightedRandomSampler([float("inf")], 1), ValueError, "finite"),
    "a matrix of weights": (lambda: WeightedRandomSampler([[1.0]], 1), ValueError, "sequence"),
    "too few weights": (
        lambda: WeightedRandomSampler([1, 0], 2, replacement=False),
        ValueError,
        "1 weights are above 0",
    ),
    "no batch": (lambda: BatchSampler([1], 0), ValueError, "batch_size must be at least 1, got 0"),
    "a true batch": (lambda: BatchSampler([1], True), TypeError, "batch_size must be an integer, got bool"),
    "negative lengths": (lambda: BucketSampler([1, -1], 1), ValueError, "at least 0"),
    "no buckets": (lambda: BucketSampler([1], 1, bucket_batches=0), ValueError, "bucket_batches must be at least 1"),
    "nothing defined": (lambda: iter(Sampler()), NotImplementedError, "must define __iter__"),
    "no length": (lambda: len(Sampler()), NotImplementedError, "must define __len__"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name):
    call, kind, message = BAD[name]
    with pytest.raises(kind, match=message):
        call()
