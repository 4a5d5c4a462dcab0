"""Graphs of tensors and models, as Mermaid and SVG."""

import re
import sys
import xml.etree.ElementTree as ElementTree

import pytest

import framework as fw
from framework import nn
from framework.viz import graph


def labels(found):
    return [vertex.lines for vertex in found.vertices]


def test_every_node_and_arrow_once():
    x = fw.Tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    found = graph((y + y).sum(), names={"x": x})
    assert [lines[0] for lines in labels(found)] == ["sum", "add", "multiply", "x"]
    assert found.edges == [(1, 0), (2, 1), (3, 2)]


def test_boxes_say_shape_dtype_and_device():
    x = fw.Tensor([[1.0, 2.0]], requires_grad=True, dtype="float64", device="strict")
    found = graph(fw.exp(x), names={"x": x})
    assert labels(found) == [("exp", "(1, 2) float64", "strict"), ("x", "(1, 2) float64", "strict")]


def test_parameters_and_inputs_of_a_model_have_names():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    found = graph(model, fw.ones((1, 3)))
    assert {lines[0] for lines in labels(found)} == {"relu", "affine", "0.weight", "0.bias", "input 0"}


def test_several_outputs_are_one_operation():
    model = nn.LSTM(2, 3)
    found = graph(model, fw.ones((4, 1, 2)))
    (lstm,) = [lines for lines in labels(found) if lines[0] == "lstm"]
    assert len(lstm) == 5  # its name, three results, the device
    assert "output" not in {lines[0] for lines in labels(found)}


def test_a_deep_graph_needs_no_recursion():
    x = y = fw.Tensor(1.0, requires_grad=True)
    for _ in range(2000):
        y = y + 1
    assert len(graph(y).vertices) == 2001
    assert x.grad is None


def test_a_model_without_example_is_its_tree_of_layers():
    found = graph(nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.ReLU())))
    assert [lines[0] for lines in labels(found)] == ["Sequential", "0: Linear", "1: Sequential", "0: ReLU"]
    assert found.edges == [(0, 1), (0, 2), (2, 3)]
    assert "8 parameters" in labels(found)[1]


def test_a_leaf_alone():
    assert graph(fw.Tensor([1.0])).edges == []


@pytest.mark.cpu("the text names the device")
def test_mermaid_has_a_line_for_each():
    x = fw.Tensor([1.0], requires_grad=True)
    lines = graph(x * 2, names={"x": x}).mermaid().splitlines()
    assert lines[0] == "flowchart TD"
    assert '    n1["x<br/>(1,) float32<br/>cpu"]:::leaf' in lines
    assert "    n1 --> n0" in lines


def test_quotes_are_escaped():
    x = fw.Tensor([1.0], requires_grad=True)
    found = graph(x * 2, names={'a "b" \\': x})
    assert "a #quot;b#quot; \\" in found.mermaid()
    assert 'a \\"b\\" \\\\' in found.dot()


def test_svg(tmp_path):
    pytest.importorskip("graphviz")
    x = fw.Tensor([1.0], requires_grad=True)
    try:
        text = graph(x * 2, names={"x": x}).svg(tmp_path / "graph.svg")
    except RuntimeError as error:
        pytest.skip(str(error))
    root = ElementTree.fromstring(re.sub(r"<!DOCTYPE[^>]*>", "", text))
    assert root.tag.endswith("svg")
    assert {"multiply", "x"} <= {node.text for node in root.iter() if node.tag.endswith("text")}
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == text
    assert graph(x * 2)._repr_svg_().startswith("<?xml")


def test_without_graphviz_mermaid_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    found = graph(fw.Tensor([1.0]))
    with pytest.raises(RuntimeError, match=r"pip install graphviz.*mermaid\(\)"):
        found.svg()
    assert found._repr_svg_() is None


@pytest.mark.parametrize("subject", [3, [fw.Tensor([1.0])], lambda x: x])
def test_other_subjects_are_refused(subject):
    with pytest.raises(TypeError, match="expected a Tensor, or a Module"):
        graph(subject)
