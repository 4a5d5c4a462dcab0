"""PyTorch: eager with its default dense gradients or with ``sparse=True``, or the whole step captured as a CUDA graph.

Used as its documentation recommends: gradients set to None, inference mode, the fused optimizer wherever gradients are
dense, float32 products in float32 (``CUPY_TF32=1`` allows TF32 here, as it does in CuPy).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import cycle
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.peers import Program
from benchmarks.workloads import Arrays, Workload

VERSION = f"torch {torch.__version__}"

# cuDNN's recurrent layers would take TF32 by default, products would not.
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = os.environ.get("CUPY_TF32") == "1"


def make(
    workload: Workload, data: Arrays, device: str = "cpu", sparse: bool = False, captured: bool = False
) -> Callable[[], Any]:
    """A function that does one step and returns the loss, a tensor."""
    it = program(workload, data, device, sparse)
    if not workload.sizes.get("train", True):
        return _inference(it)
    return _captured(it) if captured else _eager(it)


def program(workload: Workload, data: Arrays, device: str, sparse: bool = False) -> Program:
    """The workload in this library."""
    return globals()[f"_{workload.kind}"]({**workload.sizes, "sparse": sparse}, data, device)  # type: ignore[no-any-return]


def synchronize(device: str) -> None:
    """Wait for the device."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def reset_device_peak(device: str) -> None:
    """Begin to count :func:`device_peak_mb` anew."""
    torch.cuda.reset_peak_memory_stats(device)


def device_peak_mb(device: str) -> float:
    """The most that tensors have held on a GPU, those of a captured step included."""
    return torch.cuda.max_memory_allocated(device) / 2**20  # type: ignore[no-any-return]


# ---------------------------------------------------------------- steps
def _eager(it: Program) -> Callable[[], Any]:
    batches = cycle(it.batches)
    return lambda: it.step(*next(batches))


def _inference(it: Program) -> Callable[[], Any]:
    batches = cycle(it.batches)

    def step() -> Any:
        with torch.inference_mode():
            return it.forward(*next(batches))

    return step


def _captured(it: Program, warmup: int = 3) -> Callable[[], Any]:
    """The step recorded as PyTorch's notes on CUDA graphs say, and the training that recording it took undone."""
    start = [p.detach().clone() for p in it.parameters]
    inputs = [x.detach().clone() for x in it.batches[0]]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(warmup):
            it.step(*inputs)
    torch.cuda.current_stream().wait_stream(side)
    # Gradients must be made while the graph is recorded, in its own pool.
    for x in (*it.parameters, *inputs):
        x.grad = None
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = it.step(*inputs)
    with torch.no_grad():
        for p, value in zip(it.parameters, start):
            p.copy_(value)
        for state in it.optimizer.state.values() if it.optimizer else ():
            if state.get("momentum_buffer") is not None:
                state["momentum_buffer"].zero_()
    places = [x.detach() for x in inputs]
    batches = cycle([tuple(x.detach() for x in batch) for batch in it.batches])

    def step() -> Any:
        for place, x in zip(places, next(batches)):
            place.copy_(x)
        graph.replay()
        return loss

    return step


# ---------------------------------------------------------------- workloads
def _tensor(array: Any, device: str) -> Any:
    return torch.as_tensor(array, device=device)


def _put(parameter: Any, value: Any) -> None:
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(value))


def _linear(data: Any, device: str) -> Any:
    values = data.pop("weight"), data.pop("bias")
    layer = nn.Linear(*values[0].shape[::-1], device=device)
    _put(layer.weight, values[0])
    _put(layer.bias, values[1])
    return layer


def _table(make_table: Any, s: dict[str, Any], data: Arrays, device: str) -> Any:
    return make_table.from_pretrained(_tensor(data.pop("table"), device), freeze=False, sparse=s["sparse"])


def _recurrent_layer(s: dict[str, Any], data: Arrays, device: str, **options: Any) -> Any:
    layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[s["cell"]](s["D"], s["H"], **options).to(device)
    for parameter, name in zip(layer.parameters(), ("w_ih", "w_hh", "b_ih", "b_hh")):
        _put(parameter, data.pop(name))
    return layer


def _batches(device: str, *arrays: Any) -> list[tuple[Any, ...]]:
    return [tuple(_tensor(part, device) for part in parts) for parts in zip(*arrays)]


def _sgd(s: dict[str, Any], parameters: list[Any], **options: Any) -> Any:
    # The fused one takes no sparse gradients.
    return torch.optim.SGD(parameters, fused=not s["sparse"], **options)


def _embedding(s: dict[str, Any], data: Arrays, device: str) -> Program:
    table = _table(nn.Embedding if s["layer"] == "embedding" else nn.EmbeddingBag, s, data, device)
    linear = _linear(data, device)
    parameters = [*table.parameters(), *linear.parameters()]
    optimizer = _sgd(s, parameters, lr=0.1, momentum=s["momentum"], weight_decay=s["decay"])

    def forward(ids: Any, labels: Any) -> Any:
        vectors = table(ids)
        return F.cross_entropy(linear(vectors if vectors.ndim == 2 else vectors.mean(dim=1)), labels)

    return Program(forward, _batches(device, data.pop("ids"), data.pop("labels")), parameters, optimizer)


def _recurrent(s: dict[str, Any], data: Arrays, device: str) -> Program:
    layer = _recurrent_layer(s, data, device)
    parameters = list(layer.parameters())
    batch = tuple(_tensor(data.pop(name), device) for name in ("x", "target"))

    def forward(x: Any, target: Any) -> Any:
        if s["train"]:
            x.requires_grad = True
            x.grad = None
        return F.mse_loss(layer(x)[0], target)

    return Program(forward, [batch], parameters, _sgd(s, parameters, lr=0.1))


def _words(s: dict[str, Any], data: Arrays, device: str, last: bool) -> Program:
    table = _table(nn.Embedding, s, data, device)
    layer = _recurrent_layer(s, data, device, batch_first=True)
    linear = _linear(data, device)
    parameters = [*table.parameters(), *layer.parameters(), *linear.parameters()]
    ids = data.pop("ids")

    def forward(ids: Any, target: Any) -> Any:
        states = layer(table(ids))[0]
        if last:
            return F.cross_entropy(linear(states[:, -1]), target[:, -1])
        return F.cross_entropy(linear(states.reshape(-1, s["H"])), target.reshape(-1))

    return Program(forward, _batches(device, ids[:, :, :-1], ids[:, :, 1:]), parameters, _sgd(s, parameters, lr=0.1))


def _language(s: dict[str, Any], data: Arrays, device: str) -> Program:
    return _words(s, data, device, last=False)


def _babi(s: dict[str, Any], data: Arrays, device: str) -> Program:
    return _words(s, data, device, last=True)


def _xor(s: dict[str, Any], data: Arrays, device: str) -> Program:
    first, second = (
        _linear({"weight": weight, "bias": [0.0] * len(weight)}, device) for weight in (data.pop("w1"), data.pop("w2"))
    )
    model = nn.Sequential(first, nn.Tanh(), second, nn.Sigmoid())
    parameters = list(model.parameters())
    return Program(
        lambda x, y: F.mse_loss(model(x), y, reduction="sum"),
        _batches(device, [data.pop("x")], [data.pop("y")]),
        parameters,
        _sgd(s, parameters, lr=0.5),
    )


def _chain(s: dict[str, Any], data: Arrays, device: str) -> Program:
    a = _tensor(data.pop("a"), device).requires_grad_()

    def forward(b: Any) -> Any:
        a.grad = None
        total = a
        for _ in range(s["length"]):
            total = total + b
        return total.sum()

    return Program(forward, _batches(device, [data.pop("b")]), [a])
