"""The traces of the founding programs, and what a replay is compared with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
TRACES = json.loads((HERE / "traces.json").read_text(encoding="utf-8"))
BABI_LINES = (HERE / "qa1_train_first_100_lines.txt").read_text(encoding="utf-8").splitlines()

Losses = list[float]


class Trace:
    """One entry of ``traces.json``, its fields as attributes and its numbers as arrays."""

    def __init__(self, name: str) -> None:
        fields = TRACES[name]
        self.__dict__.update(
            {key: np.array(value) if key in ("inputs", "targets") else value for key, value in fields.items()}
        )
        self.initial = [np.array(p) for p in fields.get("initial_parameters", [])]

    def check(self, losses: Losses) -> None:
        """The losses must be those of the trace, and its last ones those that were published."""
        np.testing.assert_allclose(losses, self.losses, rtol=0, atol=1e-6)
        if hasattr(self, "published"):
            np.testing.assert_allclose(losses[-len(self.published) :], self.published, rtol=0, atol=1e-6)


def babi_words(vocabulary: list[str]) -> np.ndarray:
    """The batch of the next-word program as word numbers (100, 6), short lines padded on the left."""
    number = {word: i for i, word in enumerate(vocabulary)}
    lines = [line.lower().split(" ")[1:] for line in BABI_LINES]
    return np.array([[number[word] for word in ["-"] * (6 - len(line)) + line] for line in lines])


def babi_steps(device: str) -> int:
    """All 1000 steps where they are quick, the first 50 elsewhere."""
    return 1000 if device == "cpu" else 50


def check_babi(losses: Losses, accuracies: list[float]) -> None:
    """Compare a run of the next-word program, whole or its first 50 steps.

    Towards the end rounding errors, which depend on the order in which the BLAS library adds, have grown past 1e-6: with
    OpenBLAS kernels for three different processors even the lessons' own code is 4e-5 apart at the last step.
    """
    trace = Trace("babi_rnn")
    np.testing.assert_allclose(losses[:50], trace.losses_first_50, rtol=0, atol=1e-6)
    if len(losses) < 1000:
        return
    for step, loss in trace.losses_every_200.items():
        np.testing.assert_allclose(losses[int(step)], loss, rtol=0, atol=1e-6 if int(step) < 800 else 1e-3)
        assert accuracies[int(step)] == trace.accuracy[step]
    # The published run started from other values.
    assert abs(accuracies[-1] - trace.published["accuracy"][-1]) < 0.03
    assert abs(losses[-1] / 10 - trace.published["loss_over_10"][-1]) < 0.01
