"""PyTorch, eager: the default dense gradients, or ``sparse=True``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.workloads import Arrays, Workload

VERSION = f"torch {torch.__version__}"


def make(workload: Workload, data: Arrays, device: str = "cpu", sparse: bool = False) -> Callable[[], Any]:
    """A function that does one step and returns the loss, a tensor."""
    sizes = {**workload.sizes, "sparse": sparse}
    return globals()[f"_{workload.kind}"](sizes, data, device)  # type: ignore[no-any-return]


def synchronize(device: str = "cpu") -> None:
    """Wait for the device."""
    if device != "cpu":
        torch.cuda.synchronize()


def _put(parameter: Any, value: Any) -> None:
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(value))


def _batches(device: str, *arrays: Any) -> Iterator[tuple[Any, ...]]:
    return cycle([tuple(torch.as_tensor(part, device=device) for part in parts) for parts in zip(*arrays)])


def _linear(weight: Any, bias: Any, device: str) -> Any:
    layer = nn.Linear(weight.shape[1], weight.shape[0], device=device)
    _put(layer.weight, weight)
    _put(layer.bias, bias)
    return layer


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
        with torch.no_grad():
            return forward()

    return step


def _embedding(s: dict[str, Any], data: Arrays, device: str) -> Callable[[], Any]:
    make_table = nn.Embedding if s["layer"] == "embedding" else nn.EmbeddingBag
    weight = torch.as_tensor(data["table"].copy(), device=device)
    table = make_table.from_pretrained(weight, freeze=False, sparse=s["sparse"])
    linear = _linear(data["weight"], data["bias"], device)
    params = [*table.parameters(), *linear.parameters()]
    optimizer = torch.optim.SGD(params, lr=0.1, momentum=s["momentum"], weight_decay=s["decay"])
    batches = _batches(device, data["ids"], data["labels"])

    def forward() -> Any:
        ids, labels = next(batches)
        vectors = table(ids)
        return F.cross_entropy(linear(vectors if vectors.ndim == 2 else vectors.mean(dim=1)), labels)

    return _training(forward, optimizer) if s["train"] else _inference(forward)


def _recurrent_layer(s: dict[str, Any], data: Arrays, device: str, **options: Any) -> Any:
    layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[s["cell"]](s["D"], s["H"], **options).to(device)
    for parameter, name in zip(layer.parameters(), ("w_ih", "w_hh", "b_ih", "b_hh")):
        _put(parameter, data[name])
    return layer


def _recurrent(s: dict[str, Any], data: Arrays, device: str) -> Callable[[], Any]:
    layer = _recurrent_layer(s, data, device)
    x = torch.as_tensor(data["x"].copy(), device=device).requires_grad_(s["train"])
    target = torch.as_tensor(data["target"], device=device)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)

    def forward() -> Any:
        x.grad = None
        return F.mse_loss(layer(x)[0], target)

    return _training(forward, optimizer) if s["train"] else _inference(forward)


def _words(s: dict[str, Any], data: Arrays, device: str, last: bool) -> Callable[[], Any]:
    table = nn.Embedding.from_pretrained(torch.as_tensor(data["table"].copy(), device=device), freeze=False)
    layer = _recurrent_layer({"cell": "rnn", "D": s["H"], **s}, data, device, batch_first=True)
    linear = _linear(data["out"], data["out_bias"], device)
    optimizer = torch.optim.SGD([*table.parameters(), *layer.parameters(), *linear.parameters()], lr=0.1)
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
    first, second = _linear(data["w1"], [0.0] * 3, device), _linear(data["w2"], [0.0], device)
    model = nn.Sequential(first, nn.Tanh(), second, nn.Sigmoid())
    x, y = torch.as_tensor(data["x"], device=device), torch.as_tensor(data["y"], device=device)
    return _training(lambda: F.mse_loss(model(x), y, reduction="sum"), torch.optim.SGD(model.parameters(), lr=0.5))


def _chain(s: dict[str, Any], data: Arrays, device: str) -> Callable[[], Any]:
    a = torch.as_tensor(data["a"], device=device).requires_grad_()
    b = torch.as_tensor(data["b"], device=device)

    def step() -> Any:
        a.grad = None
        total = a
        for _ in range(s["length"]):
            total = total + b
        loss = total.sum()
        loss.backward()
        return loss

    return step
