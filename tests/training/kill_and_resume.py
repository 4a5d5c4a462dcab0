"""Kill a training with ``kill -9`` at random moments, resume it each time, and compare its losses bit for bit.

python tests/training/kill_and_resume.py 20
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
EPOCHS, SAMPLES, BATCH = 10, 240, 8


def train(folder: Path) -> None:
    """Train with everything that has a state, and write the losses."""
    sys.path.insert(0, str(ROOT))
    import numpy as np

    import framework as fw
    from framework import nn, optim
    from framework.data import DataLoader, TensorDataset
    from framework.metrics import Accuracy
    from framework.training import Callback, EarlyStopping, fit

    class Ready(Callback):
        def on_start(self, run):
            print("ready", run.step, flush=True)

    fw.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    rng = np.random.default_rng(0)
    ids, labels = rng.integers(0, 500, (SAMPLES, 5)), rng.integers(0, 3, SAMPLES)
    data = TensorDataset(fw.asarray(ids), fw.asarray(labels))
    model = nn.Sequential(nn.Embedding(500, 8), nn.Flatten(), nn.Dropout(0.2), nn.Linear(40, 3))
    groups = [{"params": model[0].parameters()}, {"params": model[3].parameters(), "lr": 0.01}]
    optimizer = optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=1e-3)

    def forward(model, batch):
        x, y = batch
        noise = random.random() + np.random.rand()  # Python's and NumPy's streams count, too.
        return model(x) * (1 + 0.01 * noise), y

    history = fit(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        DataLoader(data, BATCH, shuffle=True),
        epochs=EPOCHS,
        validation=DataLoader(data, 64),
        metrics={"accuracy": Accuracy()},
        schedule=optim.lr_scheduler.CosineAnnealingLR(optimizer, 100),
        schedule_every="step",
        forward=forward,
        callbacks=[EarlyStopping(patience=100), Ready()],
        checkpoint=folder / "run.safetensors",
        checkpoint_every=3,
        progress=False,
    )
    (folder / "losses.json").write_text(json.dumps([history.steps, history.epochs]))


def start(folder: Path) -> subprocess.Popen[str]:
    """Start the training in a process of its own."""
    return subprocess.Popen([sys.executable, __file__, "--train", folder], stdout=subprocess.PIPE, text=True)


def losses(folder: Path) -> list:
    """What the training wrote at its end."""
    return json.loads((folder / "losses.json").read_text())


def run(kills: int, seed: int = 0) -> str:
    """Return what was found; raise AssertionError if the losses differ."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        whole, killed = Path(name, "whole"), Path(name, "killed")
        whole.mkdir()
        killed.mkdir()
        with start(whole) as process:
            process.stdout.readline()
            began = time.monotonic()
            assert process.wait() == 0
        seconds, done, resumed = time.monotonic() - began, 0, set()
        while done < kills:
            with start(killed) as process:
                resumed.add(int(process.stdout.readline().split()[1]))
                time.sleep(rng.uniform(0, 0.7 * seconds))
                process.kill()
                done += process.wait() < 0
            if (killed / "losses.json").exists():
                # It came to its end before all the kills: begin once more.
                assert losses(killed) == losses(whole)
                for path in killed.iterdir():
                    path.unlink()
        with start(killed) as process:
            resumed.add(int(process.stdout.readline().split()[1]))
            assert process.wait() == 0
        assert losses(killed) == losses(whole), "the losses differ"
        return f"killed {done} times, resumed from steps {sorted(resumed)}: the same {len(losses(whole)[0])} losses"


if __name__ == "__main__":
    if sys.argv[1] == "--train":
        train(Path(sys.argv[2]))
    else:
        print(run(int(sys.argv[1])))
