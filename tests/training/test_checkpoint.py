"""Training checkpoints: everything comes back, and what does not fit changes nothing."""

import random

import numpy as np
import pytest

import framework as fw
from framework import nn, optim
from framework.data import DataLoader
from framework.training import EarlyStopping, load_checkpoint, save_checkpoint
from framework.training.randomness import random_state


def parts(hidden=3, optimizer="Adam"):
    model = nn.Sequential(nn.Embedding(4, hidden), nn.Flatten(), nn.Linear(2 * hidden, 2))
    return {"model": model, "optimizer": getattr(optim, optimizer)(model.parameters())}


def step(model, optimizer):
    optimizer.zero_grad()
    model(fw.asarray([[0, 1], [2, 2]])).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "RMSprop", "Adagrad", "SGD"])
def test_everything_comes_back(optimizer, tmp_path):
    first = parts(optimizer=optimizer)
    step(**first)
    loader = DataLoader([0, 1, 2, 3], 1, shuffle=True)
    batches = iter(loader)
    next(batches)
    numpy_before, python_before = np.random.get_state(), random.getstate()
    try:
        save_checkpoint(tmp_path / "c.safetensors", loader=loader, extra={"note": [1, "x"]}, **first)
        expected = [fw.rand(2).tolist(), random.random(), np.random.rand(), [b.item() for b in batches]]
        second, other = parts(optimizer=optimizer), DataLoader([0, 1, 2, 3], 1, shuffle=True)
        assert load_checkpoint(tmp_path / "c.safetensors", loader=other, **second) == {"note": [1, "x"]}
        assert [fw.rand(2).tolist(), random.random(), np.random.rand(), [b.item() for b in other]] == expected
    finally:
        np.random.set_state(numpy_before)
        random.setstate(python_before)
    for made in (first, second):
        step(**made)
    for a, b in zip(first["model"].parameters(), second["model"].parameters()):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("other", [{"hidden": 5}, {"optimizer": "Adagrad"}])
def test_what_does_not_fit_changes_nothing(other, tmp_path):
    path = tmp_path / "c.safetensors"
    made = parts(**other)
    step(**made)
    save_checkpoint(path, **made)
    mine = parts()
    step(**mine)
    before, place = [p.detach().numpy().copy() for p in mine["model"].parameters()], fw.random.get_state()
    with pytest.raises((ValueError, RuntimeError)):
        load_checkpoint(path, **mine)
    assert fw.random.get_state() == place
    for p, value in zip(mine["model"].parameters(), before):
        np.testing.assert_array_equal(p.detach().numpy(), value)
    assert set(mine["optimizer"].state_dict()["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}


def test_files_of_other_kinds_are_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    fw.save({"weight": fw.ones(2)}, path)
    with pytest.raises(ValueError, match="not a training checkpoint"):
        load_checkpoint(path)
    save_checkpoint(path, model=nn.Linear(2, 2))
    with pytest.raises(ValueError, match="holds no 'optimizer'; it holds 'model'"):
        load_checkpoint(path, **parts())
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none")


DAMAGE = {
    "no parts": lambda saved: saved.pop("parts"),
    "no extra": lambda saved: saved.pop("extra"),
    "no weight": lambda saved: saved["parts"]["model"].pop("weight"),
    "no best": lambda saved: saved["parts"]["stopping"].pop("best"),
    "no random stream": lambda saved: saved["random"].pop("framework"),
    "another random stream": lambda saved: saved["random"].update(python=[3, [1, 2], None]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_checkpoint_changes_nothing(name, tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, model=nn.Linear(2, 2), stopping=EarlyStopping())
    saved = fw.load(path)
    DAMAGE[name](saved)
    fw.save(saved, path)
    mine = {"model": nn.Linear(2, 2), "stopping": EarlyStopping()}
    mine["stopping"].best = 0.5
    before = mine["model"].weight.detach().tolist(), random_state()
    with pytest.raises((ValueError, RuntimeError)):
        load_checkpoint(path, **mine)
    assert (mine["model"].weight.tolist(), random_state()) == before
    assert mine["stopping"].best == 0.5
