"""Rows: every implementation against NumPy's own indexing and PyTorch, the NumPy kernels against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends._numpy import embedding as fast
from backends._numpy.compiled import compiled

pytestmark = pytest.mark.cpu("NumPy's own kernels, but for tests with the fixture `kernels`")

TOPIC = "embedding"
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


# ------------------------------------------------------------------ check_indices
@pytest.mark.parametrize(
    ("ids", "low", "message"),
    [
        ([[0, 1, 2], [0, 0, 7]], 0, "embedding: index 7 at position (1, 2) is outside the valid range [0, 5)"),
        ([4, 5, 9], 0, "embedding: index 5 at position 1 is outside the valid range [0, 5)"),
        ([0, -1], 0, "embedding: index -1 at position 1 is outside the valid range [0, 5)"),
        ([-5, -6], -5, "embedding: index -6 at position 1 is outside the valid range [-5, 5)"),
        (5, 0, "embedding: index 5 is outside the valid range [0, 5)"),
    ],
)  # fmt: skip
def test_an_index_outside_is_named(kernels, ids, low, message):
    with pytest.raises(IndexError) as error:
        kernels.check_indices(np.array(ids), 5, "embedding", low)
    # A GPU, which raises later, adds the line of the call.
    assert str(error.value).partition(", in the call at ")[0] == message


@pytest.mark.parametrize("dtype", INTEGERS)
def test_indices_inside_pass(kernels, dtype):
    for ids in (np.arange(5), np.zeros((0, 3)), np.array(4), np.array([[4, 0], [1, 2]])):
        assert kernels.check_indices(ids.astype(dtype), 5, "embedding") is None
    assert kernels.check_indices(np.arange(5).astype(dtype), 1000, "embedding", -1000) is None
    with pytest.raises(IndexError, match="index 100 at position 0 is"):
        kernels.check_indices(np.array([100], dtype), 5, "embedding", -5)


def test_no_index_fits_an_empty_table(kernels):
    with pytest.raises(IndexError, match=r"index 0 at position 0 is outside the valid range \[0, 0\)"):
        kernels.check_indices(np.array([0]), 0, "embedding")


@pytest.mark.parametrize("dtype", ["bool", "float32", "float64"])
def test_indices_must_be_integers(kernels, dtype):
    with pytest.raises(TypeError, match=f"embedding: indices must be integers, got an array of .*{dtype}.*astype"):
        kernels.check_indices(np.array([1, 0], dtype), 5, "embedding")


# ------------------------------------------------------------------ take, sum, scatter
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (2, 3), (2, 0, 4)])
@pytest.mark.parametrize("table", [(9, 4), (9,), (9, 2, 3), (9, 0)])
def test_take_rows(kernels, dtype, shape, table):
    weight = np.random.default_rng(0).standard_normal(table)
    ids = np.random.default_rng(1).integers(0, 9, shape).astype(dtype)
    np.testing.assert_array_equal(kernels.take_rows(weight, ids), weight[ids.astype(np.int64)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_take_rows_of_any_layout(kernels, dtype):
    weight = np.random.default_rng(0).standard_normal((9, 4)).astype(dtype)
    ids = np.array([[1, 8], [0, 1]])
    for strided in (np.asfortranarray(weight), np.repeat(weight, 2, axis=1)[:, ::2], weight[::-1].copy()[::-1]):
        rows = kernels.take_rows(strided, ids.T.copy().T)
        assert rows.dtype == dtype
        np.testing.assert_array_equal(rows, weight[ids])


def exact_sums(ids, rows, size):
    sums = np.zeros((size, rows.shape[1]))
    np.add.at(sums, ids.astype(np.int64), rows.astype(np.float64))
    return sums


def each_id_once(ids, sums):
    """Different ids, and the row of each that is not zero, of which there must be one at most."""
    assert (np.diff(ids.astype(np.int64)) >= 0).all()
    unique, inverse = np.unique(ids, return_inverse=True)
    filled = sums.any(axis=1)
    assert (np.bincount(inverse[filled], minlength=len(unique)) <= 1).all()
    once = np.zeros((len(unique), sums.shape[1]), sums.dtype)
    once[inverse[filled]] = sums[filled]
    return unique, once


IDS = st.tuples(st.integers(1, 200_000), st.integers(0, 60), st.integers(1, 5), st.integers(0, 2**32))


def rows_case(vocabulary, n, width, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    few = rng.integers(0, vocabulary, 1 + n // 3)
    return rng.choice(few, n), rng.standard_normal((n, width)).astype(dtype)


@given(case=IDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_sum_rows(kernels, dtype, tolerance, case):
    ids, rows = rows_case(*case, dtype)
    unique, sums = each_id_once(*kernels.sum_rows(ids, rows))
    assert unique.dtype == ids.dtype
    assert sums.dtype == dtype
    np.testing.assert_array_equal(unique, np.unique(ids))
    np.testing.assert_allclose(sums, exact_sums(ids, rows, case[0])[unique], rtol=tolerance, atol=tolerance * 10)


@given(case=IDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_scatter_rows(kernels, dtype, tolerance, case):
    ids, rows = rows_case(case[0] % 50 + 1, *case[1:], dtype)
    dense = kernels.scatter_rows(ids, rows, case[0] % 50 + 1)
    assert dense.dtype == dtype
    expected = exact_sums(ids, rows, case[0] % 50 + 1)
    np.testing.assert_allclose(dense, expected, rtol=tolerance, atol=tolerance * 10)


@pytest.mark.parametrize("shape", [(0, 3), (0, 0), (4, 0), (1, 1), (4, 3)])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_sums_of_odd_shapes(kernels, shape, dtype):
    ids, rows = np.full(shape[0], 2, dtype), np.ones(shape)
    unique, sums = each_id_once(*kernels.sum_rows(ids, rows))
    assert unique.dtype == dtype
    assert unique.tolist() == [2] * min(shape[0], 1)
    np.testing.assert_array_equal(sums, np.full((min(shape[0], 1), shape[1]), shape[0]))
    np.testing.assert_array_equal(kernels.scatter_rows(ids, rows, 3), [[0] * shape[1]] * 2 + [[shape[0]] * shape[1]])


def test_sums_of_no_row_into_no_row(kernels):
    assert kernels.scatter_rows(np.zeros(0, np.int64), np.zeros((0, 3)), 0).shape == (0, 3)


def test_sums_are_the_same_each_time_and_in_any_layout(kernels):
    ids, rows = rows_case(20, 500, 7, 0, np.float32)
    unique, sums = kernels.sum_rows(ids, rows)
    for again in (rows, np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2]):
        found = kernels.sum_rows(np.repeat(ids, 2)[::2], again)
        np.testing.assert_array_equal(found[0], unique)
        np.testing.assert_array_equal(found[1], sums)
        once = each_id_once(unique, sums)
        np.testing.assert_allclose(kernels.scatter_rows(ids, again, 20)[once[0]], once[1], rtol=2e-6, atol=1e-5)


def test_infinite_rows_stay_in_their_own_sums(kernels):
    ids, rows = np.array([3, 1, 3, 0]), np.array([[1.0], [np.inf], [2.0], [np.nan]])
    found = each_id_once(*kernels.sum_rows(ids, rows))
    np.testing.assert_array_equal(found[1], [[np.nan], [np.inf], [3.0]])
    np.testing.assert_array_equal(kernels.scatter_rows(ids, rows, 4), [[np.nan], [np.inf], [0.0], [3.0]])


def test_half_precision_rows_are_added_in_single_precision(pair):
    ids, rows = np.zeros(4096, np.int64), np.ones((4096, 2), np.float16)
    for kernels in pair:
        sums = each_id_once(*kernels.sum_rows(ids, rows))[1]
        assert sums.dtype == np.float16
        np.testing.assert_array_equal(sums, [[4096, 4096]])
        np.testing.assert_array_equal(kernels.scatter_rows(ids, rows, 2), [[4096, 4096], [0, 0]])


# ------------------------------------------------------------------ compiled, and in parts
@pytest.fixture
def much(bodies, pair):
    """NumPy's kernels where there is much to do."""
    return pair[0]


PRECISIONS = pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])


@pytest.mark.parametrize("shape", [(), (1,), (70,), (5, 6, 3), (0, 3)])
@pytest.mark.parametrize("table", [(9, 4), (9,), (9, 2, 3), (9, 0), (300, 40)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "complex64", "bool"])
def test_much_is_taken(much, shape, table, dtype):
    weight = np.random.default_rng(0).standard_normal(table).astype(dtype)
    ids = np.random.default_rng(1).integers(0, table[0], shape)
    rows = much.take_rows(weight, ids)
    assert rows.dtype == weight.dtype
    assert rows.flags.owndata or rows.base.flags.owndata
    np.testing.assert_array_equal(rows, weight[ids])
    rows = fast.take_rows(None, weight, ids)  # a table that may be written, which compiled loops take
    np.testing.assert_array_equal(rows, weight[ids])


@PRECISIONS
def test_much_is_added(much, dtype, tolerance):
    rng = np.random.default_rng(0)
    table, ids = rng.standard_normal((50, 7)).astype(dtype), rng.integers(0, 50, (40, 3))
    shared = rng.standard_normal((40, 1, 7)).astype(dtype)
    for rows in (
        np.broadcast_to(shared, (40, 3, 7)),
        np.repeat(shared, 3, axis=1),
        np.repeat(shared, 6, axis=1)[:, ::2],
    ):
        found, expected = table.copy(), table.astype(np.float64)
        fast.add_rows(None, found, ids, rows, -0.1)
        np.add.at(expected, ids, -0.1 * rows.astype(np.float64))
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * 10)
        again = table.copy()
        fast.add_rows(None, again, ids, rows, -0.1)
        np.testing.assert_array_equal(again, found)


@PRECISIONS
def test_much_is_summed(much, dtype, tolerance):
    ids, rows = rows_case(200, 900, 7, 0, dtype)
    unique, sums = much.sum_rows(ids, rows)
    np.testing.assert_array_equal(unique, np.unique(ids))
    np.testing.assert_allclose(sums, exact_sums(ids, rows, 200)[unique], rtol=tolerance, atol=tolerance * 10)
    np.testing.assert_allclose(much.scatter_rows(ids, rows, 200)[unique], sums, rtol=tolerance, atol=tolerance * 10)


@PRECISIONS
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_much_in_bags(much, dtype, tolerance, mode):
    weight, ids, offsets, factors = bags_case(50, 7, [3, 0, 40, 1, 0, 9], dtype=dtype)
    g = np.random.default_rng(1).standard_normal((6, 7)).astype(dtype)
    factors = factors if mode == "sum" else None
    found = bag_and_gradients(much, weight.copy(), ids, offsets, factors, mode, None, g)
    assert_close(found, torch_bag_and_gradients(weight, ids, offsets, factors, mode, None, g), tolerance)


def test_rows_are_not_compiled_where_there_is_little_to_do_or_nothing_to_do_it_with(monkeypatch):
    asked = []
    monkeypatch.setattr(fast, "compiled", asked.append)
    table = np.zeros((300, 300), np.float32)
    for array, work in ((table, 10), (table.astype(np.float16), 10**6), (table.T[:, ::2], 10**6)):
        assert fast.loops_over_rows(work, array) is None
    assert not asked
    fast.loops_over_rows(10**6, table)
    assert asked == ["rows"]


def test_without_numba_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr("backends._numpy.compiled.find_spec", lambda name: None)
    assert compiled.__wrapped__("rows") is None


# ------------------------------------------------------------------ embedding bag
def bags_case(vocabulary, width, lengths, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((vocabulary, width)).astype(dtype)
    ids = rng.integers(0, vocabulary, sum(lengths))
    offsets = np.cumsum([0, *lengths])[: len(lengths)]
    return weight, ids, offsets, rng.standard_normal(len(ids)).astype(dtype)


def bag_and_gradients(kernels, weight, ids, offsets, factors, mode, padding_idx, g):
    out, saved = kernels.embedding_bag_forward(weight, ids, offsets, factors, mode, padding_idx)
    return out, *bag_gradients(kernels, saved, weight, ids, factors, g)


def bag_gradients(kernels, saved, weight, ids, factors, g):
    (touched, rows), gfactors = kernels.embedding_bag_backward(saved, g, (True, factors is not None))
    assert touched.dtype == ids.dtype
    dense = np.zeros_like(weight)
    np.add.at(dense, touched.astype(np.int64), rows)
    return dense, gfactors


def torch_bag_and_gradients(weight, ids, offsets, factors, mode, padding_idx, g):
    torch = pytest.importorskip("torch")
    table = torch.tensor(weight, requires_grad=True)
    scale = None if factors is None else torch.tensor(factors, requires_grad=True)
    out = torch.nn.functional.embedding_bag(
        torch.tensor(ids),
        table,
        torch.tensor(offsets),
        mode=mode,
        per_sample_weights=scale,
        padding_idx=padding_idx,
    )
    out.backward(torch.tensor(g))
    return out.detach().numpy(), table.grad.numpy(), None if scale is None else scale.grad.numpy()


def assert_close(found, expected, tolerance):
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max(initial=0)))


MODES = [("sum", False), ("sum", True), ("mean", False), ("max", False)]
BAGS = [[3, 1, 4], [0, 2, 0, 0, 5, 0], [1], [0], [0, 0], [17], [64] * 8, [1, 2, 3, 4, 5, 6, 7, 8, 9]]


@pytest.mark.parametrize(("mode", "weighted"), MODES)
@pytest.mark.parametrize("padding_idx", [None, 2])
@pytest.mark.parametrize("lengths", BAGS, ids=str)
@pytest.mark.parametrize("size", [(6, 5), (3, 1)], ids=str)
def test_bags_as_pytorch(kernels, mode, weighted, padding_idx, lengths, size):
    weight, ids, offsets, factors = bags_case(*size, lengths)
    g = np.random.default_rng(1).standard_normal((len(lengths), size[1]))
    arguments = weight, ids, offsets, factors if weighted else None, mode, padding_idx, g
    assert_close(bag_and_gradients(kernels, *arguments), torch_bag_and_gradients(*arguments), 1e-12)


@pytest.mark.usefixtures("bodies")
@pytest.mark.parametrize(("mode", "weighted"), MODES)
@pytest.mark.parametrize("momentum", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_bags_of_rows_that_are_behind(kernels, mode, weighted, momentum, dtype, tolerance):
    weight, ids, offsets, factors = bags_case(6, 5, [3, 0, 4, 9], dtype=dtype)
    rng = np.random.default_rng(1)
    buffer = rng.standard_normal(weight.shape).astype(dtype) if momentum else None
    seen, products = rng.integers(0, 4, 6).astype(np.int32), rng.uniform(0.5, 1.5, (4, 4)).astype(dtype)
    products[-1] = 1, 0, 0, 1
    ww, wb = products[seen, :2].T[:, :, None]
    caught_up = ww * weight + (wb * buffer if momentum else 0)
    factors, g = factors if weighted else None, rng.standard_normal((4, 5)).astype(dtype)
    # Sent as they are, for these may be written.
    table, *owed = (None if a is None else kernels.backend.asarray(a.copy()) for a in (weight, buffer, seen, products))
    sent = (None if a is None else kernels.backend.asarray(a) for a in (ids, offsets, factors))
    out, saved = kernels.module.embedding_bag_forward(kernels.backend, table, *sent, mode, 2, tuple(owed))
    found = kernels.backend.to_numpy(out), *bag_gradients(kernels, saved, weight, ids, factors, g)
    assert_close(found, bag_and_gradients(kernels, caught_up, ids, offsets, factors, mode, 2, g), tolerance)


@pytest.mark.parametrize(("mode", "weighted"), [*MODES, ("mean", True)])
@pytest.mark.parametrize("lengths", [[], [0], [0, 0], [2, 1]], ids=str)
def test_bags_of_one_row_all_of_it_padding(kernels, mode, weighted, lengths):
    weight, ids, offsets, factors = bags_case(1, 2, lengths)
    g = np.ones((len(lengths), 2))
    found = bag_and_gradients(kernels, weight, ids, offsets, factors if weighted else None, mode, 0, g)
    np.testing.assert_array_equal(found[0], np.zeros((len(lengths), 2)))
    np.testing.assert_array_equal(found[1], np.zeros((1, 2)))
    if weighted:
        np.testing.assert_array_equal(found[2], np.zeros(len(ids)))


def test_the_first_of_equal_maxima_has_the_gradient(kernels):
    weight, ids, offsets = np.array([[1.0, 5.0], [1.0, 2.0], [0.0, 5.0]]), np.array([2, 1, 0, 1]), np.array([0])
    _, dense, _ = bag_and_gradients(kernels, weight, ids, offsets, None, "max", None, np.array([[10.0, 20.0]]))
    np.testing.assert_array_equal(dense, [[0, 0], [10, 0], [0, 20]])


def test_a_maximum_of_nan_is_nan(kernels):
    weight, ids, offsets = np.array([[1.0], [np.nan], [3.0]]), np.array([2, 1, 0, 0]), np.array([0, 3])
    out, dense, _ = bag_and_gradients(kernels, weight, ids, offsets, None, "max", None, np.array([[10.0], [20.0]]))
    np.testing.assert_array_equal(out, [[np.nan], [1.0]])
    np.testing.assert_array_equal(dense, [[20], [10], [0]])


@pytest.mark.parametrize(("mode", "weighted"), MODES)
def test_bags_of_any_layout_and_integer_type(kernels, mode, weighted):
    weight, ids, offsets, factors = bags_case(6, 5, [3, 0, 4])
    g = np.random.default_rng(1).standard_normal((3, 5))
    factors = factors if weighted else None
    expected = bag_and_gradients(kernels, weight, ids, offsets, factors, mode, 2, g)
    for kind in INTEGERS:
        strided = np.repeat(ids, 2).astype(kind)[::2], offsets.astype(kind)
        table = np.asfortranarray(weight)
        found = bag_and_gradients(kernels, table, *strided, factors, mode, 2, np.asfortranarray(g))
        assert_close(found, expected, 1e-14)


@pytest.mark.parametrize(("mode", "weighted"), MODES)
def test_bags_backward_can_be_walked_twice(kernels, mode, weighted):
    weight, ids, offsets, factors = bags_case(6, 5, [3, 0, 4])
    out, saved = kernels.embedding_bag_forward(weight, ids, offsets, factors if weighted else None, mode, 2)
    g = np.ones_like(out)
    first, first_factors = kernels.embedding_bag_backward(saved, g, (True, weighted))
    if out.flags.writeable:
        out[...] = 0
    second, second_factors = kernels.embedding_bag_backward(saved, g, (True, weighted))
    assert_close((*second, second_factors), (*first, first_factors), 0)
    assert kernels.embedding_bag_backward(saved, g, (False, False)) == (None, None)


@given(
    mode=st.sampled_from([*MODES, ("mean", True)]),
    size=st.tuples(st.integers(1, 12), st.integers(1, 6)),
    lengths=st.lists(st.integers(0, 20), max_size=8),
    padding=st.booleans(),
    seed=st.integers(0, 2**32),
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6), (np.float16, 2e-3)])
def test_numpy_bags_as_reference(pair, dtype, tolerance, mode, size, lengths, padding, seed):
    weight, ids, offsets, factors = bags_case(*size, lengths, seed, dtype)
    g = np.random.default_rng(seed).standard_normal((len(lengths), size[1])).astype(dtype)
    arguments = weight, ids, offsets, factors if mode[1] else None, mode[0], 0 if padding else None, g
    found, expected = (bag_and_gradients(kernels, *arguments) for kernels in pair)
    assert_close(found, expected, tolerance)
