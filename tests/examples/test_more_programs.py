"""The programs around the training loop: small runs learn, leave their files, and answer mistakes in one line."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import babi_reader
import char_lm
import digits
import sentiment
import sine
from babi_data import write_stories

pytest.importorskip("matplotlib")

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = ["babi_reader", "sentiment", "digits", "sine", "char_lm"]
PNG = b"\x89PNG"


@pytest.fixture
def out(tmp_path):
    return ["--quiet", "--out", str(tmp_path / "out")]


def picture(tmp_path, name):
    return (tmp_path / "out" / name).read_bytes().startswith(PNG)


def test_stories_are_read_and_questions_answered(tmp_path, out, capsys):
    paths = [write_stories(tmp_path / f"{name}.txt", stories=60, seed=seed) for seed, name in enumerate(("a", "b"))]
    arguments = ["--data", str(paths[0]), "--test", str(paths[1]), "--epochs", "30", *out]
    assert babi_reader.main(arguments) > 0.9
    assert "correct on 300 held-out questions" in capsys.readouterr().out
    assert picture(tmp_path, "history.png")


def test_several_hops_and_generated_stories(tmp_path, out, capsys):
    babi_reader.main(["--generate", "--hops", "2", "--epochs", "1", *out])
    assert "generated with the task's grammar" in capsys.readouterr().out


def write_reviews(folder, n=60):
    rng = np.random.default_rng(0)
    for name, word in (("pos", "good"), ("neg", "bad")):
        fill = rng.choice(["the", "film", "plot", "cast", "one"], (n, 6))
        lines = [" ".join([*row[:3], word, *row[3:]]) for row in fill]
        (folder / f"rt-polarity.{name}").write_text("\n".join(lines))


@pytest.mark.parametrize("model", ["svd", "bag", "lstm"])
def test_reviews_are_judged(model, tmp_path, out, capsys):
    pytest.importorskip("sklearn")
    write_reviews(tmp_path)
    options = ["--epochs", "20", "--batch", "8", "--lr", "0.05" if model == "svd" else "0.02"]
    found = sentiment.main(["--data", str(tmp_path), "--model", model, *options, *out])
    assert set(found) == {"accuracy", "precision", "recall", "f1"}
    assert found["accuracy"] > 0.9
    assert picture(tmp_path, "history.png")
    assert (tmp_path / "out" / f"{model}.safetensors").is_file()


def test_digits_are_recognised(tmp_path, out, capsys):
    pytest.importorskip("sklearn")
    assert digits.main(["--epochs", "15", *out]) > 0.95
    assert picture(tmp_path, "confusion.png")
    assert picture(tmp_path, "history.png")


def write_idx(path, array):
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def test_mnist_by_path(tmp_path, out):
    rng = np.random.default_rng(0)
    for part, n in (("train", 100), ("t10k", 30)):
        labels = rng.integers(0, 10, n)
        images = np.zeros((n, 28, 28))
        images[np.arange(n), labels, :] = 255
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    assert digits.main(["--mnist", str(tmp_path), "--epochs", "30", "--batch", "20", *out]) > 0.9


def test_the_curve_is_learnt(tmp_path, out, capsys):
    assert sine.main(["--epochs", "15", "--points", "300", *out]) < 0.05
    assert picture(tmp_path, "sine.png")


def test_characters_are_learnt_and_written(tmp_path, out, capsys):
    (tmp_path / "text.txt").write_text("to be or not to be, that is the question.\n" * 60)
    options = ["--epochs", "8", "--hidden", "32", "--length", "20", "--batch", "8", "--write", "40", "--prompt", "to "]
    assert char_lm.main(["--data", str(tmp_path / "text.txt"), *options, *out]) < 1.0
    assert capsys.readouterr().out.startswith("to ")
    assert (tmp_path / "out" / "vocabulary.json").is_file()


def run(program, *arguments):
    command = [sys.executable, EXAMPLES / f"{program}.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help(program):
    done = run(program, "--help")
    assert done.returncode == 0
    assert f"python examples/{program}.py" in done.stdout
    assert "--epochs" in done.stdout


@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
        ("babi_reader", ["--data", "none.txt", "--test", "none.txt"], "none.txt"),
        ("babi_reader", ["--data", "none.txt"], "--data and --test go together"),
        ("sentiment", ["--data", "none"], "none"),
        ("digits", ["--mnist", "none"], "none"),
        ("digits", ["--device", "abacus"], "abacus"),
        ("sine", ["--points", "10"], "--points must be more than the window's 50"),
        ("char_lm", [], "--data FILE is needed"),
        ("char_lm", ["--data", "none.txt"], "none.txt"),
        ("char_lm", ["--data", "no text"], "no text: expected text in UTF-8"),
        ("babi_reader", ["--data", "no questions", "--test", "no questions"], "the training file has no questions"),
    ],
)
def test_mistakes_end_in_one_line(program, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("no text").write_bytes(b"\xff" * 2000)
    Path("no questions").write_text("1 Mary moved to the bathroom.\n")
    done = run(program, *arguments, "--quiet", "--out", tmp_path / "out")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{program}.py: ")
    assert words in line
