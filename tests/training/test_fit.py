"""The loop: what it computes, what it calls, how it stops, and that a killed run goes on bit for bit."""

import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import framework as fw
from framework import nn, optim
from framework.data import DataLoader, TensorDataset
from framework.metrics import Accuracy, ConfusionMatrix, Recall
from framework.training import BestModel, Callback, EarlyStopping, History, fit


def problem(n=24, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    return TensorDataset(fw.asarray(x), fw.asarray((x.sum(axis=1) > 0).astype(np.int64)))


def make(seed=0, lr=0.1, dropout=0.0):
    fw.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 2))
    return model, optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def train(data=None, loader=None, **options):
    model, optimizer = options.pop("made", None) or make()
    loader = DataLoader(data or problem(), 8, shuffle=True) if loader is None else loader
    history = fit(model, nn.CrossEntropyLoss(), optimizer, loader, **{"progress": False, **options})
    return history, model


def values(model):
    return [p.detach().numpy().copy() for p in model.parameters()]


def assert_same(a, b):
    for x, y in zip(values(a), values(b), strict=True):
        np.testing.assert_array_equal(x, y)


class Recorder(Callback):
    def __init__(self, at_step=None, do=None):
        self.calls, self.at_step, self.do = [], at_step, do

    def on_start(self, run):
        self.calls.append("start")

    def on_step(self, run):
        self.calls.append(run.step)
        if run.step == self.at_step:
            self.do(run)

    def on_epoch(self, run, numbers):
        self.calls.append(sorted(numbers))

    def on_end(self, run):
        self.calls.append("end")


# ---------------------------------------------------------------- what it computes
def test_the_same_as_a_loop_of_ones_own():
    history, model = train(epochs=3)
    mine, optimizer = make()
    loader, losses = DataLoader(problem(), 8, shuffle=True), []
    for _ in range(3):
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(mine(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert history.steps == losses
    assert_same(model, mine)
    np.testing.assert_allclose(history["loss"], np.mean(np.reshape(losses, (3, 3)), axis=1))


def test_the_mean_loss_weighs_batches_by_size():
    history, _ = train(problem(20), epochs=1)
    assert history["loss"] == pytest.approx([np.average(history.steps, weights=[8, 8, 4])])


@pytest.mark.parametrize("n", [24, 23, 17])
def test_accumulated_batches_are_as_one_large_one(n):
    models = []
    for size, accumulate in ((6, 4), (24, 1)):
        loader = DataLoader(problem(n), size)
        history, model = train(loader=loader, epochs=4, accumulate=accumulate)
        assert len(history.steps) == 4
        models.append((history.steps, values(model)))
    np.testing.assert_allclose(models[0][0], models[1][0], rtol=1e-5)
    for a, b in zip(models[0][1], models[1][1]):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_gradients_are_clipped():
    seen = []

    class Norms(Callback):
        def on_step(self, run):
            seen.append(float(np.sqrt(sum((p.grad.numpy() ** 2).sum() for p in run.model.parameters()))))

    train(epochs=2, clip_norm=0.05, callbacks=[Norms()])
    assert max(seen) <= 0.05 * (1 + 1e-5)


def test_validation_and_metrics():
    data = problem()
    loader = DataLoader(data, 8)
    metrics = {"accuracy": Accuracy(), "confusion": ConfusionMatrix(2)}
    history, model = train(loader=loader, epochs=2, validation=DataLoader(data, 5), metrics=metrics)
    with fw.no_grad():
        scores = model(data[:][0])
    assert history["val_accuracy"][-1] == pytest.approx(
        (scores.argmax(axis=-1) == data[:][1]).to("float64").mean().item()
    )
    assert history["val_loss"][-1] == pytest.approx(nn.functional.cross_entropy(scores, data[:][1]).item(), rel=1e-5)
    assert np.sum(history["confusion"][-1]) == 24
    assert set(history.epochs) == {"loss", "accuracy", "confusion", "val_loss", "val_accuracy", "val_confusion", "lr"}


def test_dropout_is_off_in_validation_and_the_mode_comes_back():
    data, modes = problem(), []

    def forward(model, batch):
        modes.append(model.training)
        return model(batch[0]), batch[1]

    made = make(dropout=0.5)
    made[0].eval()
    _, model = train(data, epochs=1, made=made, validation=DataLoader(data, 24), forward=forward)
    assert modes == [True, True, True, False]
    assert not model.training


@pytest.mark.parametrize(
    ("every", "expected"), [("epoch", [0.1, 0.05, 0.025]), ("step", [0.1 / 8, 0.1 / 64, 0.1 / 512])]
)
def test_schedules(every, expected):
    model, optimizer = make()
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    history, _ = train(made=(model, optimizer), epochs=3, schedule=schedule, schedule_every=every)
    assert history["lr"] == pytest.approx(expected)


def test_schedules_on_a_plateau_see_the_validation_loss():
    model, optimizer = make(lr=0.0)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    train(made=(model, optimizer), epochs=3, schedule=schedule, validation=[(fw.ones((2, 4)), fw.asarray([0, 1]))])
    assert schedule.last_epoch == 3
    assert schedule.best < 10


def test_any_iterable_of_batches_will_do():
    x, y = problem()[:]
    history, _ = train(loader=[(x, y)] * 5, epochs=2)
    assert len(history.steps) == 10


# ---------------------------------------------------------------- callbacks
def test_callbacks_are_called_in_order():
    recorder = Recorder()
    train(epochs=2, callbacks=[recorder])
    assert recorder.calls == ["start", 1, 2, 3, ["loss", "lr"], 4, 5, 6, ["loss", "lr"], "end"]


def test_early_stopping():
    history, _ = train(epochs=50, made=make(lr=0.0), callbacks=[EarlyStopping(patience=2, min_delta=0.1)])
    assert len(history["loss"]) == 4
    assert "no better loss" in history.stopped


def test_a_number_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no number 'val_f1'; there are 'loss', 'lr'"):
        train(callbacks=[EarlyStopping("val_f1")])


def test_the_best_model_is_kept_and_restored(tmp_path):
    best = BestModel(tmp_path / "best.safetensors", "loss", restore=True)
    snapshots = []

    class Snapshots(Callback):
        def on_epoch(self, run, numbers):
            snapshots.append((numbers["loss"], values(run.model)))

    _, model = train(epochs=6, made=make(lr=3.0), callbacks=[best, Snapshots()])
    expected = min(snapshots, key=lambda pair: pair[0])
    assert best.best == expected[0]
    for a, b in zip(values(model), expected[1]):
        np.testing.assert_array_equal(a, b)


def test_an_earlier_runs_best_model_is_not_restored(tmp_path):
    path = tmp_path / "best.safetensors"
    fw.save({"weight": fw.ones(1)}, path)
    train(epochs=1, callbacks=[BestModel(path, restore=True), Recorder(2, lambda run: run.stop("enough"))])
    assert fw.load(path)["weight"].tolist() == [1]


def test_numbers_may_be_numpys():
    history, _ = train(epochs=np.int64(2), accumulate=np.int32(2))
    assert len(history["loss"]) == 2


def test_parameters_without_a_gradient_are_told_once():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused, self.frozen = nn.Linear(4, 2), nn.Linear(4, 2), nn.Linear(4, 2)
            self.frozen.requires_grad_(False)

        def forward(self, x):
            return self.used(x) + self.frozen(x)

    model = Unused()
    with pytest.warns(UserWarning, match=r"2 of the parameters .* none: unused\.weight, unused\.bias;") as found:
        train(made=(model, optim.SGD(model.used.parameters(), lr=0.1)), epochs=3)
    assert len(found) == 1


# ---------------------------------------------------------------- stopping and going on
def checkpointed(path, **options):
    model, optimizer = make(dropout=0.3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
    options = {"epochs": 4, "schedule": schedule, "metrics": {"accuracy": Accuracy()}, **options}
    return train(made=(model, optimizer), checkpoint=path, **options)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 7, 11, 12])
def test_an_interrupted_run_goes_on_bit_for_bit(step, tmp_path):
    whole, expected = checkpointed(tmp_path / "whole.safetensors")
    interrupt = Recorder(step, lambda run: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    first, _ = checkpointed(tmp_path / "run.safetensors", callbacks=[interrupt])
    assert first.stopped == "interrupted"
    assert len(first.steps) == step
    assert signal.getsignal(signal.SIGINT) is before
    fw.manual_seed(99)
    second, model = checkpointed(tmp_path / "run.safetensors", callbacks=[Recorder()])
    assert (second.steps, second.epochs, second.stopped) == (whole.steps, whole.epochs, "")
    assert_same(model, expected)


def test_a_second_interrupt_stops_at_once():
    def twice(run):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(callbacks=[Recorder(1, twice)])


def test_lists_of_batches_go_on_too(tmp_path):
    x, y = problem()[:]
    loader = [(x[i : i + 8], y[i : i + 8]) for i in (0, 8, 16)]
    whole, _ = train(loader=loader, epochs=2)
    path = tmp_path / "run.safetensors"
    train(loader=loader, epochs=2, checkpoint=path, callbacks=[Recorder(2, lambda run: run.stop("enough"))])
    history, _ = train(loader=loader, epochs=2, checkpoint=path, callbacks=[Recorder()])
    assert history.steps == whole.steps


def test_a_finished_run_is_not_run_again(tmp_path):
    whole, expected = checkpointed(tmp_path / "run.safetensors")
    recorder = Recorder()
    again, model = checkpointed(tmp_path / "run.safetensors", callbacks=[])
    assert again.steps == whole.steps
    assert_same(model, expected)
    assert recorder.calls == []
    more, _ = checkpointed(tmp_path / "run.safetensors", epochs=5)
    assert more.steps[: len(whole.steps)] == whole.steps
    assert len(more.steps) == 15


def test_resume_false_begins_anew(tmp_path):
    first, _ = checkpointed(tmp_path / "run.safetensors")
    second, _ = checkpointed(tmp_path / "run.safetensors", resume=False)
    assert second.steps == first.steps


def test_a_thread_of_ones_own_may_train():
    results = []
    thread = threading.Thread(target=lambda: results.append(train(epochs=1)[0]))
    thread.start()
    thread.join()
    assert len(results[0].steps) == 3


def test_killed_at_random_moments_the_losses_are_the_same():
    script = Path(__file__).with_name("kill_and_resume.py")
    done = subprocess.run([sys.executable, script, "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "killed 2 times" in done.stdout


# ---------------------------------------------------------------- mistakes
def on_a_plateau():
    made = make()
    return {"made": made, "schedule": optim.lr_scheduler.ReduceLROnPlateau(made[1])}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (lambda: {"made": (3, make()[1])}, TypeError, "model must be an nn.Module, got int"),
        (lambda: {"made": (make()[0], 3)}, TypeError, "optimizer must be an Optimizer, got int"),
        (lambda: {"epochs": -1}, ValueError, "epochs must be an integer of at least 0"),
        (lambda: {"epochs": 1.5}, ValueError, "epochs must be an integer"),
        (lambda: {"clip_norm": -1.0}, ValueError, "clip_norm must be above 0, got -1.0"),
        (lambda: {"clip_norm": float("nan")}, ValueError, "clip_norm must be above 0, got nan"),
        (lambda: {"metrics": [Accuracy()]}, TypeError, "dict of names and metrics, got list"),
        (lambda: {"metrics": {"loss": Accuracy()}}, ValueError, "the name 'loss' is taken"),
        (lambda: {"metrics": {"val_f1": Accuracy()}}, ValueError, "the name 'val_f1' is taken"),
        (lambda: {"checkpoint": "no/folder"}, FileNotFoundError, "does not exist; make it first"),
        (lambda: {"callbacks": [BestModel("no/folder")]}, FileNotFoundError, "does not exist; make it first"),
        (lambda: {"callbacks": [EarlyStopping(patience=-1)]}, ValueError, "patience must be at least 0, got -1"),
        (
            lambda: {"metrics": {"recall": Recall(average=None)}, "callbacks": [EarlyStopping("recall")]},
            ValueError,
            "'recall' has a number for each class",
        ),
        (lambda: {"accumulate": 0}, ValueError, "accumulate must be an integer of at least 1"),
        (lambda: {"checkpoint_every": 3}, ValueError, "needs a path in checkpoint"),
        (lambda: {"schedule_every": "batch"}, ValueError, "schedule_every must be 'epoch' or 'step'"),
        (lambda: {"schedule": 3}, TypeError, "schedule must be an LRScheduler, got int"),
        (lambda: {"schedule": optim.lr_scheduler.StepLR(make()[1], 1)}, ValueError, "that of another optimizer"),
        (lambda: on_a_plateau() | {"schedule_every": "step"}, ValueError, "expected schedule_every='epoch'"),
        (lambda: {"loader": [fw.ones((2, 4))]}, TypeError, r"expected batches \(input, ..., target\), got Tensor"),
        (lambda: {"loader": [()]}, TypeError, "expected batches"),
        (lambda: {"loader": DataLoader(problem(), 99, drop_last=True)}, ValueError, "gave no batches"),
        (lambda: {"validation": []}, ValueError, "validation loader gave no batches"),
    ],
)
def test_mistakes_are_named(options, error, words):
    with pytest.raises(error, match=words):
        train(**options())


# ---------------------------------------------------------------- what is seen
def test_a_bar_and_lines_of_progress(capsys):
    pytest.importorskip("tqdm")
    train(epochs=2, progress=True)
    text = capsys.readouterr().err
    assert "epoch 2/2" in text
    assert "3/3" in text
    assert "loss=" in text


def test_without_tqdm_a_line_an_epoch(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    train(epochs=2, progress=True)
    assert [line.partition(": ")[0] for line in capsys.readouterr().err.splitlines()] == ["epoch 1/2", "epoch 2/2"]


def test_history():
    history = History()
    assert repr(history) == "<History of 0 epochs, 0 steps>"
    history.add({"loss": 0.5})
    assert repr(history) == "<History of 1 epochs, 0 steps: loss=0.5>"
    with pytest.raises(KeyError, match="no 'val_loss' in this history; it has 'loss'"):
        history["val_loss"]


def test_a_history_draws_itself(tmp_path):
    pytest.importorskip("matplotlib")
    data = problem()
    history, _ = train(
        data, epochs=2, validation=DataLoader(data, 24), metrics={"accuracy": Accuracy(), "c": ConfusionMatrix(2)}
    )
    figure = history.plot(tmp_path / "history.png", "a title")
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG")
    names = [line.get_label() for axes in figure.axes for line in axes.lines]
    assert names == ["loss", "val_loss", "accuracy", "val_accuracy"]


def test_tensorboard_events(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("tensorboardX")
        from tensorboardX.proto import event_pb2

        from framework.training import TensorBoard

        train(epochs=2, callbacks=[TensorBoard(tmp_path)])
    (path,) = tmp_path.iterdir()
    content, place, tags = path.read_bytes(), 0, []
    while place < len(content):
        length = int.from_bytes(content[place : place + 8], "little")
        event = event_pb2.Event.FromString(content[place + 12 : place + 12 + length])
        tags += [(value.tag, event.step) for value in event.summary.value]
        place += 16 + length
    assert ("loss/step", 6) in tags
    assert ("loss/training", 3) in tags
    assert ("lr/training", 6) in tags


def test_tensorboard_says_what_is_missing(monkeypatch, tmp_path):
    from framework.training import TensorBoard

    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(RuntimeError, match="pip install tensorboardX"):
        TensorBoard(tmp_path)
