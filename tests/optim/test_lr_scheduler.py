"""Schedules: PyTorch's rates at every step, also with several groups, and after saving and loading."""

import json
import warnings

import pytest

import framework as fw
from framework import optim
from framework.optim import lr_scheduler

STEPS = 24
CASES = [
    ("StepLR", {"step_size": 5, "gamma": 0.3}),
    ("MultiStepLR", {"milestones": [3, 3, 10], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 8, "eta_min": 0.01}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.5, "total_iters": 7}),
    ("ConstantLR", {"factor": 0.2, "total_iters": 4}),
    ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}),
    ("LambdaLR", {"lr_lambda": [lambda t: 0.5**t, lambda t: 1 / (1 + t)]}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": STEPS + 1}),
    ("OneCycleLR", {"max_lr": [0.5, 0.7], "epochs": 5, "steps_per_epoch": 5, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 30, "three_phase": True, "pct_start": 0.4}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 30, "cycle_momentum": False, "final_div_factor": 10.0}),
]
cases = pytest.mark.parametrize(
    ("name", "options"), CASES, ids=lambda value: value if isinstance(value, str) else "-".join(value)
)


def ours(kind="SGD"):
    groups = [{"params": [fw.Tensor([1.0], requires_grad=True)], "lr": lr} for lr in (0.1, 1.0)]
    return optim.SGD(groups, momentum=0.9) if kind == "SGD" else optim.Adam(groups)


def theirs(torch, kind="SGD"):
    groups = [{"params": [torch.ones(1, requires_grad=True)], "lr": lr} for lr in (0.1, 1.0)]
    return torch.optim.SGD(groups, momentum=0.9) if kind == "SGD" else torch.optim.Adam(groups)


def run(optimizer, schedule, steps=STEPS, given=None):
    """Rates and momenta at each step."""
    seen = []
    for t in range(steps):
        momenta = [group["betas"][0] if "betas" in group else group["momentum"] for group in optimizer.param_groups]
        seen.append([group["lr"] for group in optimizer.param_groups] + momenta)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch wants to see optimizer.step() in between.
            schedule.step(*([] if given is None else [given[t]]))
    return [rate for row in seen for rate in row]


@cases
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_rates_are_pytorchs(name, options, kind):
    torch = pytest.importorskip("torch")
    mine, other = ours(kind), theirs(torch, kind)
    schedule = getattr(torch.optim.lr_scheduler, name)(other, **options)
    expected = run(other, schedule)
    assert run(mine, getattr(lr_scheduler, name)(mine, **options)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"patience": 1, "cooldown": 2, "factor": 0.5, "min_lr": 0.04},
        {"mode": "max", "patience": 0, "threshold": 0.2},
        {"mode": "max", "patience": 0, "threshold": 0.2, "threshold_mode": "abs"},
        {"patience": 2, "threshold": 0.3, "threshold_mode": "abs", "min_lr": [0.001, 0.5]},
    ],
    ids=str,
)
def test_plateaus_are_pytorchs(options):
    torch = pytest.importorskip("torch")
    losses = [3.0, 2.5, 2.4, 2.6, 2.4, 2.4, float("nan"), 2.0, 2.1, 2.2, -1.0, -1.1, -1.1, -1.1, -1.3, 0.0, 1, 2, 3, 4]
    mine, other = ours(), theirs(torch)
    expected = run(other, torch.optim.lr_scheduler.ReduceLROnPlateau(other, **options), len(losses), losses)
    found = run(mine, lr_scheduler.ReduceLROnPlateau(mine, **options), len(losses), losses)
    assert found == pytest.approx(expected)


def sequence(module, optimizer):
    parts = [module.LinearLR(optimizer, 0.1, total_iters=4), module.StepLR(optimizer, 3, 0.5)]
    return module.SequentialLR(optimizer, [*parts, module.CosineAnnealingLR(optimizer, 6)], milestones=[4, 12])


def test_sequences_are_pytorchs():
    torch = pytest.importorskip("torch")
    mine, other = ours(), theirs(torch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = run(other, sequence(torch.optim.lr_scheduler, other))
    assert run(mine, sequence(lr_scheduler, mine)) == pytest.approx(expected)


CHAINS = [
    lambda lib, o: [lib.LinearLR(o, 0.25, total_iters=3), lib.ExponentialLR(o, 0.5)],
    lambda lib, o: [lib.CosineAnnealingLR(o, 4, 0.05), lib.ConstantLR(o, 0.5, 3)],
    lambda lib, o: [lib.LambdaLR(o, lambda t: 0.9**t), lib.StepLR(o, 2, 0.5)],
    lambda lib, o: [
        lib.SequentialLR(o, [lib.LinearLR(o, 0.5, total_iters=2), lib.ExponentialLR(o, 0.5)], [2]),
        lib.MultiStepLR(o, [1, 4], 0.5),
    ],
]


@pytest.mark.parametrize("chain", CHAINS, ids=["warm-up", "cosine", "lambda", "sequence"])
def test_schedules_chain_as_pytorchs(chain):
    torch = pytest.importorskip("torch")
    rates = []
    for optimizer, lib in ((ours(), lr_scheduler), (theirs(torch), torch.optim.lr_scheduler)):
        schedules, seen = chain(lib, optimizer), []
        for t in range(10):
            if t == 6:
                optimizer.param_groups[0]["lr"] *= 0.1
            for schedule in schedules:
                seen += run(optimizer, schedule, 1)
        rates.append(seen)
    assert rates[0] == pytest.approx(rates[1], rel=1e-12)


def test_a_schedule_may_be_made_after_the_optimizer_was_loaded():
    first, second = ours(), ours()
    schedule = lr_scheduler.StepLR(first, 2, 0.5)
    run(first, schedule, 3)
    second.load_state_dict(first.state_dict())
    resumed = lr_scheduler.StepLR(second, 2, 0.5)
    resumed.load_state_dict(schedule.state_dict())
    assert run(second, resumed, 4) == run(first, schedule, 4)


@cases
def test_a_saved_schedule_goes_on(name, options):
    whole = run(optimizer := ours(), getattr(lr_scheduler, name)(optimizer, **options))
    first = ours()
    schedule = getattr(lr_scheduler, name)(first, **options)
    begun = run(first, schedule, 9)
    saved = json.loads(json.dumps(schedule.state_dict()))
    second = ours()
    resumed = getattr(lr_scheduler, name)(second, **options)
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(saved)
    assert begun + run(second, resumed, STEPS - 9) == whole


def test_saved_plateaus_and_sequences_go_on():
    losses = [3.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0]
    for make, given in ((lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1), losses), (None, None)):
        make = make or (lambda o: sequence(lr_scheduler, o))
        whole = run(optimizer := ours(), make(optimizer), 8, given)
        first = ours()
        schedule = make(first)
        begun = run(first, schedule, 5, given)
        second = ours()
        resumed = make(second)
        second.load_state_dict(first.state_dict())
        resumed.load_state_dict(schedule.state_dict())
        assert begun + run(second, resumed, 3, given and given[5:]) == whole


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda o: lr_scheduler.StepLR([1], 2), TypeError, "expected an Optimizer, got list"),
        (lambda o: lr_scheduler.LambdaLR(3, abs), TypeError, "expected an Optimizer, got int"),
        (lambda o: lr_scheduler.StepLR(o, 0), ValueError, "step_size must be an integer of at least 1"),
        (lambda o: lr_scheduler.LinearLR(o, 2.0), ValueError, "start_factor"),
        (lambda o: lr_scheduler.ConstantLR(o, 2.0), ValueError, "factor"),
        (lambda o: lr_scheduler.CosineAnnealingLR(o, 0), ValueError, "T_max"),
        (lambda o: lr_scheduler.LambdaLR(o, [abs] * 3), ValueError, "expected one lr_lambda or 2"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError, "expected total_steps"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 5, pct_start=2), ValueError, "pct_start"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 5, anneal_strategy="cosine"), ValueError, "anneal_strategy"),
        (lambda o: run(o, lr_scheduler.OneCycleLR(o, 0.1, 5), 9), ValueError, "beyond the cycle of 5 steps"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor must be below 1"),
        (
            lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=-0.1),
            ValueError,
            "factor must be below 1 and not negative",
        ),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="low"), ValueError, "mode"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o).step(), TypeError, "needs the number"),
        (lambda o: lr_scheduler.SequentialLR(o, [], []), ValueError, "one milestone less"),
        (
            lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.ReduceLROnPlateau(o)], []),
            ValueError,
            "need no number",
        ),
        (lambda o: lr_scheduler.StepLR(o, 2).load_state_dict({}), ValueError, "lacks 'last_epoch'"),
        (
            lambda o: lr_scheduler.StepLR(o, 2).load_state_dict({"last_epoch": 3, "base_lrs": [0.1]}),
            ValueError,
            "has 1 groups, the optimizer 2",
        ),
    ],
)
def test_mistakes_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make(ours())


def test_one_cycle_needs_a_momentum_to_cycle():
    optimizer = optim.Adagrad([fw.Tensor([1.0], requires_grad=True)])
    with pytest.raises(ValueError, match="cycle_momentum=False"):
        lr_scheduler.OneCycleLR(optimizer, 0.1, 5)


@pytest.mark.parametrize(
    "make",
    [
        lambda o: lr_scheduler.OneCycleLR(o, 5.0, 10),
        lambda o: lr_scheduler.StepLR(o, 2, gamma="0.1"),
        lambda o: lr_scheduler.LambdaLR(o, lambda t: None),
    ],
)
def test_a_schedule_that_cannot_be_made_leaves_the_groups_alone(make):
    optimizer = optim.Adagrad([fw.Tensor([1.0], requires_grad=True)], lr=0.1)
    before = dict(optimizer.param_groups[0])
    with pytest.raises((TypeError, ValueError)):
        make(optimizer)
    assert optimizer.param_groups[0] == before


@pytest.mark.parametrize(("steps", "rise"), [(10, 0.1), (2, 0.5), (10, 1.0), (1, 1.0)])
def test_a_phase_of_one_cycle_may_have_no_length(steps, rise):
    optimizer = optim.SGD([fw.Tensor([1.0], requires_grad=True)], lr=0.1)
    schedule = lr_scheduler.OneCycleLR(optimizer, 1.0, steps, pct_start=rise, cycle_momentum=False)
    rates = run(optimizer, schedule, steps)[::2]
    assert max(rates) == rates[round(rise * steps) - 1] == 1.0


@pytest.mark.parametrize(
    "make",
    [
        lambda o: lr_scheduler.StepLR(o, 2),
        lambda o: lr_scheduler.ReduceLROnPlateau(o),
        lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 2)], []),
    ],
)
def test_a_group_that_comes_later_is_not_passed_over_in_silence(make):
    optimizer = ours()
    schedule = make(optimizer)
    optimizer.add_param_group({"params": [fw.Tensor([1.0], requires_grad=True)]})
    with pytest.raises(ValueError, match="has 3 groups, but had 2 when the schedule was made"):
        run(optimizer, schedule, 1, [1.0] if isinstance(schedule, lr_scheduler.ReduceLROnPlateau) else None)


def test_a_sequence_is_loaded_whole_or_not_at_all():
    optimizer = ours()
    schedule = sequence(lr_scheduler, optimizer)
    saved = schedule.state_dict()
    broken = {**saved, "last_epoch": 3, "schedulers": [*saved["schedulers"][:-1], {}]}
    with pytest.raises(ValueError, match="lacks"):
        schedule.load_state_dict(broken)
    assert schedule.last_epoch == 0
