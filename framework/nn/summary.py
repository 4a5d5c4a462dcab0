"""What a model is made of: its layers with the shapes that come out of them, their parameters, their memory."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from framework.autograd import no_grad
from framework.random import get_state, set_state
from framework.tensor import Tensor

if TYPE_CHECKING:
    from framework.nn.module import Module


class Row(NamedTuple):
    """One call of one layer: how deep it lies, its name and class, the shapes of its results, its own parameters."""

    depth: int
    name: str
    kind: str
    shapes: tuple[tuple[int, ...], ...]
    parameters: int


class Summary:
    """The table that :meth:`Module.summary` returns; printed as text, shown as HTML in notebooks.

    Attributes
    ----------
    rows : list of Row
        The layers, in the order in which they are called; without an example, as they are declared.
    parameters, trainable : int
        How many numbers the model has, and how many of them are trained.
    parameter_bytes, output_bytes : int
        Memory of parameters and buffers, and of the results of all layers without sublayers.
    """

    def __init__(self, model: Module, rows: list[Row], output_bytes: int) -> None:
        self.rows = rows
        self.parameters = sum(p.size for p in model.parameters())
        self.trainable = sum(p.size for p in model.parameters() if p.requires_grad)
        self.parameter_bytes = sum(_bytes(x) for x in (*model.parameters(), *model.buffers()))
        self.output_bytes = output_bytes

    def _cells(self) -> list[tuple[str, str, str]]:
        return [
            (
                "  " * row.depth + (f"{row.name}: {row.kind}" if row.name else row.kind),
                ", ".join(map(str, row.shapes)) or "-",
                f"{row.parameters:,}",
            )
            for row in self.rows
        ]

    def _totals(self) -> list[str]:
        return [
            f"parameters: {self.parameters:,} ({self.trainable:,} trained), {_readable(self.parameter_bytes)}",
            f"results of the layers: {_readable(self.output_bytes)}",
        ]

    def __str__(self) -> str:
        cells = [("layer", "result", "parameters"), *self._cells()]
        first, second, third = (max(len(row[i]) for row in cells) for i in range(3))
        lines = [f"{a:<{first}}  {b:<{second}}  {c:>{third}}" for a, b, c in cells]
        rule = "-" * (first + second + third + 4)
        return "\n".join([lines[0], rule, *lines[1:], rule, *self._totals()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        body = "".join(
            "<tr>"
            + "".join(f'<td style="text-align:left;white-space:pre">{html.escape(x)}</td>' for x in row)
            + "</tr>"
            for row in self._cells()
        )
        totals = "<br>".join(map(html.escape, self._totals()))
        return f"<table><tr><th>layer</th><th>result</th><th>parameters</th></tr>{body}</table>{totals}"


class _Recorder:
    """Hooks that make a row of every call of a layer."""

    def __init__(self, model: Module) -> None:
        self.names = {id(module): name.rpartition(".")[2] for name, module in model.named_modules()}
        self.rows: list[Row] = []
        self.output_bytes = 0
        self._open: list[int] = []

    def before(self, module: Module, args: Any) -> None:
        """A call begins, inside those that are open."""
        row = Row(len(self._open), self.names[id(module)], type(module).__name__, (), _own(module))
        self._open.append(len(self.rows))
        self.rows.append(row)

    def after(self, module: Module, args: Any, output: Any) -> None:
        """The call ends."""
        place, results = self._open.pop(), list(_tensors(output))
        self.rows[place] = self.rows[place]._replace(shapes=tuple(x.shape for x in results))
        if not any(True for _ in module.children()):
            self.output_bytes += sum(map(_bytes, results))


def summarize(model: Module, *example: Any) -> Summary:
    """See :meth:`Module.summary`."""
    if not example:
        return Summary(model, list(_declared(model, "", 0)), 0)
    recorder, random, modes = _Recorder(model), get_state(), [(module, module.training) for module in model.modules()]
    handles = [module.register_forward_pre_hook(recorder.before) for module in model.modules()]
    handles += [module.register_forward_hook(recorder.after) for module in model.modules()]
    try:
        with no_grad():
            model.eval()(*example)
    finally:
        set_state(random)
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    return Summary(model, recorder.rows, recorder.output_bytes)


def _declared(module: Module, name: str, depth: int) -> Iterator[Row]:
    yield Row(depth, name, type(module).__name__, (), _own(module))
    for key, child in module.named_children():
        yield from _declared(child, key, depth + 1)


def _own(module: Module) -> int:
    return sum(p.size for p in module.parameters(recurse=False))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _bytes(x: Tensor) -> int:
    return x.size * x.dtype.itemsize


def _readable(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} GiB"
