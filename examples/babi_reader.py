"""Read bAbI stories and answer the questions: an end-to-end memory network.

    python examples/babi_reader.py --data qa1_single-supporting-fact_train.txt --test qa1_single-supporting-fact_test.txt
    python examples/babi_reader.py                            # downloaded, or generated without a network

A question and every statement of its story become vectors. The question's vector weighs the statements by how
well they fit, and the weighted sum names the place (Sukhbaatar et al., *End-To-End Memory Networks*, 2015).
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import framework as fw
from framework import nn, optim
from framework.data import DataLoader, TensorDataset, Vocabulary
from framework.metrics import Accuracy
from framework.training import fit

from babi_data import Example, download, read_examples, write_stories
from common import make_parser, plot, positive, run

STATEMENTS = 10
"""How many statements are remembered: the last ones."""


class MemoryNetwork(nn.Module):
    """Statements (N, M, T), latest first, and questions (N, T), as word numbers, to scores of answers (N, C)."""

    def __init__(self, words: int, answers: int, dim: int, hops: int) -> None:
        super().__init__()
        self.hops = hops
        self.question, self.key, self.value = (nn.Embedding(words, dim, padding_idx=0) for _ in range(3))
        self.key_age, self.value_age = nn.Embedding(STATEMENTS, dim), nn.Embedding(STATEMENTS, dim)
        self.answer = nn.Linear(dim, answers)
        for p in self.parameters():
            with fw.no_grad():
                p *= 0.1

    def forward(self, story: Any, question: Any) -> fw.Tensor:
        """Scores of the answers."""
        state = self.question(question).sum(axis=1)
        keys, values = self.key(story).sum(axis=2), self.value(story).sum(axis=2)
        keys, values = keys + self.key_age.weight, values + self.value_age.weight
        empty = story[:, :, 0] == 0
        for _ in range(self.hops):
            match = (keys @ state.unsqueeze(2)).squeeze(2)
            weights = fw.where(empty, -1e9, match).softmax(axis=1)
            state = state + (weights.unsqueeze(1) @ values).squeeze(1)
        return self.answer(state)


class Reading(NamedTuple):
    """Words, answers, and the lengths that all questions and stories are brought to."""

    vocabulary: Vocabulary
    answers: list[str]
    length: int

    def encode(self, examples: Sequence[Example], device: str) -> TensorDataset:
        """Numbers for statements (N, M, T), questions (N, T) and answers (N,)."""
        story = np.zeros((len(examples), STATEMENTS, self.length), dtype=np.int64)
        question = np.zeros((len(examples), self.length), dtype=np.int64)
        for n, example in enumerate(examples):
            self._write(question[n], example.question)
            for age, statement in enumerate(example.story[: -STATEMENTS - 1 : -1]):
                self._write(story[n, age], statement)
        answer = [self.answers.index(example.answer) for example in examples]
        return TensorDataset(*(fw.asarray(x, device=device) for x in (story, question, np.array(answer))))

    def _write(self, row: np.ndarray, sentence: str) -> None:
        numbers = self.vocabulary.encode(words_of(sentence))[: self.length]
        row[: len(numbers)] = numbers


def words_of(sentence: str) -> list[str]:
    """Its words in lower case."""
    return re.findall(r"\w+", sentence.lower())


def learn_words(train: Sequence[Example], test: Sequence[Example]) -> Reading:
    """The vocabulary of the training stories; the answers of both files must be known."""
    for name, examples in (("training", train), ("test", test)):
        if not examples:
            raise ValueError(
                f"the {name} file has no questions; expected lines of 'NUMBER question<TAB>answer<TAB>...'"
            )
    sentences = [words_of(text) for example in train for text in (*example.story, example.question)]
    answers = sorted({example.answer for example in train})
    if unknown := {example.answer for example in test} - set(answers):
        raise ValueError(f"the test file has the answer {min(unknown)!r}, which the training file never gives")
    return Reading(Vocabulary.from_tokens(sentences), answers, max(map(len, sentences)))


def find_data(options: argparse.Namespace) -> tuple[Path, Path]:
    """The given files, the published ones, or generated stories, saying which."""
    if options.data and options.test:
        return options.data, options.test
    if options.data or options.test:
        raise ValueError("--data and --test go together; give both or none")
    try:
        if not options.generate:
            return download("train"), download("test")
    except RuntimeError as error:
        print(f"data: {error}", file=sys.stderr)
    print(f"data: stories generated with the task's grammar in {options.out} (the published ones: --data, --test)")
    return tuple(write_stories(options.out / f"generated_{i}.txt", seed=options.seed + i) for i in range(2))


def show_answers(examples: Sequence[Example], predicted: Sequence[str], count: int = 4) -> None:
    """Print the last questions with the statement that answers them and what was answered."""
    for example, answer in list(zip(examples, predicted))[-count:]:
        fact = " ".join(example.story[i] for i in example.support)
        print(f"  {fact}  {example.question} -> {answer} {'' if answer == example.answer else '(wrong)'}")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "babi_reader", epochs=30, batch=32, lr=0.01)
    parser.add_argument("--data", type=Path, metavar="FILE", help="a bAbI task file to learn from")
    parser.add_argument("--test", type=Path, metavar="FILE", help="the held-out file of the same task")
    parser.add_argument("--generate", action="store_true", help="write stories instead of downloading them")
    parser.add_argument("--dim", type=positive, default=32, help="length of the vectors (default: 32)")
    parser.add_argument("--hops", type=positive, default=1, help="times to look at the story (default: 1)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> float:
    """Train, test, draw, and return the held-out accuracy."""
    options = parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    train, test = (read_examples(path) for path in find_data(options))
    fw.manual_seed(options.seed)
    reading = learn_words(train, test)
    loader = DataLoader(reading.encode(train, options.device), options.batch, shuffle=True)
    held_out = reading.encode(test, options.device)
    model = MemoryNetwork(len(reading.vocabulary), len(reading.answers), options.dim, options.hops).to(options.device)
    optimizer = optim.Adam(model.parameters(), lr=options.lr)
    started, metrics = time.perf_counter(), {"accuracy": Accuracy()}
    loss = nn.CrossEntropyLoss()
    history = fit(model, loss, optimizer, loader, epochs=options.epochs, metrics=metrics, progress=not options.quiet)
    seconds = time.perf_counter() - started
    story, question, answer = held_out[:]
    model.eval()
    with fw.no_grad():
        predicted = model(story, question).argmax(axis=-1)
    accuracy = (predicted == answer).to(fw.float64).mean().item()
    show_answers(test, [reading.answers[i] for i in predicted.tolist()])
    figure = plot(history, options.out, "bAbI qa1: answering questions")
    print(f"{len(train)} questions, {options.epochs} epochs in {seconds:.1f} s on {options.device}")
    print(f"correct on {len(test)} held-out questions: {accuracy:.3f}; wrote {figure}")
    return accuracy


if __name__ == "__main__":
    run(main)
