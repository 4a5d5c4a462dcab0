"""Random bits are the words of Philox4x64-10, wherever a stream is entered."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.cpu("NumPy's own kernels, but for tests with the fixture `kernels`")

TOPIC = "random"
MASK = 2**64 - 1


def philox(counter, key):
    """Return one block of Philox4x64-10, after figure 2 and table 2 of Salmon et al. (2011)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        left, right = 0xD2E7470EE14C6C93 * c0, 0xCA5A826395121157 * c2
        c0, c1, c2, c3 = (right >> 64) ^ c1 ^ k0, right & MASK, (left >> 64) ^ c3 ^ k1, left & MASK
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return [c0, c1, c2, c3]


def digits(number, count):
    return [number >> 64 * i & MASK for i in range(count)]


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0] * 4, [0] * 2, "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"),
        ([MASK] * 4, [MASK] * 2, "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0"),
        (
            [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89],
            [0x452821E638D01377, 0xBE5466CF34E90C6C],
            "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
        ),
    ],
)
def test_the_check_gives_the_known_answers_of_random123(counter, key, words):
    assert philox(counter, key) == [int(word, 16) for word in words.split()]


KEYS = st.integers(0, 2**128 - 1)
COUNTERS = st.one_of(st.integers(0, 2**256 - 1), st.integers(2**64 - 3, 2**64 + 3), st.just(2**256 - 1))


@given(key=KEYS, counter=COUNTERS, n=st.integers(0, 40))
def test_words_are_those_of_numpy(kernels, key, counter, n):
    words = kernels.random_bits(key, counter, n)
    assert words.dtype == np.uint64
    assert words.shape == (n,)
    np.testing.assert_array_equal(words, np.random.Philox(key=key, counter=counter).random_raw(n))


@given(key=KEYS, counter=COUNTERS)
def test_words_are_those_of_the_paper(kernels, key, counter):
    first, second = (philox(digits((counter + i) % 2**256, 4), digits(key, 2)) for i in (1, 2))
    assert kernels.random_bits(key, counter, 8).tolist() == [*first, *second]


@given(key=KEYS, counter=st.integers(0, 2**70), blocks=st.lists(st.integers(0, 5), max_size=5))
def test_a_stream_is_continuous_over_calls(kernels, key, counter, blocks):
    whole = kernels.random_bits(key, counter, 4 * sum(blocks))
    parts = []
    for count in blocks:
        parts.append(kernels.random_bits(key, counter, 4 * count))
        counter += count
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, np.uint64), *parts]), whole)


def test_threads_do_not_mix_their_streams(kernels):
    words = {}

    def draw(key):
        words[key] = [kernels.random_bits(key, i, 64) for i in range(100)]

    threads = [threading.Thread(target=draw, args=(key,)) for key in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in range(4):
        expected = [np.random.Philox(key=key, counter=i).random_raw(64) for i in range(100)]
        np.testing.assert_array_equal(words[key], expected)


def test_results_are_not_shared(kernels):
    first = kernels.random_bits(1, 0, 8)
    before = first.copy()
    kernels.random_bits(2, 0, 8)
    np.testing.assert_array_equal(first, before)


# ---------------------------------------------------------------- numbers
COUNTS = st.integers(0, 40)
DTYPES = st.sampled_from([np.dtype(name) for name in ("float16", "float32", "float64")])
# Exact, so that the formula can be written down once more here: 53 bits of a word, or 24, 11 or 8 of each of its halves.
BITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}


def unit(key, counter, n, dtype):
    words = np.random.Philox(key=key, counter=counter).random_raw(n).tolist()
    if dtype.itemsize == 8:
        parts, width = words, 64
    else:
        parts, width = [half for word in words for half in (word % 2**32, word >> 32)], 32
    keep = BITS[dtype.name]
    return np.array([(part >> width - keep) / 2**keep for part in parts[:n]], dtype)


def named(dtype):
    """A dtype by its name; bfloat16 is ml_dtypes'."""
    return np.dtype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype)


def epsilon(dtype):
    return 2.0 ** (1 - BITS[dtype.name])


def in_library(kernels, dtype):
    """Skip where array-api-strict lacks the dtype."""
    if dtype.itemsize == 2 and kernels.backend.device == "strict":
        pytest.skip("array-api-strict has no floats of 16 bits")


@pytest.mark.parametrize("dtype", list(BITS))
@given(key=KEYS, counter=COUNTERS, n=COUNTS)
def test_uniform_numbers_are_the_high_bits(kernels, dtype, key, counter, n):
    in_library(kernels, dtype := named(dtype))
    found = kernels.random_uniform(key, counter, n, dtype, 0.0, 1.0)
    expected = unit(key, counter, n, dtype)
    assert (found.dtype, found.shape) == (dtype, (n,))
    np.testing.assert_array_equal(found, expected)
    low, high = -1.5, 2.25
    moved = kernels.random_uniform(key, counter, n, dtype, low, high)
    np.testing.assert_array_equal(moved, expected * dtype.type(high - low) + dtype.type(low))


@pytest.mark.parametrize(("dtype", "ulps"), [("bfloat16", 12), ("float16", 12), ("float32", 8), ("float64", 8)])
@given(key=KEYS, counter=COUNTERS, n=COUNTS)
def test_normal_numbers_are_box_mullers(kernels, dtype, ulps, key, counter, n):
    in_library(kernels, dtype := named(dtype))
    found = kernels.random_normal(key, counter, n, dtype, 0.5, 2.0)
    u = unit(key, counter, n + n % 2, dtype).astype("float64")
    z = np.sqrt(-2 * np.log1p(-u[::2])) * np.exp(2j * np.pi * u[1::2])
    expected = 2 * np.stack([z.real, z.imag], axis=1).reshape(-1)[:n] + 0.5
    assert (found.dtype, found.shape) == (dtype, (n,))
    eps = epsilon(dtype)
    np.testing.assert_allclose(found.astype("float64"), expected, atol=2 * ulps * eps * 2, rtol=ulps * eps)


@pytest.mark.parametrize("p", [1e-300, 2.0**-24, 0.1, 0.5, 0.75, 1 - 2.0**-24, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@given(key=KEYS, counter=COUNTERS, n=COUNTS)
def test_dropout_zeros_where_the_uniform_is_below(kernels, dtype, p, key, counter, n):
    x = np.arange(1, n + 1).astype(dtype).reshape(-1, 1)
    y, mask = kernels.dropout_forward(x, p, key, counter)
    mask = kernels.backend.to_numpy(mask)
    kept = unit(key, counter, n, np.dtype("float32")) >= np.float32(p)
    expected = (kept * np.asarray(0 if p == 1 else 1 / (1 - p), dtype)).astype(dtype).reshape(-1, 1)
    assert y.dtype == mask.dtype == dtype
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(y, x * expected)
