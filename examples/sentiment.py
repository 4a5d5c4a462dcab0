"""Whether a film review praises or blames: three models on 10,662 sentences of Pang and Lee (2005).

    python examples/sentiment.py --data FOLDER               # with rt-polarity.pos and rt-polarity.neg
    python examples/sentiment.py --model bag                 # downloaded where --data is not given

--model svd   counts of 1- and 2-grams, truncated SVD to 500 dimensions, then 500-200-1 (ReLU, sigmoid)
--model bag   the mean of the vectors of all 1- and 2-grams, then one sigmoid
--model lstm  an LSTM in both directions over word vectors; its largest states, then one sigmoid

All are trained on eight tenths, stopped by the loss on one tenth, and judged on the last tenth.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import framework as fw
from framework import nn, optim
from framework.data import BucketSampler, DataLoader, TensorDataset, Vocabulary, load_reviews, pad_collate, tokenize
from framework.metrics import BinaryAccuracy, BinaryF1Score, BinaryPrecision, BinaryRecall
from framework.training import BestModel, EarlyStopping, fit

from common import make_parser, plot, positive, run

METRICS = {"accuracy": BinaryAccuracy, "precision": BinaryPrecision, "recall": BinaryRecall, "f1": BinaryF1Score}


class Reviews(NamedTuple):
    """Sentences, and 1 for praise or 0 for blame."""

    texts: list[str]
    labels: np.ndarray


class Setup(NamedTuple):
    """A model, its optimizer, and loaders of the three parts."""

    model: nn.Module
    optimizer: optim.Optimizer
    loaders: list[Any]


class LargestStates(nn.Module):
    """Word numbers (N, T) and lengths (N,) to probabilities of praise (N,)."""

    def __init__(self, words: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, dim, padding_idx=0)
        with fw.no_grad():
            self.words.weight *= 0.1  # small vectors: what is rare stays without influence
        self.recurrent = nn.LSTM(dim, hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Sequential(nn.Linear(2 * hidden, 1), nn.Sigmoid(), nn.Flatten(0))

    def forward(self, words: Any, lengths: Any) -> fw.Tensor:
        """Probabilities of praise."""
        states, _ = self.recurrent(self.dropout(self.words(words)), lengths=lengths)
        states = fw.where((words == 0).unsqueeze(2), -1.0, states)
        return self.output(self.dropout(states.max(axis=1)))


class MeanOfGrams(nn.Module):
    """Numbers of 1- and 2-grams (N, T), padded with 0, to probabilities of praise (N,)."""

    def __init__(self, grams: int, dim: int) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(grams, dim, mode="mean", padding_idx=0)
        self.output = nn.Sequential(nn.Dropout(0.5), nn.Linear(dim, 1), nn.Sigmoid(), nn.Flatten(0))

    def forward(self, grams: Any, lengths: Any) -> fw.Tensor:
        """Probabilities of praise."""
        return self.output(self.bag(grams))


def split(reviews: Reviews, seed: int) -> list[Reviews]:
    """Eight tenths, one and one, drawn at random."""
    order = fw.randperm(len(reviews.texts), generator=fw.Generator(seed)).cpu().numpy()
    tenth = len(order) // 10
    if not tenth:
        raise ValueError(f"expected at least 10 sentences, got {len(order)}")
    parts = np.split(order, [len(order) - 2 * tenth, len(order) - tenth])
    return [Reviews([reviews.texts[i] for i in part], reviews.labels[part]) for part in parts]


def svd_setup(parts: Sequence[Reviews], options: argparse.Namespace) -> Setup:
    """Counts, reduced; a network of two layers."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import CountVectorizer

    counts = CountVectorizer(ngram_range=(1, 2), min_df=2)
    table = counts.fit_transform(parts[0].texts)
    size = min(500, table.shape[1] - 1)
    reduction = TruncatedSVD(size, random_state=options.seed).fit(table)
    loaders = []
    for i, part in enumerate(parts):
        x = reduction.transform(counts.transform(part.texts)).astype(np.float32)
        data = TensorDataset(*(fw.asarray(v, device=options.device) for v in (x, part.labels)))
        loaders.append(DataLoader(data, options.batch, shuffle=i == 0))
    layers = nn.Linear(size, 200), nn.ReLU(), nn.Linear(200, 1), nn.Sigmoid(), nn.Flatten(0)
    model = nn.Sequential(*layers).to(options.device)
    return Setup(model, optim.SGD(model.parameters(), lr=options.lr or 0.02, momentum=0.9), loaders)


def grams(text: str) -> list[str]:
    """The words, and all pairs of neighbours."""
    words = tokenize(text)
    return words + [f"{a} {b}" for a, b in pairwise(words)]


def sequence_loaders(
    tokens: Any, parts: Sequence[Reviews], options: argparse.Namespace
) -> tuple[Vocabulary, list[Any]]:
    """Numbers of tokens, in batches of about one length."""
    vocabulary = Vocabulary.from_tokens(map(tokens, parts[0].texts), min_count=2)
    loaders = []
    for i, part in enumerate(parts):
        rows = [np.array(vocabulary.encode(tokens(text)) or [1]) for text in part.texts]
        order = BucketSampler([len(row) for row in rows], options.batch, shuffle=i == 0)
        data = list(zip(rows, part.labels))
        loaders.append(DataLoader(data, batch_sampler=order, collate_fn=pad_collate, device=options.device))
    return vocabulary, loaders


def bag_setup(parts: Sequence[Reviews], options: argparse.Namespace) -> Setup:
    """The mean of the vectors of grams."""
    vocabulary, loaders = sequence_loaders(grams, parts, options)
    model = MeanOfGrams(len(vocabulary), options.dim).to(options.device)
    return Setup(model, optim.Adam(model.parameters(), lr=options.lr or 0.003), loaders)


def lstm_setup(parts: Sequence[Reviews], options: argparse.Namespace) -> Setup:
    """The LSTM."""
    vocabulary, loaders = sequence_loaders(tokenize, parts, options)
    model = LargestStates(len(vocabulary), options.dim, options.hidden).to(options.device)
    return Setup(model, optim.AdamW(model.parameters(), lr=options.lr or 0.001), loaders)


def forward(model: nn.Module, batch: Any) -> tuple[Any, Any]:
    """Output and target, of vectors or of padded sequences with their lengths."""
    inputs, target = batch
    return model(*(inputs if isinstance(inputs, tuple) else (inputs,))), target


SETUPS = {"svd": svd_setup, "bag": bag_setup, "lstm": lstm_setup}


def judge(model: nn.Module, loader: Any) -> dict[str, float]:
    """The four metrics."""
    metrics = {name: make() for name, make in METRICS.items()}
    model.eval()
    with fw.no_grad():
        for batch in loader:
            output, target = forward(model, batch)
            for metric in metrics.values():
                metric.update(output, target)
    return {name: metric.compute().item() for name, metric in metrics.items()}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "sentiment", epochs=40, batch=32, lr=0.0)
    parser.set_defaults(lr=None)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where rt-polarity.pos and rt-polarity.neg lie")
    parser.add_argument("--model", choices=list(SETUPS), default="svd", help="which model (default: svd)")
    parser.add_argument("--dim", type=positive, default=100, help="length of word vectors (default: 100)")
    parser.add_argument("--hidden", type=positive, default=64, help="states of the LSTM (default: 64)")
    parser.add_argument("--patience", type=positive, default=3, help="epochs without progress (default: 3)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train, judge, draw, and return the four metrics."""
    options = parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    texts, labels = load_reviews(options.data)
    parts = split(Reviews(texts, np.array(labels, dtype=np.float32)), options.seed)
    fw.manual_seed(options.seed)
    started = time.perf_counter()
    model, optimizer, (train, validation, test) = SETUPS[options.model](parts, options)
    prepared = time.perf_counter()
    best = BestModel(options.out / f"{options.model}.safetensors", restore=True)
    history = fit(
        model,
        nn.BCELoss(),
        optimizer,
        train,
        epochs=options.epochs,
        validation=validation,
        metrics={"accuracy": BinaryAccuracy()},
        forward=forward,
        callbacks=[EarlyStopping(patience=options.patience), best],
        progress=not options.quiet,
    )
    seconds = time.perf_counter() - prepared
    found = judge(model, test)
    figure = plot(history, options.out, f"film reviews: {options.model}")
    print(f"{len(parts[0].texts)} sentences, {len(history['loss'])} epochs", end=" ")
    print(f"in {seconds:.1f} s on {options.device} (and {prepared - started:.1f} s to prepare)")
    print(f"{options.model} on {len(parts[2].texts)} held-out sentences:", end=" ")
    print(", ".join(f"{name} {value:.3f}" for name, value in found.items()))
    print(f"wrote {best.path} and {figure}")
    return found


if __name__ == "__main__":
    run(main)
