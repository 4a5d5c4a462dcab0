"""detect_anomaly names the line that made the first NaN or infinity, and costs nothing when it is off."""

import threading

import numpy as np
import pytest

import framework as fw
from framework import nn
from framework.autograd import anomaly, detect_anomaly
from framework.autograd.fused import Fused
from framework.autograd.primitive import Primitive


@pytest.fixture(params=["cpu", "strict"])
def device(request):
    return request.param


def test_the_forward_line_of_a_nan_is_named(device):
    x = fw.Tensor([1.0, -1.0], requires_grad=True, device=device)
    words = r"'log' made the first nan.*float32 \(2,\).*test_anomaly.py:\d+, in wrong: z = fw\.log\(y\)"

    def wrong():
        y = x * 2
        z = fw.log(y)
        return z.sum()

    with detect_anomaly(), pytest.raises(FloatingPointError, match=words):
        wrong()


def test_the_first_of_several_is_named():
    x = fw.Tensor([0.0], requires_grad=True)

    def wrong():
        y = 1 / x
        return (y - y).sum()

    with detect_anomaly(), pytest.raises(FloatingPointError, match="'divide' made the first inf"):
        wrong()


def test_values_that_came_in_infinite_are_let_pass():
    with detect_anomaly():
        masked = fw.where(fw.asarray([True, False]), fw.asarray([-np.inf, 1.0]), 0.0)
        assert masked.softmax().tolist() == [0.0, 1.0]


def test_a_nan_of_infinities_is_found():
    x = fw.asarray([np.inf])
    with pytest.raises(FloatingPointError, match="'subtract' made the first nan"), detect_anomaly():
        x - x


def test_the_backward_names_the_forward_line(device):
    x = fw.Tensor([4.0, 0.0], requires_grad=True, device=device)
    with detect_anomaly():
        y = fw.sqrt(x)
        loss = y.sum()
    with pytest.raises(FloatingPointError, match=r"gradient of 'sqrt'.*inf for argument 0.*y = fw\.sqrt\(x\)"):
        loss.backward()
    assert x.grad is None


def test_fused_operations_and_several_outputs():
    model = nn.LSTM(2, 3)
    with fw.no_grad():
        model.weight_ih_l0[0, 0] = np.nan
    with detect_anomaly():
        model(fw.ones((4, 1, 2)))
    model = nn.LSTM(2, 3)
    with detect_anomaly():
        y, _ = model(fw.ones((4, 1, 2)))
        y.sum().backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in model.parameters())


def test_gradients_are_as_without():
    grads = []
    for watch in (False, True):
        fw.manual_seed(0)
        model, ids = nn.Sequential(nn.Embedding(5, 3), nn.Tanh(), nn.Linear(3, 2)), fw.asarray([0, 1, 1])
        if watch:
            with detect_anomaly():
                nn.functional.cross_entropy(model(ids), fw.asarray([0, 1, 1])).backward()
        else:
            nn.functional.cross_entropy(model(ids), fw.asarray([0, 1, 1])).backward()
        grads.append([p.grad.numpy() for p in model.parameters()])
    for a, b in zip(*grads):
        np.testing.assert_array_equal(a, b)


def test_the_classes_have_their_own_methods_again():
    def methods():
        return [vars(cls)["__call__"] for cls in (Primitive, Fused)]

    before = methods()

    def fail():
        with detect_anomaly(), detect_anomaly():
            assert methods() != before
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert methods() == before


def test_an_interrupt_on_the_way_in_leaves_everything_as_it_was(monkeypatch):
    before = [vars(cls)["__call__"] for cls in (Primitive, Fused)]

    def interrupted(**changes):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(anomaly, "rewrite", interrupted)
    with pytest.raises(KeyboardInterrupt), detect_anomaly():
        pass
    assert [vars(cls)["__call__"] for cls in (Primitive, Fused)] == before
    fw.log(fw.ones(1) * np.nan)


def test_blocks_of_two_threads_may_overlap():
    before = [vars(cls)["__call__"] for cls in (Primitive, Fused)]
    entered, leave = threading.Event(), threading.Event()

    def other():
        with detect_anomaly():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with detect_anomaly():
        thread.start()
        entered.wait()
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError):
        fw.log(fw.asarray([0.0]))
    leave.set()
    thread.join()
    assert [vars(cls)["__call__"] for cls in (Primitive, Fused)] == before
