"""All peers compute the same losses, captured or not, and leave nothing of the data behind."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.peers import PEERS, Program, ours
from benchmarks.workloads import Workload, cpu_workloads, make_data
from tests.cuda import emulation

SMALL = {"V": 40, "D": 6, "N": 4, "T": 5, "H": 7}
STEPS = 5


def small(workload):
    sizes = {name: SMALL.get(name, value) for name, value in workload.sizes.items()}
    return Workload(workload.name, workload.kind, workload.peers, sizes)


def of_each_kind():
    """Return a small workload for each combination of options."""
    found = {}
    for w in cpu_workloads():
        options = {name: value for name, value in w.sizes.items() if name not in SMALL}
        found.setdefault((w.kind, *options.items()), small(w))
    return list(found.values())


EVERY = of_each_kind()
TRAINING = [w for w in EVERY if w.sizes.get("train", True)]


def module(peer):
    name, options = PEERS[peer]
    for library in {"pytorch": ["torch"], "jax_jit": ["jax"]}.get(name, []):
        pytest.importorskip(library)
    return import_module(f"benchmarks.peers.{name}"), options


def losses(step):
    return [float(step().item()) for _ in range(STEPS)]


def losses_of(workload, peer, device="cpu"):
    peers, options = module(peer)
    return losses(peers.make(workload, make_data(workload), device, **options))


@pytest.mark.parametrize(
    ("workload", "peer"),
    [pytest.param(w, peer, id=f"{w.name}-{peer}") for w in EVERY for peer in w.peers],
)
def test_a_peer_computes_our_losses(workload, peer):
    expected = losses_of(workload, "ours")
    if workload.sizes.get("train", True) and workload.kind != "chain":
        assert len(set(expected)) == STEPS
    np.testing.assert_allclose(losses_of(workload, peer), expected, rtol=1e-5)


@pytest.mark.parametrize("peer", ["ours", "torch", "torch-sparse", "jax", "jax-sparse", "founding"])
def test_what_is_kept_is_taken_out_of_the_data(peer):
    workload = next(w for w in EVERY if peer in ("ours", *w.peers))
    peers, options = module(peer)
    data = make_data(workload)
    peers.make(workload, data, "cpu", **options)
    assert data == {}


def test_the_gradient_of_the_input_is_computed_by_us_and_by_pytorch():
    workload = next(w for w in TRAINING if w.kind == "recurrent")
    found = []
    for peer in ("ours", "torch"):
        program = module(peer)[0].program(workload, make_data(workload), "cpu")
        program.step(*program.batches[0])
        found.append(np.asarray(program.batches[0][0].grad.numpy()))
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-8)


# ---------------------------------------------------------------- captured
@pytest.mark.skipif(emulation.COMPILER is None, reason="kernels are run on the CPU with g++, which is missing")
@pytest.mark.parametrize("workload", TRAINING, ids=lambda w: w.name)
def test_our_captured_step_starts_where_the_others_start(workload):
    from tests.cuda.test_training import GPU

    GPU.launch.log.clear()
    found = losses_of(workload, "ours-captured", "emulated")
    assert GPU.launch.log or workload.kind == "chain"
    np.testing.assert_allclose(found, losses_of(workload, "ours"), rtol=1e-4)
    ours.synchronize("emulated")


class FakeGraph:
    """A recording of PyTorch's that is repeated by running the step again, with what it was recorded with."""

    recording = None

    def replay(self):
        self.loss.data.copy_(self.run().data)


@pytest.fixture
def fake_cuda(monkeypatch):
    """PyTorch's CUDA graphs on the CPU; returns what happened, in order."""
    torch = pytest.importorskip("torch")
    log = []

    class Stream:
        def wait_stream(self, other):
            log.append("wait")

    @contextmanager
    def stream(side):
        log.append("side")
        yield

    @contextmanager
    def graph(recorded):
        log.append("record")
        FakeGraph.recording = recorded
        yield
        FakeGraph.recording = None
        log.append("recorded")

    step = Program.step

    def recorded_step(self, *batch):
        if FakeGraph.recording is not None:
            assert all(p.grad is None for p in self.parameters), "gradients are not made in the graph's own pool"
            FakeGraph.recording.run = lambda: step(self, *batch)
            loss = FakeGraph.recording.loss = step(self, *batch)
            return loss
        log.append("step")
        return step(self, *batch)

    current = Stream()
    fakes = {
        "Stream": Stream,
        "stream": stream,
        "graph": graph,
        "CUDAGraph": FakeGraph,
        "current_stream": lambda: current,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(Program, "step", recorded_step)
    return SimpleNamespace(log=log)


@pytest.mark.parametrize("workload", TRAINING, ids=lambda w: w.name)
def test_pytorchs_captured_step_starts_where_the_others_start(workload, fake_cuda):
    found = losses_of(workload, "torch-captured")
    assert fake_cuda.log == ["wait", "side", "step", "step", "step", "wait", "record", "recorded"]
    np.testing.assert_allclose(found, losses_of(workload, "ours"), rtol=1e-5)


def test_tf32_is_off_in_pytorch():
    torch = pytest.importorskip("torch")
    module("torch")
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
