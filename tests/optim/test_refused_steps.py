"""Steps that cannot be taken are refused before anything is changed."""

import numpy as np
import pytest

import framework as fw
from framework import optim

pytestmark = pytest.mark.cpu("arrays of NumPy are made read-only, and others are on a second device")

OPTIMIZERS = [
    lambda groups: optim.SGD(groups, lr=0.1),
    lambda groups: optim.SGD(groups, lr=0.1, momentum=0.9),
    lambda groups: optim.Adam(groups, amsgrad=True),
    lambda groups: optim.RMSprop(groups, momentum=0.9),
    lambda groups: optim.Adagrad(groups),
]


def read_only(p):
    p.data = p.data.copy()
    p.data.flags.writeable = False


def other_device(p):
    there = p.detach().to("strict")
    p.data, p.backend = there.data, there.backend


SPOILT = {
    "shape": (lambda p: setattr(p, "data", np.ones((3, 3))), ValueError, r"shape \(3, 3\).* gradient of shape \(3,\)"),
    "dtype": (lambda p: setattr(p, "data", np.ones(3, int)), TypeError, "dtype int64 cannot be stepped"),
    "complex gradient": (
        lambda p: setattr(p, "grad", fw.ones(3, dtype=fw.complex128)),
        TypeError,
        "float64 cannot be stepped by a gradient of dtype complex128",
    ),
    "no array": (lambda p: setattr(p, "data", fw.ones(3)), TypeError, "must be an array of 'cpu', got Tensor"),
    "read-only": (read_only, ValueError, "read-only memory.*make it of a copy"),
    "gradient elsewhere": (other_device, ValueError, "on 'strict' has a gradient of shape .* on 'cpu'"),
}


def state_of(optimizer, params):
    kept = [p.data.copy() for p in params]
    return kept, [
        {name: value.tolist() if isinstance(value, fw.Tensor) else value for name, value in optimizer.state[p].items()}
        for p in params
        if p in optimizer.state
    ]


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("make", OPTIMIZERS)
def test_one_parameter_that_cannot_be_stepped_keeps_all_as_they_are(make, steps, spoil):
    params = [fw.Tensor(np.arange(3) + 1.0, requires_grad=True) for _ in range(4)]
    optimizer = make([{"params": params[:2]}, {"params": params[2:]}])
    for _ in range(steps):
        for p in params:
            p.grad = fw.ones(3, dtype=fw.float64)
        optimizer.step()
    for p in params:
        p.grad = fw.ones(3, dtype=fw.float64)
    change, error, message = SPOILT[spoil]
    change(params[2])
    others = [params[0], params[1], params[3]]
    before = state_of(optimizer, others)
    with pytest.raises(error, match=message):
        optimizer.step()
    after = state_of(optimizer, others)
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1] == after[1]


def test_state_of_another_shape_is_told():
    p = fw.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    p.grad = fw.ones(3)
    optimizer.step()
    p.data, p.grad = np.ones((3, 3), np.float32), None
    p.grad = fw.ones((3, 3))
    with pytest.raises(ValueError, match=r"shape \(3, 3\) but its 'momentum_buffer' \(3,\); make a new optimizer"):
        optimizer.step()
