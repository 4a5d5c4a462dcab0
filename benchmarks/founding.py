"""The lessons' own algorithm in plain NumPy, as a baseline, and its next-word program on the bAbI task.

The framework here is written anew after the founding lessons (*Grokking Deep Learning*, chapter 13) and works as theirs
does: each tensor draws an id, counts its children in a dictionary, and sends its gradient on by recursion when all its
children have reported; gradients are tensors, computed by the same operations; a lookup's gradient is summed row by row.
It is a yardstick, not a library: what it leaves out, the lessons leave out.

``python -m benchmarks.founding`` times the program with this framework, with ``framework.dialects.grokking`` and on the
main API, each in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

LINES, WORDS, VOCABULARY, HIDDEN, ALPHA = 100, 6, 83, 16, 0.05


class Tensor:
    """An array that remembers how it was made."""

    def __init__(
        self,
        data: Any,
        autograd: bool = False,
        creators: list[Tensor] | None = None,
        creation_op: str | None = None,
        id: int | None = None,
    ) -> None:
        self.data = np.array(data)
        self.autograd = autograd
        self.grad: Tensor | None = None
        self.id = np.random.randint(100) if id is None else id
        self.creators = creators
        self.creation_op = creation_op
        # Keyed by the tensors themselves, so that a parameter holds on to all that ever used it, as there.
        self.children: dict[Tensor, int] = {}
        self.pull: Callable[[Tensor], Iterator[Tensor]] | None = None
        for creator in creators or ():
            creator.children[self] = creator.children.get(self, 0) + 1

    def all_children_grads_accounted_for(self) -> bool:
        """Whether every use of this tensor has reported its gradient."""
        return all(count == 0 for count in self.children.values())

    def backward(self, grad: Tensor | None = None, grad_origin: Tensor | None = None) -> None:
        """Add a gradient, and send the sum on once all children have reported."""
        if not self.autograd:
            return
        if grad is None:
            grad = Tensor(np.ones_like(self.data))
        if grad_origin is not None:
            if self.children[grad_origin] == 0:
                raise RuntimeError("cannot backprop more than once")
            self.children[grad_origin] -= 1
        self.grad = grad if self.grad is None else self.grad + grad
        if self.pull is not None and (grad_origin is None or self.all_children_grads_accounted_for()):
            # As in the lessons, only these wait for the other uses of what they are made of.
            origin = self if self.creation_op in ("add", "sub", "mul") else None
            for creator, part in zip(self.creators or (), self.pull(self.grad)):
                creator.backward(part, origin)

    def _result(self, op: str, data: Any, others: tuple[Tensor, ...], pull: Callable[..., Iterator[Tensor]]) -> Tensor:
        creators = [self, *others]
        if not all(creator.autograd for creator in creators):
            return Tensor(data)
        out = Tensor(data, autograd=True, creators=creators, creation_op=op)
        out.pull = pull
        return out

    def __add__(self, other: Tensor) -> Tensor:
        def pull(g: Tensor) -> Iterator[Tensor]:
            yield g
            yield g

        return self._result("add", self.data + other.data, (other,), pull)

    def __neg__(self) -> Tensor:
        def pull(g: Tensor) -> Iterator[Tensor]:
            yield -g

        return self._result("neg", -self.data, (), pull)

    def __sub__(self, other: Tensor) -> Tensor:
        def pull(g: Tensor) -> Iterator[Tensor]:
            yield Tensor(g.data)
            yield -g

        return self._result("sub", self.data - other.data, (other,), pull)

    def __mul__(self, other: Tensor) -> Tensor:
        def pull(g: Tensor) -> Iterator[Tensor]:
            yield g * other
            yield g * self

        return self._result("mul", self.data * other.data, (other,), pull)

    def sum(self, dim: int) -> Tensor:
        """Sum along an axis."""

        def pull(g: Tensor) -> Iterator[Tensor]:
            yield g.expand(dim, self.data.shape[dim])

        return self._result(f"sum_{dim}", self.data.sum(dim), (), pull)

    def expand(self, dim: int, copies: int) -> Tensor:
        """Copies along a new axis."""

        def pull(g: Tensor) -> Iterator[Tensor]:
            yield g.sum(dim)

        order = list(range(self.data.ndim))
        order.insert(dim, self.data.ndim)
        data = self.data.repeat(copies).reshape((*self.data.shape, copies)).transpose(order)
        return self._result(f"expand_{dim}", data, (), pull)

    def transpose(self) -> Tensor:
        """The axes in reverse order."""

        def pull(g: Tensor) -> Iterator[Tensor]:
            yield g.transpose()

        return self._result("transpose", self.data.transpose(), (), pull)

    def mm(self, x: Tensor) -> Tensor:
        """Matrix product."""

        def pull(g: Tensor) -> Iterator[Tensor]:
            yield g.mm(x.transpose())
            yield g.transpose().mm(self).transpose()

        return self._result("mm", self.data.dot(x.data), (x,), pull)

    def sigmoid(self) -> Tensor:
        """``1 / (1 + exp(-x))``."""

        def pull(g: Tensor) -> Iterator[Tensor]:
            yield g * (out * (Tensor(np.ones_like(g.data)) - out))

        out = self._result("sigmoid", 1 / (1 + np.exp(-self.data)), (), pull)
        return out

    def tanh(self) -> Tensor:
        """Hyperbolic tangent."""

        def pull(g: Tensor) -> Iterator[Tensor]:
            yield g * (Tensor(np.ones_like(g.data)) - out * out)

        out = self._result("tanh", np.tanh(self.data), (), pull)
        return out

    def relu(self) -> Tensor:
        """``max(x, 0)``."""

        def pull(g: Tensor) -> Iterator[Tensor]:
            yield g * Tensor(self.data > 0)

        return self._result("relu", self.data * (self.data > 0), (), pull)

    def index_select(self, indices: Tensor) -> Tensor:
        """Rows of a table; the gradient is added row by row."""

        def pull(g: Tensor) -> Iterator[Tensor]:
            table = np.zeros_like(self.data)
            rows = indices.data.flatten()
            parts = g.data.reshape(len(rows), -1)
            for i in range(len(rows)):
                table[rows[i]] += parts[i]
            yield Tensor(table)

        return self._result("index_select", self.data[indices.data], (), pull)

    def cross_entropy(self, target_indices: Tensor) -> Tensor:
        """Softmax and negative log-likelihood: the mean of the batch, with the gradient of its sum."""

        def pull(g: Tensor) -> Iterator[Tensor]:
            yield Tensor(softmax - wanted)

        powers = np.exp(self.data)
        softmax = powers / np.sum(powers, axis=self.data.ndim - 1, keepdims=True)
        labels = target_indices.data.flatten()
        p = softmax.reshape(len(labels), -1)
        wanted = np.eye(p.shape[1])[labels]
        return self._result("cross_entropy", -(np.log(p) * wanted).sum(1).mean(), (), pull)


class Layer:
    """Something with parameters."""

    def __init__(self) -> None:
        self.parameters: list[Tensor] = []

    def get_parameters(self) -> list[Tensor]:
        """The parameters, in the order in which they were made."""
        return self.parameters


class Linear(Layer):
    """``x @ weight + bias``."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.weight = Tensor(np.random.randn(n_inputs, n_outputs) * np.sqrt(2.0 / n_inputs), autograd=True)
        self.bias = Tensor(np.zeros(n_outputs), autograd=True)
        self.parameters += [self.weight, self.bias]

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, n_inputs) to (N, n_outputs)."""
        return input.mm(self.weight) + self.bias.expand(0, len(input.data))


class Embedding(Layer):
    """A table of vectors."""

    def __init__(self, vocab_size: int, dim: int) -> None:
        super().__init__()
        self.weight = Tensor((np.random.rand(vocab_size, dim) - 0.5) / dim, autograd=True)
        self.parameters.append(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """Vectors of the given rows."""
        return self.weight.index_select(input)


class RNNCell(Layer):
    """One step of a recurrent network with sigmoid units."""

    def __init__(self, n_inputs: int, n_hidden: int, n_output: int) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.w_ih = Linear(n_inputs, n_hidden)
        self.w_hh = Linear(n_hidden, n_hidden)
        self.w_ho = Linear(n_hidden, n_output)
        for layer in (self.w_ih, self.w_hh, self.w_ho):
            self.parameters += layer.get_parameters()

    def forward(self, input: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The output and the new hidden state."""
        from_hidden = self.w_hh.forward(hidden)
        new_hidden = (self.w_ih.forward(input) + from_hidden).sigmoid()
        return self.w_ho.forward(new_hidden), new_hidden

    def init_hidden(self, batch_size: int = 1) -> Tensor:
        """A state of zeros."""
        return Tensor(np.zeros((batch_size, self.n_hidden)), autograd=True)


class CrossEntropyLoss:
    """Cross-entropy with the softmax."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The batch's mean loss."""
        return input.cross_entropy(target)


class SGD:
    """Plain stochastic gradient descent."""

    def __init__(self, parameters: list[Tensor], alpha: float = 0.1) -> None:
        self.parameters = parameters
        self.alpha = alpha

    def zero(self) -> None:
        """Set all gradients to zero."""
        for p in self.parameters:
            p.grad.data *= 0  # type: ignore[union-attr]

    def step(self, zero: bool = True) -> None:
        """Go down by ``alpha`` times the gradient."""
        for p in self.parameters:
            p.data -= p.grad.data * self.alpha  # type: ignore[union-attr]
        if zero:
            self.zero()


def next_word_steps(lesson: Any, data: Any) -> Iterator[float]:
    """Train the lesson's next-word program, yielding the loss before each step.

    Parameters
    ----------
    lesson : module
        With the lessons' names: this one, or ``framework.dialects.grokking``.
    data : (N, T + 1) integer array
        Rows of words; the last column is to be predicted from the others.
    """
    embed = lesson.Embedding(vocab_size=VOCABULARY, dim=HIDDEN)
    model = lesson.RNNCell(n_inputs=HIDDEN, n_hidden=HIDDEN, n_output=VOCABULARY)
    criterion = lesson.CrossEntropyLoss()
    optim = lesson.SGD(parameters=model.get_parameters() + embed.get_parameters(), alpha=ALPHA)
    while True:
        hidden = model.init_hidden(batch_size=len(data))
        for t in range(data.shape[1] - 1):
            rnn_input = embed.forward(input=lesson.Tensor(data[:, t], autograd=True))
            output, hidden = model.forward(input=rnn_input, hidden=hidden)
        loss = criterion.forward(output, lesson.Tensor(data[:, -1], autograd=True))
        loss.backward()
        optim.step()
        yield float(loss.data)


def initial_values() -> list[Any]:
    """What the program's parameters start from: the table, then weight and bias of each of the cell's three layers."""
    values = [(np.random.rand(VOCABULARY, HIDDEN) - 0.5) / HIDDEN]
    for n_in, n_out in ((HIDDEN, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, VOCABULARY)):
        values += [np.random.randn(n_in, n_out) * np.sqrt(2.0 / n_in), np.zeros(n_out)]
    return values


def main_api_steps(data: Any, start: list[Any]) -> Iterator[float]:
    """The same program on the main API, from the given values of its parameters."""
    import framework as fw
    from framework import nn, optim

    parameters = [fw.Tensor(values, requires_grad=True) for values in start]
    embed, w_ih, b_ih, w_hh, b_hh, w_ho, b_ho = parameters
    optimizer = optim.SGD(parameters, lr=ALPHA)
    words, target = fw.asarray(data[:, :-1].T, copy=True), fw.asarray(data[:, -1], copy=True)
    while True:
        hidden = fw.zeros((len(data), HIDDEN), dtype=fw.float64)
        for t in range(words.shape[0]):
            x = nn.functional.embedding(words[t], embed)
            hidden = fw.sigmoid(x @ w_ih + b_ih + (hidden @ w_hh + b_hh))
        loss = nn.functional.cross_entropy(hidden @ w_ho + b_ho, target, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item() / len(data)


def median_step(steps: Iterator[float], count: int) -> float:
    """Median seconds a step, after a tenth as many to warm up."""
    for _ in range(count // 10):
        next(steps)
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        next(steps)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[count // 2]


PROGRAMS: dict[str, str] = {"lesson": __name__, "dialect": "framework.dialects.grokking", "main": ""}


def measure(program: str, count: int) -> float:
    """Seconds a step of one program, in this process, on words drawn at random."""
    data = np.random.default_rng(0).integers(0, VOCABULARY, (LINES, WORDS))
    if program == "main":
        return median_step(main_api_steps(data, initial_values()), count)
    lesson: ModuleType = sys.modules[__name__] if program == "lesson" else import_module(PROGRAMS[program])
    return median_step(next_word_steps(lesson, data), count)


def main() -> None:
    """Print milliseconds a step of each program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--program", choices=PROGRAMS, help="time this one only, in this process")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    if arguments.program:
        print(f"{arguments.program} {1e3 * measure(arguments.program, arguments.steps):.3f} ms a step")
        return
    for program in PROGRAMS:
        command = [sys.executable, "-m", "benchmarks.founding", "--program", program, "--steps", str(arguments.steps)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
