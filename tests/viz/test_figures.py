"""Curves and confusion matrices."""

import sys

import numpy as np
import pytest

import framework as fw
from framework.viz import confusion_matrix, curves

pytest.importorskip("matplotlib")


def test_losses_left_and_the_rest_right(tmp_path):
    series = {"loss": [3.0, 2.0], "val_loss": [3.0, 2.5], "accuracy": [0.1, 0.2], "lr": [0.1, 0.1]}
    figure = curves(series, tmp_path / "curves.svg", title="t")
    left, right = figure.axes
    assert [line.get_label() for line in left.lines] == ["loss", "val_loss"]
    assert [line.get_label() for line in right.lines] == ["accuracy"]
    assert list(left.lines[1].get_ydata()) == [3.0, 2.5]
    assert (left.lines[0].get_color(), left.lines[1].get_linestyle()) == (left.lines[1].get_color(), "--")
    assert b"<svg" in (tmp_path / "curves.svg").read_bytes()


def test_one_epoch_shows_as_a_point():
    assert curves({"loss": [1.0]}).axes[0].lines[0].get_marker() == "o"


@pytest.mark.parametrize("series", [{}, {"loss": []}, {"lr": [0.1]}])
def test_nothing_to_draw_is_an_error(series):
    with pytest.raises(ValueError, match="has the training begun"):
        curves(series)


@pytest.mark.parametrize("values", [[[3, 1], [0, 2]], [[0.75, 0.25], [0.0, 1.0]]])
@pytest.mark.parametrize("kind", [fw.asarray, np.array, list])
def test_confusion(values, kind):
    figure = confusion_matrix(kind(values), ["cat", "dog"], title="t")
    axes = figure.axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert texts == (["3", "1", "0", "2"] if values[0][0] == 3 else ["0.75", "0.25", "0.00", "1.00"])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]


@pytest.mark.parametrize("shape", [(2, 3), (4,), (0, 0)])
def test_only_square_matrices(shape):
    with pytest.raises(ValueError, match="expected a square matrix"):
        confusion_matrix(np.zeros(shape))


def test_labels_may_be_numbers():
    axes = confusion_matrix(np.eye(2), np.array([10, 2000])).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["10", "2000"]


def test_one_label_a_class():
    with pytest.raises(ValueError, match="expected 2 labels, one a class, got 1"):
        confusion_matrix(np.eye(2), ["a"])


def test_without_matplotlib_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RuntimeError, match="pip install matplotlib"):
        curves({"loss": [1.0]})


def test_matplotlibs_global_state_is_left_alone():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    curves({"loss": [1.0]})
    assert pyplot.get_fignums() == before
