"""What a new user gets wrong, and what the framework says."""

import contextlib
import inspect

import numpy as np
import pytest

import framework as fw
from framework import nn, optim

F = nn.functional


def leaf():
    return fw.Tensor([1.0, 2.0], requires_grad=True)


def freed():
    x = leaf()
    y = (x * x).sum()
    y.backward()
    y.backward()


def misspelt_key():
    layer = nn.Linear(3, 4)
    layer.load_state_dict({"weight": layer.weight.detach(), "bais": fw.ones(4)})


MISTAKES = {
    "shapes": (lambda: fw.ones((2, 3)) + fw.ones(4), ValueError, r"add: .*\(2,3\) \(4,\).*float32 \(2, 3\)"),
    "product": (lambda: fw.ones((2, 3)) @ fw.ones((2, 3)), ValueError, r"matmul: .*float32 \(2, 3\), float32 \(2, 3\)"),
    "reshape": (lambda: fw.ones((2, 3)).reshape(4, 2), ValueError, r"reshape: .*size 6 into shape \(4,2\)"),
    "axis": (lambda: fw.ones((2, 3)).sum(axis=3), ValueError, "axis 3 is out of bounds"),
    "features": (lambda: nn.Linear(3, 4)(fw.ones((2, 5))), ValueError, r"got \(2, 5\) and \(4, 3\)"),
    "index": (lambda: fw.ones((2, 3))[5], IndexError, "getitem: index 5 is out of bounds for axis 0 with size 2"),
    "float index": (lambda: fw.ones(3)[fw.ones(1)], IndexError, r"float32; cast with .to\('int64'\)"),
    "vocabulary": (
        lambda: nn.Embedding(5, 2)(fw.asarray([[0, 9]])),
        IndexError,
        r"index 9 at position \(0, 1\) is outside the valid range \[0, 5\)",
    ),
    "class": (
        lambda: F.cross_entropy(fw.ones((2, 3)), fw.asarray([0, 5])),
        IndexError,
        r"index 5 at position 1 is outside the valid range \[0, 3\)",
    ),
    "target dtype": (
        lambda: F.cross_entropy(fw.ones((2, 3)), fw.asarray([0.0, 1.0])),
        TypeError,
        r"integer dtype.*cast with .to\('int64'\)",
    ),
    "target shape": (
        lambda: F.mse_loss(fw.ones((2, 3)), fw.ones(2)),
        ValueError,
        r"one shape, got \(2, 3\) and \(2,\)",
    ),
    "reduction": (
        lambda: nn.MSELoss(reduction="avg")(fw.ones(1), fw.ones(1)),
        ValueError,
        "'none', 'mean', 'sum', got 'avg'",
    ),
    "device": (lambda: fw.ones(3, device="gpu"), ValueError, "unknown device 'gpu': expected one of 'cpu', 'cuda'"),
    "two devices": (
        lambda: fw.ones(3, device="cpu") + fw.ones(3, device="strict"),
        RuntimeError,
        r"got 'cpu' and 'strict'; move one of them with .to\(",
    ),
    "freed graph": (freed, RuntimeError, "freed by an earlier backward.*retain_graph=True"),
    "no graph": (lambda: fw.ones(3).sum().backward(), RuntimeError, "no input had requires_grad=True"),
    "no seed": (lambda: (leaf() * 2).backward(), ValueError, r"not from shape \(2,\); pass grad="),
    "lost gradient": (lambda: leaf().numpy(), RuntimeError, r"call detach\(\) first"),
    "NumPy function": (lambda: np.asarray(leaf()), TypeError, r"lose the gradient; call detach\(\)"),
    "leaf in place": (lambda: leaf().add_(1.0), RuntimeError, r"under no_grad\(\), or work on a clone\(\)"),
    "integer gradient": (lambda: fw.Tensor([1], requires_grad=True), TypeError, "got int64; cast it first"),
    "missing key": (misspelt_key, RuntimeError, r'(?s)Missing key.*"bias".*Unexpected key.*"bais"'),
    "shape in a state": (
        lambda: nn.Linear(3, 4).load_state_dict({"weight": fw.ones((4, 4)), "bias": fw.ones(4)}),
        RuntimeError,
        r"size mismatch for weight.*\(4, 4\).*\(4, 3\)",
    ),
    "optimizer option": (
        lambda: optim.SGD([leaf()], lr=-0.1),
        ValueError,
        "lr must be a number of at least 0, got -0.1",
    ),
    "optimizer name": (lambda: optim.SGD([leaf()], learning_rate=0.1), TypeError, "learning_rate"),
    "ragged list": (lambda: fw.Tensor([[1, 2], [3]]), ValueError, "nested lists of equal lengths"),
    "text": (lambda: fw.Tensor("hello"), TypeError, "expected numbers.*got str 'hello'"),
    "list operand": (
        lambda: fw.add(fw.ones(3), [1, 2, 3]),
        TypeError,
        "got list; make a Tensor of it with framework.asarray",
    ),
    "None operand": (
        lambda: fw.ones(3) + None,
        TypeError,
        "add: expected a Tensor, an array or a number, got NoneType",
    ),
    "lengths": (
        lambda: nn.LSTM(3, 4)(fw.ones((2, 2, 3)), lengths=[1, 3]),
        ValueError,
        "lengths must lie between 0 and the input's 2 steps, got 3 at 1",
    ),
    "features of a sequence": (lambda: nn.LSTM(3, 4)(fw.ones((2, 5, 7))), ValueError, "expected input_size=3"),
    "device number": (lambda: fw.ones(2, device=0), TypeError, "device must be a string such as 'cpu'"),
    "dtype of objects": (lambda: fw.ones(2, dtype=object), TypeError, "dtype of numbers, such as 'float32'"),
    "read-only memory": (
        lambda: fw.broadcast_to(fw.ones(3), (2, 3)).fill_(1),
        ValueError,
        r"read-only.*write into a clone\(\)",
    ),
    "data that is a Tensor": (
        lambda: setattr(w := fw.ones(2), "data", fw.ones(2)) or w + 1,
        TypeError,
        r"add: a tensor's data is a Tensor itself.*assign x\.data = other\.data",
    ),
    "bare decorator": (lambda: fw.no_grad(len), TypeError, r"decorate with @no_grad\(\)"),
    "axis of a softmax": (
        lambda: fw.softmax(fw.ones(2), axis=3),
        IndexError,
        "softmax: axis 3 is out of range for 1 dimensions",
    ),
    "sign of truth": (lambda: +fw.asarray([True]), TypeError, "positive: .*the arguments were bool"),
    "step": (lambda: fw.arange(0, 1, 0), ValueError, "arange: step must not be 0"),
    "model for its parameters": (
        lambda: fw.optim.SGD(nn.Linear(2, 2), lr=0.1),
        TypeError,
        r"such as model.parameters\(\), got one Linear",
    ),
    "truth value": (lambda: bool(fw.ones(2)), ValueError, r"use any\(\) or all\(\)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_says_what_came_and_what_to_do(name, raises):
    make, error, words = MISTAKES[name]
    with raises(error, match=words):
        make()


def test_a_missing_gpu_names_the_cause_and_the_command():
    if fw.cuda.is_available():
        pytest.skip("there is a GPU here")
    for attempt in (lambda: fw.Tensor([1.0], device="cuda"), lambda: fw.Tensor([1.0]).cuda(), fw.cuda.synchronize):
        with pytest.raises(RuntimeError, match=r"device 'cuda' needs .*pip install 'framework\[cuda12\]'") as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert fw.cuda.device_count() == 0


FUNCTIONS = {
    f"{prefix}{name}": function
    for prefix, module in {"": fw, "linalg.": fw.linalg, "fft.": fw.fft, "special.": fw.special}.items()
    for name, function in vars(module).items()
    if inspect.isroutine(function)
    and function.__module__.startswith("framework")
    and not name.startswith("_")
    # What is not given an array, and may say so otherwise.
    and name not in {"from_dlpack", "primitive", "composed", "manual_seed", "make_tensor", "get_backend"}
}


@pytest.mark.cpu("CuPy's errors are of more kinds; what is looked at happens before an array library is asked")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_array_is_refused_as_a_value(name):
    """Not by whichever attribute a function happens to ask for first."""
    function = FUNCTIONS[name]
    needed = [
        p for p in inspect.signature(function).parameters.values() if p.default is p.empty and p.kind < p.VAR_POSITIONAL
    ]
    x = fw.ones((2, 3))
    for place in range(len(needed)):
        for wrong in ([1.0, 2.0], None, "?!", object()):
            given = [x] * len(needed)
            given[place] = wrong
            with contextlib.suppress(TypeError, ValueError, IndexError):
                function(*given)


def test_none_is_no_dtype():
    """To NumPy it is float64."""
    with pytest.raises(TypeError, match="such as float32, got None"):
        fw.set_default_dtype(None)
    with pytest.raises(TypeError, match="such as 'float32', got None"):
        fw.astype(fw.ones(2), None)


def test_functions_made_of_operations_name_themselves():
    with pytest.raises(TypeError, match="cumulative_sum: expected a Tensor or an array, got list; make a Tensor of it"):
        fw.cumulative_sum([1.0, 2.0])
    with pytest.raises(TypeError, match="topk: expected a Tensor or an array, got NoneType"):
        fw.topk(None, 1)
