"""What the programs share: their options, their errors in one line, and where they write."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from framework.training import History


def make_parser(doc: str | None, name: str, *, epochs: int, batch: int, lr: float) -> argparse.ArgumentParser:
    """A parser with the options that all programs have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=positive, default=epochs, help=f"times through the data (default: {epochs})")
    parser.add_argument("--batch", type=positive, default=batch, help=f"samples a step (default: {batch})")
    parser.add_argument("--lr", type=float, default=lr, help=f"learning rate (default: {lr})")
    parser.add_argument("--seed", type=int, default=0, help="for weights and batches (default: 0)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    folder = Path("runs") / name
    parser.add_argument("--out", type=Path, default=folder, help=f"folder for what is written (default: {folder})")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def positive(text: str) -> int:
    """An integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def plot(history: History, folder: Path, title: str) -> Path:
    """Draw the training curves; returns where."""
    path = folder / "history.png"
    history.plot(path, title)
    return path


def run(main: Callable[[], Any]) -> None:
    """Run a program; what went wrong is said in one line."""
    try:
        main()
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {' '.join(str(error).split())}")
