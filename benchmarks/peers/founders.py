"""The founding lessons' own algorithm, of :mod:`benchmarks.founding`: a loop over rows, a graph walked by recursion."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np

from benchmarks.founding import SGD, Tensor
from benchmarks.workloads import Arrays, Workload

VERSION = f"the founding documents' algorithm on numpy {np.__version__}"


def make(workload: Workload, data: Arrays, device: str = "cpu") -> Callable[[], Any]:
    """A function that does one step and returns the loss, an array."""
    return {"embedding": _embedding, "babi": _babi}[workload.kind](workload.sizes, data)


def synchronize(device: str) -> None:
    """NumPy never lags."""


def _parameters(data: Arrays, *names: str) -> list[Tensor]:
    """Take them out of the data; matrices but for the table are the other way round in the lessons."""

    def parameter(name: str) -> Tensor:
        values = data.pop(name)
        return Tensor(values if name == "table" else values.T, autograd=True)

    return [parameter(name) for name in names]


def _step(forward: Callable[[], Tensor], params: list[Tensor], batch: int) -> Callable[[], Any]:
    # The lessons' cross-entropy has the gradient of the batch's sum.
    optimizer = SGD(params, alpha=0.1 / batch)

    def step() -> Any:
        loss = forward()
        loss.backward()
        optimizer.step()
        return loss.data

    return step


def _embedding(s: dict[str, Any], data: Arrays) -> Callable[[], Any]:
    table, weight, bias = _parameters(data, "table", "weight", "bias")
    share = Tensor(np.full((s["N"], s["D"]), 1 / s["T"], np.float32), autograd=True)
    batches = cycle(zip(data.pop("ids"), data.pop("labels")))

    def forward() -> Tensor:
        ids, labels = next(batches)
        logits = (_lookup(table, ids).sum(1) * share).mm(weight) + bias.expand(0, s["N"])
        return logits.cross_entropy(Tensor(labels, autograd=True))

    return _step(forward, [table, weight, bias], s["N"])


def _lookup(table: Tensor, ids: Any) -> Tensor:
    return table.index_select(Tensor(ids, autograd=True))


def _babi(s: dict[str, Any], data: Arrays) -> Callable[[], Any]:
    params = _parameters(data, "table", "w_ih", "w_hh", "b_ih", "b_hh", "weight", "bias")
    table, w_ih, w_hh, b_ih, b_hh, out, out_bias = params
    batches, n = cycle(data.pop("ids")), s["N"]

    def forward() -> Tensor:
        ids = next(batches)
        hidden = Tensor(np.zeros((n, s["H"]), np.float32), autograd=True)
        for t in range(s["T"]):
            x = _lookup(table, ids[:, t]).mm(w_ih) + b_ih.expand(0, n)
            hidden = (x + (hidden.mm(w_hh) + b_hh.expand(0, n))).tanh()
        logits = hidden.mm(out) + out_bias.expand(0, n)
        return logits.cross_entropy(Tensor(ids[:, -1], autograd=True))

    return _step(forward, params, n)
