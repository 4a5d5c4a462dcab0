"""The recurrent operations: kernels against their composites, and what the graph keeps of them."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import framework as fw
from framework.ops import recurrent

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("rnn", "sigmoid"), ("lstm", None), ("gru", None)]
SHAPES = [
    (5, 3, 2, 4),
    (1, 2, 3, 2),
    (4, 1, 2, 3),
    (3, 2, 4, 1),
    (0, 2, 3, 2),
    (3, 0, 2, 2),
    (3, 2, 0, 2),
    (1, 1, 1, 1),
]


def draw_inputs(kind, shape, *, bias=True, seed=0):
    """NumPy arrays x, initial states, weights and biases."""
    rng, (t, n, d, h), g = np.random.default_rng(seed), shape, GATES[kind]
    states = [(n, h)] * (2 if kind == "lstm" else 1)
    shapes = [(t, n, d), *states, (g * h, d), (g * h, h), *([(g * h,)] * 2 if bias else [])]
    return [rng.standard_normal(s) for s in shapes]


def run(op, inputs, lengths, *, reverse=False, nonlinearity=None, **options):
    options |= {"reverse": reverse} | ({"nonlinearity": nonlinearity} if nonlinearity else {})
    missing = [None] * (2 if len(inputs) in (4, 5) and inputs[-1].ndim == 2 else 0)
    return op(*inputs, *missing, lengths, **options)


def weighted(outputs):
    """A loss in which every element of every output counts differently."""
    rng = np.random.default_rng(1)
    weights = [fw.asarray(rng.standard_normal(y.shape), device=y.device) for y in outputs]
    return sum((y * w).sum() for y, w in zip(outputs, weights))


def gradients(outputs, inputs, *, create_graph=False):
    """Gradients of all inputs, zeros where there is none: a composite of no steps does not read its weights."""
    found = fw.autograd.grad(weighted(outputs), inputs, allow_unused=True, create_graph=create_graph)
    return [fw.zeros_like(x) if g is None else g for x, g in zip(inputs, found)]


def host(tensor):
    return tensor.detach().cpu().numpy()


def assert_same(found, expected, tolerance=1e-12):
    assert len(found) == len(expected)
    for a, b in zip(map(host, found), map(host, expected)):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# ---------------------------------------------------------------- values and gradients
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
def test_kernel_equals_composite(arrays, kind, nonlinearity, shape, ragged, reverse):
    op = getattr(recurrent, kind)
    inputs = [arrays.make(a, requires_grad=True) for a in draw_inputs(kind, shape)]
    lengths = arrays.make(np.random.default_rng(2).integers(0, shape[0] + 1, shape[1])) if ragged else None
    options = {"reverse": reverse, "nonlinearity": nonlinearity}
    found, expected = run(op, inputs, lengths, **options), run(op.composite, inputs, lengths, **options)
    assert_same(found, expected)
    assert_same(gradients(found, inputs), gradients(expected, inputs))


@pytest.mark.parametrize("body", ["kernel", "composite"])
@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
def test_sequences_may_come_first(arrays, kind, nonlinearity, body):
    op = getattr(recurrent, kind)
    inputs = [arrays.make(a, requires_grad=True) for a in draw_inputs(kind, (3, 2, 4, 5))]
    lengths, options = arrays.make(np.array([3, 1])), {"reverse": True, "nonlinearity": nonlinearity}
    y, *finals = expected = run(op, inputs, lengths, **options)
    turned = fw.permute_dims(inputs[0], (1, 0, 2))
    y_turned, *finals_too = run(
        op if body == "kernel" else op.composite, [turned, *inputs[1:]], lengths, batch_first=True, **options
    )
    found = fw.permute_dims(y_turned, (1, 0, 2)), *finals_too
    assert_same(found, [y, *finals])
    assert_same(gradients(found, inputs), gradients(expected, inputs))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(("kind", "nonlinearity"), [("rnn", "tanh"), ("rnn", "sigmoid"), ("lstm", None), ("gru", None)])
def test_second_gradients_equal_those_of_the_composite(arrays, kind, nonlinearity, ragged, reverse, bias):
    def second(function):
        inputs = [arrays.make(a, requires_grad=True) for a in draw_inputs(kind, (4, 3, 2, 3), bias=bias)]
        outputs = run(function, inputs, lengths, reverse=reverse, nonlinearity=nonlinearity)
        first = fw.autograd.grad(weighted([y * y for y in outputs]), inputs, create_graph=True)
        return fw.autograd.grad(weighted([g * g for g in first]), inputs)

    lengths = arrays.make(np.array([2, 4, 0])) if ragged else None
    op = getattr(recurrent, kind)
    assert_same(second(op), second(op.composite), 1e-11)


@settings(max_examples=40)
@given(data=st.data())
def test_gradients_of_any_subset_of_inputs(arrays, data):
    kind = data.draw(st.sampled_from(sorted(GATES)))
    raw = draw_inputs(kind, (3, 2, 2, 3))
    wanted = data.draw(st.lists(st.booleans(), min_size=len(raw), max_size=len(raw)).filter(any))
    used, create_graph = data.draw(st.integers(0, 1)), data.draw(st.booleans())
    op, options = getattr(recurrent, kind), {"nonlinearity": "tanh" if kind == "rnn" else None}

    def some(function):
        inputs = [arrays.make(a, requires_grad=need) for a, need in zip(raw, wanted)]
        output = run(function, inputs, None, **options)[used]
        return gradients([output], [x for x, need in zip(inputs, wanted) if need], create_graph=create_graph)

    assert_same(some(op), some(op.composite))


@pytest.mark.parametrize("function", ["kernel", "composite"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("kind", "nonlinearity"), CELLS)
def test_padding_may_hold_anything(arrays, kind, nonlinearity, reverse, function):
    op = getattr(recurrent, kind) if function == "kernel" else getattr(recurrent, kind).composite
    clean, lengths = draw_inputs(kind, (4, 3, 2, 3)), np.array([1, 4, 0])
    dirty = [np.where((lengths <= np.arange(4)[:, None])[..., None], np.nan, clean[0]), *clean[1:]]
    results = []
    for raw in (clean, dirty):
        inputs = [arrays.make(a, requires_grad=True) for a in raw]
        outputs = run(op, inputs, arrays.make(lengths), reverse=reverse, nonlinearity=nonlinearity)
        results.append((*outputs, *fw.autograd.grad(weighted(outputs), inputs)))
    assert_same(results[1], results[0])


# ---------------------------------------------------------------- the graph
@pytest.mark.parametrize("kind", GATES)
def test_one_node_for_the_whole_sequence(kind):
    inputs = [fw.Tensor(a, requires_grad=True) for a in draw_inputs(kind, (6, 2, 3, 4))]
    y, *final = run(getattr(recurrent, kind), inputs, None, nonlinearity="tanh" if kind == "rnn" else None)
    (node,) = {out.node.inputs[0] for out in (y, *final)}
    assert node.op is getattr(recurrent, kind)
    assert node.name == kind
    assert [edge for edge in node.inputs if edge is not None] == inputs


@pytest.mark.parametrize("kind", GATES)
def test_without_gradients_nothing_is_kept(kind):
    kept = {}
    for recording in (True, False):
        inputs = [fw.Tensor(a, requires_grad=True) for a in draw_inputs(kind, (6, 2, 3, 4))]
        seen = weakref.ref(inputs[0].data)
        with fw.set_grad_enabled(recording):
            outputs = run(getattr(recurrent, kind), inputs, None, nonlinearity="tanh" if kind == "rnn" else None)
        del inputs
        kept[recording] = seen() is not None
        assert all((y.node is not None) == recording for y in outputs)
    assert kept == {True: True, False: False}


@pytest.mark.parametrize("kind", GATES)
def test_the_graph_dies_by_reference_count(kind):
    inputs = [fw.Tensor(a, requires_grad=True) for a in draw_inputs(kind, (6, 2, 3, 4))]
    seen = weakref.ref(inputs[0].data)
    gc.disable()
    try:
        outputs = run(getattr(recurrent, kind), inputs, None, nonlinearity="tanh" if kind == "rnn" else None)
        first = fw.autograd.grad(weighted(outputs), inputs, create_graph=True)
        del inputs, outputs, first
        assert seen() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", GATES)
def test_backward_twice_with_a_retained_graph(kind):
    inputs = [fw.Tensor(a, requires_grad=True) for a in draw_inputs(kind, (4, 2, 3, 3))]
    loss = weighted(run(getattr(recurrent, kind), inputs, None, nonlinearity="tanh" if kind == "rnn" else None))
    loss.backward(retain_graph=True)
    once = [x.grad.clone() for x in inputs]
    loss.backward()
    assert_same([x.grad for x in inputs], [2 * g for g in once])
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        loss.backward()


def test_overwriting_a_weight_before_backward_is_an_error():
    inputs = [fw.Tensor(a, requires_grad=True) for a in draw_inputs("lstm", (3, 2, 2, 2))]
    loss = weighted(run(recurrent.lstm, inputs, None))
    with fw.no_grad():
        inputs[3] += 1.0
    with pytest.raises(RuntimeError, match=r"'lstm' needs a value .* overwritten"):
        loss.backward()
