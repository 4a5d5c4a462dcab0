"""Training in 16 bits reaches what float32 reaches, and in float16 only because the loss is scaled."""

from __future__ import annotations

import numpy as np
import pytest

import framework as fw
from framework import nn, optim
from framework.amp import GradScaler, autocast
from framework.data import DataLoader, TensorDataset
from framework.training import Callback, fit

pytestmark = pytest.mark.cpu("autocast is entered for a device by name")

# float16 overflows in the first steps, until the scale has come down; NumPy warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")

CUDA = pytest.param("cuda", marks=pytest.mark.gpu)


@pytest.fixture(params=["cpu", CUDA])
def device(request):
    return request.param


def stories(n=64, words=12, length=6):
    """Sequences whose next word is the first one again: what a recurrent layer must carry to the end."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, words, size=(n, length))
    return ids, ids[:, 0]


class Reader(nn.Module):
    def __init__(self, words=12, hidden=24):
        super().__init__()
        self.embedding = nn.Embedding(words, hidden)
        self.recurrent = nn.LSTM(hidden, hidden, batch_first=True)
        self.norm = nn.LayerNorm(hidden)
        self.output = nn.Linear(hidden, words)

    def forward(self, ids):
        return self.output(self.norm(self.recurrent(self.embedding(ids))[0][:, -1]))


def losses(device, block, scaler, *, shrink=1.0, steps=120):
    """The loss of each step. ``shrink`` makes the gradients inside smaller, and the learning rate larger to match."""
    fw.manual_seed(0)
    model = Reader().to(device)
    optimizer = optim.SGD(model.parameters(), lr=1.0 / shrink, momentum=0.9)
    ids, target = (fw.asarray(x, device=device) for x in stories())
    seen = []
    for _ in range(steps):
        optimizer.zero_grad()
        with block:
            loss = nn.functional.cross_entropy(model(ids), target) * shrink
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0 * shrink)
        scaler.step(optimizer)
        scaler.update()
        seen.append(loss.item() / shrink)
    return seen


SMALL = 2.0**-22
"""Gradients of a loss so small vanish in float16, whose least number is 2**-24."""


def test_float16_with_a_scaler_trains_as_float32(device):
    expected = losses(device, autocast(device, enabled=False), GradScaler(enabled=False))
    found = losses(device, autocast(device, fw.float16), GradScaler())
    assert expected[0] > 2.4
    assert expected[-1] < 0.05
    assert abs(found[-1] - expected[-1]) < 0.05
    np.testing.assert_allclose(found[5:15], expected[5:15], rtol=0.2)


def test_small_gradients_vanish_without_a_scaler(device):
    block = autocast(device, fw.float16)
    expected = losses(device, autocast(device, enabled=False), GradScaler(enabled=False), shrink=SMALL)
    scaled = losses(device, block, GradScaler(init_scale=2.0**32), shrink=SMALL)
    vanished = losses(device, block, GradScaler(enabled=False), shrink=SMALL)
    assert expected[-1] < 0.05
    assert abs(scaled[-1] - expected[-1]) < 0.05
    assert vanished[-1] > 1.0


def test_bfloat16_needs_no_scaler(device):
    pytest.importorskip("ml_dtypes")
    block = autocast(device, fw.bfloat16)
    expected = losses(device, autocast(device, enabled=False), GradScaler(enabled=False), shrink=SMALL)
    found = losses(device, block, GradScaler(enabled=False), shrink=SMALL)
    assert abs(found[-1] - expected[-1]) < 0.1


# ---------------------------------------------------------------- fit
def half():
    """float16 on the device of the model, which is the default one."""
    return autocast(fw.get_default_device(), fw.float16)


def fitted(epochs=2, seen=None, **options):
    fw.manual_seed(0)
    model = Reader()
    loader = DataLoader(TensorDataset(*[fw.asarray(x) for x in stories()]), batch_size=16, shuffle=True)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    model.output.register_forward_hook(lambda module, args, y: None if seen is None else seen.append(y.dtype.name))
    history = fit(model, nn.CrossEntropyLoss(), optimizer, loader, epochs=epochs, progress=False, **options)
    return history, model


def test_fit_in_float16():
    seen: list[str] = []
    history, model = fitted(seen=seen, autocast=half(), scaler=GradScaler(), clip_norm=1.0)
    plain, _ = fitted(clip_norm=1.0)
    assert set(seen) == {"float16"}
    np.testing.assert_allclose(history["loss"], plain["loss"], rtol=0.05)
    assert all(p.dtype == fw.float32 for p in model.parameters())


def test_fit_accumulates_scaled_gradients():
    history, _ = fitted(autocast=half(), scaler=GradScaler(init_scale=256.0), accumulate=2)
    plain, _ = fitted(accumulate=2)
    np.testing.assert_allclose(history["loss"], plain["loss"], rtol=0.05)


class Stop(Callback):
    def on_step(self, run):
        if run.step == 5:
            run.stop("for now")


def test_fit_goes_on_with_the_same_scale(tmp_path):
    def options(path):
        return {
            "autocast": half(),
            "scaler": GradScaler(init_scale=256.0, growth_interval=2),
            "checkpoint": path,
        }

    whole, first, rest = (options(tmp_path / f"{name}.safetensors") for name in ("whole", "parts", "parts"))
    history, _ = fitted(**whole)
    fitted(callbacks=[Stop()], **first)
    resumed, _ = fitted(callbacks=[Callback()], **rest)
    assert rest["scaler"].state_dict() == whole["scaler"].state_dict()
    assert whole["scaler"].get_scale() > 256.0
    assert resumed.steps == history.steps
