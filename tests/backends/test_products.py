"""Products with a matrix that is laid out once: against NumPy's, for every layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numba", reason="the compiled products need numba")

from backends._numpy.products_compiled import (
    PACKED,
    PLAIN,
    TURNED,
    add_product,
    in_strips,
    lay_out,
    out_of_strips,
    product,
)

pytestmark = pytest.mark.cpu("NumPy's own kernels")


def multiplied(w, b, times):
    matrix = lay_out(w, b.shape[1], times)
    out = np.full((len(w), b.shape[1]), np.nan, np.float32)
    product(matrix, b, out)
    return matrix.layout, out


def drawn(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


@given(st.integers(1, 40), st.integers(1, 600), st.integers(1, 70), st.booleans(), st.booleans(), st.randoms())
def test_any_size(m, k, n, turned, often, random):
    rng = np.random.default_rng(random.randrange(1 << 30))
    w = drawn(rng, k, m).T if turned else drawn(rng, m, k)
    b = drawn(rng, k, n)
    layout, out = multiplied(w, b, 1000 if often else 1)
    expected = w.astype(np.float64) @ b.astype(np.float64)
    scale = np.abs(w).astype(np.float64) @ np.abs(b).astype(np.float64)
    assert np.all(np.abs(out - expected) <= 1e-6 * scale + 1e-30)
    assert layout == (TURNED if n == 1 else PACKED if n >= 16 and (often or n >= 128) else PLAIN)


def test_columns_are_computed_alike_wherever_they_stand():
    rng = np.random.default_rng(0)
    w, b = drawn(rng, 33, 700), drawn(rng, 700, 45)
    _, whole = multiplied(w, b, 1000)
    for start in (0, 3, 29):
        _, part = multiplied(w, np.ascontiguousarray(b[:, start : start + 16]), 1000)
        np.testing.assert_array_equal(part, whole[:, start : start + 16])


def test_nan_and_infinity_stay_in_their_rows_and_columns():
    rng = np.random.default_rng(0)
    w, b = drawn(rng, 13, 20), drawn(rng, 20, 20)
    w[5, 3], b[2, 7] = np.nan, np.inf
    _, out = multiplied(w, b, 1000)
    assert np.isnan(out[5]).all()
    assert not np.isfinite(out[:, 7]).any()
    assert np.isfinite(np.delete(np.delete(out, 5, 0), 7, 1)).all()


@given(st.integers(0, 600), st.integers(0, 600), st.integers(0, 70), st.booleans(), st.randoms())
def test_any_size_is_added_up_in_strips(m, k, n, turned, random):
    rng = np.random.default_rng(random.randrange(1 << 30))
    w = drawn(rng, k, m).T if turned else drawn(rng, m, k)
    b, before = drawn(rng, k, n), drawn(rng, m, n)
    total, out = in_strips(before), np.full((m, n), np.nan, np.float32)
    add_product(w, in_strips(b), total)
    out_of_strips(total, out)
    expected = before + w.astype(np.float64) @ b.astype(np.float64)
    scale = np.abs(before) + np.abs(w).astype(np.float64) @ np.abs(b).astype(np.float64)
    assert np.all(np.abs(out - expected) <= 1e-6 * scale + 1e-30)
    assert not np.any(total.transpose(1, 0, 2).reshape(m, len(total) * 16)[:, n:])
