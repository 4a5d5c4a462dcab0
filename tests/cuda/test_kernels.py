"""The CUDA kernels and the Python that launches them, on an emulated GPU, against the reference kernels."""

from __future__ import annotations

import inspect
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from backends import TableStep
from backends._cupy import optimizer as owed_rows
from backends._cupy import recurrent as fast
from backends._cupy import sorting
from backends._numpy import random as numpy_random
from backends.reference import cross_entropy, embedding, normalization, optimizer, random, recurrent
from tests.backends.test_embedding_kernels import each_id_once
from tests.backends.test_optimizer_kernels import Owed
from tests.backends.test_random_kernels import epsilon, named
from tests.backends.test_recurrent_kernels import CELLS, SHAPES, Case
from tests.cuda.emulation import EmulatedBackend

TOLERANCE = {"float64": 1e-12, "float32": 2e-6, "float16": 2e-3}
FLOATS = list(TOLERANCE)
REFERENCE = EmulatedBackend()
few = settings(max_examples=25)


class Emulated:
    """What tests of kernels expect: a module of them and its backend."""

    module = owed_rows

    def __init__(self, backend):
        self.backend = backend

    def _send(self, array):
        return array


def rng(seed=0):
    return np.random.default_rng(seed)


def same(actual, expected, dtype):
    """Compare nested tuples of arrays, missing ones included."""
    if expected is None or isinstance(expected, tuple):
        assert type(actual) is type(expected)
        for a, e in zip(actual or (), expected or (), strict=True):
            same(a, e, dtype)
        return
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    scale = max(1.0, np.abs(expected[np.isfinite(expected)]).max(initial=0)) if expected.dtype.kind == "f" else 0
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)


# ------------------------------------------------------------------ rows
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int32", "complex64", "complex128", "bool"])
@pytest.mark.parametrize("table", [(9, 4), (9, 3), (9,), (9, 2, 3), (9, 0), (9, 130)])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (37,), (2, 3)])
def test_take_rows(gpu, dtype, table, shape):
    weight = rng().integers(0, 100, table).astype(dtype)
    ids = rng(1).integers(0, 9, shape)
    np.testing.assert_array_equal(gpu.take_rows(weight, ids), weight[ids])
    np.testing.assert_array_equal(gpu.take_rows(np.asfortranarray(weight), ids.astype(np.uint8)), weight[ids])


def test_take_rows_at_any_address(gpu):
    weight = np.arange(41, dtype=np.float32)[1:].reshape(10, 4)
    np.testing.assert_array_equal(gpu.take_rows(weight, np.array([9, 0])), weight[[9, 0]])


def test_indices_outside_read_the_nearest_row(gpu):
    weight = np.arange(5.0)
    np.testing.assert_array_equal(gpu.take_rows(weight, np.array([-3, 0, 4, 5, 2**40])), [0, 0, 4, 4, 4])
    np.testing.assert_array_equal(gpu.take_rows(weight[:0], np.array([0, 1])), [0, 0])


ROWS = st.tuples(st.integers(1, 300), st.integers(0, 400), st.integers(0, 70), st.integers(0, 2**32))


@few
@given(case=ROWS, dtype=st.sampled_from(FLOATS))
def test_sums_of_rows(gpu, case, dtype):
    size, n, width, seed = case
    ids = (size * rng(seed).random(n) ** 3).astype(np.int64)
    rows = rng(seed).standard_normal((n, width)).astype(dtype)
    same(each_id_once(*gpu.sum_rows(ids, rows)), embedding.sum_rows(REFERENCE, ids, rows), dtype)
    same(gpu.scatter_rows(ids, rows, size), embedding.scatter_rows(REFERENCE, ids, rows, size), dtype)


PIECES = [[32], [33], [64], [65, 1], [1, 31, 32, 1], [31, 3, 31], [30, 200, 3, 500], [20, 40, 4, 900, 7], [1000]]


@pytest.mark.parametrize("counts", PIECES, ids=str)
def test_runs_across_pieces(gpu, counts):
    ids = rng().permutation(np.repeat(np.arange(len(counts)) * 7, counts)).astype(np.int32)
    rows = rng(1).standard_normal((len(ids), 5))
    found = gpu.sum_rows(ids, rows)
    assert found[0].dtype == np.int32
    same(each_id_once(*found), embedding.sum_rows(REFERENCE, ids, rows), "float64")


def test_sums_do_not_hang_on_which_block_is_the_last(gpu, monkeypatch):
    ids, rows = np.sort(rng().integers(0, 3, 1000)), 1e3 * rng(1).standard_normal((1000, 40)).astype(np.float32)
    expected = gpu.sum_rows(ids, rows)
    launch = gpu.launch

    def at_once(*args):
        launch(*args, cooperative=True)  # the emulator then runs all blocks side by side

    monkeypatch.setattr(gpu, "launch", at_once)
    for _ in range(5):
        for a, b in zip(gpu.sum_rows(ids, rows), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_sums_in_bfloat16_round_once(gpu):
    dtype = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    ids, rows = rng().integers(0, 20, 700), rng(1).standard_normal((700, 33)).astype(dtype)
    exact = np.zeros((20, 33))
    np.add.at(exact, ids, rows.astype(np.float64))
    np.testing.assert_allclose(gpu.scatter_rows(ids, rows, 20).astype(np.float64), exact, rtol=2**-8, atol=1e-4)
    _, sums = each_id_once(*gpu.sum_rows(ids, rows))
    np.testing.assert_allclose(sums.astype(np.float64), exact, rtol=2**-8, atol=1e-4)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_bags_in_16_bits(gpu, mode, dtype):
    dtype = named(dtype)
    weight, ids, offsets = rng().standard_normal((9, 5)).astype(dtype), rng(1).integers(0, 9, 40), np.array([0, 13, 13])
    factors = rng(2).uniform(0.5, 1, 40).astype(dtype) if mode == "sum" else None
    found, saved = gpu.embedding_bag_forward(weight, ids, offsets, factors, mode, 3)
    wider = None if factors is None else factors.astype(np.float64)
    out, kept = embedding.embedding_bag_forward(REFERENCE, weight.astype(np.float64), ids, offsets, wider, mode, 3)
    np.testing.assert_allclose(found.astype(np.float64), out, rtol=2**-8, atol=2**-8)
    needs = (True, factors is not None)
    (touched, rows), gfactors = gpu.embedding_bag_backward(saved, np.ones((3, 5), dtype), needs)
    (unique, sums), expected = embedding.embedding_bag_backward(REFERENCE, kept, np.ones((3, 5)), needs)
    dense = np.zeros((9, 5))
    np.add.at(dense, touched, rows.astype(np.float64))
    np.testing.assert_allclose(dense, embedding.scatter_rows(REFERENCE, unique, sums, 9), rtol=2**-8, atol=2**-6)
    if needs[1]:
        np.testing.assert_allclose(gfactors.astype(np.float64), expected, rtol=2**-7, atol=2**-6)


def test_what_does_not_count_in_a_bag_gets_no_gradient_whatever_its_weight(gpu):
    ids, factors = np.array([3, 1]), np.array([np.nan, 2.0])
    _, saved = gpu.embedding_bag_forward(np.ones((4, 2)), ids, np.array([0]), factors, "sum", 3)
    (touched, rows), gfactors = gpu.embedding_bag_backward(saved, np.full((1, 2), 3.0), (True, True))
    assert touched.tolist() == [3, 1]
    assert rows.tolist() == [[0, 0], [6, 6]]
    assert gfactors.tolist() == [0, 6]


def test_sums_at_ids_outside_stay_inside(gpu):
    ids, rows = np.array([-3, 2, 9, 2**40, -1, *[2**41] * 70]), np.ones((75, 3))
    gpu.scatter_rows(ids, rows, 5)
    gpu.sum_rows(ids, rows)
    gpu.add_rows(np.ones((5, 3)), ids, rows, 2.0)


@pytest.mark.parametrize("dtype", FLOATS)
def test_sums_are_the_same_each_time(gpu, dtype):
    ids, rows = rng().integers(0, 20, 700), (1e3 * rng(1).standard_normal((700, 33))).astype(dtype)
    first = gpu.sum_rows(ids, rows)
    other = EmulatedBackend()
    other.launch.falling = not gpu.launch.falling
    for a, b in zip(first, other.sum_rows(ids, rows)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n", [0, 1, 2, 255, 256, 257, 511, 513, 1000, 1024, 1025, 2600])
@pytest.mark.parametrize("different", [1, 3, 10**6, 2**62])
def test_keys_sorted_in_a_captured_step(gpu, monkeypatch, n, different):
    monkeypatch.setattr(gpu, "capture", gpu.new_capture())
    keys = rng(n).integers(-different, different, n)
    for drawn in (keys, np.sort(keys), np.sort(keys)[::-1].copy()):
        gpu.launch.log.clear()
        found, order = sorting.sorted_keys(gpu, drawn)
        np.testing.assert_array_equal(order, np.argsort(drawn, stable=True))
        np.testing.assert_array_equal(found, np.sort(drawn))
        assert gpu.launch.log[0] == "sorting.sort_tiles"


@pytest.mark.parametrize("dtype", FLOATS)
def test_sums_in_a_captured_step_have_the_same_bits(gpu, monkeypatch, dtype):
    ids, rows = rng().integers(0, 20, 700), (1e3 * rng(1).standard_normal((700, 33))).astype(dtype)
    expected = gpu.scatter_rows(ids, rows, 20), *gpu.sum_rows(ids, rows)
    monkeypatch.setattr(gpu, "capture", gpu.new_capture())
    for a, b in zip((gpu.scatter_rows(ids, rows, 20), *gpu.sum_rows(ids, rows)), expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("row", [(), (3,), (2, 5)])
def test_rows_added_to_a_table(gpu, dtype, captured, row, monkeypatch):
    ids, rows = rng().integers(0, 20, (15, 20)), rng(1).standard_normal((15, 20, *row)).astype(dtype)
    ours, theirs = (rng(2).standard_normal((21, *row)).astype(dtype) for _ in range(2))
    embedding.add_rows(REFERENCE, theirs, ids, rows, -0.25)
    if captured:
        monkeypatch.setattr(gpu, "capture", gpu.new_capture())
    gpu.add_rows(ours, ids, rows, -0.25)
    same(ours, theirs, dtype)
    gpu.add_rows(ours, ids[:0], rows[:0], -0.25)
    same(ours, theirs, dtype)


@few
@given(case=ROWS, dtype=st.sampled_from(FLOATS))
def test_rows_added_in_any_order(gpu, case, dtype):
    size, n, width, seed = case
    ids = rng(seed).integers(0, size, n)
    rows = rng(seed).standard_normal((n, width)).astype(dtype)
    ours, theirs = (rng(seed).standard_normal((size, width)).astype(dtype) for _ in range(2))
    embedding.add_rows(REFERENCE, theirs, ids, rows, 0.5)
    gpu.launch.log.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "deterministic", False)
        gpu.add_rows(ours, ids, rows, 0.5)
        same(ours, theirs, dtype)
        same(gpu.scatter_rows(ids, rows, size), embedding.scatter_rows(REFERENCE, ids, rows, size), dtype)
    wanted = "sum_runs" if dtype == "float16" else "add_rows_atomic"
    assert set(gpu.launch.log) <= {f"embedding.{wanted}"}


def test_rows_of_other_types_take_the_reference(gpu):
    ids, rows = np.array([2, 0, 2]), np.array([[1 + 1j], [2], [3]])
    same(gpu.sum_rows(ids, rows), (np.array([0, 2]), np.array([[2], [4 + 1j]])), "float64")


# ------------------------------------------------------------------ bags
BAGS = st.tuples(
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.integers(1, 40),
    st.sampled_from(["sum", "mean", "max"]),
    st.booleans(),
    st.sampled_from([None, 0, 2]),
    st.integers(0, 2**32),
)


@few
@given(case=BAGS, dtype=st.sampled_from(["float32", "float64"]))
def test_bags(gpu, case, dtype):
    lengths, width, mode, weighted, padding, seed = case
    n, draw = sum(lengths), rng(seed)
    offsets = np.cumsum([0, *lengths])[:-1]
    weight, ids = draw.standard_normal((6, width)).astype(dtype), draw.integers(0, 6, n)
    factors = draw.standard_normal(n).astype(dtype) if weighted and mode != "max" else None
    arguments = (weight, ids, offsets, factors, mode, padding)
    out, saved = gpu.embedding_bag_forward(*arguments)
    expected, kept = embedding.embedding_bag_forward(REFERENCE, *arguments)
    same(out, expected, dtype)
    g, needs = draw.standard_normal(out.shape).astype(dtype), (True, factors is not None)
    for _ in range(2):
        (touched, rows), gfactors = gpu.embedding_bag_backward(saved, g, needs)
        (unique, sums), expected = embedding.embedding_bag_backward(REFERENCE, kept, g, needs)
        assert touched.dtype == ids.dtype
        same(gpu.scatter_rows(touched, rows, 6), embedding.scatter_rows(REFERENCE, unique, sums, 6), dtype)
        same(gfactors, expected, dtype)
    assert gpu.embedding_bag_backward(saved, g, (False, False)) == (None, None)


def test_the_maximum_of_a_bag_with_nan_and_ties(gpu):
    weight = np.array([[1.0, np.nan], [1.0, 2.0], [0.0, np.nan]])
    out, saved = gpu.embedding_bag_forward(weight, np.array([0, 1, 2]), np.array([0, 3]), None, "max", None)
    np.testing.assert_array_equal(out, [[1, np.nan], [0, 0]])
    ids, rows = gpu.embedding_bag_backward(saved, np.ones((2, 2)), (True, False))[0]
    assert rows.tolist() == [[1, 1], [0, 0], [0, 0]]
    assert ids.tolist() == [0, 1, 2]


# ------------------------------------------------------------------ cross-entropy
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (7, 3), (3, 32), (5, 33), (3, 1000)])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy(gpu, dtype, shape, smoothing, weighted):
    logits = (3 * rng().standard_normal(shape)).astype(dtype)
    target = rng(1).integers(0, shape[1], shape[0])
    target[::3] = -100
    weight = rng(2).random(shape[1]).astype(dtype) if weighted else None
    losses, saved = gpu.cross_entropy_forward(logits, target, weight, -100, smoothing, "none")
    expected, kept = cross_entropy.cross_entropy_forward(REFERENCE, logits, target, weight, -100, smoothing, "none")
    same(losses, expected, dtype)
    g = rng(3).standard_normal(shape[0]).astype(dtype)
    for _ in range(2):
        actual = gpu.cross_entropy_backward(saved, g)
        same(actual, cross_entropy.cross_entropy_backward(REFERENCE, kept, g), dtype)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_large_and_impossible_logits(gpu, smoothing):
    logits = np.array([[1e4, -1e4, 0], [-np.inf, 0, 1], [-1e4, -1e4, -1e4]], np.float32)
    weight = np.array([1, 0.5, 2], np.float32)
    for w in (None, weight, np.array([0, 1, 1], np.float32)):
        for target in ([0, 1, 2], [1, 2, 0]):
            arguments = (logits, np.array(target), w, -1, smoothing, "none")
            losses, saved = gpu.cross_entropy_forward(*arguments)
            expected, kept = cross_entropy.cross_entropy_forward(REFERENCE, *arguments)
            same(losses, expected, "float32")
            g = np.ones(3, np.float32)
            same(
                gpu.cross_entropy_backward(saved, g),
                cross_entropy.cross_entropy_backward(REFERENCE, kept, g),
                "float32",
            )


# ------------------------------------------------------------------ normalization
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (5, 3), (3, 32), (300, 33), (2, 700)])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("kind", ["layer_norm", "rms_norm"])
def test_norms(gpu, dtype, shape, affine, kind):
    x, g = ((2 * rng(seed).standard_normal(shape) + 1).astype(dtype) for seed in (0, 1))
    parameters = [rng(seed).standard_normal(shape[1]).astype(dtype) if affine else None for seed in (2, 3)]
    parameters = parameters[: 2 if kind == "layer_norm" else 1]
    y, saved = getattr(gpu, f"{kind}_forward")(x, *parameters, 1e-5)
    expected, kept = getattr(normalization, f"{kind}_forward")(REFERENCE, x, *parameters, 1e-5)
    same(y, expected, dtype)
    every = (True,) * (1 + len(parameters))
    for needs in (every, tuple(reversed((True, *(False,) * len(parameters)))), (False,) * len(every)):
        actual = getattr(gpu, f"{kind}_backward")(saved, g, needs)
        expected = getattr(normalization, f"{kind}_backward")(REFERENCE, kept, g, needs)
        for a, e in zip(actual, expected, strict=True):
            same(a, e, dtype)


# ------------------------------------------------------------------ optimizer
OPTIONS = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    {"momentum": 0.9, "nesterov": True, "maximize": True},
    {"weight_decay": 0.1, "maximize": True},
]
SGD_OPTIONS = ("lr", "momentum", "dampening", "nesterov", "weight_decay", "maximize")


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sgd(gpu, options, dtype):
    options = {
        "lr": 0.1,
        "momentum": 0.0,
        "dampening": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
        "maximize": False,
    } | options
    shapes = [(3, 4), (), (0, 2), (1,), (2000,)] + [(2,)] * 100
    ours, theirs = ([rng(i).standard_normal(shape).astype(dtype) for i, shape in enumerate(shapes)] for _ in range(2))
    buffers = other = [None] * len(shapes)
    for step in range(3):
        grads = [rng(100 * step + i).standard_normal(shape).astype(dtype) for i, shape in enumerate(shapes)]
        buffers = gpu.sgd_step(ours, grads, buffers, **options)
        other = optimizer.sgd_step(REFERENCE, theirs, grads, other, **options)
    for a, b in zip([*ours, *buffers], [*theirs, *other], strict=True):
        same(a, b, dtype)


def test_sgd_of_mixed_types_and_layouts(gpu):
    def parameters():
        return [
            np.ones(3, np.float32),
            np.ones(3),
            np.ones((4, 4))[:, ::2],
            np.ones(2, np.complex128),
            np.ones(2, np.float32),
        ]

    options = {"lr": 0.1, "momentum": 0.9, "dampening": 0, "nesterov": False, "weight_decay": 0.1, "maximize": False}
    ours, theirs, grads = parameters(), parameters(), [2 * p for p in parameters()]
    buffers = gpu.sgd_step(ours, grads, [None] * 5, **options)
    other = optimizer.sgd_step(REFERENCE, theirs, grads, [None] * 5, **options)
    for a, b in zip([*ours, *buffers], [*theirs, *other], strict=True):
        same(a, b, "float32" if a.dtype == np.float32 else "float64")


def table_steps(backend, dtype, seed=0):
    """Steps on rows of tables: some whose rows are behind, some not, some without a gradient, repeated ids, any row."""
    steps = []
    for k, (row, n) in enumerate([((3,), 5), ((33,), 300), ((), 70), ((2, 5), 0), ((4,), 64), ((0,), 3), ((5,), 33)]):
        owed = Owed(Emulated(backend), (20, *row), dtype, momentum=k % 3 != 2, seed=seed + k)
        table, buffer, seen, products = owed.on_device()
        if k % 2:
            buffer = seen = products = None
        ids = (20 * owed.random.random(n) ** 3).astype(np.int32)
        rows = owed.random.standard_normal((n, *row)).astype(dtype)
        steps.append(TableStep(table, buffer, seen, products, ids, rows, (-0.25, 0.75 * (k % 2 == 0))))
    return steps


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sgd_of_tensors_and_tables_together(gpu, options, dtype):
    options = dict.fromkeys(SGD_OPTIONS, 0) | {"lr": 0.1} | options
    ours, theirs = ([rng(i).standard_normal(i * i).astype(dtype) for i in (3, 50, 1, 0)] for _ in range(2))
    grads = [rng(9).standard_normal(p.shape).astype(dtype) for p in ours]
    tables, others = (table_steps(backend, np.dtype(dtype).type) for backend in (gpu, REFERENCE))
    gpu.launch.log.clear()
    buffers = gpu.sgd_step(ours, grads, [None] * 4, tables[:6], **options)
    assert gpu.launch.log == ["optimizer.sgd_step"]
    gpu.sgd_step([], [], [], tables[6:], **options)
    other = optimizer.sgd_step(REFERENCE, theirs, grads, [None] * 4, **options)
    for step in others:
        if step.seen is None:
            embedding.add_rows(REFERENCE, step.table, step.ids, step.rows, step.gains[0])
        else:
            optimizer.advance_rows(REFERENCE, *step)
    for a, b in zip([*ours, *buffers], [*theirs, *other], strict=True):
        same(a, b, dtype)
    for step, expected in zip(tables, others, strict=True):
        for name in ("table", "buffer", "seen", "products"):
            a, b = getattr(step, name), getattr(expected, name)
            assert (a is None) == (b is None)
            if a is not None:
                same(a, b, dtype)


@pytest.mark.parametrize(("tensors", "tables", "launches"), [(80, 6, 1), (81, 1, 2), (3, 7, 2), (0, 1, 1), (0, 0, 0)])
def test_sgd_takes_few_launches(gpu, tensors, tables, launches):
    gpu.launch.log.clear()
    parameters = [np.ones(5, np.float32) for _ in range(tensors)]
    steps = [
        TableStep(np.ones((9, 2), np.float32), None, None, None, np.arange(9), np.ones((9, 2), np.float32), (0.5, 0.0))
        for _ in range(tables)
    ]
    gpu.sgd_step(parameters, parameters, [None] * tensors, steps, **dict.fromkeys(SGD_OPTIONS, 0) | {"lr": 0.5})
    assert gpu.launch.log == ["optimizer.sgd_step"] * launches
    assert all((p == 0.5).all() for p in parameters)
    assert all((step.table == 1.5).all() for step in steps)


def test_sgd_of_tables_that_no_kernel_knows(gpu):
    step = TableStep(np.ones((3, 2), complex), None, None, None, np.array([1, 1]), np.ones((2, 2), complex), (0.5, 0.0))
    gpu.sgd_step([], [], [], [step], **dict.fromkeys(SGD_OPTIONS, 0))
    np.testing.assert_array_equal(step.table, [[1, 1], [2, 2], [1, 1]])


# ------------------------------------------------------------------ rows that are owed steps
OWED = st.tuples(
    st.integers(1, 60),
    st.integers(0, 300),
    st.sampled_from([(), (3,), (2, 5), (33,), (130,), (0,)]),
    st.integers(0, 2**32),
)
TOGETHER = st.sampled_from([(True, True), (True, False), (False, True)])


@few
@given(case=OWED, dtype=st.sampled_from(["float32", "float64"]), options=TOGETHER)
def test_rows_that_are_owed_steps(gpu, case, dtype, options):
    size, n, row, seed = case
    owed = Owed(Emulated(gpu), (size, *row), np.dtype(dtype).type, *options, seed=seed)
    # Some rows are named very often: their runs are cut into pieces.
    ids = (size * owed.random.random((n, 2) if n % 2 else n) ** 3).astype(np.int32)
    rows = owed.random.standard_normal((*ids.shape, *row)).astype(dtype)
    owed.check_advance(ids, rows, (-0.5, 0.75))
    owed.check_advance(ids)
    owed.check_advance(None)
    owed.check_take(ids)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rows_that_are_owed_steps_in_16_bits(gpu, dtype):
    dtype = np.dtype(getattr(pytest.importorskip("ml_dtypes"), dtype, dtype)).type
    owed, n = Owed(Emulated(gpu), (9, 5), dtype), 200
    ids, rows = owed.random.integers(0, 9, n), owed.random.standard_normal((n, 5)).astype(dtype) / 16
    arrays = owed.on_device()
    gpu.advance_rows(*arrays, ids, rows.astype(dtype), (-0.5, 0.75))
    for a, e in zip(arrays, owed.expected(ids, rows.astype(dtype), (-0.5, 0.75))):
        np.testing.assert_allclose(a.astype(float), e, rtol=0.02, atol=0.02)


def test_rows_that_are_owed_steps_are_the_same_each_time(gpu):
    other = EmulatedBackend()
    other.launch.falling = not gpu.launch.falling
    results = []
    for backend in (gpu, other):
        owed = Owed(Emulated(backend), (20, 33), np.float32)
        ids, rows = owed.random.integers(0, 20, 700), owed.random.standard_normal((700, 33)).astype(np.float32)
        arrays = owed.on_device()
        backend.advance_rows(*arrays, ids, 1000 * rows, (-0.1, 0.9))
        results.append(arrays)
    for a, b in zip(*results):
        np.testing.assert_array_equal(a, b)


def test_rows_owed_by_a_table_of_another_layout(gpu):
    owed = Owed(Emulated(gpu), (9, 4))
    ids, rows = np.array([8, 1, 8]), owed.random.standard_normal((3, 4))
    table, buffer, seen, products = owed.on_device()
    arrays = np.asfortranarray(table), np.asfortranarray(buffer), seen, products
    gpu.advance_rows(*arrays, ids, rows, (0.5, 2.0))
    owed.check(arrays[:3], owed.expected(ids, rows, (0.5, 2.0)))


def test_owed_rows_outside_are_not_written(gpu):
    owed = Owed(Emulated(gpu), (5, 3))
    outside = np.array([-3, 2, 9, 2**40])
    gpu.advance_rows(*owed.on_device(), outside, np.ones((4, 3)), (1.0, 1.0))
    gpu.advance_rows(*owed.on_device(), outside, None, (0.0, 0.0))
    gpu.take_advanced_rows(*owed.on_device(), outside)


def test_a_sparse_step_with_momentum_takes_few_launches(gpu):
    gpu.launch.log.clear()
    owed = Owed(Emulated(gpu), (50, 3))
    gpu.advance_rows(*owed.on_device(), np.arange(40), np.ones((40, 3)), (1.0, 1.0))
    assert gpu.launch.log == ["optimizer.sgd_step"]


# ------------------------------------------------------------------ random numbers
COUNTERS = st.one_of(st.integers(0, 2**256 - 1), st.integers(2**64 - 3, 2**64 + 3), st.just(2**256 - 1))


@few
@given(key=st.integers(0, 2**128 - 1), counter=COUNTERS, n=st.integers(0, 2100))
def test_random_bits(gpu, key, counter, n):
    words = gpu.random_bits(key, counter, n)
    np.testing.assert_array_equal(words, np.random.Philox(key=key, counter=counter).random_raw(n))
    assert words.dtype == np.uint64


@pytest.mark.parametrize("counter", [7, 2**64, 2**64 + 3, 2**192 + 1, 0])
@pytest.mark.parametrize("shift", [5, -5, 2**62, -(2**62)])
def test_random_bits_of_a_captured_step_move_on(gpu, monkeypatch, counter, shift):
    capture = gpu.new_capture()
    monkeypatch.setattr(gpu, "capture", capture)
    capture.shift[0] = shift
    expected = np.random.Philox(key=3, counter=(counter + shift) % 2**256).random_raw(40)
    np.testing.assert_array_equal(gpu.random_bits(3, counter, 40), expected)
    assert capture.random_keys == {3}


# Lengths around the words that a block of threads draws: 1024, so 2048 numbers of up to 32 bits.
COUNTS = st.one_of(st.integers(0, 20), st.sampled_from([1023, 1024, 1025, 2047, 2048, 2049, 4097]))
PLACES = {"key": st.integers(0, 2**128 - 1), "counter": COUNTERS, "n": COUNTS}
PLACES["dtype"] = st.sampled_from([*FLOATS, "bfloat16"])


@few
@given(**PLACES, bounds=st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0.1, 0.7), (-3.0, 1000.0)]))
def test_uniform_numbers_have_the_same_bits(gpu, key, counter, n, dtype, bounds):
    place = key, counter, n, named(dtype), *bounds
    np.testing.assert_array_equal(gpu.random_uniform(*place), random.random_uniform(REFERENCE, *place))
    assert gpu.random_uniform(*place).dtype == named(dtype)


@few
@given(**PLACES, moments=st.sampled_from([(0.0, 1.0), (2.0, 0.0), (-0.3, 12.5)]))
def test_normal_numbers(gpu, key, counter, n, dtype, moments):
    place = key, counter, n, named(dtype), *moments
    found, expected = gpu.random_normal(*place), random.random_normal(REFERENCE, *place)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    # A few units in the last place of the largest number there can be.
    eps = epsilon(named(dtype))
    found, expected = (a.astype("float64") for a in (found, expected))
    np.testing.assert_allclose(found, expected, rtol=4 * eps, atol=12.5 * 4 * eps)


@few
@given(
    **PLACES | {"dtype": st.sampled_from(FLOATS)},
    p=st.one_of(st.floats(0, 1, exclude_min=True), st.sampled_from([1.0, 0.5, 2.0**-24, 1 - 2.0**-24, 1e-300])),
)
def test_dropout(gpu, key, counter, n, dtype, p):
    assume(random.scale_of_kept(p) < float(np.finfo(dtype).max))
    x = rng(n).uniform(-0.9, 0.9, (n, 1) if n % 2 else (n // 2, 2)).astype(dtype)
    found = gpu.dropout_forward(x, p, key, counter)
    for a, e in zip(found, random.dropout_forward(REFERENCE, x, p, key, counter), strict=True):
        assert a.dtype == e.dtype
        np.testing.assert_array_equal(a, e)


@pytest.mark.parametrize("dtype", ["bfloat16", "complex64", "float32"])
def test_dropout_of_any_type_and_layout(gpu, dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))
    x = rng().standard_normal((6, 10)).astype(dtype)[:, ::2]
    found, expected = (f(x, 0.3, 5, 7) for f in (gpu.dropout_forward, partial(numpy_random.dropout_forward, REFERENCE)))
    for a, e in zip(found, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_array_equal(a, e)
    scalar, _ = gpu.dropout_forward(np.asarray(x[0, 0]), 0.5, 5, 7)
    assert scalar.shape == ()


@pytest.mark.parametrize("draw", ["random_uniform", "random_normal", "dropout_forward"])
@pytest.mark.parametrize("shift", [5, -5])
def test_numbers_of_a_captured_step_move_on(gpu, monkeypatch, draw, shift):
    def drawn(counter):
        if draw == "dropout_forward":
            return gpu.dropout_forward(np.ones(50, np.float32), 0.5, 3, counter)[1]
        return getattr(gpu, draw)(3, counter, 50, np.dtype("float32"), 1.0, 2.0)

    expected = drawn(7 + shift)
    capture = gpu.new_capture()
    monkeypatch.setattr(gpu, "capture", capture)
    capture.shift[0] = shift
    np.testing.assert_array_equal(drawn(7), expected)
    assert capture.random_keys == {3}


# ------------------------------------------------------------------ products
MATRICES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((70, 33), (33, 65)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (4, 3, 2)),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shapes", MATRICES, ids=str)
def test_products_in_a_captured_step(gpu, monkeypatch, dtype, shapes):
    monkeypatch.setattr(gpu, "capture", gpu.new_capture())
    a, b = (rng(i).standard_normal(shape).astype(dtype) for i, shape in enumerate(shapes))
    wide = np.matmul(a.astype("f8"), b.astype("f8")).astype(dtype)
    for x, y in [(a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b)), (np.repeat(a, 2, axis=-1)[..., ::2], b)]:
        same(np.asarray(gpu.xp.matmul(x, y)), np.asarray(wide), dtype)


def test_other_products_in_a_captured_step(gpu, monkeypatch):
    monkeypatch.setattr(gpu, "capture", gpu.new_capture())
    a, b = rng().standard_normal((2, 3, 4)), rng(1).standard_normal((4, 3, 5))
    for axes in (1, ((1, 2), (1, 0)), ((-2,), (1,)), 0):
        same(gpu.xp.tensordot(a, b, axes=axes), np.tensordot(a, b, axes=axes), "float64")
    same(gpu.xp.vecdot(a, a[:1]), np.vecdot(a, a[:1]), "float64")
    same(gpu.xp.einsum("ijk,kjl->il", a, b), np.einsum("ijk,kjl->il", a, b), "float64")
    with pytest.raises(RuntimeError, match="matmul: a captured step has products of float arrays only, got int64"):
        gpu.xp.matmul(np.ones((2, 2), int), np.ones((2, 2), int))


# ------------------------------------------------------------------ recurrent layers
WAYS = {"whole sequence": 64 * 1024, "step by step": 0}


@pytest.fixture(params=WAYS)
def either_way(request, gpu, monkeypatch):
    monkeypatch.setattr(gpu, "shared_per_block", WAYS[request.param])
    return gpu


def compare(gpu, case, nonlinearity, reverse, dtype):
    options = {"reverse": reverse, "nonlinearity": nonlinearity}
    *outputs, saved = case.forward(fast, gpu, **options)
    *expected, kept = case.forward(recurrent, REFERENCE, **options)
    same(tuple(outputs), tuple(expected), dtype)
    missing = (None,) * len(case.g_state)
    for grads in ((case.gy, *case.g_state), (None, *case.g_state), (case.gy, *missing)):
        actual = case.backward(fast, saved, gpu, grads=grads)
        wanted = case.backward(recurrent, kept, REFERENCE, grads=grads)
        for a, e in zip(actual, wanted, strict=True):
            same(a, e, dtype)
    same(tuple(case.forward(fast, gpu, keep=False, **options)[:-1]), tuple(expected), dtype)


@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
@pytest.mark.parametrize("shape", [*SHAPES, (3, 9, 2, 13)])
@pytest.mark.parametrize("reverse", [False, True])
def test_recurrent(either_way, kind, nonlinearity, shape, reverse):
    case = Case(kind, shape, bias=not reverse, lengths=len(shape) % 2 == reverse, scale=0.7)
    compare(either_way, case, nonlinearity, reverse, "float64")


@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_recurrent_of_many_units(either_way, kind, nonlinearity, lengths, reverse):
    case = Case(kind, (4, 6, 3, 37), lengths=lengths, dtype=np.float32, scale=0.3)
    assert fast.plan(REFERENCE, 1, 37, 6, 37, 4).grid[0] > 1  # blocks wait for each other
    compare(either_way, case, nonlinearity, reverse, "float32")


def test_terms_are_loaded_in_chunks(either_way):
    compare(either_way, Case("gru", (2, 2, 3, 150), dtype=np.float32, scale=0.1), None, False, "float32")


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_padding_may_hold_anything(either_way, kind):
    case = Case(kind, (4, 3, 2, 5), lengths=True)
    for n, length in enumerate(case.lengths):
        case.x[length:, n] = np.nan
    compare(either_way, case, None, False, "float64")


def test_which_way_is_taken(gpu, monkeypatch):
    case = Case("lstm", (3, 2, 2, 5))
    for shared, expected in ((64 * 1024, {"lstm_forward_sequence"}), (1000, {"lstm_forward_step"})):
        monkeypatch.setattr(gpu, "shared_per_block", shared)
        gpu.launch.log.clear()
        case.forward(fast, gpu)
        assert {name.partition(".")[2] for name in gpu.launch.log} == expected


def test_missing_gradients_are_not_made(gpu):
    case = Case("gru", (3, 2, 2, 5))
    *_, saved = case.forward(fast, gpu)
    needs = (False, True, False, True, False, True)
    assert [g is not None for g in case.backward(fast, saved, gpu, needs=needs)] == list(needs)


def test_plans_fit_the_chip():
    h200 = EmulatedBackend(132, 227 * 1024)
    turing = EmulatedBackend(40, 64 * 1024)
    for gates, batch, hidden in [(4, 64, 512), (4, 128, 64), (3, 256, 512), (1, 64, 1024), (4, 5, 16), (4, 64, 1024)]:
        for chip in (h200, turing):
            plan = fast.plan(chip, gates, hidden, batch, hidden, 4)
            if plan is None:
                assert chip is turing
                continue
            units, groups, shares = plan.block
            assert plan.grid[0] * units >= hidden
            assert plan.grid[1] * groups * 4 >= batch
            assert plan.grid[0] * plan.grid[1] <= chip.multiprocessors
            assert units * groups * shares <= 512
            assert plan.shared <= chip.shared_per_block


def test_constants_are_those_of_the_sources():
    from backends._cupy import compiler, optimizer
    from backends._cupy import random as draws

    assert f"ROWS = {fast._ROWS}, CHUNK = {fast._CHUNK};" in compiler.source("recurrent")
    assert f"__launch_bounds__({fast._MOST_THREADS})" in compiler.source("recurrent")
    assert f"PIECE = {sorting.PIECE};" in compiler.source("embedding")
    assert (32, *sorting.BLOCK[1:]) == sorting.BLOCK
    assert f"TILE = {sorting._TILE};" in compiler.source("sorting")
    assert f"WARPS = {sorting.BLOCK[1]};" in compiler.source("embedding")
    assert f"TENSORS = {optimizer._TENSORS}, TABLES = {optimizer._TABLES};" in compiler.source("optimizer")
    assert f"CHUNK = {optimizer._CHUNK};" in compiler.source("optimizer")
    assert optimizer._WORK.itemsize + 6 * 8 <= 4096  # what a launch's arguments may take
    assert f"THREADS = {draws._THREADS}, WORDS = 4 * THREADS;" in compiler.source("random")
    assert inspect.getsource(fast.rnn_forward)


# ------------------------------------------------------------------ errors
@pytest.mark.parametrize(
    ("ids", "low", "message"),
    [
        ([[0, 1, 2], [0, 0, 7]], 0, r"embedding: index 7 at position \(1, 2\) is outside the valid range \[0, 5\), in "),
        ([4, 5, 9, -1], 0, r"embedding: index 5 at position 1 is outside the valid range \[0, 5\), in the call at "),
        ([-5, -6], -5, r"embedding: index -6 at position 1 is outside the valid range \[-5, 5\), in the call at "),
        (5, 0, r"embedding: index 5 is outside the valid range \[0, 5\), in the call at "),
        ([1] * 999 + [70] * 999, 0, r"embedding: index 70 at position 999 is outside"),
    ],
)  # fmt: skip
def test_an_index_outside_is_named_at_the_next_wait(gpu, ids, low, message):
    line = inspect.currentframe().f_lineno + 1
    gpu.check_indices(np.array(ids), 5, "embedding", low)
    gpu.check_indices(np.array([99]), 5, "a later operation")
    with pytest.raises(IndexError, match=message) as error:
        gpu.to_numpy(np.zeros(1))
    if low:
        assert str(error.value).endswith(f"{__file__}:{line}")
    gpu.synchronize()


def test_indices_inside_pass(gpu):
    for ids in (np.arange(5), np.zeros((0, 3), np.int8), np.array(4), np.array([[4, 0], [1, 2]], np.uint64)):
        gpu.check_indices(ids, 5, "embedding")
    gpu.check_indices(np.arange(-5, 5), 5, "embedding", -5)
    gpu.synchronize()
    with pytest.raises(TypeError, match="embedding: indices must be integers, got an array of float64"):
        gpu.check_indices(np.zeros(2), 5, "embedding")


def test_one_line_takes_one_number(gpu):
    calls = len(gpu.mistakes._calls)
    for _ in range(5):
        gpu.check_indices(np.arange(3), 5, "embedding")
    assert len(gpu.mistakes._calls) == calls + 1


def test_a_captured_step_brings_nothing_to_the_host(gpu, monkeypatch):
    monkeypatch.setattr(gpu, "capture", gpu.new_capture())
    with pytest.raises(RuntimeError, match="a captured step cannot bring a value to the host"):
        gpu.to_numpy(np.zeros(1))
