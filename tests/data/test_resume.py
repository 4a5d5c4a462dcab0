"""A run that is killed at random moments and resumed gives the losses of one never stopped, bit for bit."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("safetensors")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from pathlib import Path

import numpy as np

import framework as fw
from framework import random
from framework.data import DataLoader, TensorDataset

folder, workers, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
numbers = np.random.default_rng(0)
data = TensorDataset(numbers.normal(size=(60, 5)), numbers.normal(size=60))
random.manual_seed(1)
loader = DataLoader(data, batch_size=8, shuffle=True, num_workers=workers)
w, losses = fw.zeros(5, dtype="float64").requires_grad_(), []
if (folder / "checkpoint").exists():
    saved = fw.load(folder / "checkpoint")
    w, losses = saved["w"].requires_grad_(), saved["losses"]
    random.set_state(saved["random"])
    loader.load_state_dict(saved["loader"])
while loader.epoch < 5:
    for x, y in loader:
        keep = random.bernoulli(0.8, x.shape, dtype="float64")
        loss = (((x * keep) @ w - y) ** 2).mean()
        loss.backward()
        w = (w - 0.1 * w.grad).detach().requires_grad_()
        losses.append(loss.item())
        state = {"w": w, "losses": losses, "random": list(random.get_state()), "loader": loader.state_dict()}
        fw.save(state, folder / "checkpoint")
        __import__("time").sleep(pause)
print(*map(float.hex, losses))
"""


def start(folder, workers, pause):
    command = [sys.executable, "-c", SCRIPT, str(folder), str(workers), str(pause)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_and_resumed(tmp_path, workers):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    expected = start(whole, 0, 0).communicate()[0]
    assert len(expected.split()) == 40
    moments = random.Random(workers)
    for _ in range(4):
        process = start(killed, workers, 0.01)
        while not (killed / "checkpoint").exists():
            time.sleep(0.01)
        time.sleep(moments.uniform(0.2, 0.6))
        process.kill()
        process.communicate()
    assert start(killed, workers, 0).communicate()[0] == expected
