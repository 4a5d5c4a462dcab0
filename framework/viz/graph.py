"""The recorded graph of a tensor, or the layers of a model, as Mermaid or SVG."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from framework.autograd.graph import Node, Variable
from framework.nn import Module
from framework.tensor import Tensor


class Vertex(NamedTuple):
    """A box: ``lines`` of text in it, and ``kind``, one of operation, leaf, layer."""

    lines: tuple[str, ...]
    kind: str


COLOURS = {"operation": "#eef3fb", "leaf": "#fdf3d8", "layer": "#e9f5e9"}


class Graph:
    """Boxes and arrows; shown as SVG in notebooks, if graphviz is there.

    Attributes
    ----------
    vertices : list of Vertex
        The boxes.
    edges : list of (int, int)
        Arrows from box to box, in the direction in which values flow.
    """

    def __init__(self) -> None:
        self.vertices: list[Vertex] = []
        self.edges: list[tuple[int, int]] = []

    def add(self, lines: tuple[str, ...], kind: str) -> int:
        """Add a box; returns its number."""
        self.vertices.append(Vertex(lines, kind))
        return len(self.vertices) - 1

    def mermaid(self) -> str:
        """The graph in Mermaid, which many places that take Markdown draw."""
        opening, closing = {"operation": "(", "leaf": "[", "layer": "["}, {"operation": ")", "leaf": "]", "layer": "]"}
        lines = ["flowchart TD"]
        for number, (text, kind) in enumerate(self.vertices):
            label = "<br/>".join(part.replace('"', "#quot;") for part in text)
            lines.append(f'    n{number}{opening[kind]}"{label}"{closing[kind]}:::{kind}')
        lines += [f"    n{source} --> n{target}" for source, target in self.edges]
        lines += [f"    classDef {kind} fill:{colour},stroke:#555" for kind, colour in COLOURS.items()]
        return "\n".join(lines) + "\n"

    def dot(self) -> str:
        """The graph in graphviz's language."""
        lines = ["digraph {", "    node [shape=box style=filled fontname=Helvetica fontsize=10]"]
        for number, (text, kind) in enumerate(self.vertices):
            label = "\\n".join(part.replace("\\", "\\\\").replace('"', '\\"') for part in text)
            style = ' style="rounded,filled"' if kind == "operation" else ""
            lines.append(f'    n{number} [label="{label}" fillcolor="{COLOURS[kind]}"{style}]')
        lines += [f"    n{source} -> n{target}" for source, target in self.edges]
        return "\n".join([*lines, "}"]) + "\n"

    def svg(self, path: str | os.PathLike[str] | None = None) -> str:
        """The graph as SVG, written to ``path`` if given.

        Raises
        ------
        RuntimeError
            If graphviz is not installed.
        """
        try:
            import graphviz
        except ModuleNotFoundError:
            raise RuntimeError(
                "SVG needs graphviz: pip install graphviz, and the program dot; or use mermaid()"
            ) from None
        try:
            text: str = graphviz.Source(self.dot()).pipe(format="svg", encoding="utf-8")
        except graphviz.ExecutableNotFound:
            raise RuntimeError(
                "SVG needs the program dot of Graphviz (apt install graphviz, brew install graphviz); or use mermaid()"
            ) from None
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg()
        except RuntimeError:
            return None

    def __str__(self) -> str:
        return self.mermaid()

    def __repr__(self) -> str:
        return f"<Graph of {len(self.vertices)} boxes, {len(self.edges)} arrows; see .mermaid() and .svg()>"


def graph(subject: Any, *example: Any, names: dict[str, Any] | None = None) -> Graph:
    """What a tensor was computed from, or what a model is made of.

    Parameters
    ----------
    subject : Tensor or Module
        A tensor: the operations that were recorded, down to the leaves. A module: its tree of layers; or, with an
        ``example``, the operations of its forward pass.
    *example : Tensor
        Arguments for the module.
    names : dict of str to Tensor, optional
        Names of leaves.

    Returns
    -------
    Graph
        With shape, dtype and device in each box.

    Raises
    ------
    TypeError
        If the subject is something else, or a tensor is given with an example.

    Examples
    --------
    >>> import framework as fw
    >>> w = fw.Tensor([1.0, 2.0], requires_grad=True)
    >>> print(fw.viz.graph((w * 2).sum(), names={"w": w}))
    flowchart TD
        n0("sum<br/>() float32<br/>cpu"):::operation
        n1("multiply<br/>(2,) float32<br/>cpu"):::operation
        n2["w<br/>(2,) float32<br/>cpu"]:::leaf
        n1 --> n0
        n2 --> n1
        classDef operation fill:#eef3fb,stroke:#555
        classDef leaf fill:#fdf3d8,stroke:#555
        classDef layer fill:#e9f5e9,stroke:#555
    <BLANKLINE>
    """
    known = {id(x): name for name, x in (names or {}).items()}
    if isinstance(subject, Module):
        if not example:
            return _layers(subject)
        known |= {id(p): name for name, p in subject.named_parameters()}
        inputs = [_recorded(x) for x in example]
        known |= {id(x): f"input {i}" for i, x in enumerate(inputs)}
        return _operations(list(_tensors(subject(*inputs))), known)
    if not isinstance(subject, Tensor) or example:
        raise TypeError(f"graph: expected a Tensor, or a Module and its arguments, got {type(subject).__name__}")
    return _operations([subject], known)


def _recorded(x: Any) -> Any:
    """The argument as a leaf that shows up in the graph."""
    can = isinstance(x, Tensor) and x.dtype.kind in "fcV"
    return x.detach().requires_grad_() if can else x


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _operations(roots: list[Tensor], known: dict[int, str]) -> Graph:
    found, numbers = Graph(), {}
    stack: list[tuple[Any, int | None]] = [(x.node or x, None) for x in reversed(roots)]
    while stack:
        edge, user = stack.pop()
        edge = _whole(edge)
        new = id(edge) not in numbers
        if new:
            numbers[id(edge)] = found.add(*_box(edge, known))
        number = numbers[id(edge)]
        if user is not None and (number, user) not in found.edges:
            found.edges.append((number, user))
        if new and isinstance(edge, Node):
            stack += [(part, number) for part in reversed(edge.inputs) if part is not None]
    return found


def _whole(edge: Any) -> Any:
    """The operation itself in place of one of its several outputs."""
    return edge.inputs[0] if isinstance(edge, Node) and edge.name == "output" else edge


def _box(edge: Any, known: dict[int, str]) -> tuple[tuple[str, ...], str]:
    if isinstance(edge, Variable):
        name = known.get(id(edge), "tensor")
        return (name, f"{edge.shape} {edge.dtype}", edge.backend.device), "leaf"
    several = isinstance(edge.shape, list)
    parts = zip(edge.shape, edge.dtype) if several else [(edge.shape, edge.dtype)]
    native = [f"{tuple(shape)} {_dtype_name(dtype)}" for shape, dtype in parts]
    return (edge.name, *native, edge.backend.device), "operation"


def _dtype_name(dtype: Any) -> str:
    return getattr(dtype, "name", None) or str(dtype).rpartition(".")[2]


def _layers(model: Module) -> Graph:
    """The tree of modules, with the number of parameters in each."""
    found = Graph()
    stack: list[tuple[str, Module, int | None]] = [("", model, None)]
    while stack:
        name, module, parent = stack.pop()
        count = sum(p.size for p in module.parameters())
        title = f"{name}: {type(module).__name__}" if name else type(module).__name__
        number = found.add((title, *filter(None, [module.extra_repr()]), f"{count:,} parameters"), "layer")
        if parent is not None:
            found.edges.append((parent, number))
        stack += [(key, child, number) for key, child in reversed(list(module.named_children()))]
    return found
