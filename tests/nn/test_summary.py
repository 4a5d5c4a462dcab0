"""Summaries and notebooks: right numbers, escaped text, nothing changed."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import framework as fw
from framework import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.shared = nn.Linear(4, 4, bias=False)
        self.norm = nn.LayerNorm(4)
        self.register_buffer("seen", fw.zeros(3))
        self.first.weight.requires_grad_(False)

    def forward(self, x, scale):
        return self.norm(self.shared(self.shared(self.first(x)))) * scale, x


def test_rows_come_in_the_order_of_the_calls():
    summary = Block().summary(fw.ones((2, 3)), 2.0)
    rows = [(row.depth, row.name, row.shapes, row.parameters) for row in summary.rows]
    assert rows == [
        (0, "", ((2, 4), (2, 3)), 0),
        (1, "first", ((2, 4),), 16),
        (1, "shared", ((2, 4),), 16),
        (1, "shared", ((2, 4),), 16),
        (1, "norm", ((2, 4),), 8),
    ]


def test_totals_count_shared_layers_once():
    summary = Block().summary(fw.ones((2, 3)), 2.0)
    assert (summary.parameters, summary.trainable) == (40, 28)
    assert summary.parameter_bytes == 40 * 4 + 3 * 4
    assert summary.output_bytes == 4 * 2 * 4 * 4


def test_nothing_is_changed():
    model = nn.Sequential(nn.Dropout(0.5), Block())
    model[1].norm.eval()
    before, place = {k: v.clone().numpy() for k, v in model.state_dict().items()}, fw.random.get_state()
    with pytest.raises(TypeError):
        model.summary(fw.ones((2, 3)))
    assert [module.training for module in model.modules()] == [True, True, True, True, True, False]
    assert fw.random.get_state() == place
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    assert not any(module._hooks.pre or module._hooks.post for module in model.modules())


def test_without_an_example_the_layers_are_listed():
    text = str(Block().summary())
    assert "first: Linear" in text
    assert "parameters: 40 (28 trained)" in text


def test_results_in_tuples():
    assert nn.LSTM(2, 3).summary(fw.ones((4, 1, 2))).rows[0].shapes == ((4, 1, 3), (1, 1, 3), (1, 1, 3))


def parse(html):
    return ElementTree.fromstring(
        f"<body>{html.replace('&hellip;', '…').replace('<br>', '<br/>').replace(' open', '')}</body>"
    )


@pytest.mark.parametrize("shape", [(), (0,), (3,), (30,), (2, 3), (40, 50), (2, 0), (2, 2, 2)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "complex64"])
@pytest.mark.cpu("the text names the device")
def test_tensors_in_notebooks(shape, dtype):
    x = fw.ones(shape, dtype=dtype)
    body = parse(x._repr_html_())
    assert f"{shape} {dtype} on cpu" in "".join(body.itertext())
    if len(shape) == 2 and x.size:
        rows = body.findall(".//tr")
        assert len(rows) == min(shape[0], 11)
        assert {len(row) for row in rows} == {min(shape[1], 11)}


def test_modules_in_notebooks():
    class Odd(nn.Module):
        def extra_repr(self):
            return "<b> & co"

    body = parse(nn.Sequential(nn.Linear(2, 3), Odd())._repr_html_())
    text = "".join(body.itertext())
    assert "Sequential() 9 parameters" in text
    assert "1: Odd(<b> & co)" in text


def test_summaries_in_notebooks():
    body = parse(Block().summary(fw.ones((2, 3)), 1.0)._repr_html_())
    assert len(body.findall(".//tr")) == 6
