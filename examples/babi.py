"""Learn to predict the next word of bAbI stories with an embedding and a recurrent layer.

    python examples/babi.py --data qa1_single-supporting-fact_train.txt   # your file
    python examples/babi.py                                               # downloaded, or generated offline
    python examples/babi.py --founding                                    # the first 100 lines, 1000 steps

Each line is a sentence. The network reads its words one after another and names the next one.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import framework as fw
from framework import nn
from framework.optim import SGD

from babi_data import download, read_lines, write_stories

PAD = "-"
CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class NextWord(nn.Module):
    """Words (N, T) to scores of the word after each, (N, T, V)."""

    def __init__(self, vocabulary: int, hidden: int, cell: str) -> None:
        super().__init__()
        options = {"nonlinearity": "sigmoid"} if cell == "sigmoid" else {}
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.recurrent = CELLS.get(cell, nn.RNN)(hidden, hidden, batch_first=True, **options)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, words: Any) -> fw.Tensor:
        """Words (N, T) to scores (N, T, V)."""
        states, _ = self.recurrent(self.embedding(words))
        return self.output(states)


class Corpus(NamedTuple):
    """Sentences as numbers, padded on the left to one length."""

    vocabulary: list[str]
    train: np.ndarray
    held_out: np.ndarray


def load_corpus(path: Path, test: Path | None, limit: int | None) -> Corpus:
    """Read the sentences; hold out every tenth where no test file is given."""
    lines = read_lines(path, limit)
    others = read_lines(test) if test else lines[9::10] if limit is None else []
    kept = lines if test or limit is not None else [line for i, line in enumerate(lines) if i % 10 != 9]
    vocabulary = sorted({word for line in [*lines, *others] for word in line} | {PAD})
    length = max(len(line) for line in [*lines, *others])
    if length < 2:
        raise ValueError(f"{path}: every line is a single word; expected some before the last one, which is predicted")
    return Corpus(vocabulary, _numbers(kept, vocabulary, length), _numbers(others, vocabulary, length))


def _numbers(lines: list[list[str]], vocabulary: list[str], length: int) -> np.ndarray:
    number = {word: i for i, word in enumerate(vocabulary)}
    rows = [[number[PAD]] * (length - len(line)) + [number[word] for word in line] for line in lines]
    return np.array(rows, dtype=np.int64).reshape(-1, length)


class Run:
    """A model in training: what a checkpoint holds."""

    def __init__(self, options: argparse.Namespace, corpus: Corpus) -> None:
        fw.random.manual_seed(options.seed)
        self.options = options
        self.corpus = corpus
        self.model = NextWord(len(corpus.vocabulary), options.hidden, options.cell).to(options.device)
        if options.founding:
            self._start_as_the_founders()
        self.optimizer = SGD(self.model.parameters(), lr=options.lr, momentum=options.momentum)
        self.loss = nn.CrossEntropyLoss(ignore_index=corpus.vocabulary.index(PAD))
        self.generator = fw.random.Generator(options.seed)
        self.rows = fw.asarray(corpus.train, device=options.device)
        self.step = 0
        self.losses: list[float] = []

    def _start_as_the_founders(self) -> None:
        """Embeddings in +-0.5/D, weights from a normal distribution of variance 2/inputs, no biases."""
        for name, p in self.model.named_parameters():
            if name == "embedding.weight":
                nn.init.uniform_(p, -0.5 / p.shape[1], 0.5 / p.shape[1])
            elif "weight" in name:
                nn.init.normal_(p, 0.0, (2 / p.shape[1]) ** 0.5)
            else:
                nn.init.zeros_(p)

    def next_batch(self) -> Any:
        """All sentences, or as many as asked for, drawn anew."""
        size = self.options.batch
        if not size or size >= len(self.rows):
            return self.rows
        chosen = fw.random.integers(0, len(self.rows), (size,), generator=self.generator)
        return self.rows[chosen.to(self.options.device)]

    def train_step(self, batch: Any) -> tuple[float, float]:
        """One step; returns the loss, and how many of the last words were right."""
        self.optimizer.zero_grad()
        if self.options.founding:
            scores, target = self.model(batch[:, :-1])[:, -1], batch[:, -1]
            loss = nn.functional.cross_entropy(scores, target, reduction="sum") / len(batch)
            (loss * len(batch)).backward()
        else:
            scores, target = self.model(batch[:, :-1]), batch[:, 1:]
            loss = self.loss(scores.reshape(-1, scores.shape[-1]), target.reshape(-1))
            loss.backward()
            scores, target = scores[:, -1], target[:, -1]
        self.optimizer.step()
        self.step += 1
        self.losses.append(loss.item())
        return self.losses[-1], _accuracy(scores, target)

    def evaluate(self, rows: np.ndarray) -> tuple[float, float, np.ndarray]:
        """Accuracy over all words and over last words, and the predicted last words."""
        self.model.eval()
        with fw.no_grad():
            batch = fw.asarray(rows, device=self.options.device)
            scores = self.model(batch[:, :-1])
            real = batch[:, 1:] != self.corpus.vocabulary.index(PAD)
            right = (scores.argmax(axis=-1) == batch[:, 1:]) & real
            every = fw.count_nonzero(right).item() / fw.count_nonzero(real).item()
            last = scores[:, -1].argmax(axis=-1)
        self.model.train()
        return every, (last == batch[:, -1]).to(fw.float32).mean().item(), last.numpy()

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        fw.save(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": list(self.generator.get_state()),
                "step": self.step,
                "losses": self.losses,
                "vocabulary": self.corpus.vocabulary,
                "cell": self.options.cell,
            },
            path,
        )

    def resume(self, path: Path) -> None:
        """Take up a checkpoint, if it is of the same data and cell."""
        saved = fw.load(path)
        if not isinstance(saved, dict) or "vocabulary" not in saved:
            raise ValueError(f"{path} is not a checkpoint of this program")
        if saved["vocabulary"] != self.corpus.vocabulary or saved["cell"] != self.options.cell:
            raise ValueError(f"{path} is a checkpoint of other data or of another cell; give another --checkpoint")
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.generator.set_state(tuple(saved["generator"]))
        self.step, self.losses = saved["step"], list(saved["losses"])


def _accuracy(scores: Any, target: Any) -> float:
    return (scores.detach().argmax(axis=-1) == target).to(fw.float32).mean().item()  # type: ignore[no-any-return]


def train(run: Run) -> float:
    """Run to the last step with a progress bar; returns the seconds it took."""
    from tqdm import tqdm

    options, started = run.options, time.perf_counter()
    bar = tqdm(total=options.steps, initial=run.step, unit="step", disable=options.quiet)
    while run.step < options.steps:
        loss, accuracy = run.train_step(run.next_batch())
        if run.step % 50 == 0 or run.step == options.steps:
            bar.set_postfix(loss=f"{loss:.3f}", correct=f"{accuracy:.2f}", refresh=False)
            bar.update(run.step - bar.n)
        if options.checkpoint and run.step % options.save_every == 0:
            run.save(options.checkpoint)
    seconds = time.perf_counter() - started
    bar.close()
    return seconds


def plot_losses(losses: list[float], path: Path) -> None:
    """Write the loss curve as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(range(1, len(losses) + 1), losses, linewidth=1)
    axes.set(xlabel="step", ylabel="cross-entropy (nats)", title="bAbI qa1: predicting the next word")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def show_table(rows: np.ndarray, predicted: np.ndarray, vocabulary: list[str], count: int = 6) -> None:
    """Print some sentences with the word that was expected and the one that was named."""
    print(f"{'sentence':<34} {'last word':<18} predicted")
    for row, guess in list(zip(rows, predicted))[:: max(1, len(rows) // count)][:count]:
        words = [vocabulary[i] for i in row if vocabulary[i] != PAD]
        sentence, last = " ".join(words[:-1]), _flat(words[-1])
        print(f"{sentence:<34} {last:<18} {_flat(vocabulary[guess])}")


def _flat(word: str) -> str:
    return word.strip().replace("\t", " ")


def find_data(options: argparse.Namespace) -> Path:
    """The given file, the published one, or generated stories, saying which."""
    if options.data:
        return options.data
    if not options.generate:
        try:
            path = download("train")
            print(f"data: the published file, {path}")
            return path
        except RuntimeError as error:
            print(f"data: {error}", file=sys.stderr)
    path = write_stories(options.out / "generated_qa1.txt", seed=options.seed)
    print(f"data: stories generated with the task's grammar, {path} (the published file: --data FILE)")
    return path


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FILE", help="a bAbI task file to learn from")
    parser.add_argument("--test", type=Path, metavar="FILE", help="a file to test on (default: every tenth line)")
    parser.add_argument("--generate", action="store_true", help="write stories instead of downloading them")
    parser.add_argument("--founding", action="store_true", help="repeat the founding run: 100 lines, 1000 steps")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    parser.add_argument("--cell", choices=sorted(CELLS), default="lstm", help="the recurrent layer (default: lstm)")
    parser.add_argument("--hidden", type=_positive, default=64, help="size of states and word vectors (default: 64)")
    parser.add_argument("--steps", type=_positive, default=2000, help="training steps (default: 2000)")
    parser.add_argument("--batch", type=_positive, default=64, help="sentences a step (default: 64)")
    parser.add_argument("--lr", type=float, default=0.5, help="learning rate (default: 0.5)")
    parser.add_argument("--momentum", type=float, default=0.9, help="momentum (default: 0.9)")
    parser.add_argument("--seed", type=int, default=0, help="for the weights and the batches (default: 0)")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="save to FILE, and go on from it if it is there"
    )
    parser.add_argument("--save-every", type=_positive, default=500, help="steps between checkpoints (default: 500)")
    parser.add_argument("--out", type=Path, default=Path("runs/babi"), help="folder for what is written")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    if options.founding:
        options.cell, options.hidden, options.steps, options.batch = "sigmoid", 16, 1000, 0
        options.lr, options.momentum = 0.05, 0.0
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def main(arguments: list[str] | None = None) -> None:
    """Train, test, and write what came of it."""
    options = _parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    options.checkpoint = options.checkpoint or options.out / "checkpoint.safetensors"
    corpus = load_corpus(find_data(options), options.test, 100 if options.founding else None)
    run = Run(options, corpus)
    rows = corpus.train if options.founding else corpus.held_out
    if not len(rows):
        raise ValueError("no sentence is left to test on: every tenth line is; give ten or more, or --test FILE")
    if options.checkpoint.is_file() and not options.founding:
        run.resume(options.checkpoint)
        print(f"going on from {options.checkpoint}, step {run.step}")
    before, seconds = run.step, train(run)
    run.save(options.checkpoint)
    plot_losses(run.losses, options.out / "loss.png")
    every, last, predicted = run.evaluate(rows)
    show_table(rows, predicted, corpus.vocabulary)
    where = "training sentences" if options.founding else "held-out sentences"
    print(f"{run.step - before} steps in {seconds:.2f} s on {options.device}, loss {run.losses[-1]:.4f}")
    others = "" if options.founding else f", all words {every:.3f}"
    print(f"correct on {len(rows)} {where}: last words {last:.3f}{others}")
    print(f"wrote {options.checkpoint} and {options.out / 'loss.png'}")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"babi.py: {error}")
