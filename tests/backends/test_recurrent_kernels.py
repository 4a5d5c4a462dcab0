"""The recurrent kernels: the reference against PyTorch, the NumPy kernels against the reference."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from backends._numpy import recurrent as fast
from backends._numpy import threads
from backends.reference import recurrent as reference

pytestmark = pytest.mark.cpu("NumPy's own kernels, but for tests with the fixture `kernels`")

CPU = SimpleNamespace(xp=np)
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("rnn", "sigmoid"), ("lstm", None), ("gru", None)]
SHAPES = [(5, 3, 4, 6), (0, 3, 2, 2), (4, 0, 2, 3), (1, 1, 1, 1), (7, 5, 1, 3), (3, 2, 5, 1), (3, 4, 0, 2)]


class Case:
    """Inputs and upstream gradients of one kernel call, from a seed."""

    dtype = np.float64

    def __init__(self, kind, shape, *, bias=True, lengths=False, dtype=None, seed=0, scale=1.0):
        dtype = dtype or self.dtype
        rng = np.random.default_rng(seed)
        t, n, d, h = shape
        g = GATES[kind]

        def draw(*dims):
            return (scale * rng.standard_normal(dims)).astype(dtype)

        states = 2 if kind == "lstm" else 1
        self.kind = kind
        self.x = draw(t, n, d)
        self.state = tuple(draw(n, h) for _ in range(states))
        self.weights = (draw(g * h, d), draw(g * h, h))
        self.biases = (draw(g * h), draw(g * h)) if bias else (None, None)
        self.lengths = rng.integers(0, t + 1, n) if lengths else None
        self.gy = draw(t, n, h)
        self.g_state = tuple(draw(n, h) for _ in range(states))

    @property
    def inputs(self):
        return (self.x, *self.state, *self.weights, *self.biases)

    @property
    def needs(self):
        return tuple(a is not None for a in self.inputs)

    def forward(self, module, backend=CPU, *, reverse=False, keep=True, nonlinearity=None, convert=lambda a: a):
        options = {"reverse": reverse, "keep": keep}
        if self.kind == "rnn":
            options["nonlinearity"] = nonlinearity or "tanh"
        args = [a if a is None else convert(a) for a in (*self.inputs, self.lengths)]
        return getattr(module, f"{self.kind}_forward")(backend, *args, **options)

    def backward(self, module, saved, backend=CPU, *, needs=None, grads=None, convert=lambda a: a):
        grads = (self.gy, *self.g_state) if grads is None else grads
        grads = [a if a is None else convert(a) for a in grads]
        return getattr(module, f"{self.kind}_backward")(backend, saved, *grads, needs or self.needs)


def assert_all_close(actual, expected, tolerance):
    assert len(actual) == len(expected)
    tolerance = max(tolerance, {np.float32: 2e-6}.get(Case.dtype, 0))
    for a, e in zip(actual, expected):
        assert (a is None) == (e is None)
        if e is not None:
            assert a.shape == e.shape
            assert a.dtype == e.dtype
            np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance * max(1.0, np.abs(e).max(initial=0)))


@pytest.fixture
def numpy_bodies(monkeypatch):
    """As if numba were not installed."""
    monkeypatch.setattr(fast, "_compiled", lambda: None)


@pytest.fixture
def compiled_bodies(monkeypatch):
    """Cases in float32, which is what is compiled."""
    pytest.importorskip("numba", reason="the compiled bodies need numba")
    monkeypatch.setattr(Case, "dtype", np.float32)


BODIES = ["numpy_bodies", "compiled_bodies"]


@pytest.fixture(params=BODIES)
def bodies(request):
    """Either kind of the fast kernels' bodies."""
    request.getfixturevalue(request.param)


@pytest.fixture(params=["reference", *BODIES])
def module(request):
    """The reference, or the fast kernels with either kind of bodies."""
    if request.param == "reference":
        return reference
    request.getfixturevalue(request.param)
    return fast


# ---------------------------------------------------------------- the reference
def torch_layer(case, nonlinearity, reverse):
    """PyTorch's layer with the case's weights in the direction under test."""
    torch = pytest.importorskip("torch")
    h, d = case.weights[0].shape[0] // GATES[case.kind], case.weights[0].shape[1]
    options = {"bias": case.biases[0] is not None, "bidirectional": reverse, "dtype": torch.float64}
    if case.kind == "rnn":
        options["nonlinearity"] = nonlinearity
    layer = getattr(torch.nn, case.kind.upper())(d, h, **options)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    parameters = [getattr(layer, f"{name}_l0{'_reverse' * reverse}", None) for name in names]
    with torch.no_grad():
        for parameter, value in zip(parameters, (*case.weights, *case.biases)):
            if value is not None:
                parameter.copy_(torch.from_numpy(value))
    return layer, parameters


def torch_gradients(case, nonlinearity, reverse):
    """Outputs, final states and gradients of everything, by PyTorch."""
    torch = pytest.importorskip("torch")
    layer, parameters = torch_layer(case, nonlinearity, reverse)
    leaves = [torch.from_numpy(a).requires_grad_() for a in (case.x, *case.state)]
    x, h = leaves[0], case.weights[1].shape[1]
    state = [torch.stack([torch.zeros_like(s), s] if reverse else [s]) for s in leaves[1:]]
    if case.lengths is not None:
        lengths = torch.from_numpy(case.lengths)
        x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    y, final = layer(x, tuple(state) if case.kind == "lstm" else state[0])
    if case.lengths is not None:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=case.x.shape[0])
    outputs = [y[..., -h:], *(s[-1] for s in (final if case.kind == "lstm" else (final,)))]
    loss = sum((o * torch.from_numpy(g)).sum() for o, g in zip(outputs, (case.gy, *case.g_state)))
    wanted = [*leaves, *(p for p in parameters if p is not None)]
    gradients = [g.numpy() for g in torch.autograd.grad(loss, wanted)]
    return [o.detach().numpy() for o in outputs], gradients + [None] * (len(case.inputs) - len(gradients))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, [7, 1, 3, 7, 2]])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kind", "nonlinearity"), [c for c in CELLS if c[1] != "sigmoid"])
def test_reference_equals_pytorch(kind, nonlinearity, bias, lengths, reverse):
    case = Case(kind, (7, 5, 3, 4), bias=bias)
    case.lengths = None if lengths is None else np.asarray(lengths)
    outputs, gradients = torch_gradients(case, nonlinearity, reverse)
    *found, saved = case.forward(reference, reverse=reverse, nonlinearity=nonlinearity)
    assert_all_close(found, outputs, 1e-9)
    assert_all_close(case.backward(reference, saved), gradients, 1e-9)


def test_sigmoid_rnn_equals_pytorch_autograd():
    torch = pytest.importorskip("torch")
    case = Case("rnn", (5, 3, 2, 4))
    x, h, w_ih, w_hh, b_ih, b_hh = leaves = [torch.from_numpy(a).requires_grad_() for a in case.inputs]
    ys = []
    for t in range(5):
        h = torch.sigmoid(x[t] @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
        ys.append(h)
    y = torch.stack(ys)
    loss = (y * torch.from_numpy(case.gy)).sum() + (h * torch.from_numpy(case.g_state[0])).sum()
    gradients = [g.numpy() for g in torch.autograd.grad(loss, leaves)]
    *found, saved = case.forward(reference, nonlinearity="sigmoid")
    assert_all_close(found, [y.detach().numpy(), h.detach().numpy()], 1e-9)
    assert_all_close(case.backward(reference, saved), gradients, 1e-9)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", GATES)
def test_each_sequence_of_a_ragged_batch_is_as_if_alone(kind, reverse):
    case = Case(kind, (4, 6, 3, 2))
    case.lengths = np.asarray([0, 4, 2, 0, 1, 3])
    y, *final, _ = case.forward(reference, reverse=reverse)
    for k, length in enumerate(case.lengths):
        alone = Case(kind, (4, 6, 3, 2))
        alone.x, alone.state = case.x[:length, k : k + 1], tuple(s[k : k + 1] for s in case.state)
        y_alone, *final_alone, _ = alone.forward(reference, reverse=reverse)
        np.testing.assert_allclose(y[:length, k : k + 1], y_alone, atol=1e-15)
        assert not y[length:, k].any()
        for together, single in zip(final, final_alone):
            np.testing.assert_allclose(together[k : k + 1], single, atol=1e-15)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
def test_reference_needs_only_the_array_api(kind, nonlinearity, shape, lengths, reverse):
    strict = pytest.importorskip("array_api_strict")
    backend, case = SimpleNamespace(xp=strict), Case(kind, shape, lengths=lengths)
    options = {"reverse": reverse, "nonlinearity": nonlinearity}
    *outputs, saved = case.forward(reference, **options)
    *strict_outputs, strict_saved = case.forward(reference, backend, convert=strict.asarray, **options)
    gradients = case.backward(reference, saved)
    strict_gradients = case.backward(reference, strict_saved, backend, convert=strict.asarray)
    found = [np.asarray(a) for a in (*strict_outputs, *strict_gradients)]
    assert_all_close(found, [*outputs, *gradients], 1e-13)


# ---------------------------------------------------------------- the NumPy kernels
LARGE = (6, 48, 64, 128)
"""Enough work a step for the batch to be split over threads."""

TOLERANCES = [("numpy_bodies", np.float64, 1e-12), ("numpy_bodies", np.float32, 2e-6)]
TOLERANCES += [("compiled_bodies", np.float32, 2e-6)]


@pytest.fixture(params=[1, 2, 3])
def cores(request, monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: request.param)
    return request.param


def everything(module, case, **options):
    """All results of a forward and a backward call."""
    *outputs, saved = case.forward(module, **options)
    return [*outputs, *case.backward(module, saved)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize(("body", "dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
def test_fast_equals_reference(kind, nonlinearity, shape, body, dtype, tolerance, lengths, reverse, request):
    request.getfixturevalue(body)
    case = Case(kind, shape, bias=not reverse, lengths=lengths, dtype=dtype, scale=0.5)
    options = {"reverse": reverse, "nonlinearity": nonlinearity}
    assert_all_close(everything(fast, case, **options), everything(reference, case, **options), tolerance)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize(("body", "dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
def test_fast_equals_reference_when_split_over_threads(
    kind, nonlinearity, body, dtype, tolerance, lengths, cores, request
):
    request.getfixturevalue(body)
    case = Case(kind, LARGE, lengths=lengths, dtype=dtype, scale=0.08)
    assert (len(fast._parts(*case.weights, LARGE[1])) > 1) == (cores > 1)
    options = {"reverse": lengths, "nonlinearity": nonlinearity}
    assert_all_close(everything(fast, case, **options), everything(reference, case, **options), tolerance)


def loops_of_teams():
    """The compiled loops, where threads can leave their core to others."""
    if not import_module("backends._numpy.teams_compiled").CAN_YIELD:
        pytest.skip("no teams on this system")
    return import_module("backends._numpy.recurrent_compiled")


@pytest.mark.usefixtures("compiled_bodies")
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("shape", [(7, 3, 20, 50), (131, 3, 2, 35), (3, 1, 40, 64), (0, 3, 4, 40), (4, 2, 0, 33)])
@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
def test_members_with_features_each_give_the_bits_of_one_alone(kind, nonlinearity, shape, lengths, monkeypatch):
    loops = loops_of_teams()
    monkeypatch.setattr(loops, "_PART_WORK", 1)
    case = Case(kind, shape, lengths=lengths, scale=0.1)
    options = {"reverse": lengths, "nonlinearity": nonlinearity}
    found = {}
    for cores in (1, 2, 3):
        monkeypatch.setattr(threads, "cores", lambda cores=cores: cores)
        assert loops._teams([slice(0, shape[1])], *case.weights)[1] == cores
        found[cores] = everything(fast, case, **options)
    for cores in (2, 3):
        for alone, together in zip(found[1], found[cores]):
            np.testing.assert_array_equal(alone, together)
    assert_all_close(found[1], everything(reference, case, **options), 2e-6)


@pytest.mark.usefixtures("compiled_bodies")
def test_members_have_features_where_weights_are_large_or_sequences_few(monkeypatch):
    loops = loops_of_teams()
    monkeypatch.setattr(threads, "cores", lambda: 2)
    large, small = (np.empty((2048, 512), np.float32),) * 2, (np.empty((512, 128), np.float32),) * 2
    halves = [slice(0, 16), slice(16, 32)]
    assert loops._teams(halves, *small) == (halves, 1)
    assert loops._teams(halves, *large) == ([slice(0, 32)], 2)
    assert loops._teams([slice(0, 1)], *large) == ([slice(0, 1)], 2)
    assert loops._teams([slice(0, 1)], *small) == ([slice(0, 1)], 1)


@pytest.mark.usefixtures("numpy_bodies")
@pytest.mark.parametrize("kind", GATES)
def test_long_sequences_go_in_runs(kind, monkeypatch):
    case = Case(kind, (11, 3, 2, 4), lengths=True)
    whole = everything(fast, case)
    monkeypatch.setattr(fast, "_RUN_BYTES", 3 * 6 * 3 * 4 * 8)
    for in_runs, at_once in zip(everything(fast, case), whole):
        np.testing.assert_array_equal(in_runs, at_once)


@pytest.mark.usefixtures("compiled_bodies")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape", [(131, 3, 2, 20), (501, 1, 17, 3), (3, 250, 2, 3), (300, 1, 1, 1)])
@pytest.mark.parametrize("kind", GATES)
def test_compiled_gradients_go_in_runs(kind, shape, reverse):
    case = Case(kind, shape, lengths=True, scale=0.15)
    assert_all_close(everything(fast, case, reverse=reverse), everything(reference, case, reverse=reverse), 2e-6)


@pytest.mark.parametrize("kind", GATES)
def test_inputs_may_be_strided_and_read_only_and_stay_as_they_are(kind, module):
    case = Case(kind, (5, 4, 3, 6), lengths=True)

    def awkward(a):
        wide = np.repeat(a, 2, axis=-1)
        wide.flags.writeable = False
        return wide[..., ::2]

    *expected, saved = case.forward(module)
    expected += case.backward(module, saved)
    inputs = [awkward(a) for a in (*case.inputs, case.lengths)]
    before = [a.copy() for a in inputs]
    given = iter(inputs)
    *found, saved = case.forward(module, convert=lambda a: next(given))
    found += case.backward(module, saved, convert=awkward)
    assert_all_close(found, expected, 1e-12)
    for a, b in zip(inputs, before):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(0, 2, 3, 4), (4, 3, 2, 5), (3, 1, 1, 1), LARGE])
@pytest.mark.parametrize("kind", GATES)
def test_results_own_their_memory(kind, shape, module):
    case = Case(kind, shape)
    *outputs, saved = case.forward(module)
    results = [*outputs, *case.backward(module, saved)]
    if module is fast:
        assert all(r.base is None and r.flags.c_contiguous for r in results)
    for k, r in enumerate(results):
        assert not any(np.shares_memory(r, other) for other in [*results[k + 1 :], *case.inputs, *case.g_state])


@pytest.mark.usefixtures("compiled_bodies")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", GATES)
def test_sequences_one_after_another_stay_so(kind, reverse):
    case = Case(kind, (4, 3, 2, 5), lengths=True)
    expected = everything(fast, case, reverse=reverse)
    y, *_, saved = case.forward(fast, reverse=reverse, convert=batch_first)
    gx, *_ = case.backward(fast, saved, convert=batch_first)
    assert all(a.transpose(1, 0, 2).flags.c_contiguous for a in (y, gx))
    assert_all_close([y, gx], [expected[0], expected[-7 if kind == "lstm" else -6]], 2e-6)


def batch_first(a):
    """The same values, with sequences one after another in memory."""
    return np.array(a.transpose(1, 0, 2), order="C").transpose(1, 0, 2) if a.ndim == 3 else a


@pytest.mark.parametrize("kind", GATES)
def test_backward_does_not_need_the_outputs(kind, module):
    case = Case(kind, (4, 3, 2, 5))
    expected = everything(module, case)
    *outputs, saved = case.forward(module)
    for out in outputs:
        out[...] = np.nan
    for found, gradient in zip(case.backward(module, saved), expected[len(outputs) :]):
        np.testing.assert_array_equal(found, gradient)


@pytest.mark.parametrize("kind", GATES)
def test_backward_twice_gives_the_same(kind, module):
    case = Case(kind, LARGE, lengths=True, dtype=np.float32, scale=0.1)
    saved = case.forward(module)[-1]
    for first, second in zip(case.backward(module, saved), case.backward(module, saved)):
        np.testing.assert_array_equal(first, second)


@pytest.mark.usefixtures("bodies")
@pytest.mark.parametrize("kind", GATES)
def test_results_repeat_bit_for_bit(kind):
    case = Case(kind, LARGE, dtype=np.float32, scale=0.1)
    first = everything(fast, case)
    for _ in range(3):
        for a, b in zip(everything(fast, case), first):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", GATES)
def test_what_is_not_needed_is_none(kind, module):
    case = Case(kind, (4, 3, 2, 5))
    saved = case.forward(module)[-1]
    full = case.backward(module, saved)
    for k in range(len(full)):
        for keep_only in (True, False):
            needs = tuple((j == k) == keep_only for j in range(len(full)))
            for need, found, gradient in zip(needs, case.backward(module, saved, needs=needs), full):
                np.testing.assert_array_equal(found, gradient if need else None)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("kind", GATES)
def test_a_missing_gradient_counts_as_zero(kind, lengths, module):
    case = Case(kind, (4, 3, 2, 5), lengths=lengths)
    saved = case.forward(module)[-1]
    grads = (case.gy, *case.g_state)
    for present in np.ndindex(*(2,) * len(grads)):
        missing = [g if p else None for p, g in zip(present, grads)]
        zeros = [g if p else np.zeros_like(g) for p, g in zip(present, grads)]
        found, expected = (case.backward(module, saved, grads=g) for g in (missing, zeros))
        assert_all_close(found, expected, 1e-15)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", GATES)
def test_padding_may_hold_anything(kind, reverse, module):
    case = Case(kind, (5, 6, 3, 4))
    case.lengths = np.asarray([0, 5, 3, 1, 4, 0])
    clean = everything(module, case, reverse=reverse)
    padding = np.arange(5)[:, None] >= case.lengths
    case.x[padding] = np.nan
    case.gy[padding] = np.nan
    assert_all_close(everything(module, case, reverse=reverse), clean, 1e-15)
    gx = clean[1 + len(case.state)]
    assert not gx[padding].any()


@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
def test_nothing_is_kept_for_inference(kind, nonlinearity, module):
    case = Case(kind, (5, 4, 3, 6), lengths=True)
    *kept, _ = case.forward(module, nonlinearity=nonlinearity)
    *outputs, saved = case.forward(module, nonlinearity=nonlinearity, keep=False)
    assert saved == ()
    for a, b in zip(outputs, kept):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
def test_saturated_gates_stay_finite(kind, nonlinearity, module):
    case = Case(kind, (3, 2, 2, 3), dtype=np.float32, scale=30 if nonlinearity != "relu" else 1)
    case.x *= 1e4
    assert all(np.isfinite(a).all() for a in everything(module, case, nonlinearity=nonlinearity))


@pytest.mark.usefixtures("compiled_bodies")
def test_only_float32_that_is_there_is_compiled():
    x = np.ones((2, 3), np.float32)
    assert fast._loops(x, None) is not None
    assert fast._loops(x, x.astype(np.float64)) is None
    assert fast._loops(x[:, :0]) is None


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1, 20, np.inf, np.nan])
def test_compiled_tanh_is_that_of_numpy(scale):
    pytest.importorskip("numba", reason="the compiled bodies need numba")
    tanh = import_module("backends._numpy.cells_compiled")._tanh
    x = np.float32(scale) * np.linspace(-1, 1, 1000, dtype=np.float32)
    np.testing.assert_allclose([tanh(v) for v in x], np.tanh(x), rtol=1e-6, atol=0)


def test_numba_is_not_imported_before_it_is_needed():
    code = "import sys; from backends._numpy import NumpyBackend; assert not {'numba', 'llvmlite'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_numba_the_bodies_are_numpys(monkeypatch):
    monkeypatch.setattr("backends._numpy.compiled.find_spec", lambda name: None)
    monkeypatch.setattr(fast, "compiled", fast.compiled.__wrapped__)
    assert fast._compiled.__wrapped__() is None


def test_fast_kernels_have_the_signatures_of_the_reference():
    def kernels(module):
        functions = inspect.getmembers(module, inspect.isfunction)
        return {n: inspect.signature(f) for n, f in functions if f.__module__ == module.__name__ and n[0] != "_"}

    assert kernels(fast) == kernels(reference)
    assert len(kernels(reference)) == 6
