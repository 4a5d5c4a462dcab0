"""Functions of ``framework.nn.functional``, and arguments on which they are compared with PyTorch's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes
    ----------
    name : str
        Of the function, in both libraries.
    args : tuple
        Arrays and other positional arguments; float arrays named in ``wrt`` get gradients.
    options : dict
        Keyword arguments; arrays among them are constants.
    wrt : tuple of int
        Positions of the arguments to differentiate.
    """

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    wrt: tuple[int, ...] = (0,)

    def __str__(self) -> str:
        shapes = "-".join(str(x.shape).replace(" ", "") for x in self.args if isinstance(x, np.ndarray))
        options = ",".join(f"{k}={'array' if isinstance(v, np.ndarray) else v}" for k, v in self.options.items())
        return f"{self.name}{shapes}{options}"


def real(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng([seed, *shape]).normal(size=shape))


def probability(*shape: int, seed: int = 1) -> np.ndarray:
    return np.asarray(np.random.default_rng([seed, *shape]).uniform(0.05, 0.95, size=shape))


def logits(*shape: int) -> np.ndarray:
    return np.asarray(3 * real(*shape))


def simplex(*shape: int) -> np.ndarray:
    p = probability(*shape)
    return p / p.sum(axis=1 if len(shape) > 1 else 0, keepdims=True)


def log_simplex(*shape: int) -> np.ndarray:
    return np.log(simplex(*shape))


def labels(classes: int, *shape: int, ignored: int | None = None) -> np.ndarray:
    found = np.asarray(np.random.default_rng([2, classes, *shape]).integers(0, classes, size=shape))
    if ignored is not None and found.size:
        found.reshape(-1)[0] = ignored
    return found


REDUCTIONS = ("none", "mean", "sum")
AT_KINKS = np.array([-1.0, 0.0, 1.0, -0.5, 0.5, 25.0, -25.0])
HUGE = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]])

ACTIVATIONS = (
    [
        Case(name, (x,), options)
        for x in (real(3, 4), real(0, 4), real(1), AT_KINKS, np.array(0.5))
        for name, options in (
            ("relu", {}),
            ("tanh", {}),
            ("sigmoid", {}),
            ("logsigmoid", {}),
            ("silu", {}),
            ("leaky_relu", {"negative_slope": 0.2}),
            ("softplus", {"beta": 2.0, "threshold": 3.0}),
            ("gelu", {}),
            ("gelu", {"approximate": "tanh"}),
            ("hardtanh", {"min_val": -0.5, "max_val": 1.0}),
        )
    ]
    + [
        # Its second derivative jumps at 0.
        Case("elu", (x[x != 0],), {"alpha": 1.5})
        for x in (real(3, 4), AT_KINKS)
    ]
    + [
        Case(name, (x,), {"dim": dim})
        for name in ("softmax", "log_softmax", "softmin")
        for x, dim in (
            (real(3, 4), -1),
            (real(3, 4), 0),
            (real(2, 3, 4), 1),
            (real(5), 0),
            (HUGE, 1),
            (np.array(0.5), 0),
        )
    ]
)

LINEAR = [
    Case("linear", (real(*shape, 3), real(4, 3), *bias), wrt=tuple(range(2 + len(bias))))
    for shape in ((), (5,), (0,), (1,), (2, 5))
    for bias in ((), (real(4),))
]

PAIRED = [
    Case(name, (x, t), {"reduction": reduction, **options}, wrt=(0, 1))
    for name, options in (
        ("mse_loss", {}),
        ("l1_loss", {}),
        ("smooth_l1_loss", {}),
        ("smooth_l1_loss", {"beta": 0.3}),
        ("smooth_l1_loss", {"beta": 0.0}),
        ("huber_loss", {"delta": 0.7}),
    )
    for reduction in REDUCTIONS
    for x, t in ((real(3, 4), real(3, 4, seed=5)), (np.array(0.5), np.array(2.0)), (real(0, 4), real(0, 4)))
    if x.size or reduction != "mean"
] + [
    # Where the error is exactly 0, and exactly where the two pieces of a loss meet.
    Case(name, (np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.0, 1.0])), {"reduction": "sum"})
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
]

BINARY = [
    case
    for reduction in REDUCTIONS
    for shape in ((6,), (3, 4), ())
    for weight in ({}, {"weight": probability(*shape, seed=3)})
    for case in (
        Case(
            "binary_cross_entropy",
            (probability(*shape), probability(*shape, seed=2)),
            {"reduction": reduction, **weight},
            wrt=(0, 1),
        ),
        Case(
            "binary_cross_entropy_with_logits",
            (logits(*shape), probability(*shape, seed=2)),
            {"reduction": reduction, **weight},
            wrt=(0, 1),
        ),
        Case(
            "binary_cross_entropy_with_logits",
            (logits(*shape), probability(*shape, seed=2)),
            {"reduction": reduction, **weight, "pos_weight": probability(*shape, seed=4)},
            wrt=(0, 1),
        ),
    )
] + [
    Case("binary_cross_entropy_with_logits", (HUGE, np.eye(2, 3)), {"pos_weight": np.array([1.0, 2.0, 3.0])}),
]

DIVERGENCE = [
    Case("kl_div", (log_simplex(3, 4), target), {"reduction": reduction, "log_target": log_target}, wrt=(0, 1))
    for reduction in (*REDUCTIONS, "batchmean")
    for target, log_target in ((simplex(3, 4), False), (log_simplex(3, 4), True))
] + [Case("kl_div", (log_simplex(2, 3), np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])), {"reduction": "batchmean"})]

SHAPES = (((5, 4), (5,)), ((4,), ()), ((1, 4), (1,)), ((2, 4, 3), (2, 3)), ((2, 4, 3, 2), (2, 3, 2)))

INDEXED = [
    Case(name, (make(*shape), labels(4, *rest, ignored=ignored)), {"reduction": reduction, **options})
    for name, make in (("cross_entropy", real), ("nll_loss", log_simplex))
    for shape, rest in SHAPES
    for reduction in REDUCTIONS
    for ignored, options in (
        (None, {}),
        (None, {"weight": np.array([0.5, 1.0, 2.0, 0.25])}),
        (-100, {"weight": np.array([0.5, 1.0, 2.0, 0.25])}),
        (2, {"ignore_index": 2}),
    )
    if not (rest == () and ignored is not None)
]

SMOOTHED = [
    Case("cross_entropy", (real(*shape), target), {"reduction": reduction, "label_smoothing": 0.1, **options})
    for shape, rest in SHAPES
    for reduction in REDUCTIONS
    for target in (labels(4, *rest, ignored=-100 if rest else None), simplex(*shape))
    for options in ({}, {"weight": np.array([0.5, 1.0, 2.0, 0.25])})
]

EXTREME = [
    Case("cross_entropy", (HUGE, np.array([1, 1])), {"reduction": reduction, "label_smoothing": smoothing})
    for reduction in REDUCTIONS
    for smoothing in (0.0, 0.1)
] + [
    Case("cross_entropy", (real(5, 4), simplex(5, 4)), {"reduction": "mean"}, wrt=(0, 1)),
    Case("cross_entropy", (real(0, 4), labels(4, 0)), {"reduction": "sum"}),
    Case("cross_entropy", (real(0, 4), labels(4, 0)), {"reduction": "none"}),
    Case("cross_entropy", (real(3, 1), labels(1, 3)), {"reduction": "none"}),
]

CASES = [*ACTIVATIONS, *LINEAR, *PAIRED, *BINARY, *DIVERGENCE, *INDEXED, *SMOOTHED, *EXTREME]
