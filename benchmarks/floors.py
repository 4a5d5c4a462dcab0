"""The least time that a step can take on a device: for its bytes, its operations, or its launches.

A floor is the largest of bytes over the measured copy bandwidth, operations over the measured rate of matrix products,
and launches times the measured cost of one (:mod:`benchmarks.rates`). What a step needs is counted from its sizes:

- **bytes**: inputs, outputs of layers, parameters, and gradients that one operation hands to another, each read or written
  as often as some operation must; rows of a table once for each distinct row of a batch. What an implementation keeps
  for its backward, and gradients of parameters, which an update can use as they are made, are not counted.
- **operations**: two for each multiplication and addition in products of matrices; what is done element by element is not
  counted.
- **launches**: one for each operation of the program, forward and backward, with a recurrent layer's whole sequence as one
  and one update of all parameters. On the CPU a launch is a call of a NumPy function.

A share above 100% is possible where data stays in a cache, which is faster than a copy, and where another library's
products are faster than those that were measured.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from benchmarks.workloads import Workload, popularity

FLOAT, INDEX = 4, 8
GATES = {"rnn": 1, "gru": 3, "lstm": 4}

Sizes = dict[str, Any]


class Work(NamedTuple):
    """What a step needs."""

    bytes: float
    operations: float
    launches: int

    def plus(self, other: Work) -> Work:
        """Both, one after the other."""
        return Work(self.bytes + other.bytes, self.operations + other.operations, self.launches + other.launches)


class Floor(NamedTuple):
    """Seconds, and which of the three it is that takes them."""

    seconds: float
    by: str


def floor(workload: Workload, rates: dict[str, float], captured: bool = False) -> Floor:
    """The least time of a step.

    Parameters
    ----------
    workload : Workload
        What is run.
    rates : dict
        ``copy`` in bytes a second, ``products`` in operations a second, ``launch`` and ``captured_launch`` in seconds.
    captured : bool
        Whether launches are those of a recorded graph.
    """
    work = count(workload)
    launch = rates["captured_launch" if captured else "launch"]
    times = {
        "bytes": work.bytes / rates["copy"],
        "operations": work.operations / rates["products"],
        "launches": work.launches * launch,
    }
    by = max(times, key=lambda name: times[name])
    return Floor(times[by], by)


def count(workload: Workload) -> Work:
    """What a step of a workload needs."""
    s = workload.sizes
    return {
        "embedding": _embedding,
        "recurrent": _recurrent,
        "language": lambda s: _words(s, s["N"] * s["T"]),
        "babi": lambda s: _words(s, s["N"]),
        "xor": _xor,
        "chain": _chain,
    }[workload.kind](s)


def distinct_rows(s: Sizes) -> float:
    """How many different rows of its table a batch of N x T lookups names, on average."""
    chances = popularity(s.get("ids", "uniform"), s["V"])
    return float((1 - (1 - chances) ** (s["N"] * s["T"])).sum())


def _embedding(s: Sizes) -> Work:
    """Rows, their mean, a linear layer to two classes, a loss.

    Forward: ids read, distinct rows read, the N x T vectors written and read by the mean (a bag makes none), means written.
    Backward: the means' gradient read, distinct rows read and written, and with momentum their momentum, too.
    """
    lookups, means, rows = s["N"] * s["T"], s["N"] * s["D"], distinct_rows(s) * s["D"]
    bag = s["layer"] == "bag"
    table = Work(INDEX * lookups + FLOAT * (rows + means + (0 if bag else 2 * lookups * s["D"])), 0, 1 if bag else 2)
    if s["train"]:
        table = table.plus(Work(FLOAT * (means + (4 if s["momentum"] else 2) * rows), 0, 2))
    return table.plus(_linear_and_loss(s["N"], s["D"], 2, s["train"]))


def _linear_and_loss(n: int, d: int, c: int, train: bool) -> Work:
    """A product of (n, d) with (d, c), then a loss of (n, c).

    Backward: the loss's gradient written and read by the products for the input and for the weights, which are updated.
    """
    x, y, w = n * d, n * c, d * c
    forward = Work(FLOAT * (x + w + 2 * y), 2 * n * d * c, 2)
    return forward.plus(Work(FLOAT * (2 * x + 3 * w + 3 * y), 4 * n * d * c, 3)) if train else forward


def _recurrent(s: Sizes) -> Work:
    """A layer, its mean squared error, and the gradient of its input.

    Forward: states and target read by the loss. Backward: the states' gradient written.
    """
    y, train = s["N"] * s["T"] * s["H"], s["train"]
    return _layer(s, train).plus(Work(FLOAT * (3 if train else 2) * y, 0, 2 if train else 1))


def _layer(s: Sizes, train: bool) -> Work:
    """A recurrent layer.

    Forward: input and parameters read, states written. Backward: the states' gradient read; states and input read by the
    products for the weights; the input's gradient written; parameters read, and read and written by the update.
    """
    d, h, gates = s["D"], s["H"], GATES[s["cell"]] * s["H"]
    x, y = s["N"] * s["T"] * d, s["N"] * s["T"] * h
    parameters, products = gates * (d + h + 2), 2 * s["N"] * s["T"] * gates * (d + h)
    forward = Work(FLOAT * (x + y + parameters), products, 2)
    if not train:
        return forward
    # One launch for the sequence, two for the weights, one each for biases, input and update.
    return forward.plus(Work(FLOAT * (2 * x + 2 * y + 3 * parameters), 2 * products, 6))


def _words(s: Sizes, scored: int) -> Work:
    """Rows, a recurrent layer, a linear layer, a loss over so many of the words."""
    lookups, rows = s["N"] * s["T"], distinct_rows(s) * s["D"]
    vectors = lookups * s["D"]
    table = Work(INDEX * lookups + FLOAT * (rows + vectors), 0, 1).plus(Work(FLOAT * (vectors + 2 * rows), 0, 1))
    return table.plus(_layer(s, True)).plus(_linear_and_loss(scored, s["H"], s["V"], True))


def _xor(s: Sizes) -> Work:
    """Two linear layers, two activations and a loss, and their gradients: a few hundred bytes."""
    return Work(0, 0, 12)


def _chain(s: Sizes) -> Work:
    """Additions and a sum; the gradient passes through unchanged."""
    return Work(0, 0, s["length"] + 2)
