"""The smallest network: two inputs, three hidden units, exclusive or.

python examples/xor.py
"""

from __future__ import annotations

import argparse

import framework as fw
from framework import nn
from framework.optim import SGD

from common import positive, run


def main(arguments: list[str] | None = None) -> float:
    """Train the network, print what it says, and return the last loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=positive, default=500, help="training steps (default: 500)")
    parser.add_argument("--lr", type=float, default=1.0, help="learning rate (default: 1.0)")
    parser.add_argument("--seed", type=int, default=2, help="for the initial weights (default: 2)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    options = parser.parse_args(arguments)

    fw.random.manual_seed(options.seed)
    x = fw.Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], device=options.device)
    target = fw.Tensor([[0.0], [1.0], [1.0], [0.0]], device=options.device)
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), nn.Sigmoid()).to(options.device)
    optimizer, loss_of = SGD(model.parameters(), lr=options.lr), nn.MSELoss(reduction="sum")
    for step in range(options.steps):
        loss = loss_of(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % max(1, options.steps // 5) == 0:
            print(f"step {step:4d}  loss {loss.item():.4f}")
    print(f"after {options.steps} steps, loss {loss.item():.4f}")
    with fw.no_grad():
        for inputs, (output,) in zip(x.tolist(), model(x).tolist()):
            print(f"{int(inputs[0])} xor {int(inputs[1])}: {output:.3f}")
    return float(loss.item())


if __name__ == "__main__":
    run(main)
