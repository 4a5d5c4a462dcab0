"""The project itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import framework as fw
from benchmarks.workloads import Arrays, Workload
from framework import nn
from framework.nn import functional as F
from framework.optim import SGD

VERSION = f"framework {fw.__version__}"


def make(workload: Workload, data: Arrays, device: str = "cpu") -> Callable[[], Any]:
    """A function that does one step and returns the loss, a tensor."""
    return globals()[f"_{workload.kind}"](workload.sizes, data, device)  # type: ignore[no-any-return]


def synchronize(device: str = "cpu") -> None:
    """Wait for the device."""
    if device != "cpu":
        fw.cuda.synchronize()


def _load(layer: Any, **values: Any) -> None:
    layer.load_state_dict({name: fw.asarray(value) for name, value in values.items()})


def _batches(device: str, *arrays: Any) -> Iterator[tuple[Any, ...]]:
    return cycle([tuple(fw.asarray(part, device=device) for part in parts) for parts in zip(*arrays)])


def _embedding(s: dict[str, Any], data: Arrays, device: str) -> Callable[[], Any]:
    make_table = nn.Embedding if s["layer"] == "embedding" else nn.EmbeddingBag
    table = make_table.from_pretrained(fw.asarray(data["table"], device=device), freeze=False)
    linear = nn.Linear(s["D"], 2, device=device)
    _load(linear, weight=data["weight"], bias=data["bias"])
    optimizer = SGD(
        [*table.parameters(), *linear.parameters()], lr=0.1, momentum=s["momentum"], weight_decay=s["decay"]
    )
    batches = _batches(device, data["ids"], data["labels"])

    def forward() -> Any:
        ids, labels = next(batches)
        vectors = table(ids)
        return F.cross_entropy(linear(vectors if vectors.ndim == 2 else vectors.mean(axis=1)), labels)

    return _training(forward, optimizer) if s["train"] else _inference(forward)


def _training(forward: Callable[[], Any], optimizer: Any) -> Callable[[], Any]:
    def step() -> Any:
        optimizer.zero_grad()
        loss = forward()
        loss.backward()
        optimizer.step()
        return loss

    return step


def _inference(forward: Callable[[], Any]) -> Callable[[], Any]:
    def step() -> Any:
        with fw.no_grad():
            return forward()

    return step


def _recurrent_layer(s: dict[str, Any], data: Arrays, device: str, **options: Any) -> Any:
    layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[s["cell"]](s["D"], s["H"], **options).to(device)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    _load(layer, **dict(zip(names, (data["w_ih"], data["w_hh"], data["b_ih"], data["b_hh"]))))
    return layer


def _recurrent(s: dict[str, Any], data: Arrays, device: str) -> Callable[[], Any]:
    layer = _recurrent_layer(s, data, device)
    x = fw.Tensor(data["x"], requires_grad=s["train"], device=device)
    target = fw.asarray(data["target"], device=device)
    optimizer = SGD(layer.parameters(), lr=0.1)

    def forward() -> Any:
        x.grad = None
        return F.mse_loss(layer(x)[0], target)

    return _training(forward, optimizer) if s["train"] else _inference(forward)


def _words(s: dict[str, Any], data: Arrays, device: str, last: bool) -> Callable[[], Any]:
    """Embedding, recurrent layer, linear layer; the loss is over all words or over the last ones."""
    table = nn.Embedding.from_pretrained(fw.asarray(data["table"], device=device), freeze=False)
    layer = _recurrent_layer({"cell": "rnn", "D": s["H"], **s}, data, device, batch_first=True)
    linear = nn.Linear(s["H"], s["V"], device=device)
    _load(linear, weight=data["out"], bias=data["out_bias"])
    optimizer = SGD([*table.parameters(), *layer.parameters(), *linear.parameters()], lr=0.1)
    batches = _batches(device, data["ids"][:, :, :-1], data["ids"][:, :, 1:])

    def forward() -> Any:
        ids, target = next(batches)
        states = layer(table(ids))[0]
        if last:
            return F.cross_entropy(linear(states[:, -1]), target[:, -1])
        return F.cross_entropy(linear(states.reshape(-1, s["H"])), target.reshape(-1))

    return _training(forward, optimizer)


def _language(s: dict[str, Any], data: Arrays, device: str) -> Callable[[], Any]:
    return _words(s, data, device, last=False)


def _babi(s: dict[str, Any], data: Arrays, device: str) -> Callable[[], Any]:
    return _words(s, data, device, last=True)


def _xor(s: dict[str, Any], data: Arrays, device: str) -> Callable[[], Any]:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), nn.Sigmoid()).to(device)
    zeros = {"0.bias": [0.0] * 3, "2.bias": [0.0]}
    model.load_state_dict({"0.weight": fw.asarray(data["w1"]), "2.weight": fw.asarray(data["w2"])}, strict=False)
    model.load_state_dict({name: fw.asarray(value) for name, value in zeros.items()}, strict=False)
    x, y = fw.asarray(data["x"], device=device), fw.asarray(data["y"], device=device)
    return _training(lambda: F.mse_loss(model(x), y, reduction="sum"), SGD(model.parameters(), lr=0.5))


def _chain(s: dict[str, Any], data: Arrays, device: str) -> Callable[[], Any]:
    a, b = fw.Tensor(data["a"], requires_grad=True, device=device), fw.asarray(data["b"], device=device)

    def step() -> Any:
        a.grad = None
        total = a
        for _ in range(s["length"]):
            total = total + b
        loss = total.sum()
        loss.backward()
        return loss

    return step
