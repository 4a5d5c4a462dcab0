"""JAX, with the whole training step compiled by ``jit`` and its parameters donated; tables dense, or row by row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.workloads import Arrays, Workload

VERSION = f"jax {jax.__version__}"


def make(workload: Workload, data: Arrays, device: str = "cpu", sparse: bool = False) -> Callable[[], Any]:
    """A function that does one step and returns the loss, an array."""
    if workload.kind == "recurrent":
        return _recurrent(workload.sizes, data)
    return _embedding(data, _update_rows if sparse else _update_table)


def synchronize(device: str) -> None:
    """Steps wait for their results themselves."""


def _take(data: Arrays, *names: str) -> dict[str, Any]:
    return {name: jnp.array(data.pop(name)) for name in names}


def _descend(params: Any, grads: Any) -> Any:
    return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)


def _loss_of_vectors(vectors: Any, linear: Any, labels: Any) -> Any:
    logits = vectors.mean(axis=1) @ linear["weight"].T + linear["bias"]
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()


@partial(jax.jit, donate_argnums=(0, 1))
def _update_table(table: Any, linear: Any, ids: Any, labels: Any) -> Any:
    def loss_of(table: Any, linear: Any) -> Any:
        return _loss_of_vectors(table[ids], linear, labels)

    loss, grads = jax.value_and_grad(loss_of, argnums=(0, 1))(table, linear)
    return *_descend((table, linear), grads), loss


@partial(jax.jit, donate_argnums=(0, 1))
def _update_rows(table: Any, linear: Any, ids: Any, labels: Any) -> Any:
    """The same with the gradient of the rows that were looked up, as ``sparse=True`` is in PyTorch."""
    loss, (rows, grads) = jax.value_and_grad(_loss_of_vectors, argnums=(0, 1))(table[ids], linear, labels)
    return table.at[ids].add(-0.1 * rows), _descend(linear, grads), loss


def _embedding(data: Arrays, update: Callable[..., Any]) -> Callable[[], Any]:
    state = [jnp.array(data.pop("table")), _take(data, "weight", "bias")]
    batches = cycle([(jnp.array(i), jnp.array(y)) for i, y in zip(data.pop("ids"), data.pop("labels"))])

    def step() -> Any:
        *state[:], loss = jax.block_until_ready(update(*state, *next(batches)))
        return loss

    return step


def _cells(h: int) -> dict[str, Callable[..., Any]]:
    def rnn(state: Any, z: Any, w: Any, b: Any) -> Any:
        y = jnp.tanh(z + state @ w.T + b)
        return y, y

    def lstm(state: Any, z: Any, w: Any, b: Any) -> Any:
        y, c = state
        i, f, g, o = jnp.split(z + y @ w.T + b, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        y = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (y, c), y

    def gru(state: Any, z: Any, w: Any, b: Any) -> Any:
        a = state @ w.T + b
        r = jax.nn.sigmoid(z[:, :h] + a[:, :h])
        u = jax.nn.sigmoid(z[:, h : 2 * h] + a[:, h : 2 * h])
        n = jnp.tanh(z[:, 2 * h :] + r * a[:, 2 * h :])
        y = (1 - u) * n + u * state
        return y, y

    return {"rnn": rnn, "lstm": lstm, "gru": gru}


def _recurrent(s: dict[str, Any], data: Arrays) -> Callable[[], Any]:
    cell, zeros = _cells(s["H"])[s["cell"]], jnp.zeros((s["N"], s["H"]), jnp.float32)
    start = (zeros, zeros) if s["cell"] == "lstm" else zeros

    def loss_of(params: Any, x: Any, target: Any) -> Any:
        z = x @ params["w_ih"].T + params["b_ih"]
        _, y = jax.lax.scan(lambda state, zt: cell(state, zt, params["w_hh"], params["b_hh"]), start, z)
        return ((y - target) ** 2).mean()

    @partial(jax.jit, donate_argnums=0)
    def update(params: Any, x: Any, target: Any) -> Any:
        loss, (grads, gx) = jax.value_and_grad(loss_of, argnums=(0, 1))(params, x, target)
        return _descend(params, grads), gx, loss

    state = {"params": _take(data, "w_ih", "w_hh", "b_ih", "b_hh")}
    batch = _take(data, "x", "target")

    def step() -> Any:
        state["params"], _, loss = jax.block_until_ready(update(state["params"], **batch))
        return loss

    return step
