"""Word vectors that learn what their words do: an embedding and a linear layer.

    python examples/embedding.py

Each of six words belongs to one of three classes. The vectors of words of one class end up close together.
"""

from __future__ import annotations

import argparse

import framework as fw
from framework import nn
from framework.optim import SGD

from common import positive, run

WORDS = {"cat": "animal", "dog": "animal", "red": "colour", "blue": "colour", "one": "number", "two": "number"}


def main(arguments: list[str] | None = None) -> float:
    """Train, print the similarities, and return the last loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=positive, default=200, help="training steps (default: 200)")
    parser.add_argument("--dim", type=positive, default=4, help="length of a word vector (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="for the initial vectors (default: 0)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    options = parser.parse_args(arguments)

    fw.random.manual_seed(options.seed)
    classes = sorted(set(WORDS.values()))
    ids = fw.arange(len(WORDS), device=options.device)
    target = fw.asarray([classes.index(name) for name in WORDS.values()], device=options.device)
    embedding = nn.Embedding(len(WORDS), options.dim)
    model = nn.Sequential(embedding, nn.Tanh(), nn.Linear(options.dim, len(classes))).to(options.device)
    optimizer, loss_of = SGD(model.parameters(), lr=0.5, momentum=0.9), nn.CrossEntropyLoss()
    for step in range(options.steps):
        loss = loss_of(model(ids), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % max(1, options.steps // 5) == 0:
            print(f"step {step:4d}  loss {loss.item():.4f}")
    print(f"after {options.steps} steps, loss {loss.item():.4f}")

    vectors = fw.tanh(embedding.weight.detach())
    vectors = vectors / fw.sqrt(fw.sum(vectors**2, axis=1, keepdims=True))
    print("cosine similarities of the word vectors:")
    print(" " * 6 + "".join(f"{word:>7}" for word in WORDS))
    for word, row in zip(WORDS, (vectors @ vectors.T).tolist()):
        print(f"{word:<6}" + "".join(f"{value:7.2f}" for value in row))
    return float(loss.item())


if __name__ == "__main__":
    run(main)
