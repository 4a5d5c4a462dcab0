"""The written functions of operations say what the operations' class says, in every kind of call."""

import inspect
import pickle
import threading

import numpy as np
import pytest

import framework as fw
from framework.autograd import calls, primitive
from framework.autograd.calls import rewrite

CASES = {
    "one": lambda x, y: fw.exp(x),
    "two": lambda x, y: fw.multiply(x, y),
    "a number": lambda x, y: 2.0 - x,
    "NumPy's number": lambda x, y: x * np.float64(3.0),
    "raw array": lambda x, y: fw.multiply(x, fw.ones((2, 3)).data),
    "three": lambda x, y: fw.where(x > 0, x, y),
    "three, one missing": lambda x, y: fw.clip(x, None, 0.5),
    "keywords": lambda x, y: fw.sum(x, axis=1, keepdims=True),
    "dtype": lambda x, y: fw.sum(x, dtype=fw.float32),
    "dtype without a gradient": lambda x, y: fw.astype(x, fw.int64),
    "list": lambda x, y: fw.concat([x, y, x], axis=1),
    "list of which all is kept": lambda x, y: fw.einsum("ij,kj->ik", x, y),
    "list of which nothing is kept": lambda x, y: fw.stack((x, y)),
    "several results": lambda x, y: fw.linalg.qr(x)[1],
    "basic key": lambda x, y: x[1:, None, 0],
    "array in a key": lambda x, y: x[:, fw.asarray([0, 2])],
    "no gradient": lambda x, y: fw.argmax(x, axis=0),
}


@pytest.fixture
def general():
    """Calls go the general way."""
    before = rewrite(written=False)
    yield
    rewrite(written=before.written)


def outcome(case, requires_grad=(True, True)):
    rng = np.random.default_rng(0)
    x, y = [fw.Tensor(rng.normal(size=(2, 3)), dtype="float64", requires_grad=needed) for needed in requires_grad]
    out = CASES[case](x, y)
    if not out.requires_grad:
        return out.numpy(), out.dtype
    leaves = [leaf for leaf in (x, y) if leaf.requires_grad]
    grads = fw.autograd.grad(out.sum(), leaves, create_graph=True, allow_unused=True)
    recorded = [g for g in grads if g is not None and g.requires_grad]
    second = fw.autograd.grad(sum((g * g).sum() for g in recorded), leaves, allow_unused=True) if recorded else ()
    node = CASES[case](x, y).node
    kept = [type(value).__name__ for value in node.args]
    return (
        out.detach().numpy(),
        (node.name, kept, dict(node.kwargs), node.shape, node.dtype, type(node.y).__name__),
        [None if g is None else g.detach().numpy() for g in (*grads, *second)],
    )


@pytest.mark.parametrize("requires_grad", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("case", CASES)
def test_both_ways_give_the_same(case, requires_grad, request):
    written = outcome(case, requires_grad)
    request.getfixturevalue("general")
    np.testing.assert_equal(outcome(case, requires_grad), written)


def test_the_first_call_writes_and_later_ones_do_not():
    op = primitive(lambda xp, x, /: xp.sin(x))
    before = op.__code__
    op(fw.ones(2))
    after = op.__code__
    op(fw.ones(3))
    assert before is not after
    assert op.__code__ is after


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("no gradient", "dtype without a gradient")])
def test_rules_written_out_give_what_the_class_gives(case):
    rng = np.random.default_rng(0)
    x, y = [fw.Tensor(rng.normal(size=(2, 3)), dtype="float64", requires_grad=True) for _ in range(2)]
    node = CASES[case](x, y).node
    node = node.inputs[0] if node.name == "output" else node
    several = isinstance(node.shape, list)
    xp = node.backend.xp
    g = tuple(map(xp.ones, node.shape)) if several else fw.Tensor(rng.normal(size=node.shape), dtype="float64").data
    written, general = node.op.pull(node, g, xp, False), type(node.op).pull(node.op, node, g, xp, False)
    assert [part is None for part in written] == [part is None for part in general]
    for a, b in ((a, b) for a, b in zip(written, general) if a is not None):
        np.testing.assert_array_equal(fw.asarray(a).cpu().numpy(), fw.asarray(b).cpu().numpy())
    assert ("pull" in vars(node.op)) == (not several and not node.op.joins)


@pytest.mark.cpu("the dtypes of NumPy")
def test_rules_are_written_out_once_for_complex_numbers_too():
    op = primitive(lambda xp, x, /: xp.sin(x))
    op.defvjp(lambda xp, g, x: g * xp.cos(x))
    x = fw.Tensor([1.0 + 2.0j], requires_grad=True)
    written = []
    for _ in range(3):
        fw.real(op(x)).sum().backward()
        written.append(vars(op.op)["pull"])
    assert written[0] is written[1] is written[2]


def test_rules_that_come_later_count():
    op = primitive(lambda xp, x, /: xp.sin(x))
    x = fw.Tensor([0.0], requires_grad=True)
    assert not op(x).requires_grad
    op.defvjp(lambda xp, g, x: g * xp.cos(x))
    op(x).sum().backward()
    op.defvjp(lambda xp, g, x: g * xp.cos(x) * 3)
    op(x).sum().backward()
    assert x.grad.tolist() == [4.0]


def test_only_what_passes_its_arguments_on_as_they_are_is_passed_by():
    functions = {
        "turned": lambda xp, a, b: xp.subtract(b, a),
        "same": lambda xp, a, b: xp.subtract(a, a),
        "more": lambda xp, a, b: xp.subtract(a, b) + 1,
        "constant": lambda xp, a, b: xp.subtract(a, 1.0),
    }
    a, b = fw.asarray([5.0]), fw.asarray([2.0])
    results = {name: primitive(function)(a, b).item() for name, function in functions.items()}
    assert results == {"turned": -3.0, "same": 0.0, "more": 4.0, "constant": 4.0}


def test_keywords_reach_their_own_places():
    @primitive
    def exchanged(xp, x, /, *, axis=0, keepdims=False):
        return xp.sum(x, axis=keepdims, keepdims=axis)

    @primitive
    def fixed(xp, x, /, *, axis=0):
        return xp.sum(x, axis=1)

    x = fw.reshape(fw.arange(6), (2, 3))
    assert exchanged(x, axis=1, keepdims=0).tolist() == [[3, 5, 7]]
    assert fixed(x).tolist() == [3, 12]


@pytest.mark.parametrize("name", ["mode", "t", "op", "node", "raw", "axis"])
def test_no_name_of_an_argument_disturbs(name):
    scope = {}
    exec(f"def op(xp, x, /, *, {name}=1.0):\n return xp.multiply(x, {name})", scope)
    op = primitive(scope["op"])
    op.defvjp(eval(f"lambda xp, g, {name}: g * {name}"))
    x = fw.Tensor([3.0], requires_grad=True)
    y = op(x, **{name: 4.0})
    y.sum().backward()
    assert (y.item(), x.grad.item(), op(x).item()) == (12.0, 4.0, 3.0)


def test_mistakes_name_the_operation():
    for call, text in (
        (lambda: fw.add(fw.ones(1)), r"add\(\) missing 1 required positional argument: 'x2'"),
        (lambda: fw.exp(fw.ones(1), out=3), r"exp\(\) got an unexpected keyword argument 'out'"),
    ):
        for _ in range(2):
            with pytest.raises(TypeError, match=text):
                call()


def test_functions_look_like_functions():
    assert str(inspect.signature(fw.sum)).startswith("(x: 'Array', /, *, axis: 'Axis' = None, dtype")
    assert inspect.isfunction(fw.add)
    assert pickle.loads(pickle.dumps(fw.add)) is fw.add
    assert fw.exp.__doc__.startswith("Exponential")


def test_threads_may_make_the_first_call_together():
    ops = [primitive(lambda xp, x, /: xp.sin(x)) for _ in range(50)]
    results, start = [], threading.Barrier(4)

    def run():
        start.wait()
        results.append(sum(op(fw.ones(1)).item() for op in ops))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(results, [50 * np.sin(1.0)] * 4, rtol=1e-5)


def test_a_function_is_not_written_in_a_way_that_a_thread_changes_meanwhile(monkeypatch, general):
    op, code = primitive(lambda xp, x, /: xp.sin(x)), calls._code
    thread = threading.Thread(target=rewrite, kwargs={"written": True})

    def code_while_it_changes(*args):
        found = code(*args)
        thread.start()
        thread.join(timeout=0.1)
        return found

    monkeypatch.setattr(calls, "_code", code_while_it_changes)
    op(fw.ones(1))
    thread.join()
    assert op.__code__ is calls._first.__code__


def test_functions_stay_as_they_are_when_the_way_does():
    with fw.amp.autocast("cpu", fw.float16):
        fw.exp(fw.ones(1))
    code = fw.exp.__code__
    with fw.amp.autocast("cpu", fw.float16):
        assert fw.exp.__code__ is code
