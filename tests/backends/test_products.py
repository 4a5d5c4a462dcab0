"""Products with a matrix in strips: against NumPy's, wherever the other lies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numba", reason="the compiled products need numba")

from backends._numpy.products_compiled import STRIP, add_rows, copy_rows, in_strips, product

pytestmark = pytest.mark.cpu("NumPy's own kernels")


def drawn(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def multiplied(w, b, before=None):
    """``w @ b`` or what was before and that, for a ``w`` that is part of a larger array."""
    (rows, depth), base = w.shape, w.base
    row, column = (stride // w.itemsize for stride in w.strides)
    at = (w.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // w.itemsize
    strips = in_strips(b)
    out = np.full((rows, len(strips) * STRIP), np.nan, np.float32)
    if before is not None:
        out[:, : b.shape[1]] = before
    arguments = strips.reshape(-1), 0, depth * STRIP, len(strips), out.reshape(-1), 0, out.shape[1], before is not None
    product(base.reshape(-1), at, row, column, rows, depth, *arguments)
    return out[:, : b.shape[1]]


SIZES = st.integers(1, 40), st.integers(1, 600), st.integers(1, 150)


@given(*SIZES, st.booleans(), st.booleans(), st.randoms())
def test_any_size_and_layout(m, k, n, turned, add, random):
    rng = np.random.default_rng(random.randrange(1 << 30))
    w = drawn(rng, k + 2, m + 3)[1 : k + 1, 2 : m + 2].T if turned else drawn(rng, m + 3, k + 2)[2 : m + 2, 1 : k + 1]
    b, before = drawn(rng, k, n), drawn(rng, m, n) if add else None
    out = multiplied(w, b, before)
    start = 0 if before is None else before.astype(np.float64)
    scale = np.abs(start) + np.abs(w).astype(np.float64) @ np.abs(b).astype(np.float64)
    assert np.all(np.abs(out - (start + w.astype(np.float64) @ b.astype(np.float64))) <= 1e-6 * scale + 1e-30)


def test_nan_and_infinity_stay_in_their_rows_and_columns():
    rng = np.random.default_rng(0)
    whole, b = drawn(rng, 13, 20), drawn(rng, 20, 20)
    whole[5, 3], b[2, 7] = np.nan, np.inf
    out = multiplied(whole[:], b)
    assert np.isnan(out[5]).all()
    assert not np.isfinite(out[:, 7]).any()
    assert np.isfinite(np.delete(np.delete(out, 5, 0), 7, 1)).all()


def test_rows_are_copied_and_added():
    a, out = np.arange(40, dtype=np.float32), np.zeros(30, np.float32)
    copy_rows(a, 3, 10, out, 1, 5, 3, 4)
    add_rows(a, 0, 0, out, 20, 5, 2, 4)
    expected = np.zeros(30, np.float32)
    for i in range(3):
        expected[1 + 5 * i : 5 + 5 * i] = a[3 + 10 * i : 7 + 10 * i]
    expected[20:24] = expected[25:29] = a[:4]
    np.testing.assert_array_equal(out, expected)
    add_rows(a, 0, 10, out, 0, 0, 3, 1)
    assert out[0] == 0 + 10 + 20
