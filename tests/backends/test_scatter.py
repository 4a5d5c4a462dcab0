"""Scattering adds up repeated positions, for every kind of key, on every implementation."""

from __future__ import annotations

import numpy as np
import pytest

import backends

pytestmark = pytest.mark.cpu("NumPy's own kernels, but for tests with the fixture `kernels`")

RNG = np.random.default_rng(0)

KEYS = {
    "rows": ((50, 200), RNG.integers(-50, 50, 60)),
    "rows of a cube": ((50, 20, 5), RNG.integers(0, 50, (8, 9))),
    "one row": ((50, 5000), np.array(3)),
    "columns": ((200, 50), (slice(None), RNG.integers(-50, 50, 60))),
    "last of three": ((3, 40, 50), (slice(None), slice(None), RNG.integers(0, 50, 60))),
    "pairs": ((50, 60), (RNG.integers(-50, 50, 5000), RNG.integers(-60, 60, 5000))),
    "along an axis": ((50, 60), (np.arange(50)[:, None], RNG.integers(0, 60, (50, 100)))),
    "positions": ((50,), RNG.integers(-50, 50, 5000)),
    "mixed": ((50, 60, 3), (slice(10), RNG.integers(0, 60, 200))),
    "array first": ((50, 60), (RNG.integers(0, 50, 100), slice(None))),
    "mask": ((50, 100), RNG.random((50, 100)) > 0.2),
    "list": ((5, 2000), [0, 0, 2]),
    "nothing": ((), ()),
    "empty": ((5, 2000), np.zeros(0, dtype=np.int64)),
    "slices": ((50, 100), (slice(None, None, 2), None, 3)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int64"])
@pytest.mark.parametrize("name", KEYS)
def test_scatter_adds_like_numpy(name, dtype):
    shape, key = KEYS[name]
    values = RNG.integers(-9, 9, np.empty(shape)[key].shape).astype(dtype)
    expected = np.zeros(shape, dtype)
    np.add.at(expected, key, values)
    actual = backends.get_backend("cpu").xp.scatter(values, key, shape)
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    ("shape", "key"),
    [
        ((3, 4), np.array([0, 2, 2, -1])),
        ((3, 4), (slice(None), np.array([[0, 1], [1, 3]]))),
        ((3, 4), (np.array([0, 0]), np.array([1, 1]))),
        ((3, 4), [0, 0, 2]),
        ((3, 4), (slice(None, None, 2), None, 3)),
    ],
)
def test_the_reference_agrees(shape, key):
    values = RNG.normal(size=np.empty(shape)[key].shape)
    strict, cpu = backends.get_backend("strict"), backends.get_backend("cpu")
    actual = strict.to_numpy(strict.xp.scatter(strict.asarray(values), key, shape))
    np.testing.assert_allclose(actual, cpu.xp.scatter(values, key, shape), rtol=1e-15)
