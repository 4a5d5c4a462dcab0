"""Rows that are owed steps: every implementation against a loop over rows, in float64, that follows the definition."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends._numpy import embedding as fast
from backends._numpy import threads
from backends._numpy.compiled import compiled

pytestmark = pytest.mark.cpu("NumPy's own kernels, but for tests with the fixture `kernels`")

TOPIC = "optimizer"
STEPS = 4


class Owed:
    """A table whose rows are behind, its kernels, and what they should do."""

    def __init__(self, kernels, shape, dtype=np.float64, momentum=True, decays=True, seed=0):
        self.random = rng = np.random.default_rng(seed)
        self.kernels, self.dtype = kernels, dtype
        self.table = rng.standard_normal(shape).astype(dtype)
        self.buffer = rng.standard_normal(shape).astype(dtype) if momentum else None
        self.seen = rng.integers(0, STEPS + 1, shape[0]).astype(np.int32)
        products = rng.uniform(0.5, 1.5, (STEPS + 1, 4))
        if not decays:
            products[:, [0, 2]] = 1, 0
        products[-1] = 1, 0, 0, 1
        self.products = products.astype(dtype)

    def arrays(self):
        return self.table, self.buffer, self.seen, self.products

    def on_device(self):
        asarray = self.kernels.backend.asarray
        return [None if a is None else asarray(a.copy()) for a in self.arrays()]

    def expected(self, ids, rows=None, gains=(0.0, 0.0)):
        """Table, momentum and steps seen, computed row by row in float64."""
        table, buffer = self.table.astype(np.float64), None if self.buffer is None else self.buffer.astype(np.float64)
        seen = self.seen.copy()
        for r in range(len(table)) if ids is None else np.unique(ids).astype(np.int64):
            ww, wb, bw, bb = self.products[seen[r]].astype(np.float64)
            w, b = table[r].copy(), 0.0 if buffer is None else buffer[r].copy()
            table[r] = ww * w + wb * b
            if buffer is not None:
                buffer[r] = bb * b + bw * w
            seen[r] = STEPS
        if rows is not None:
            np.add.at(table, ids.astype(np.int64), gains[0] * rows.astype(np.float64))
            if buffer is not None:
                np.add.at(buffer, ids.astype(np.int64), gains[1] * rows.astype(np.float64))
        return table, buffer, seen

    def check_advance(self, ids, rows=None, gains=(0.0, 0.0)):
        arrays = self.on_device()
        sent = [None if a is None else self.kernels._send(a) for a in (ids, rows)]
        self.kernels.module.advance_rows(self.kernels.backend, *arrays, *sent, gains)
        *found, products = (None if a is None else self.kernels.backend.to_numpy(a) for a in (*arrays[:3], arrays[3]))
        self.check(found, self.expected(ids, rows, gains))
        np.testing.assert_array_equal(products, self.products)

    def check_take(self, ids):
        arrays = self.on_device()
        found = self.kernels.module.take_advanced_rows(self.kernels.backend, *arrays, self.kernels._send(ids))
        expected = self.expected(ids)[0][ids.astype(np.int64)]
        self.check([self.kernels.backend.to_numpy(found)], [expected])
        for array, before in zip(arrays, self.arrays()):
            if array is not None:
                np.testing.assert_array_equal(self.kernels.backend.to_numpy(array), before)

    def check(self, found, expected):
        tolerance = 1e-12 if self.dtype == np.float64 else 2e-6
        for a, e in zip(found, expected, strict=True):
            assert (a is None) == (e is None)
            if a is not None:
                assert a.dtype == (np.int32 if e.dtype == np.int32 else self.dtype)
                assert a.shape == e.shape
                np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance * 10)


@pytest.fixture(params=["float64", "float32"])
def owed(request, kernels):
    return lambda *args, **options: Owed(kernels, *args, dtype=np.dtype(request.param).type, **options)


MOMENTUM = pytest.mark.parametrize(("momentum", "decays"), [(True, True), (True, False), (False, True), (False, False)])


@pytest.mark.usefixtures("bodies")
@pytest.mark.parametrize("shape", [(), (0,), (20,), (4, 3), (2, 0)])
@pytest.mark.parametrize("row", [(3,), (), (2, 3), (0,)])
@MOMENTUM
def test_rows_catch_up_once_and_get_every_gradient(owed, shape, row, momentum, decays):
    case = owed((9, *row), momentum=momentum, decays=decays)
    ids = case.random.integers(0, 9, shape)
    rows = case.random.standard_normal((*shape, *row)).astype(case.dtype)
    case.check_advance(ids, rows, (-0.5, 0.75))
    case.check_advance(ids)
    case.check_take(ids)


@pytest.mark.usefixtures("bodies")
@pytest.mark.parametrize("shape", [(9, 3), (1, 1), (5,), (0, 3), (4, 2, 2)])
@MOMENTUM
def test_all_rows_catch_up(owed, shape, momentum, decays):
    owed(shape, momentum=momentum, decays=decays).check_advance(None)


@pytest.mark.usefixtures("bodies")
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "uint64"])
def test_ids_of_any_type(owed, dtype):
    case = owed((9, 3))
    ids = np.array([[3, 8], [3, 0]], dtype)
    case.check_advance(ids, np.ones((2, 2, 3), case.dtype), (1.0, 1.0))
    case.check_take(ids)


@pytest.mark.usefixtures("bodies")
def test_a_gradient_shared_by_many_entries_is_a_view(owed):
    case = owed((9, 3))
    shared = np.broadcast_to(case.random.standard_normal((4, 1, 3)).astype(case.dtype), (4, 5, 3))
    for rows in (shared, np.broadcast_to(shared[:1, :1], (4, 5, 3)), np.repeat(shared, 2, axis=0)[::2]):
        case.check_advance(case.random.integers(0, 9, (4, 5)), rows, (-0.1, 1.0))


@pytest.mark.usefixtures("bodies")
def test_pieces_do_not_advance_a_row_twice(owed, monkeypatch):
    for module in ("backends.reference.optimizer", "backends._numpy.optimizer"):
        monkeypatch.setattr(import_module(module), "_PIECE", 6)
    case = owed((9, 3))
    ids = case.random.integers(0, 9, 30)
    case.check_advance(ids)
    case.check_advance(ids, case.random.standard_normal((30, 3)).astype(case.dtype), (0.5, 1.0))
    case.check_take(ids)
    case.check_advance(None)


@pytest.mark.usefixtures("bodies")
def test_tables_of_any_layout(kernels):
    case = Owed(kernels, (9, 4))
    ids, rows = np.array([8, 1, 8]), case.random.standard_normal((3, 4))
    expected = case.expected(ids, rows, (0.5, 2.0))
    for lay in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2], lambda a: a[::-1].copy()[::-1]):
        table, buffer, seen, products = case.arrays()
        arrays = [lay(table.copy()), lay(buffer.copy()), seen.copy(), products]
        if kernels.backend.array_type is not np.ndarray:
            arrays = [kernels.backend.asarray(a) for a in arrays]
        ids_, rows_ = kernels._send(ids), kernels._send(rows)
        kernels.module.advance_rows(kernels.backend, *arrays, ids_, rows_, (0.5, 2.0))
        case.check([kernels.backend.to_numpy(a) for a in arrays[:3]], expected)


@pytest.mark.usefixtures("bodies")
def test_a_row_that_overflowed_does_not_spoil_its_momentum(kernels):
    case = Owed(kernels, (3, 2), decays=False)
    case.table[1] = np.inf
    case.seen[:] = 0
    arrays = case.on_device()
    kernels.module.advance_rows(kernels.backend, *arrays, None, None, (0.0, 0.0))
    assert np.isfinite(kernels.backend.to_numpy(arrays[1])).all()


@given(
    case=st.tuples(st.integers(1, 50), st.integers(0, 60), st.integers(1, 9), st.integers(0, 2**32)),
    momentum=st.booleans(),
)
def test_compiled_loops_and_numpys_agree(pair, case, momentum):
    pytest.importorskip("numba", reason="the compiled bodies need numba")
    vocabulary, n, width, seed = case
    owed = Owed(pair[0], (vocabulary, width), np.float32, momentum=momentum, seed=seed)
    ids = owed.random.integers(0, vocabulary, n)
    rows = owed.random.standard_normal((n, width)).astype(np.float32)
    for available in (compiled, lambda topic: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fast, "MUCH", 1)
            patch.setattr(threads, "PART", 1)
            patch.setattr(fast, "compiled", available)
            owed.check_advance(ids, rows, (-0.1, 0.9))
            owed.check_take(ids)
