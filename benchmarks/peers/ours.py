"""The project itself, eager or with the whole step captured as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import framework as fw
from benchmarks.peers import Program
from benchmarks.workloads import Arrays, Workload
from framework import nn
from framework.nn import functional as F
from framework.optim import SGD

VERSION = f"framework {fw.__version__}"


def make(workload: Workload, data: Arrays, device: str = "cpu", captured: bool = False) -> Callable[[], Any]:
    """A function that does one step and returns the loss, a tensor."""
    it = program(workload, data, device)
    if not workload.sizes.get("train", True):
        return _inference(it)
    return _captured(it) if captured else _eager(it)


def program(workload: Workload, data: Arrays, device: str) -> Program:
    """The workload in this library."""
    return globals()[f"_{workload.kind}"](workload.sizes, data, device)  # type: ignore[no-any-return]


def synchronize(device: str) -> None:
    """Wait for the device."""
    if device != "cpu":
        fw.cuda.synchronize(device)


def reset_device_peak(device: str) -> None:
    """Begin to count :func:`device_peak_mb` anew."""
    fw.cuda.reset_peak_memory_stats(device)


def device_peak_mb(device: str) -> float:
    """The most that arrays have held on a GPU; what a captured step keeps in its own pool is not in it."""
    return fw.cuda.max_memory_allocated(device) / 2**20


# ---------------------------------------------------------------- steps
def _eager(it: Program) -> Callable[[], Any]:
    batches = cycle(it.batches)
    return lambda: it.step(*next(batches))


def _inference(it: Program) -> Callable[[], Any]:
    batches = cycle(it.batches)

    def step() -> Any:
        with fw.no_grad():
            return it.forward(*next(batches))

    return step


def _captured(it: Program) -> Callable[[], Any]:
    """The step recorded, and the training that recording it took undone, so that losses are those of the others."""
    start = [p.detach().clone() for p in it.parameters]
    step = fw.cuda.graph(it.step, *it.batches[0])
    for p, value in zip(it.parameters, start):
        p.data[...] = value.data
    for state in it.optimizer.state.values() if it.optimizer else ():
        state["momentum_buffer"].data[...] = 0
    batches = cycle(it.batches)
    return lambda: step(*next(batches))


# ---------------------------------------------------------------- workloads
def _load(layer: Any, **values: Any) -> Any:
    layer.load_state_dict({name: fw.asarray(value) for name, value in values.items()})
    return layer


def _linear(data: Arrays, device: str) -> Any:
    weight = data.pop("weight")
    outputs, inputs = weight.shape
    return _load(nn.Linear(inputs, outputs, device=device), weight=weight, bias=data.pop("bias"))


def _table(make_table: Any, data: Arrays, device: str) -> Any:
    return make_table.from_pretrained(fw.asarray(data.pop("table"), device=device), freeze=False)


def _recurrent_layer(s: dict[str, Any], data: Arrays, device: str, **options: Any) -> Any:
    layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[s["cell"]](s["D"], s["H"], **options).to(device)
    names = {"weight_ih_l0": "w_ih", "weight_hh_l0": "w_hh", "bias_ih_l0": "b_ih", "bias_hh_l0": "b_hh"}
    return _load(layer, **{name: data.pop(key) for name, key in names.items()})


def _batches(device: str, *arrays: Any) -> list[tuple[Any, ...]]:
    return [tuple(fw.asarray(part, device=device) for part in parts) for parts in zip(*arrays)]


def _embedding(s: dict[str, Any], data: Arrays, device: str) -> Program:
    table = _table(nn.Embedding if s["layer"] == "embedding" else nn.EmbeddingBag, data, device)
    linear = _linear(data, device)
    parameters = [*table.parameters(), *linear.parameters()]
    optimizer = SGD(parameters, lr=0.1, momentum=s["momentum"], weight_decay=s["decay"])

    def forward(ids: Any, labels: Any) -> Any:
        vectors = table(ids)
        return F.cross_entropy(linear(vectors if vectors.ndim == 2 else vectors.mean(axis=1)), labels)

    return Program(forward, _batches(device, data.pop("ids"), data.pop("labels")), parameters, optimizer)


def _recurrent(s: dict[str, Any], data: Arrays, device: str) -> Program:
    layer = _recurrent_layer(s, data, device)
    parameters = list(layer.parameters())
    batch = tuple(fw.Tensor(data.pop(name), device=device) for name in ("x", "target"))

    def forward(x: Any, target: Any) -> Any:
        if s["train"]:
            x.requires_grad = True
            x.grad = None
        return F.mse_loss(layer(x)[0], target)

    return Program(forward, [batch], parameters, SGD(parameters, lr=0.1))


def _words(s: dict[str, Any], data: Arrays, device: str, last: bool) -> Program:
    """Embedding, recurrent layer, linear layer; the loss is over all words or over the last ones."""
    table = _table(nn.Embedding, data, device)
    layer = _recurrent_layer(s, data, device, batch_first=True)
    linear = _linear(data, device)
    parameters = [*table.parameters(), *layer.parameters(), *linear.parameters()]
    ids = data.pop("ids")

    def forward(ids: Any, target: Any) -> Any:
        states = layer(table(ids))[0]
        if last:
            return F.cross_entropy(linear(states[:, -1]), target[:, -1])
        return F.cross_entropy(linear(states.reshape(-1, s["H"])), target.reshape(-1))

    return Program(forward, _batches(device, ids[:, :, :-1], ids[:, :, 1:]), parameters, SGD(parameters, lr=0.1))


def _language(s: dict[str, Any], data: Arrays, device: str) -> Program:
    return _words(s, data, device, last=False)


def _babi(s: dict[str, Any], data: Arrays, device: str) -> Program:
    return _words(s, data, device, last=True)


def _xor(s: dict[str, Any], data: Arrays, device: str) -> Program:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), nn.Sigmoid()).to(device)
    zeros = {"0.bias": [0.0] * 3, "2.bias": [0.0]}
    _load(model, **{"0.weight": data.pop("w1"), "2.weight": data.pop("w2")}, **zeros)
    parameters = list(model.parameters())
    return Program(
        lambda x, y: F.mse_loss(model(x), y, reduction="sum"),
        _batches(device, [data.pop("x")], [data.pop("y")]),
        parameters,
        SGD(parameters, lr=0.5),
    )


def _chain(s: dict[str, Any], data: Arrays, device: str) -> Program:
    a = fw.Tensor(data.pop("a"), requires_grad=True, device=device)

    def forward(b: Any) -> Any:
        a.grad = None
        total = a
        for _ in range(s["length"]):
            total = total + b
        return total.sum()

    return Program(forward, _batches(device, [data.pop("b")]), [a])
