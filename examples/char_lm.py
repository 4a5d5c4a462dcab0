"""A language model of characters: learn a text, and write more of it.

    python examples/char_lm.py --data TEXT                    # any text file
    python examples/char_lm.py --data TEXT --prompt "ROMEO:" --temperature 0.7

An LSTM reads characters one after another and names the next. The last tenth of the text is held out.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

import framework as fw
from framework import nn, optim
from framework.data import DataLoader, TensorDataset, Vocabulary
from framework.training import BestModel, EarlyStopping, fit

from common import make_parser, plot, positive, run


class NextCharacter(nn.Module):
    """Characters (N, T) as numbers to scores of the one after each (N, T, V)."""

    def __init__(self, characters: int, hidden: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, 64)
        self.recurrent = nn.LSTM(64, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.output = nn.Linear(hidden, characters)

    def forward(self, characters: Any, state: Any = None) -> tuple[fw.Tensor, Any]:
        """Scores and the state after the last character."""
        states, state = self.recurrent(self.dropout(self.characters(characters)), state)
        return self.output(self.dropout(states)), state


def read_text(path: Path | None) -> str:
    """The text of a file."""
    if path is None:
        raise ValueError("--data FILE is needed: a text to learn, of some thousand characters at least")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8; {error}") from None
    if len(text) < 1000:
        raise ValueError(f"{path}: expected at least 1000 characters of text, got {len(text)}")
    return text


def pieces(numbers: np.ndarray, length: int, device: str) -> TensorDataset:
    """Pieces of the text (N, T), and the same one character later."""
    if len(numbers) <= length:
        raise ValueError(f"a part of the text has {len(numbers)} characters; give a --length below that, not {length}")
    count = (len(numbers) - 1) // length
    x, y = (numbers[i : i + count * length].reshape(count, length) for i in (0, 1))
    return TensorDataset(fw.asarray(x, device=device), fw.asarray(y, device=device))


def forward(model: nn.Module, batch: Any) -> tuple[Any, Any]:
    """Scores and characters to score, as rows."""
    x, y = batch
    scores, _ = model(x)
    return scores.reshape(-1, scores.shape[-1]), y.reshape(-1)


def write_more(model: nn.Module, vocabulary: Vocabulary, prompt: str, count: int, temperature: float) -> str:
    """Draw characters one after another; a lower temperature keeps closer to what is most likely."""
    device = next(iter(model.parameters())).device
    text, state = prompt, None
    model.eval()
    with fw.no_grad():
        given = vocabulary.encode(prompt[i] for i in range(len(prompt)))
        for _ in range(count):
            scores, state = model(fw.asarray([given], device=device), state)
            odds = fw.cumulative_sum((scores[0, -1] / temperature).softmax())
            given = [int((odds < fw.rand(1, device=device)).sum().item())]
            given = [min(given[0], len(vocabulary) - 1)]
            text += vocabulary.decode(given)[0]
    return text


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "char_lm", epochs=30, batch=16, lr=0.005)
    parser.add_argument("--data", type=Path, metavar="FILE", help="the text to learn")
    parser.add_argument("--hidden", type=positive, default=128, help="size of the state (default: 128)")
    parser.add_argument("--length", type=positive, default=64, help="characters in a piece (default: 64)")
    parser.add_argument("--prompt", default="\n", help="how the written text begins")
    parser.add_argument("--write", type=positive, default=300, metavar="N", help="characters to write (default: 300)")
    parser.add_argument("--temperature", type=float, default=0.8, help="above 0; 1 as learnt (default: 0.8)")
    options = parser.parse_args(arguments)
    if not options.temperature > 0:
        parser.error(f"--temperature must be above 0, got {options.temperature}")
    if not options.prompt:
        parser.error("--prompt must have at least one character")
    return options


def main(arguments: list[str] | None = None) -> float:
    """Train, write, draw, and return the held-out loss in nats a character."""
    options = parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    text = read_text(options.data)
    fw.manual_seed(options.seed)
    vocabulary = Vocabulary(sorted(set(text)), unknown="�", padding=None)
    numbers = np.array(vocabulary.encode(text[i] for i in range(len(text))))
    parts = np.split(numbers, [len(numbers) - len(numbers) // 10])
    train, held_out = (pieces(part, options.length, options.device) for part in parts)
    model = NextCharacter(len(vocabulary), options.hidden).to(options.device)
    optimizer = optim.Adam(model.parameters(), lr=options.lr)
    best, started = BestModel(options.out / "model.safetensors", restore=True), time.perf_counter()
    history = fit(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        DataLoader(train, options.batch, shuffle=True),
        epochs=options.epochs,
        validation=DataLoader(held_out, options.batch),
        forward=forward,
        clip_norm=1.0,
        callbacks=[best, EarlyStopping(patience=3)],
        progress=not options.quiet,
    )
    seconds = time.perf_counter() - started
    loss = min(history["val_loss"])
    vocabulary.save(options.out / "vocabulary.json")
    print(write_more(model, vocabulary, options.prompt, options.write, options.temperature))
    print(f"{len(text)} characters, {len(history['loss'])} epochs in {seconds:.1f} s on {options.device}")
    print(f"held-out: {loss:.3f} nats or {loss / math.log(2):.2f} bits a character, perplexity {math.exp(loss):.2f}")
    print(f"wrote {best.path} and {plot(history, options.out, 'a language model of characters')}")
    return loss


if __name__ == "__main__":
    run(main)
