"""First values: their distributions, their bounds, and that every device gets the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import framework as fw
from framework import nn
from framework.nn import init
from framework.random import Generator

FAN_IN, FAN_OUT = 40, 60


def weight(**options):
    return nn.Parameter(fw.zeros((FAN_OUT, FAN_IN), dtype="float64", **options))


def uniform(bound):
    return stats.uniform(-bound, 2 * bound)


@pytest.mark.parametrize(
    ("name", "options", "law"),
    [
        ("uniform_", {"a": -2.0, "b": 1.0}, stats.uniform(-2, 3)),
        ("normal_", {"mean": 1.0, "std": 3.0}, stats.norm(1, 3)),
        ("trunc_normal_", {"mean": 1.0, "std": 2.0, "a": -1.0, "b": 2.0}, stats.truncnorm(-1, 0.5, 1, 2)),
        ("xavier_uniform_", {"gain": 2.0}, uniform(2 * math.sqrt(6 / 100))),
        ("xavier_normal_", {}, stats.norm(0, math.sqrt(2 / 100))),
        ("kaiming_uniform_", {"a": math.sqrt(5)}, uniform(1 / math.sqrt(FAN_IN))),
        ("kaiming_uniform_", {"nonlinearity": "relu", "mode": "fan_out"}, uniform(math.sqrt(6 / FAN_OUT))),
        ("kaiming_normal_", {"nonlinearity": "tanh"}, stats.norm(0, 5 / 3 / math.sqrt(FAN_IN))),
    ],
)
def test_distributions(name, options, law):
    w = weight()
    assert getattr(init, name)(w, **options, generator=Generator(5)) is w
    assert w.requires_grad
    assert w.is_leaf
    assert stats.kstest(w.detach().numpy().reshape(-1), law.cdf).pvalue > 0.01


@pytest.mark.parametrize("name", ["uniform_", "xavier_uniform_", "kaiming_uniform_", "trunc_normal_", "orthogonal_"])
def test_the_same_values_on_every_device(device, name):
    found = [getattr(init, name)(weight(device=d), generator=Generator(2)).detach() for d in ("cpu", device)]
    assert found[1].device == device
    np.testing.assert_array_equal(found[0].numpy(), found[1].cpu().numpy())


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 3), (2, 2)])
def test_orthogonal(shape):
    w = (
        init.orthogonal_(fw.zeros(shape, dtype="float64"), gain=2.0, generator=Generator(1))
        .numpy()
        .reshape(shape[0], -1)
    )
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(min(w.shape)), atol=1e-12)


def test_constants(device):
    x = nn.Parameter(fw.zeros((2, 3), device=device))
    assert init.constant_(x, 5).tolist() == [[5.0] * 3] * 2
    assert init.ones_(x).tolist() == [[1.0] * 3] * 2
    assert init.eye_(x).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.zeros_(x).tolist() == [[0.0] * 3] * 2


def test_gains_and_fans_are_pytorchs():
    torch = pytest.importorskip("torch")
    for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu", "conv2d"):
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), abs=1e-15)
    assert init.calculate_gain("leaky_relu", 0.2) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.2))
    for shape in ((7, 5), (7, 5, 3, 2)):
        w = init.kaiming_uniform_(fw.zeros(shape), mode="fan_out", generator=Generator(0)).numpy()
        bound = math.sqrt(6 / (7 * math.prod(shape[2:])))
        assert 0.8 * bound < abs(w).max() <= bound * (1 + 1e-6)


def test_linear_starts_as_pytorchs_does():
    fw.manual_seed(0)
    layer = nn.Linear(25, 200)
    for x in (layer.weight, layer.bias):
        assert stats.kstest(x.detach().numpy().reshape(-1), uniform(1 / 5).cdf).pvalue > 0.01
    fw.manual_seed(0)
    assert nn.Linear(25, 200).weight.tolist() == layer.weight.tolist()
    assert nn.Linear(0, 2).bias.tolist() == [0, 0]


def test_only_tensors_are_filled():
    with pytest.raises(TypeError, match="expected a Tensor to fill, got ndarray"):
        init.xavier_uniform_(np.zeros((2, 2)))


@pytest.mark.parametrize("side", [-1, 1])
def test_the_tails_of_a_normal_distribution_keep_their_digits(side):
    x = init.trunc_normal_(fw.zeros((1000,), dtype="float64"), mean=-12.0 * side).numpy()
    assert len(np.unique(x)) == 1000
    assert stats.kstest(side * x, stats.truncnorm(10, 14, loc=-12).cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: init.xavier_uniform_(x), "at least two axes, got shape"),
        (lambda x: init.eye_(x), "expected a matrix"),
        (lambda x: init.orthogonal_(x), "at least two axes"),
        (lambda x: init.kaiming_normal_(fw.zeros((2, 2)), mode="fan"), "'fan_in' or 'fan_out', got 'fan'"),
        (lambda x: init.calculate_gain("rlu"), "unknown nonlinearity 'rlu'; expected one of 'linear'"),
        (lambda x: init.trunc_normal_(x, a=1.0, b=1.0), "a must be below b"),
        (lambda x: init.trunc_normal_(x, std=0.0), "std must be positive, got 0.0"),
        (lambda x: init.trunc_normal_(x, mean=100.0), r"\[-2.0, 2.0\] holds nothing of a distribution of mean 100.0"),
        (lambda x: init.normal_(x, std=-1.0), "std must not be negative"),
    ],
)
def test_errors(call, message):
    x = fw.ones((3,))
    with pytest.raises(ValueError, match=message):
        call(x)
    assert x.tolist() == [1, 1, 1]
