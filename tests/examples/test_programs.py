"""The programs run from their command lines, resume, and answer mistakes in one line."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import framework as fw

pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")
pytest.importorskip("safetensors")

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(program, *arguments, cwd=None):
    command = [sys.executable, str(EXAMPLES / f"{program}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)


@pytest.fixture
def stories(tmp_path):
    from babi_data import write_stories

    return write_stories(tmp_path / "qa1.txt", stories=30)


def test_xor_is_learnt(capsys):
    import xor

    assert xor.main(["--steps", "400"]) < 0.05
    assert "1 xor 0: 0.9" in capsys.readouterr().out


def test_word_vectors_are_learnt(capsys):
    import embedding

    assert embedding.main([]) < 0.05
    assert "cosine similarities" in capsys.readouterr().out


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_babi_trains_and_leaves_a_checkpoint_and_a_curve(cell, stories, tmp_path, capsys):
    import babi

    babi.main(
        ["--data", str(stories), "--cell", cell, "--steps", "40", "--hidden", "8", "--out", str(tmp_path), "--quiet"]
    )
    out = capsys.readouterr().out
    assert "40 steps" in out
    assert "held-out sentences: last words" in out
    assert (tmp_path / "loss.png").read_bytes()[:4] == b"\x89PNG"
    saved = fw.load(tmp_path / "checkpoint.safetensors")
    assert saved["step"] == 40
    assert saved["losses"][-1] < saved["losses"][0]


def test_the_founding_run_reaches_its_figure(stories, tmp_path, capsys):
    import babi

    babi.main(["--data", str(stories), "--founding", "--out", str(tmp_path), "--quiet"])
    correct = float(capsys.readouterr().out.partition("last words ")[2].split()[0])
    assert correct >= 0.35


def test_a_stopped_run_goes_on_as_if_never_stopped(stories, tmp_path, capsys):
    import babi

    losses = []
    for name, legs in (("whole", [60]), ("parts", [25, 60])):
        for steps in legs:
            babi.main(
                [
                    "--data",
                    str(stories),
                    "--steps",
                    str(steps),
                    "--hidden",
                    "8",
                    "--out",
                    str(tmp_path / name),
                    "--quiet",
                ]
            )
        losses.append(fw.load(tmp_path / name / "checkpoint.safetensors")["losses"])
    assert losses[0] == losses[1]
    assert "going on from" in capsys.readouterr().out


def test_killed_at_any_moment_the_last_checkpoint_is_whole(stories, tmp_path):
    command = [sys.executable, str(EXAMPLES / "babi.py"), "--data", str(stories), "--hidden", "8", "--steps", "100000"]
    command += ["--save-every", "1", "--out", str(tmp_path / "run"), "--quiet"]
    checkpoint, step, rng = tmp_path / "run" / "checkpoint.safetensors", 0, random.Random(0)
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not checkpoint.is_file() or fw.load(checkpoint)["step"] <= step):
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 0.2))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        saved = fw.load(checkpoint)
        assert saved["step"] > step
        assert len(saved["losses"]) == saved["step"]
        step = saved["step"]


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (None, [], "no such file"),
        (b"", [], "empty"),
        (b"\x00\xff\x12binary", [], "line 1|not text|UTF-8"),
        (b"just a poem\nof two lines\n", [], "line 1.*expected"),
        (b"1 Mary\n" * 20, [], "every line is a single word"),
        (b"1 Mary moved to the bathroom.\n", [], "no sentence is left to test on"),
        (b"1 Mary moved to the bathroom.\n", ["--device", "cuda:7"], "cuda"),
        (b"1 Mary moved to the bathroom.\n", ["--device", "abacus"], "unknown device 'abacus'"),
    ],
)
def test_bad_input_ends_in_one_line(content, arguments, words, tmp_path):
    import re

    path = tmp_path / "input.txt"
    if content is not None:
        path.write_bytes(content)
    done = run("babi", "--data", path, "--out", tmp_path / "out", "--quiet", *arguments)
    assert done.returncode != 0
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert re.search(words, lines[0]), lines[0]
    assert not (tmp_path / "out" / "checkpoint.safetensors").exists()


def test_a_checkpoint_of_something_else_is_refused_and_kept(stories, tmp_path):
    path = tmp_path / "other.safetensors"
    fw.save({"hello": fw.ones(3)}, path)
    before = path.read_bytes()
    done = run("babi", "--data", stories, "--checkpoint", path, "--out", tmp_path, "--quiet")
    assert done.returncode != 0
    assert "is not a checkpoint of this program" in done.stderr
    assert path.read_bytes() == before
    path.write_bytes(before[:40])
    done = run("babi", "--data", stories, "--checkpoint", path, "--out", tmp_path, "--quiet")
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert path.read_bytes() == before[:40]


def test_babi_on_another_device(stories, tmp_path):
    import babi

    babi.main(["--data", str(stories), "--device", "strict", "--steps", "2", "--out", str(tmp_path), "--quiet"])
    assert (tmp_path / "checkpoint.safetensors").is_file()


@pytest.mark.parametrize(
    ("program", "arguments"),
    [("xor", ["--steps", "-5"]), ("embedding", ["--steps", "0"]), ("embedding", ["--dim", "0"])],
)
def test_sizes_are_above_zero(program, arguments):
    done = run(program, *arguments)
    assert done.returncode == 2
    assert "must be at least 1" in done.stderr


@pytest.mark.parametrize("program", ["babi", "xor", "embedding"])
def test_help(program):
    done = run(program, "--help")
    assert done.returncode == 0
    assert "usage:" in done.stdout


def test_checkpoints_can_be_read_by_pytorch(stories, tmp_path):
    import babi

    torch = pytest.importorskip("torch")
    load_file = pytest.importorskip("safetensors.torch").load_file
    babi.main(
        ["--data", str(stories), "--cell", "gru", "--steps", "5", "--hidden", "8", "--out", str(tmp_path), "--quiet"]
    )
    tensors = load_file(tmp_path / "checkpoint.safetensors")
    layer = torch.nn.GRU(8, 8, batch_first=True)
    prefix = "model.recurrent."
    layer.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    assert json.dumps(sorted(tensors))
