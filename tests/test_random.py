"""Random numbers: the same bits everywhere, states that resume, and the right distributions."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import framework as fw
from framework import random
from framework.random import Generator

seeds = st.integers(0, 2**128 - 1)
lengths = st.integers(0, 20)


def words(seed, n, offset=0):
    return np.random.Philox(key=seed, counter=offset).random_raw(n)


def same(x, device):
    assert x.device == device
    return x.cpu().numpy()


# ---------------------------------------------------------------- bits
@given(seeds, lengths)
def test_float64_are_the_high_bits_of_numpys_philox(device, seed, n):
    found = same(fw.rand(n, dtype="float64", device=device, generator=Generator(seed)), device)
    np.testing.assert_array_equal(found, (words(seed, n) >> np.uint64(11)) * 2.0**-53)


@given(seeds, lengths)
def test_float32_are_the_high_bits_of_half_words(device, seed, n):
    found = same(fw.rand(n, dtype="float32", device=device, generator=Generator(seed)), device)
    halves = words(seed, (n + 1) // 2).astype("<u8").view("<u4")[:n]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, ((halves >> 8) * 2.0**-24).astype(np.float32))


@given(seeds, lengths, st.integers(-(2**63), 2**63 - 1), st.integers(1, 2**64))
def test_integers_are_remainders_of_words(device, seed, n, low, span):
    high = min(low + span, 2**63)
    found = same(random.integers(low, high, (n,), device=device, generator=Generator(seed)), device)
    assert found.tolist() == [low + int(word) % (high - low) for word in words(seed, n)]


@given(seeds, lengths)
def test_permutations_sort_words(device, seed, n):
    found = same(random.permutation(n, device=device, generator=Generator(seed)), device)
    assert found.dtype == np.int64
    assert found.tolist() == np.argsort(words(seed, n), kind="stable").tolist()


@given(seeds, lengths, st.floats(0, 1))
def test_masks_compare_uniforms(device, seed, n, p):
    found = same(fw.bernoulli(p, (n,), device=device, generator=Generator(seed)), device)
    uniform = fw.rand(n, dtype="float32", device="cpu", generator=Generator(seed)).numpy()
    np.testing.assert_array_equal(found, uniform < np.float32(p))


@given(seeds, lengths, st.sampled_from([("float32", 5e-6), ("float64", 1e-14)]))
def test_normals_are_box_mullers(device, seed, n, kind):
    dtype, tolerance = kind
    found = same(fw.randn(n, dtype=dtype, device=device, generator=Generator(seed)), device)
    u = fw.rand(n + n % 2, dtype=dtype, device="cpu", generator=Generator(seed)).numpy().astype("float64")
    z = np.sqrt(-2 * np.log1p(-u[::2])) * np.exp(2j * np.pi * u[1::2])
    np.testing.assert_allclose(found, np.stack([z.real, z.imag], axis=1).reshape(-1)[:n], atol=tolerance)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_uniforms_are_below_one(dtype):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    x = fw.rand(10_000, dtype=dtype, generator=Generator(1))
    assert x.dtype.name == dtype
    x = x.numpy().astype("float64")
    assert 0 <= x.min() < 0.01
    assert 0.99 < x.max() < 1
    z = fw.randn(10_000, dtype=dtype, generator=Generator(1)).numpy().astype("float64")
    assert abs(z.mean()) < 0.03
    assert abs(z.std() - 1) < 0.03


@pytest.mark.parametrize("draw", [fw.rand, fw.randn])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_first_numbers_do_not_depend_on_how_many_follow(draw, dtype):
    few = draw(5, dtype=dtype, generator=Generator(3)).numpy()
    many = draw(4, 5, dtype=dtype, generator=Generator(3)).numpy()
    np.testing.assert_array_equal(few, many.reshape(-1)[:5])


def test_libraries_without_words_of_64_bits_get_the_same_numbers():
    pytest.importorskip("torch")
    found = [draws(Generator(9), device=where) for where in ("cpu", "torch")]
    assert found[0] == found[1]
    assert fw.rand(2, device="torch").device == "torch"


# ---------------------------------------------------------------- state
def draws(generator, **where):
    return [
        fw.rand(3, generator=generator, **where).tolist(),
        fw.randn(2, 3, generator=generator, **where).tolist(),
        random.integers(9, shape=(5,), generator=generator, **where).tolist(),
        random.permutation(4, generator=generator, **where).tolist(),
        fw.bernoulli(0.5, (7,), generator=generator, **where).tolist(),
    ]


def test_a_state_resumes():
    generator = Generator(5)
    fw.rand(11, generator=generator)
    state = generator.get_state()
    first = draws(generator)
    generator.set_state(state)
    assert draws(generator) == first
    assert draws(generator) != first
    assert all(type(part) is int for part in state)


def test_two_states_from_one_seed_do_not_overlap():
    generator = Generator(5)
    drawn = [random.integers(2**63, shape=(n,), generator=generator).tolist() for n in (1, 4, 5, 3)]
    flat = [x for part in drawn for x in part]
    assert len(set(flat)) == len(flat)
    assert generator.offset == 1 + 1 + 2 + 1


def test_copies_and_pickles_go_their_own_way():
    generator = Generator(5)
    fw.rand(3, generator=generator)
    expected = [draws(copy.deepcopy(generator)), draws(pickle.loads(pickle.dumps(generator)))]
    assert expected == [draws(generator)] * 2


def test_the_default_generator():
    fw.manual_seed(7)
    state = random.get_state()
    assert state == (7, 0)
    assert draws(None) == draws(Generator(7))
    random.set_state(state)
    assert draws(None) == draws(Generator(7))


def test_an_empty_draw_takes_nothing():
    generator = Generator(1)
    assert fw.rand(0, 3, generator=generator).shape == (0, 3)
    assert generator.offset == 0


# ---------------------------------------------------------------- distributions
N = 20_000


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (lambda **o: random.uniform(-1, 3, (N,), **o), stats.uniform(-1, 4)),
        (lambda **o: random.normal(2, 0.5, (N,), **o), stats.norm(2, 0.5)),
    ],
    ids=["uniform", "normal"],
)
def test_distribution(draw, law, dtype):
    x = draw(dtype=dtype, generator=Generator(11)).numpy()
    assert stats.kstest(x.astype("float64"), law.cdf).pvalue > 0.01
    # Neighbours are drawn from one word, or one pair of uniforms.
    assert abs(np.corrcoef(x[::2], x[1::2])[0, 1]) < 3 / np.sqrt(N / 2)


def test_integers_are_even():
    counts = np.bincount(random.integers(7, shape=(N,), generator=Generator(12)).numpy(), minlength=7)
    assert stats.chisquare(counts).pvalue > 0.01


def test_permutations_are_even():
    generator = Generator(13)
    found = [tuple(random.permutation(3, generator=generator).tolist()) for _ in range(1200)]
    assert stats.chisquare([found.count(p) for p in sorted(set(found))]).pvalue > 0.01
    assert len(set(found)) == 6


def test_bernoulli_has_the_probability_of_each_entry():
    p = fw.asarray([0.0, 0.25, 1.0], dtype="float64").broadcast_to((N, 3))
    x = fw.bernoulli(p, generator=Generator(14))
    assert x.dtype == fw.bool
    hits = x.numpy().sum(axis=0)
    assert (hits[0], hits[2]) == (0, N)
    assert stats.binomtest(int(hits[1]), N, 0.25).pvalue > 0.01


def test_bernoulli_has_the_shape_and_the_device_asked_for():
    p = fw.asarray([0.0, 1.0])
    assert fw.bernoulli(p, (3, 2)).tolist() == [[False, True]] * 3
    assert fw.bernoulli(p, device="strict").device == "strict"
    assert fw.bernoulli(0.5, 0).shape == (0,)


def test_bounds_may_be_numpys_numbers():
    x = random.integers(np.int8(-128), np.int8(127), (N,), generator=Generator(15))
    assert (x.min().item(), x.max().item()) == (-128, 126)
    assert random.integers(np.int64(-(2**63)), np.int64(2**63 - 1), (8,)).numpy().std() > 2**60
    assert random.uniform(np.float32(2.0), fw.asarray(2.0), (1,)).tolist() == [2.0]


# ---------------------------------------------------------------- arguments
def test_like_takes_shape_dtype_and_device(device):
    x = fw.zeros((2, 3), dtype="float64", device=device)
    for y in (fw.rand_like(x), fw.randn_like(x)):
        assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)
    y = fw.randint_like(x, 5, dtype="int32")
    assert (y.shape, y.dtype, y.device) == (x.shape, fw.int32, x.device)


def test_shapes_as_numbers_or_tuples():
    assert fw.rand(2, 3).shape == fw.rand((2, 3)).shape == (2, 3)
    assert fw.randn().shape == ()
    assert random.integers(3, shape=4).shape == (4,)


def test_the_default_dtype_decides():
    fw.set_default_dtype("float64")
    try:
        assert fw.rand(2).dtype == fw.randn(2).dtype == fw.float64
    finally:
        fw.set_default_dtype("float32")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Generator(-1), ValueError, r"seed must be in \[0, 2\*\*128\), got -1"),
        (lambda: Generator(1.5), TypeError, "seed must be an integer, got float 1.5"),
        (lambda: fw.rand(2, dtype="int64"), TypeError, "expected a real floating dtype such as float32, got int64"),
        (lambda: fw.rand(-2), ValueError, r"without negative lengths, got \(-2,\)"),
        (lambda: random.uniform(2, 1), ValueError, "low must not be above high, got low=2, high=1"),
        (lambda: random.normal(0, -1), ValueError, "std must not be negative, got -1"),
        (lambda: random.integers(3, 3), ValueError, "got low=3, high=3"),
        (lambda: random.integers(300, dtype="uint8"), ValueError, "256, the range of uint8"),
        (lambda: random.integers(0, 2.5), TypeError, "high must be an integer, got float 2.5"),
        (lambda: fw.rand(2.5), TypeError, "shape's length must be an integer, got float 2.5"),
        (lambda: fw.randperm((2, 3)), TypeError, r"n must be an integer, got tuple \(2, 3\)"),
        (lambda: fw.randperm(-1), ValueError, r"n must be in \[0, 2\*\*63\), got -1"),
        (lambda: random.uniform("0", "1"), TypeError, "low must be a number, got str '0'"),
        (lambda: random.normal(1j), TypeError, "mean must be a number, got complex 1j"),
        (lambda: random.uniform(0, float("inf")), ValueError, "interval of at most this length, got low=0, high=inf"),
        (lambda: random.uniform(-4e4, 4e4, dtype="float16"), ValueError, "float16 holds numbers up to 6.55e"),
        (lambda: fw.rand(2, generator=np.random.default_rng()), TypeError, "must be a framework.random.Generator"),
        (lambda: random.default_generator.bits(-4), ValueError, "at least 0 words, got -4"),
        (lambda: random.integers(3, dtype="float32"), TypeError, "integer one, got float32; use uniform"),
        (lambda: fw.bernoulli(1.5), ValueError, r"must be in \[0, 1\], got 1.5"),
        (lambda: fw.bernoulli(fw.asarray([0.5, -1.0])), ValueError, r"must be in \[0, 1\]"),
        (lambda: fw.bernoulli([0.5]), TypeError, r"p must be a number, got list \[0.5\]"),
        (lambda: fw.bernoulli(fw.full((2, 3), 0.5), (3,)), ValueError, "broadcast_to"),
        (lambda: fw.bernoulli(0.5, dtype="float16", device="strict"), TypeError, "has no dtype float16"),
    ],
)
def test_errors_say_what_was_wrong_and_draw_nothing(call, error, message):
    before = random.get_state()
    with pytest.raises(error, match=message):
        call()
    assert random.get_state() == before
