"""Random programs: whatever is composed with whatever has PyTorch's values and gradients, or finite differences'."""

from contextlib import suppress
from itertools import zip_longest

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import framework as fw

torch = pytest.importorskip("torch")
compat = pytest.importorskip("array_api_compat.torch")

# ---------------------------------------------------------------- the language
# Each operation is one text for both libraries: ``xp`` is framework, or PyTorch as an Array-API namespace.
UNARY = {
    "sin": lambda xp, x: xp.sin(x),
    "tanh": lambda xp, x: xp.tanh(x),
    "bell": lambda xp, x: xp.exp(-x * x),
    "square": lambda xp, x: xp.square(x) * 0.1,
    "cube": lambda xp, x: x**3 * 0.1,
    "root": lambda xp, x: xp.sqrt(x * x + 1),
    "abs": lambda xp, x: abs(x),
    "clip": lambda xp, x: xp.clip(x, -1.0, 1.0),
    "from two": lambda xp, x: 2.0 - x,
    "over": lambda xp, x: 2.0 / (1 + x * x),
    "sum": lambda xp, x: xp.sum(x),
    "sum of rows": lambda xp, x: xp.sum(x, axis=-1, keepdims=True),
    "mean": lambda xp, x: xp.mean(x[:], axis=0),
    "max": lambda xp, x: xp.max(x, axis=-1),
    "variance": lambda xp, x: xp.var(x, axis=0),
    "product": lambda xp, x: xp.prod(x),
    "cumulative": lambda xp, x: xp.cumulative_sum(x[:], axis=0),
    "sort": lambda xp, x: xp.sort(x, axis=0),
    "norm": lambda xp, x: xp.linalg.vector_norm(x + 9),
    "repeat": lambda xp, x: xp.repeat(x[:], 2, axis=0),
    "roll": lambda xp, x: xp.roll(x, 1),
    "flip": lambda xp, x: xp.flip(x, axis=0) * 1,
    "chosen": lambda xp, x: x[xp.asarray([0, 0, -1], device=x.device)],
    "positive": lambda xp, x: x[x > 0],
    "constant": lambda xp, x: x.detach(),
    "copy": lambda xp, x: x.clone(),
}
VIEWS = {
    "transpose": lambda xp, x: xp.permute_dims(x, tuple(range(x.ndim))[::-1]),
    "flatten": lambda xp, x: xp.reshape(x, (-1,)),
    "first": lambda xp, x: x[0],
    "last": lambda xp, x: x[..., -1],
    "rest": lambda xp, x: x[1:],
    "every other": lambda xp, x: x[..., ::2],
    "new axis": lambda xp, x: x[:, None],
    "expand": lambda xp, x: xp.expand_dims(x, axis=0),
    "broadcast": lambda xp, x: xp.broadcast_to(x, (2, *x.shape)),
}
ALONE = UNARY | VIEWS
BINARY = {
    "add": lambda xp, x, y: x + y,
    "subtract": lambda xp, x, y: x - y,
    "multiply": lambda xp, x, y: x * y,
    "divide": lambda xp, x, y: x / (1 + y * y),
    "power": lambda xp, x, y: (x * x + 0.5) ** xp.tanh(y),
    "maximum": lambda xp, x, y: xp.maximum(x, y),
    "where": lambda xp, x, y: xp.where(x > y, x, y * 2),
    "matmul": lambda xp, x, y: x @ y,
    "matmul transposed": lambda xp, x, y: x @ xp.matrix_transpose(y),
    "concat": lambda xp, x, y: xp.concat([x, y, x]),
    "stack": lambda xp, x, y: xp.stack([x, y], axis=-1),
}


def set_at(key):
    def write(xp, x, y):
        x[key] = y

    return write


def set_where_positive(xp, x, y):
    x[x > 0] = xp.sum(y)


def add_to_first(xp, x, y):
    x[0] += y


WRITES = {
    "+=": lambda xp, x, y: x.__iadd__(y),
    "-=": lambda xp, x, y: x.__isub__(y),
    "*=": lambda xp, x, y: x.__imul__(y),
    "/=": lambda xp, x, y: x.__itruediv__(1 + y * y),
    "halve": lambda xp, x, y: x.__imul__(0.5),
    "fill": lambda xp, x, y: x.fill_(0.25),
    "[0] =": set_at(0),
    "[..., -1] =": set_at((..., -1)),
    "[1:] =": set_at(slice(1, None)),
    "[...] =": set_at(...),
    "[positive] =": set_where_positive,
    "[0] +=": add_to_first,
}
SHAPES = [(2, 3), (3,), (), (2, 1), (1, 3), (3, 2)]

number = st.integers(0, 9)
leaves = st.tuples(st.integers(0, 2**20), st.lists(st.sampled_from(SHAPES), min_size=2, max_size=3))


def programs(*tables):
    names = [name for table in tables for name in table]
    return st.lists(st.tuples(st.sampled_from(names), number, number), min_size=1, max_size=8)


# ---------------------------------------------------------------- its meaning
def starting_values(leaves):
    seed, shapes = leaves
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def ours(arrays, device="cpu"):
    return [fw.Tensor(a, requires_grad=True, device=device) for a in arrays]


def theirs(arrays):
    return [torch.tensor(a, requires_grad=True) for a in arrays]


def run(program, xp, leaves):
    """All values that a program makes, and the steps that were possible: whose shapes fit, no mean of nothing, and so on."""
    values, possible = list(leaves), []
    for step in program:
        name, i, j = step
        x, y = values[i % len(values)], values[j % len(values)]
        with suppress(ValueError, IndexError, RuntimeError, TypeError, AttributeError, Warning):
            if name in WRITES:
                WRITES[name](xp, x, y)
            else:
                values.append(BINARY[name](xp, x, y) if name in BINARY else ALONE[name](xp, x))
            possible.append(step)
    return values, possible


def total(values):
    """One number that depends on the values made last."""
    return sum((x * x).sum() for x in [x for x in values if x.requires_grad][-4:])


def host(x):
    return np.zeros(()) if x is None else x.detach().cpu().numpy()


def assert_close(a, b, tolerance=1e-8):
    np.testing.assert_allclose(host(a), host(b), rtol=tolerance, atol=tolerance)


def tame(tensors):
    """Whether rounding errors cannot grow, and nothing is infinite or not a number."""
    return all(np.all(np.abs(host(x)) < 1e4) for x in tensors)


# ---------------------------------------------------------------- what must hold
@given(program=programs(ALONE, BINARY), leaves=leaves)
@example([("rest", 0, 0), ("mean", 2, 0)], (0, [(1, 3), (2, 3)]))
@settings(max_examples=60)
def test_programs_have_pytorchs_values_and_gradients_of_two_orders(device, program, leaves):
    arrays = starting_values(leaves)
    _, program = run(run(program, compat, theirs(arrays))[1], fw, ours(arrays))
    pairs = []
    for xp, lib, at in ((fw, fw, ours(arrays, device)), (compat, torch, theirs(arrays))):
        values, possible = run(program, xp, at)
        assert possible == program
        first = lib.autograd.grad(total(values), at, create_graph=True, allow_unused=True)
        squares = [(g * g).sum() for g in first if g is not None and g.requires_grad]
        second = lib.autograd.grad(sum(squares), at, allow_unused=True) if squares else ()
        pairs.append((*values, *first, *second))
    found, expected = pairs
    assume(tame(x for x in expected if x is not None))
    for a, b in zip_longest(found, expected):
        assert_close(a, b)


@given(program=programs(ALONE, BINARY, WRITES, WRITES), leaves=leaves)
@example([("copy", 0, 0), ("first", 2, 0), ("*=", 3, 3)], (0, [(3,), ()]))
@example([("square", 0, 0), ("transpose", 2, 0), ("*=", 2, 3)], (1, [(3, 3), ()]))
@example([("copy", 0, 0), ("[..., -1] =", 2, 1)], (2, [(3, 2), (1, 3)]))
@example([("copy", 0, 0), ("rest", 2, 0), ("[...] =", 3, 1), ("multiply", 2, 2)], (2, [(2, 3), (1, 1)]))
@settings(max_examples=100)
def test_programs_that_write_have_the_right_gradients_or_raise(program, leaves):
    arrays = starting_values(leaves)
    program = [step for step in program if step[0] != "constant"]
    _, program = run(program, fw, ours(arrays))
    at = ours(arrays)
    values, _ = run(program, fw, at)
    try:
        grads = fw.autograd.grad(total(values), at, allow_unused=True)
    except RuntimeError as error:
        assert "overwritten in place" in str(error)  # noqa: PT017
        return
    assume(tame(values) and tame(g for g in grads if g is not None))
    directions = starting_values((leaves[0] + 1, leaves[1]))
    slope = sum((host(g) * d).sum() for g, d in zip(grads, directions))
    assert slope == pytest.approx(_slope(program, arrays, directions), rel=1e-5, abs=1e-5)


@given(program=programs(VIEWS, WRITES, ALONE, BINARY, WRITES), leaves=leaves)
@settings(max_examples=100)
def test_programs_that_write_have_pytorchs_gradients_or_raise(program, leaves):
    """Where PyTorch raises, the test above tells whether we are right not to."""
    arrays = starting_values(leaves)
    program = [step for step in program if step[0] != "constant"]
    _, program = run(run(program, compat, theirs(arrays))[1], fw, ours(arrays))
    at, there = ours(arrays), theirs(arrays)
    values, _ = run(program, fw, at)
    expected, possible = run(program, compat, there)
    assume(possible == program)
    for a, b in zip_longest(values, expected):
        assert_close(a, b)
    try:
        grads = fw.autograd.grad(total(values), at, allow_unused=True)
    except RuntimeError as error:
        assert "overwritten in place" in str(error)  # noqa: PT017
        return
    with suppress(RuntimeError):
        expected = torch.autograd.grad(total(expected), there, allow_unused=True)
        assume(tame(values) and tame(g for g in expected if g is not None))
        for a, b in zip_longest(grads, expected):
            assert_close(a, b)


def _slope(program, arrays, directions, h=1e-6):
    """The derivative of a program's total in one direction, by central differences."""
    ends = [[a + s * h * d for a, d in zip(arrays, directions)] for s in (1, -1)]
    above, below = (total(run(program, fw, ours(end))[0]).item() for end in ends)
    return (above - below) / (2 * h)
