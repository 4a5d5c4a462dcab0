"""Metrics: scikit-learn's and PyTorch's numbers, over any cut into batches, and without waiting for the device."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backends
import framework as fw
from framework import metrics as m

sk = pytest.importorskip("sklearn.metrics")

C = 4
labels = st.lists(st.tuples(st.integers(0, C - 1), st.integers(0, C - 1)), min_size=1, max_size=20)
bits = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=12)
cuts = st.lists(st.integers(0, 20), max_size=3)


@pytest.fixture(autouse=True)
def quiet_scikit_learn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=sk._classification.UndefinedMetricWarning)
        yield


def fed(metric, predictions, target, cuts=()):
    """Return the metric's result for the data cut into batches, some of them empty."""
    bounds = [0, *sorted(min(cut, len(target)) for cut in cuts), len(target)]
    for start, end in pairwise(bounds):
        metric.update(np.asarray(predictions)[start:end], np.asarray(target)[start:end])
    result = metric.compute()
    assert isinstance(result, fw.Tensor)
    return result.numpy()


def check(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)
    assert np.shape(got) == np.shape(expected)


SCORES = {
    "precision": (m.Precision, sk.precision_score),
    "recall": (m.Recall, sk.recall_score),
    "f1": (m.F1Score, sk.f1_score),
}


# ------------------------------------------------------------------------------------------ scikit-learn's numbers
@pytest.mark.parametrize("zero_division", [0, 1, math.nan])
@pytest.mark.parametrize("average", ["micro", "macro", "weighted", None])
@pytest.mark.parametrize("name", SCORES)
@given(pairs=labels, cuts=cuts)
@settings(max_examples=25)
def test_scores_of_several_classes(name, average, zero_division, pairs, cuts):
    predicted, true = zip(*pairs, strict=True)
    ours, theirs = SCORES[name]
    wanted = {"labels": range(C)} if average is None else {}
    expected = theirs(true, predicted, average=average, zero_division=zero_division, **wanted)
    check(fed(ours(average, C, zero_division), predicted, true, cuts), expected)


@pytest.mark.parametrize("zero_division", [0, 1, math.nan])
@pytest.mark.parametrize("name", SCORES)
@given(pairs=bits, cuts=cuts)
@settings(max_examples=25)
def test_binary_scores(name, zero_division, pairs, cuts):
    predicted, true = zip(*pairs, strict=True)
    ours, theirs = SCORES[name]
    check(
        fed(ours(zero_division=zero_division), predicted, true, cuts),
        theirs(true, predicted, zero_division=zero_division),
    )


@pytest.mark.parametrize("true", [[0, 0, 0], [1, 1], [0], [1]])
@pytest.mark.parametrize("predicted", [0, 1])
@pytest.mark.parametrize("name", SCORES)
def test_one_class(name, true, predicted):
    ours, theirs = SCORES[name]
    for zero_division in (0, 1, math.nan):
        for average in ("binary", "micro", "macro", "weighted"):
            got = fed(ours(average, 2, zero_division), [predicted] * len(true), true)
            check(got, theirs(true, [predicted] * len(true), average=average, zero_division=zero_division))


@pytest.mark.parametrize("average", ["binary", "micro", "macro", "weighted"])
@pytest.mark.parametrize("zero_division", [0, 1, math.nan])
@pytest.mark.parametrize("batches", [0, 1])
def test_without_labels_scores_are_zero_division(average, zero_division, batches):
    """What scikit-learn gave before it refused empty input."""
    for metric in (m.Precision, m.Recall, m.F1Score):
        one = metric(average, 2, zero_division)
        for _ in range(batches):
            one.update(fw.zeros((0,), dtype="int64"), fw.zeros((0,), dtype="int64"))
        check(one.compute().numpy(), zero_division)
    check(m.F1Score(None, 3, zero_division).compute().numpy(), [zero_division] * 3)


@given(pairs=labels, cuts=cuts)
def test_accuracy_and_confusion_matrix(pairs, cuts):
    predicted, true = zip(*pairs, strict=True)
    check(fed(m.Accuracy(), predicted, true, cuts), sk.accuracy_score(true, predicted))
    for normalize in (None, "true", "pred", "all"):
        expected = sk.confusion_matrix(true, predicted, labels=range(C), normalize=normalize)
        got = fed(m.ConfusionMatrix(C, normalize), predicted, true, cuts)
        check(got, expected)
        assert got.dtype == expected.dtype


def test_labels_of_any_numbers_have_an_accuracy():
    check(fed(m.Accuracy(), [-1, 1, 100], [-1, -1, 100]), 2 / 3)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@given(data=st.data())
@settings(max_examples=25)
def test_top_k(k, data):
    n = data.draw(st.integers(1, 8))
    scores = data.draw(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=n, max_size=n))
    true = data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    scores = np.asarray(scores, dtype=float)
    if k == 1:
        expected = sk.accuracy_score(true, scores.argmax(axis=1))
    else:
        expected = sk.top_k_accuracy_score(true, scores, k=k, labels=range(5))
    check(fed(m.Accuracy(top_k=k), scores, true, data.draw(cuts)), expected)


def test_scores_of_classes_on_further_axes():
    rng = np.random.default_rng(0)
    scores, true = rng.normal(size=(6, C, 3, 2)), rng.integers(0, C, (6, 3, 2))
    flat = np.moveaxis(scores, 1, -1).reshape(-1, C)
    for top_k in (1, 2):
        check(
            fed(m.Accuracy(top_k), scores, true), sk.top_k_accuracy_score(true.ravel(), flat, k=top_k, labels=range(C))
        )
    check(
        fed(m.ConfusionMatrix(C), scores, true), sk.confusion_matrix(true.ravel(), flat.argmax(axis=1), labels=range(C))
    )


def test_a_score_that_is_not_a_number_is_no_hit():
    for top_k in (2, 3):
        check(fed(m.Accuracy(top_k=top_k), [[math.nan] * 3, [0.0, 1.0, 2.0]], [0, 2]), 0.5)


@pytest.mark.parametrize("target_dtype", ["bool", "int64", "float32"])
def test_scores_of_the_positive_class(target_dtype):
    logits = np.array([-2.0, -0.1, 0.0, 0.3, 5.0])
    true = np.array([0, 1, 1, 0, 1]).astype(target_dtype)
    hard = (logits >= 0).astype(int)
    for ours, theirs in (
        (m.BinaryAccuracy, sk.accuracy_score),
        (m.BinaryPrecision, sk.precision_score),
        (m.BinaryRecall, sk.recall_score),
        (m.BinaryF1Score, sk.f1_score),
    ):
        check(fed(ours(threshold=0.0), logits, true), theirs(true, hard))
        check(fed(ours(), 1 / (1 + np.exp(-logits)), true), theirs(true, hard))
        check(fed(ours(), hard[:, None], true[:, None]), theirs(true, hard))


floats = st.floats(-1e3, 1e3, width=32)


@given(st.lists(st.tuples(floats, floats), min_size=1, max_size=15), cuts)
def test_mean_squared_error(pairs, cuts):
    predicted, true = zip(*pairs, strict=True)
    check(fed(m.MeanSquaredError(), predicted, true, cuts), sk.mean_squared_error(true, predicted))
    check(fed(m.MeanSquaredError(squared=False), predicted, true, cuts), sk.root_mean_squared_error(true, predicted))


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=15), cuts)
def test_r2(pairs, cuts):
    predicted, true = (np.asarray(column, dtype=float) for column in zip(*pairs, strict=True))
    np.testing.assert_allclose(
        fed(m.R2Score(), predicted, true, cuts), sk.r2_score(true, predicted), rtol=1e-9, atol=1e-9
    )


def test_r2_far_from_zero_and_of_several_columns():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(50, 3)) + 1e6
    predicted = true + rng.normal(size=(50, 3)) * 0.1
    for multioutput in ("uniform_average", "raw_values"):
        got = fed(m.R2Score(multioutput), predicted, true, (7, 9, 30))
        np.testing.assert_allclose(got, sk.r2_score(true, predicted, multioutput=multioutput), rtol=1e-9)


@pytest.mark.parametrize(
    ("true", "predicted"), [([1.0], [1.0]), ([1.0, 1.0], [1.0, 1.0]), ([0.5] * 3, [0.5, 0.5, 0.2]), ([1.0], [2.0])]
)
def test_r2_of_constant_targets(true, predicted):
    for cut in ((), (1,)):
        check(fed(m.R2Score(), predicted, true, cut), sk.r2_score(true, predicted))


def test_r2_of_constant_targets_does_not_hang_on_rounding():
    """Their mean rounds to another number, of which scikit-learn makes -1.7e31."""
    check(fed(m.R2Score(), [0.1, 0.1, 0.2], [0.1] * 3), 0.0)
    check(fed(m.R2Score(), [0.1] * 3, [0.1] * 3), 1.0)


@pytest.mark.parametrize("ignore_index", [-100, 0])
def test_perplexity(ignore_index):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    logits, target = rng.normal(size=(6, 5, 3)) * 4, rng.integers(0, 5, (6, 3))
    target[0, 0] = ignore_index
    loss = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(target), ignore_index=ignore_index)
    check(fed(m.Perplexity(ignore_index), logits, target, (2, 2)), math.exp(loss))


def test_mean():
    torch = pytest.importorskip("torch")
    values, weights = torch.rand(10, 3, dtype=torch.float64), torch.rand(10, 3, dtype=torch.float64)
    mean = m.Mean()
    for i in range(10):
        mean.update(fw.asarray(values[i].numpy()), fw.asarray(weights[i].numpy()))
    check(mean.compute().numpy(), float((values * weights).sum() / weights.sum()))
    mean.reset()
    mean.update(1)
    mean.update(np.float32(2), 3)
    check(mean.compute().numpy(), 7 / 4)


EMPTY = [m.Accuracy(), m.MeanSquaredError(), m.R2Score(), m.Perplexity(), m.Mean()]


@pytest.mark.parametrize("metric", EMPTY, ids=lambda metric: type(metric).__name__)
def test_without_data_means_are_nan(metric):
    metric.reset()
    assert math.isnan(metric.compute().item())
    empty = fw.zeros((0,))
    if isinstance(metric, m.Mean):
        metric.update(empty)
    elif isinstance(metric, m.Perplexity):
        metric.update(fw.zeros((0, 3)), fw.zeros((0,), dtype="int64"))
    else:
        metric.update(empty, empty)
    assert math.isnan(metric.compute().item())


def test_a_confusion_matrix_is_no_view_of_the_counts():
    metric = m.ConfusionMatrix(2)
    metric.update([0, 1], [0, 1])
    metric.compute()[0, 0] = 7
    check(metric.compute().numpy(), np.eye(2))


def test_an_empty_confusion_matrix_is_zeros():
    check(m.ConfusionMatrix(2).compute().numpy(), np.zeros((2, 2)))
    check(m.ConfusionMatrix(2, "true").compute().numpy(), np.zeros((2, 2)))


def test_sums_of_many_float32_keep_their_digits():
    mean = m.Mean()
    for _ in range(100):
        mean.update(fw.full((10_000,), 0.1) + 1e4)
    check(mean.compute().numpy(), float(np.float32(0.1) + np.float32(1e4)))


# ------------------------------------------------------------------------------------------------ devices
ALL = {
    "accuracy": lambda: m.Accuracy(),
    "top-k": lambda: m.Accuracy(top_k=2),
    "matrix": lambda: m.ConfusionMatrix(3),
    "precision": lambda: m.Precision("macro", 3),
    "recall": lambda: m.Recall(None, 3),
    "f1": lambda: m.F1Score("micro", 3),
    "perplexity": lambda: m.Perplexity(),
}
RNG = np.random.default_rng(0)
LOGITS, TARGET = RNG.normal(size=(2, 5, 3)), RNG.integers(0, 3, (2, 5))


@pytest.mark.parametrize("name", ALL)
def test_results_are_made_where_the_data_is(name, arrays):
    here, there = ALL[name](), ALL[name]()
    for logits, target in zip(LOGITS, TARGET, strict=True):
        here.update(logits, target)
        there.update(arrays.make(logits), arrays.make(target))
    assert there.compute().device == arrays.make(LOGITS).device
    check(there.compute().cpu().numpy(), here.compute().numpy())


@pytest.mark.parametrize("metric", [m.MeanSquaredError, m.R2Score])
def test_regression_is_computed_where_the_data_is(metric, arrays):
    here, there = metric(), metric()
    for row in LOGITS:
        here.update(row[0], row[1])
        there.update(arrays.make(row[0]), arrays.make(row[1]))
    assert there.compute().device == arrays.make(LOGITS).device
    check(there.compute().cpu().numpy(), here.compute().numpy())


@pytest.mark.parametrize("name", [*ALL, "mse", "r2", "mean"])
def test_no_update_waits_for_the_device(name, monkeypatch):
    """A value read by the host, in whichever way, is an error here."""
    makers = {**ALL, "mse": m.MeanSquaredError, "r2": m.R2Score, "mean": m.Mean}
    metric, logits, target = makers[name](), fw.asarray(LOGITS[0]), fw.asarray(TARGET[0])
    batch = {"mse": (logits, logits), "r2": (logits, logits), "mean": (logits,)}.get(name, (logits, target))

    def read(*args):
        raise AssertionError("the host read a value")

    for way in ("item", "numpy", "tolist", "__bool__", "__int__", "__float__", "__index__", "__array__"):
        monkeypatch.setattr(fw.Tensor, way, read)
    monkeypatch.setattr(type(backends.get_backend("cpu")), "to_numpy", read)
    for _ in range(2):
        metric.update(*batch)
    metric.compute()


def test_nothing_is_recorded():
    x = fw.Tensor([[1.0, 2.0]], requires_grad=True)
    for metric, batch in ((m.Perplexity(), (x, [1])), (m.Mean(), (x * 2,)), (m.MeanSquaredError(), (x, x.detach()))):
        metric.update(*batch)
        assert not metric.compute().requires_grad


def test_sums_go_through_a_checkpoint(tmp_path):
    pytest.importorskip("safetensors")
    for name, make in {**ALL, "r2": m.R2Score}.items():
        whole, first, second = make(), make(), make()
        batches = [
            (row, row[:, ::-1]) if name == "r2" else (row, true) for row, true in zip(LOGITS, TARGET, strict=True)
        ]
        for batch in batches:
            whole.update(*batch)
        first.update(*batches[0])
        fw.save(first.state_dict(), tmp_path / name)
        second.load_state_dict(fw.load(tmp_path / name))
        second.update(*batches[1])
        check(second.compute().numpy(), whole.compute().numpy())


def test_sums_out_of_a_file_go_on_where_the_batches_are():
    for make in (m.Accuracy, m.R2Score):
        first, second = make(), make()
        first.update([1, 0], [0, 0])
        second.load_state_dict(first.state_dict())
        for metric, device in ((first, "cpu"), (second, "strict")):
            metric.update(fw.asarray([1, 2], device=device), fw.asarray([1, 1], device=device))
        assert second.compute().device == "strict"
        check(second.compute().numpy(), first.compute().numpy())


# ------------------------------------------------------------------------------------------------ broken input
def update(metric, *batch):
    return lambda: metric.update(*batch)


BAD = {
    "no update": (lambda: m.Metric().update(), NotImplementedError, "must define update"),
    "no compute": (lambda: m.Metric().compute(), NotImplementedError, "must define compute"),
    "a state of numbers": (lambda: m.Mean().load_state_dict({"total": 1}), TypeError, "dict of tensors"),
    "a state that is none": (lambda: m.Mean().load_state_dict([1]), TypeError, "dict of tensors"),
    "another class's state": (
        lambda: m.Accuracy().load_state_dict({"total": fw.ones(()), "weight": fw.ones(())}),
        ValueError,
        "expected the sums 'right', 'total', got 'total', 'weight'",
    ),
    "average": (lambda: m.Precision("samples"), ValueError, "average must be one of .* got 'samples'"),
    "binary of 3": (lambda: m.Recall(num_classes=3), ValueError, "for 2 classes, got 3; choose another average"),
    "zero_division": (lambda: m.F1Score(zero_division=0.5), ValueError, "must be 0, 1 or nan, got 0.5"),
    "zero_division text": (lambda: m.F1Score(zero_division="warn"), ValueError, "must be 0, 1 or nan"),
    "no classes": (lambda: m.ConfusionMatrix(0), ValueError, "num_classes must be at least 1"),
    "classes of text": (lambda: m.ConfusionMatrix("3"), TypeError, "num_classes must be an integer"),
    "normalize": (lambda: m.ConfusionMatrix(2, "rows"), ValueError, "normalize must be one of"),
    "top 0": (lambda: m.Accuracy(top_k=0), ValueError, "top_k must be at least 1"),
    "top 1.5": (lambda: m.Accuracy(top_k=1.5), TypeError, "top_k must be an integer"),
    "top 3 of 2": (update(m.Accuracy(3), [[1.0, 2.0]], [0]), ValueError, "top_k=3 of 2 classes"),
    "top 2 of labels": (update(m.Accuracy(2), [0], [0]), ValueError, r"expected scores of shape \(1, C\)"),
    "top 2, float target": (update(m.Accuracy(2), [[1.0, 2.0]], [0.0]), TypeError, "target of integers"),
    "top 2, target outside": (update(m.Accuracy(2), [[1.0, 2.0]], [2]), IndexError, "2"),
    "lengths": (update(m.Accuracy(), [0, 1], [0]), ValueError, r"target's shape \(1,\).* got \(2,\)"),
    "batch of scores": (update(m.Accuracy(), [[0.1, 0.9]], [0, 1]), ValueError, r"scores of shape \(2, C\)"),
    "one score with an axis": (update(m.Accuracy(), [[0.9]], [1]), ValueError, "drop its axis"),
    "one score with an axis, binary": (
        update(m.BinaryF1Score(), [[0.9]], [1]),
        ValueError,
        r"scores of shape \(1, 2\)",
    ),
    "classes": (update(m.ConfusionMatrix(3), [[0.1, 0.9]], [1]), ValueError, r"scores of shape \(1, 3\)"),
    "floating labels": (update(m.F1Score("macro", 3), [0.0, 1.0], [0, 1]), TypeError, "predictions of integers"),
    "floating targets": (update(m.F1Score("macro", 3), [0, 1], [0.0, 1.0]), TypeError, "target of integers"),
    "floating labels above 1": (update(m.Accuracy(), [0.0, 2.0], [0, 2]), IndexError, "2"),
    "floating targets above 1": (update(m.Accuracy(), [0, 2], [0.0, 2.0]), IndexError, "2"),
    "complex": (update(m.Accuracy(), [1j], [1]), TypeError, "predictions of integers"),
    "label too high": (update(m.Precision("micro", 3), [3], [0]), IndexError, "3"),
    "label negative": (update(m.Precision("micro", 3), [0], [-1]), IndexError, "-1"),
    "target above the scores": (update(m.Accuracy(), [[0.1, 0.9]], [2]), IndexError, "2"),
    "strings": (update(m.Accuracy(), ["a"], ["b"]), TypeError, "expected numbers"),
    "mse shapes": (update(m.MeanSquaredError(), [1.0, 2.0], [[1.0], [2.0]]), ValueError, "must have one shape"),
    "mse complex": (update(m.MeanSquaredError(), [1j], [1j]), TypeError, "real numbers"),
    "r2 0-d": (update(m.R2Score(), 1.0, 1.0), ValueError, r"expected shapes \(N,\) or \(N, D\)"),
    "r2 outputs": (lambda: m.R2Score("variance_weighted"), ValueError, "multioutput must be"),
    "perplexity shapes": (update(m.Perplexity(), [[0.0, 0.0]], [0, 1]), ValueError, r"shape \(2, C\)"),
    "perplexity of labels": (update(m.Perplexity(), [[0, 1]], [0]), TypeError, "floating logits and integer targets"),
    "perplexity target": (update(m.Perplexity(), [[0.0, 1.0]], [5]), IndexError, "5"),
    "weights": (update(m.Mean(), [1.0, 2.0], [1.0, 2.0, 3.0]), ValueError, "do not broadcast to values"),
    "complex values": (update(m.Mean(), [1j]), TypeError, "expected values of real numbers, got complex64"),
    "complex weights": (update(m.Mean(), [1.0], [1j]), TypeError, "expected weights of real numbers"),
    "more weights": (update(m.Mean(), 1.0, [1.0, 2.0]), ValueError, "do not broadcast to values"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name, raises):
    call, kind, message = BAD[name]
    with raises(kind, match=message):
        call()


def test_columns_that_change():
    r2 = m.R2Score()
    r2.update(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"\(2,\) columns after \(3,\); reset"):
        r2.update(np.ones((2, 2)), np.ones((2, 2)))


@pytest.mark.cpu("a GPU names the index when it is waited for, and has counted the batch by then")
def test_a_refused_batch_changes_nothing():
    metric = m.Precision("micro", 3)
    metric.update([0, 1], [0, 2])
    before = metric.compute().item()
    with pytest.raises(IndexError):
        metric.update([0, 1], [0, 3])
    assert metric.compute().item() == before
