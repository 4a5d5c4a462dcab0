"""Learn sin(x) * cos(x) from windows of 50 values with a recurrent network, and go on alone.

    python examples/sine.py

The network sees 50 values and names the next. Then it continues the curve from its own answers, one after another.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import framework as fw
from framework import nn, optim
from framework.data import DataLoader, TensorDataset
from framework.training import fit

from common import make_parser, positive, run

WINDOW = 50
STEP = 0.1


class NextValue(nn.Module):
    """Windows (N, 50, 1) to the value after each (N, 1)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.recurrent = nn.RNN(1, hidden, batch_first=True)
        self.output = nn.Linear(hidden, 1)

    def forward(self, values: Any) -> fw.Tensor:
        """The next values."""
        states, _ = self.recurrent(values)
        return self.output(states[:, -1])


def curve(start: float, count: int) -> np.ndarray:
    """The function at ``count`` points, ``STEP`` apart."""
    x = start + STEP * np.arange(count)
    return (np.sin(x) * np.cos(x)).astype(np.float32)


def windows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All windows (N, 50, 1) but the last, and the value after each (N, 1)."""
    all_windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW)[:-1]
    return np.ascontiguousarray(all_windows[..., None]), values[WINDOW:, None]


def continue_alone(model: nn.Module, beginning: np.ndarray, count: int, device: str) -> np.ndarray:
    """The values that follow when each answer becomes the next input."""
    known = list(beginning)
    with fw.no_grad():
        for _ in range(count):
            window = fw.asarray(np.array(known[-WINDOW:], dtype=np.float32)[None, :, None], device=device)
            known.append(model(window).item())
    return np.array(known[len(beginning) :])


def draw(truth: np.ndarray, one_step: np.ndarray, alone: np.ndarray, path: Path) -> None:
    """The curve, and what the network made of it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    x = STEP * np.arange(len(truth))
    axes.plot(x, truth, color="0.6", linewidth=4, label="sin(x) cos(x)")
    axes.plot(x[WINDOW:], one_step, label="next value from 50 true ones")
    axes.plot(x[WINDOW:], alone, "--", label="alone, from its own answers")
    axes.axvline(x[WINDOW], color="0.8")
    axes.set(xlabel="x", title="a recurrent network on values it was not trained on")
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=120)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "sine", epochs=60, batch=32, lr=0.01)
    parser.add_argument("--hidden", type=positive, default=32, help="size of the state (default: 32)")
    parser.add_argument("--points", type=positive, default=1000, help="points to learn from (default: 1000)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> float:
    """Train, draw, and return the root mean squared error of the next value on points not trained on."""
    options = parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.points <= WINDOW:
        raise ValueError(f"--points must be more than the window's {WINDOW}, got {options.points}")
    fw.manual_seed(options.seed)
    train = TensorDataset(*(fw.asarray(x, device=options.device) for x in windows(curve(0.0, options.points))))
    model = NextValue(options.hidden).to(options.device)
    optimizer = optim.Adam(model.parameters(), lr=options.lr)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=options.epochs)
    loader, started = DataLoader(train, options.batch, shuffle=True), time.perf_counter()
    history = fit(
        model,
        nn.MSELoss(),
        optimizer,
        loader,
        epochs=options.epochs,
        schedule=schedule,
        clip_norm=1.0,
        progress=not options.quiet,
    )
    seconds = time.perf_counter() - started
    # Points between those of the training: the step is no fraction of the period, so none comes again.
    truth = curve(STEP * options.points + STEP / 2, 4 * WINDOW)
    x, y = windows(truth)
    with fw.no_grad():
        one_step = model(fw.asarray(x, device=options.device)).cpu().numpy()[:, 0]
    alone = continue_alone(model, truth[:WINDOW], len(y), options.device)
    errors = [float(np.sqrt(np.mean((guess - y[:, 0]) ** 2))) for guess in (one_step, alone)]
    draw(truth, one_step, alone, options.out / "sine.png")
    print(f"{len(train)} windows, {options.epochs} epochs in {seconds:.1f} s, loss {history['loss'][-1]:.2e}")
    print(f"error on new points: next value {errors[0]:.4f}, {len(y)} values alone {errors[1]:.4f}")
    print(f"wrote {options.out / 'sine.png'}")
    return errors[0]


if __name__ == "__main__":
    run(main)
