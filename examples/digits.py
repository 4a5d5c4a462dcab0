"""Recognise handwritten digits: scikit-learn's 1,797 of 8 x 8 points, or MNIST's 70,000 of 28 x 28.

python examples/digits.py                    # scikit-learn's, which come with it; a fifth is held out
python examples/digits.py --mnist FOLDER     # MNIST's four IDX files, gzipped or not; its test set is held out
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import framework as fw
from framework import nn, optim
from framework.data import DataLoader, TensorDataset, load_mnist
from framework.metrics import Accuracy, ConfusionMatrix
from framework.training import fit
from framework.viz import confusion_matrix

from common import make_parser, plot, positive, run


def small_digits(seed: int) -> tuple[Any, Any]:
    """Training and held-out images (N, 8, 8) in [0, 1] and labels (N,), from scikit-learn."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images, labels = (digits.images / 16).astype(np.float32), digits.target.astype(np.int64)
    order = fw.randperm(len(labels), generator=fw.Generator(seed)).cpu().numpy()
    held_out, train = np.split(order, [len(labels) // 5])
    return (images[train], labels[train]), (images[held_out], labels[held_out])


def mnist_digits(folder: Path) -> tuple[Any, Any]:
    """Training and held-out images (N, 28, 28) in [0, 1] and labels (N,)."""
    parts = [load_mnist(part, folder)[:] for part in ("train", "test")]
    return tuple((_in_unit_interval(x), y.cpu().numpy().astype(np.int64)) for x, y in parts)  # type: ignore[return-value]


def _in_unit_interval(images: Any) -> np.ndarray:
    host = images.cpu().numpy()
    whole = host.dtype.kind in "iu"
    host = host.reshape(len(host), *host.shape[-2:]).astype(np.float32)
    return host / 255 if whole else host


class Noise(nn.Module):
    """Adds noise in training, so that no point is relied on too much."""

    def forward(self, x: Any) -> fw.Tensor:
        """Images of any shape."""
        return x + 0.2 * fw.randn_like(x) if self.training else x


def make_model(points: int, hidden: int) -> nn.Module:
    """Images to scores of the ten digits."""
    return nn.Sequential(
        nn.Flatten(),
        Noise(),
        nn.Linear(points, hidden),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(hidden, 10),
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "digits", epochs=40, batch=64, lr=0.01)
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="where MNIST's files lie")
    parser.add_argument("--hidden", type=positive, default=256, help="units in each of two layers (default: 256)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> float:
    """Train, test, draw, and return the held-out accuracy."""
    options = parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    parts = mnist_digits(options.mnist) if options.mnist else small_digits(options.seed)
    fw.manual_seed(options.seed)
    train, held_out = (TensorDataset(*(fw.asarray(x, device=options.device) for x in part)) for part in parts)
    loader = DataLoader(train, options.batch, shuffle=True)
    model = make_model(parts[0][0][0].size, options.hidden).to(options.device)
    optimizer = optim.AdamW(model.parameters(), lr=options.lr)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, options.lr, epochs=options.epochs, steps_per_epoch=len(loader))
    started, metrics = time.perf_counter(), {"accuracy": Accuracy()}
    history = fit(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        loader,
        epochs=options.epochs,
        metrics=metrics,
        schedule=schedule,
        schedule_every="step",
        progress=not options.quiet,
    )
    seconds = time.perf_counter() - started
    images, labels = held_out[:]
    model.eval()
    with fw.no_grad():
        scores = model(images)
    accuracy, confusion = Accuracy(), ConfusionMatrix(10)
    accuracy.update(scores, labels)
    confusion.update(scores, labels)
    result = accuracy.compute().item()
    figure = options.out / "confusion.png"
    confusion_matrix(confusion.compute(), path=figure, title=f"held-out digits: {result:.3f} right")
    print(f"{len(train)} digits, {options.epochs} epochs in {seconds:.1f} s on {options.device}")
    print(f"correct on {len(held_out)} held-out digits: {result:.4f}")
    print(f"wrote {figure} and {plot(history, options.out, 'digits')}")
    return result


if __name__ == "__main__":
    run(main)
