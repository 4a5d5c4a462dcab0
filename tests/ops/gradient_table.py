"""The gradient table: every differentiable operation, with arguments away from its kinks, on which it is checked.

A row is checked against finite differences to second order on NumPy and array-api-strict, and against
PyTorch, to second order too, where PyTorch has the function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any

import numpy as np

from framework.ops.affine import affine

Sampler = Callable[[np.random.Generator], Any]


# ---------------------------------------------------------------- arguments
def real(*shape: int) -> Sampler:
    return lambda rng: rng.normal(size=shape)


def between(low: float, high: float, *shape: int) -> Sampler:
    return lambda rng: rng.uniform(low, high, size=shape)


def positive(*shape: int) -> Sampler:
    return between(0.5, 2.0, *shape)


def away(*shape: int) -> Sampler:
    """Of either sign, at least 0.3 from zero."""
    return lambda rng: rng.uniform(0.3, 2.0, size=shape) * rng.choice([-1.0, 1.0], size=shape)


def distinct(*shape: int) -> Sampler:
    """At least 0.2 from each other and from zero."""
    n = int(np.prod(shape))
    return lambda rng: (rng.permutation(n).reshape(shape) - n / 2 + 0.3) * 0.4


def cplx(*shape: int) -> Sampler:
    return lambda rng: rng.normal(size=shape) + 1j * rng.normal(size=shape)


def near(center: complex, *shape: int) -> Sampler:
    """Complex, within 0.3 of a point."""
    return lambda rng: center + rng.uniform(-0.2, 0.2, size=shape) + 1j * rng.uniform(-0.2, 0.2, size=shape)


def fixed(values: Any) -> Sampler:
    return lambda rng: np.array(values)


# ---------------------------------------------------------------- rows
@dataclass(frozen=True)
class Row:
    """One check.

    Attributes
    ----------
    name : str
        The function's name in ``framework``, also in PyTorch if nothing else is said.
    args : tuple of sampler
        Its array arguments, of which those of floating or complex dtype are differentiated.
    kwargs : mapping
        Keyword arguments.
    call : callable, optional
        ``call(xp, *arrays)``, if it is not ``xp.name(*arrays, **kwargs)``.
    torch : callable or bool
        ``torch(torch, *tensors)``; True for the same call, False where PyTorch has no such function.
    variant : str
        What tells rows of one name apart.
    smooth : bool
        Whether there is a derivative; at ties, say, there is none, and our choice is PyTorch's.
    """

    name: str
    args: tuple[Sampler, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    call: Callable[..., Any] | None = None
    torch: Callable[..., Any] | bool = True
    variant: str = ""
    smooth: bool = True

    def __call__(self, xp: Any, *arrays: Any) -> Any:
        return self.call(xp, *arrays) if self.call else getattr(xp, self.name)(*arrays, **self.kwargs)

    def on_torch(self, torch: Any, *tensors: Any) -> Any:
        return self.torch(torch, *tensors) if callable(self.torch) else self(torch, *tensors)

    @property
    def id(self) -> str:
        kwargs = ",".join(f"{key}={value}" for key, value in self.kwargs.items())
        return "-".join(part for part in (self.name, self.variant, kwargs) if part)


def row(
    name: str,
    *args: Sampler,
    torch: Any = True,
    call: Any = None,
    variant: str = "",
    smooth: bool = True,
    **kwargs: Any,
) -> Row:
    return Row(name, args, kwargs, call, torch, variant, smooth)


def shapes(name: str, sampler: Callable[..., Sampler], *, torch: Any = True) -> list[Row]:
    """A function of two arguments, broadcast each way."""
    pairs = {"same": ((2, 3), (2, 3)), "left": ((1, 3), (2, 3)), "right": ((4, 2, 3), (2, 1)), "0-d": ((), (2,))}
    pairs |= {"empty": ((0, 3), (3,)), "empty-stretched": ((1, 3), (0, 3))}
    return [row(name, sampler(*a), sampler(*b), torch=torch, variant=variant) for variant, (a, b) in pairs.items()]


def reductions(name: str, sampler: Callable[..., Sampler], torch: Any, *, empty: bool = True) -> list[Row]:
    """A reduction, over every kind of axis."""
    axes: list[Any] = [None, 0, -1, (0, 2), (-2,), (), (2, 0, 1)]
    rows = [row(name, sampler(2, 3, 2), axis=axis, torch=_reduced(torch, axis)) for axis in axes]
    rows += [row(name, sampler(2, 3), axis=1, keepdims=True, torch=_reduced(torch, 1, True))]
    rows += [row(name, sampler(), torch=_reduced(torch, None), variant="0-d")]
    rows += [row(name, sampler(1, 1), axis=0, torch=_reduced(torch, 0), variant="single")]
    return rows + [row(name, sampler(0, 3), axis=0, torch=_reduced(torch, 0), variant="empty")] * empty


def _reduced(torch: Any, axis: Any, keepdims: bool = False) -> Any:
    """PyTorch's call of a reduction; PyTorch takes an empty tuple for all axes, so that one is left out."""
    if not torch or axis == ():
        return False
    return lambda t, x: torch(t, x, tuple(range(x.ndim)) if axis is None else axis, keepdims)


UNARY = [
    *[row(name, real(2, 3)) for name in ("negative", "positive", "square", "exp", "expm1", "sin", "cos", "atan")],
    *[row(name, real(2, 3)) for name in ("sinh", "cosh", "tanh", "asinh", "sigmoid")],
    *[row(name, positive(2, 3)) for name in ("reciprocal", "sqrt", "log", "log1p", "log2", "log10")],
    *[row(name, away(2, 3)) for name in ("abs", "sign", "reciprocal", "relu")],
    *[row(name, between(-0.9, 0.9, 2, 3)) for name in ("asin", "acos", "atanh", "tan")],
    row("acosh", between(1.2, 3.0, 2, 3)),
    *[row(name, cplx(2, 3), variant="complex") for name in ("negative", "square", "exp", "sin", "cos", "sinh", "cosh")],
    *[row(name, cplx(2, 3), variant="complex") for name in ("abs", "reciprocal", "expm1", "conj", "real", "imag")],
    *[row(name, near(1.5 + 1j, 2, 3), variant="complex") for name in ("sqrt", "log", "log1p", "log2", "log10", "tan")],
    *[row(name, near(0.3 + 0.4j, 2, 3), variant="complex") for name in ("asin", "acos", "atan", "tanh", "atanh")],
    *[row(name, near(1.5 + 1j, 2, 3), variant="complex") for name in ("asinh", "acosh")],
    row("sign", near(1 + 1j, 2, 3), variant="complex", torch=lambda t, x: t.sgn(x)),
    row("conj", real(3), variant="real"),
    row("real", real(3), variant="real"),
    *[row(name, positive(), variant="0-d") for name in ("exp", "log", "sqrt", "tanh", "abs")],
    *[row(name, positive(0, 2), variant="empty") for name in ("exp", "log", "sqrt", "tanh", "abs")],
]

BINARY = [
    *shapes("add", real),
    *shapes("subtract", real),
    *shapes("multiply", real),
    *shapes("divide", away),
    *shapes("pow", positive),
    *shapes("atan2", away),
    *shapes("hypot", away),
    *shapes("logaddexp", real),
    *shapes("copysign", away),
    row("remainder", fixed([5.3, -5.3, 7.1]), fixed([2.0, 3.0, -3.0])),
    *[row(name, distinct(2, 3), distinct(3, 1, 1)) for name in ("maximum", "minimum")],
    *[
        row(name, fixed([1.0, 2.0, 3.0]), fixed([1.0, 5.0, 0.0]), variant="tie", smooth=False)
        for name in ("maximum", "minimum")
    ],
    *[row(name, cplx(2, 3), cplx(3), variant="complex") for name in ("add", "subtract", "multiply", "divide")],
    *[row(name, cplx(2, 3), real(3), variant="mixed") for name in ("add", "subtract", "multiply")],
    row("divide", real(2, 3), cplx(3), variant="mixed"),
    row("pow", near(1 + 1j, 2), near(0.5 + 0.5j, 2), variant="complex"),
    row("pow", fixed([0.0, 1.0, -2.0]), call=lambda xp, x: xp.pow(x, 3), variant="scalar-exponent"),
    row("pow", fixed([0.0, 1.0, -2.0]), call=lambda xp, x: xp.pow(x, 0), variant="exponent-0"),
    row("pow", fixed([0.0, 1.0, -2.0]), call=lambda xp, x: xp.pow(x, 1), variant="exponent-1"),
    row("pow", real(3), call=lambda xp, x: xp.pow(2.5, x), variant="scalar-base"),
    row("pow", cplx(3), call=lambda xp, x: xp.pow(2.5, x), variant="scalar-base-complex"),
    row("pow", cplx(3), call=lambda xp, x: xp.pow(1j - 2, x), variant="complex-scalar-base"),
    row("pow", fixed([0.5, 2.0]), call=lambda xp, x: xp.pow(0.0, x), torch=False, variant="scalar-base-0"),
    # PyTorch takes no part of the second derivative that comes through both arguments where the exponent is 0.
    row("pow", positive(3), fixed([0.0, 0.0, 1.0]), torch=False, variant="exponents-0"),
    row(
        "pow",
        fixed([0.0, -1.5]),
        fixed([2.0, 3.0]),
        call=lambda xp, x, y: xp.pow(x, xp.round(y)),
        torch=False,
        variant="base-0",
    ),
    row("where", real(2, 3), real(3), call=lambda xp, x, y: xp.where(x > 0.1, x, y)),
    row("where", fixed([True, False]), real(2), call=lambda xp, c, x: xp.where(c, x, 1.5), variant="scalar"),
    row("where", fixed([[True], [False]]), real(2), cplx(), torch=False, variant="mixed"),
    *[
        row("multiply", real(3), call=lambda xp, x, s=s: (s * x + x / s) * (s - x) - s / (x + 9), variant=f"scalar-{s}")
        for s in (2, 2.5, 1j)
    ],
    row("clip", distinct(2, 3), call=lambda xp, x: xp.clip(x, -0.3, 0.5), variant="numbers"),
    row("clip", distinct(2, 3), call=lambda xp, x: xp.clip(x, max=0.5), variant="max"),
    row("clip", distinct(2, 3), call=lambda xp, x: xp.clip(x, min=0.5), variant="min"),
    row("clip", distinct(2, 3), fixed([-0.5, 0.1, 0.2]), fixed([[1.0], [0.3]]), variant="arrays"),
]

REDUCTION = [
    *reductions("sum", real, lambda t, x, axis, keep: t.sum(x, dim=axis, keepdim=keep)),
    *reductions("mean", real, lambda t, x, axis, keep: t.mean(x, dim=axis, keepdim=keep), empty=False),
    *reductions("max", distinct, lambda t, x, axis, keep: t.amax(x, dim=axis, keepdim=keep), empty=False),
    *reductions("min", distinct, lambda t, x, axis, keep: t.amin(x, dim=axis, keepdim=keep), empty=False),
    *reductions("prod", away, lambda t, x, axis, keep: _torch_prod(t, x, axis, keep)),
    *reductions("logsumexp", real, lambda t, x, axis, keep: t.logsumexp(x, dim=axis, keepdim=keep), empty=False),
    *[
        row(
            name,
            real(2, 3, 2),
            axis=axis,
            torch=_reduced(lambda t, x, a, k, n=name: getattr(t, n)(x, a, correction=0), axis),
        )
        for name in ("var", "std")
        for axis in (None, 1, -1, (0, 2))
    ],
    *[
        row(
            name,
            real(2, 3),
            axis=1,
            correction=1,
            keepdims=True,
            torch=lambda t, x, n=name: getattr(t, n)(x, 1, keepdim=True),
        )
        for name in ("var", "std")
    ],
    row(
        "max",
        fixed([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]),
        axis=1,
        torch=lambda t, x: t.amax(x, dim=1),
        variant="tie",
        smooth=False,
    ),
    row(
        "min",
        fixed([[1.0, 3.0, 1.0], [2.0, 2.0, 2.0]]),
        axis=1,
        torch=lambda t, x: t.amin(x, dim=1),
        variant="tie",
        smooth=False,
    ),
    row(
        "prod",
        fixed([[0.0, 2.0, 3.0], [0.0, 0.0, 4.0], [1.0, 2.0, 3.0]]),
        axis=-1,
        torch=lambda t, x: t.prod(x, -1),
        variant="0",
    ),
    row("prod", fixed([[0.0, 2.0, 3.0], [1.0, 0.5, 4.0]]), axis=(1, 0), torch=lambda t, x: t.prod(x), variant="0"),
    *[
        row(name, cplx(2, 3), axis=1, torch=lambda t, x, n=name: getattr(t, n)(x, 1), variant="complex")
        for name in ("sum", "mean", "prod")
    ],
    row("var", cplx(4), call=lambda xp, x: xp.var(xp.real(x) + xp.imag(x)), torch=False, variant="of-parts"),
    *[
        row(f"cumulative_{name}", sampler, axis=axis, torch=lambda t, x, n=name, a=axis: getattr(t, f"cum{n}")(x, a))
        for name, sampler in (("sum", real(2, 3)), ("prod", away(2, 3)), ("sum", cplx(2, 2)), ("prod", cplx(2, 2)))
        for axis in (0, -1)
    ],
    row("cumulative_prod", fixed([2.0, 0.0, 3.0, 0.0, 5.0]), torch=lambda t, x: t.cumprod(x, 0), variant="0"),
    row(
        "cumulative_prod",
        fixed([[2.0, 0.0, 3.0], [1.0, 2.0, 3.0]]),
        axis=0,
        torch=lambda t, x: t.cumprod(x, 0),
        variant="0",
    ),
    *[row(f"cumulative_{name}", away(3), include_initial=True, torch=False) for name in ("sum", "prod")],
    *[
        row(f"cumulative_{name}", real(0), torch=lambda t, x, n=name: getattr(t, f"cum{n}")(x, 0))
        for name in ("sum", "prod")
    ],
    row("diff", real(2, 4), axis=0, torch=lambda t, x: t.diff(x, dim=0)),
    row("diff", real(2, 4), real(2, 1), call=lambda xp, x, y: xp.diff(x, n=2, prepend=y, append=y)),
    *[row(name, real(2, 3), axis=axis) for name in ("softmax", "log_softmax") for axis in (0, -1)],
    *[row(name, real(2, 0), axis=1, variant="empty") for name in ("softmax", "log_softmax")],
    row(
        "logsumexp",
        fixed([[1e4, 1e4 + 1], [-1e4, -2e4]]),
        axis=1,
        torch=lambda t, x: t.logsumexp(x, 1),
        variant="large",
    ),
]


def _torch_prod(t: Any, x: Any, axis: Any, keep: bool) -> Any:
    """PyTorch's product is over one axis; take several in turn, from the last."""
    for a in sorted((axis,) if isinstance(axis, int) else [a % x.ndim for a in axis], reverse=True):
        x = t.prod(x, dim=a, keepdim=keep)
    return x


def _axis_as_dim(name: str, **kwargs: Any) -> Any:
    renamed = {"dim" if key == "axis" else key: value for key, value in kwargs.items()}
    return lambda t, *x: getattr(t, name)(*x, **renamed)


SHAPE = [
    *[
        row("reshape", real(2, 3), call=lambda xp, x, s=s: xp.reshape(x, s), variant=str(s))
        for s in ((3, 2), (-1,), (1, 6))
    ],
    row("reshape", real(0, 3), call=lambda xp, x: xp.reshape(x, (3, 0)), variant="empty"),
    *[
        row("permute_dims", real(2, 3, 2), axes=axes, torch=lambda t, x, a=axes: x.permute(a))
        for axes in ((2, 0, 1), (-1, 0, 1))
    ],
    row("matrix_transpose", cplx(2, 3, 2), torch=lambda t, x: x.mT),
    *[
        row("moveaxis", real(2, 3, 4), call=lambda xp, x, a=a, b=b: xp.moveaxis(x, a, b), variant=f"{a}-{b}")
        for a, b in ((0, -1), ((0, 1), (-1, 0)), (-1, 0))
    ],
    row("broadcast_to", real(3, 1), call=lambda xp, x: xp.broadcast_to(x, (2, 3, 4))),
    row("broadcast_to", real(), call=lambda xp, x: xp.broadcast_to(x, (0, 2)), variant="empty"),
    row("broadcast_arrays", real(3, 1), real(2), torch=lambda t, x, y: t.broadcast_tensors(x, y)),
    row("meshgrid", real(3), real(2), indexing="ij"),
    row("meshgrid", real(3), real(2), real(2), indexing="xy"),
    row("expand_dims", real(2, 3), axis=-2, torch=lambda t, x: t.unsqueeze(x, -2)),
    row("expand_dims", real(2, 3), axis=(0, -1), torch=lambda t, x: x[None, ..., None]),
    row("squeeze", real(2, 1, 3, 1), axis=-1, torch=lambda t, x: t.squeeze(x, -1)),
    row("squeeze", real(2, 1, 3, 1), axis=(1, -1), torch=lambda t, x: t.squeeze(x, (1, -1))),
    *[
        row("flip", real(2, 3), axis=axis, torch=lambda t, x, a=axis: t.flip(x, a or (0, 1)))
        for axis in (None, (-1,), (0, 1))
    ],
    *[
        row("roll", real(2, 3), shift=s, axis=a, torch=lambda t, x, s=s, a=a: t.roll(x, s, a))
        for s, a in ((1, None), (-2, -1), ((1, 2), (0, 1)), ((1, 1), (1, 1)))
    ],
    *[
        row(
            "concat",
            real(2, 3),
            real(2, 3),
            call=lambda xp, x, y, a=a: xp.concat((x, y, x), axis=a),
            torch=False if a is None else (lambda t, x, y, a=a: t.concat((x, y, x), dim=a)),
            variant=str(a),
        )
        for a in (0, -1, None)
    ],
    row("concat", real(0, 2), cplx(3, 2), call=lambda xp, x, y: xp.concat([x, y]), variant="mixed"),
    *[
        row(
            "stack",
            real(2, 3),
            real(2, 3),
            call=lambda xp, x, y, a=a: xp.stack([x, y], axis=a),
            torch=lambda t, x, y, a=a: t.stack([x, y], a),
            variant=str(a),
        )
        for a in (0, 1, -1)
    ],
    row("unstack", real(2, 3), axis=1, torch=lambda t, x: t.unbind(x, 1)),
    *[
        row("tile", real(2, 3), call=lambda xp, x, r=r: xp.tile(x, r), variant=str(r))
        for r in ((2,), (2, 1, 3), (1, 0), ())
    ],
    row(
        "repeat", real(2, 3), call=lambda xp, x: xp.repeat(x, 2, axis=-1), torch=lambda t, x: x.repeat_interleave(2, -1)
    ),
    row(
        "repeat",
        real(2, 3),
        call=lambda xp, x: xp.repeat(x, 3),
        torch=lambda t, x: x.repeat_interleave(3),
        variant="flat",
    ),
    row("repeat", real(2, 3), fixed([2, 0, 1]), axis=1, torch=lambda t, x, r: t.repeat_interleave(x, r, 1)),
    row(
        "astype",
        real(3),
        call=lambda xp, x: xp.astype(x, xp.complex128) * 2j,
        torch=lambda t, x: x.to(t.complex128) * 2j,
    ),
    *[
        row(name, real(2, 3, 4), k=k, torch=lambda t, x, n=name, k=k: getattr(t, n)(x, k))
        for name in ("tril", "triu")
        for k in (0, 1, -2)
    ],
    *[
        row("diagonal", real(2, 3, 4), call=lambda xp, x, a=a: xp.diagonal(x, *a), variant=str(a))
        for a in ((), (1,), (-1, 1, 2), (0, -1, 0), (5,))
    ],
    row("trace", real(3, 4), call=lambda xp, x: xp.trace(x, 1), torch=lambda t, x: t.sum(t.diagonal(x, 1))),
    *[
        row(
            "pad",
            real(2, 3),
            call=lambda xp, x, m=m: xp.pad(x, ((0, 1), (2, 1)), m),
            torch=(
                lambda t, x, m=m: t.nn.functional.pad(x[None, None], (2, 1, 0, 1), {"edge": "replicate"}.get(m, m))[
                    0, 0
                ]
            )
            if m in ("constant", "reflect", "edge")
            else False,
            variant=m,
        )
        for m in ("constant", "edge", "reflect", "symmetric", "wrap")
    ],
    row(
        "pad",
        real(2),
        call=lambda xp, x: xp.pad(x, 2, constant_values=3.0),
        torch=lambda t, x: t.nn.functional.pad(x, (2, 2), value=3.0),
    ),
]


def _torch_convolve(t: Any, x: Any, y: Any) -> Any:
    return t.nn.functional.conv1d(x[None, None], t.flip(y, (0,))[None, None], padding=len(y) - 1)[0, 0]


ORDER = [
    *[
        row(
            "sort",
            distinct(2, 3, 2),
            axis=a,
            descending=d,
            torch=lambda t, x, a=a, d=d: t.sort(x, dim=a, descending=d).values,
        )
        for a in (0, -2)
        for d in (False, True)
    ],
    row(
        "sort",
        fixed([2.0, 1.0, 2.0, 1.0]),
        torch=lambda t, x: t.sort(x, stable=True).values * t.arange(4.0),
        variant="tie",
        smooth=False,
        call=lambda xp, x: xp.sort(x) * xp.arange(4, dtype=xp.float64, device=x.device),
    ),
    row("topk", distinct(2, 4), call=lambda xp, x: xp.topk(x, 2, axis=-1)[0], torch=lambda t, x: t.topk(x, 2).values),
    row(
        "topk",
        distinct(4, 2),
        call=lambda xp, x: xp.topk(x, 3, axis=0, largest=False)[0],
        torch=lambda t, x: t.topk(x, 3, dim=0, largest=False).values,
        variant="smallest",
    ),
    *[
        row(
            "quantile",
            distinct(3, 4),
            call=lambda xp, x, a=a, q=q: xp.quantile(x, q, a),
            torch=(lambda t, x, a=a, q=q: t.quantile(x, t.tensor(q, dtype=x.dtype), a)) if a != (0, 1) else False,
            variant=f"{q}-{a}",
        )
        for a in (None, 0, -1, (0, 1))
        for q in (0.3, [0.0, 0.5, 1.0])
    ],
    *[
        row(
            "quantile",
            distinct(5),
            call=lambda xp, x, m=m: xp.quantile(x, 0.4, method=m),
            variant=m,
            torch=lambda t, x, m=m: t.quantile(x, 0.4, interpolation=m),
        )
        for m in ("lower", "higher", "nearest", "midpoint")
    ],
    *[
        row("quantile", distinct(5), call=lambda xp, x, m=m: xp.quantile(x, 0.3, method=m), variant=m, torch=False)
        for m in ("averaged_inverted_cdf", "weibull")
    ],
    row("median", distinct(3, 4), axis=1, keepdims=True, torch=lambda t, x: t.quantile(x, 0.5, 1, keepdim=True)),
    row("cov", real(3, 5)),
    row("cov", cplx(2, 4), variant="complex"),
    row(
        "cov",
        real(2, 4),
        positive(4),
        call=lambda xp, x, a: xp.cov(x, aweights=a),
        variant="aweights",
        torch=lambda t, x, a: t.cov(x, aweights=a),
    ),
    row(
        "cov",
        real(4),
        real(4),
        call=lambda xp, x, y: xp.cov(x, y, bias=True),
        variant="y",
        torch=lambda t, x, y: t.cov(t.stack([x, y]), correction=0),
    ),
    row("bincount", fixed([0, 2, 2]), real(3), torch=False, minlength=5),
    row("nansum", fixed([[1.0, nan], [3.0, 5.0]]), axis=0, torch=lambda t, x: t.nansum(x, 0), smooth=False),
    row("nanmean", fixed([[1.0, nan], [3.0, 5.0]]), axis=1, torch=lambda t, x: t.nanmean(x, 1), smooth=False),
    row(
        "nan_to_num",
        fixed([1.0, nan, inf, -inf]),
        call=lambda xp, x: xp.nan_to_num(x, 2.0, 3.0, 4.0),
        smooth=False,
    ),
    row("nan_to_num", cplx(3), call=lambda xp, x: xp.nan_to_num(x), torch=False, variant="complex"),
    *[
        row(
            "interp",
            fixed(x),
            fixed([-1.0, 0.0, 0.5, 2.0]),
            real(4),
            call=lambda xp, x, p, f, k=k: xp.interp(x, p, f, **k),
            torch=False,
            variant=f"{np.shape(x)}{k}",
        )
        for x in (0.3, [[-3.0, -0.6], [0.2, 5.0]], [])
        for k in ({}, {"left": 1.5, "right": 2.0})
    ],
    row("interp", real(3), fixed([0.5]), fixed([2.0]), torch=False, variant="one-point"),
    row("trapezoid", real(2, 4), torch=lambda t, y: t.trapezoid(y)),
    row("trapezoid", real(4, 2), dx=0.5, axis=0, torch=lambda t, y: t.trapezoid(y, dx=0.5, dim=0)),
    row("trapezoid", real(2, 4), real(4), torch=lambda t, y, x: t.trapezoid(y, x)),
    row(
        "trapezoid",
        cplx(2, 4),
        real(2, 4),
        call=lambda xp, y, x: xp.trapezoid(y, x, axis=0),
        torch=lambda t, y, x: t.trapezoid(y, x, dim=0),
    ),
    *[
        row(
            "convolve",
            kind(n),
            kind(m),
            call=lambda xp, x, y, mode=mode: xp.convolve(x, y, mode),
            torch=_torch_convolve if mode == "full" and kind is real else False,
            variant=f"{kind.__name__}{n}{m}{mode}",
        )
        for kind in (real, cplx)
        for n, m in ((4, 2), (3, 3), (1, 3))
        for mode in ("full", "same", "valid")
    ],
]

INDEX = [
    *[
        row("getitem", sampler, call=lambda xp, x, k=key: x[k], variant=str(key))
        for sampler in (real(3, 4), cplx(3, 4))
        for key in (
            0,
            (-1, 2),
            slice(1, None),
            (..., 1),
            (None, slice(None), None),
            (slice(0, 0), 1),
            slice(None, None, 2),
        )
    ],
    row("getitem", real(3, 4), call=lambda xp, x: x[::-1, 3:0:-2], torch=False, variant="backwards"),
    row("getitem", real(3, 4), fixed([0, 2, 2, -1]), call=lambda xp, x, i: x[i], variant="repeated"),
    row("getitem", real(3, 4), fixed([[0], [2]]), fixed([1, 1]), call=lambda xp, x, i, j: x[i, j], variant="pairs"),
    row("getitem", real(2, 3, 4), fixed([0, 0]), call=lambda xp, x, i: x[1:, :, i], variant="mixed"),
    row("getitem", real(2, 3, 4), fixed([0, 0]), call=lambda xp, x, i: x[i, :, 2], variant="split"),
    row(
        "getitem",
        real(2, 3),
        fixed([[True, False, True], [False, False, True]]),
        call=lambda xp, x, m: x[m],
        variant="mask",
    ),
    row("getitem", real(3, 2), fixed([True, False, True]), call=lambda xp, x, m: x[m], variant="row-mask"),
    row("getitem", real(), call=lambda xp, x: x[...], variant="0-d"),
    row(
        "scatter",
        real(3),
        fixed([1, 1, 0]),
        call=lambda xp, x, i: xp.scatter(x, i, (4,)),
        torch=lambda t, x, i: t.zeros(4, dtype=x.dtype).index_add(0, i, x),
    ),
    row(
        "setitem",
        real(3, 4),
        real(4),
        call=lambda xp, x, v: xp.setitem(x, 1, v),
        torch=lambda t, x, v: x.index_put((t.tensor(1),), v),
    ),
    row(
        "setitem",
        real(3, 4),
        real(2, 1),
        fixed([0, 2]),
        call=lambda xp, x, v, i: xp.setitem(x, i, v),
        torch=lambda t, x, v, i: x.index_put((i,), v),
        variant="rows",
    ),
    row(
        "setitem",
        real(2, 3),
        real(),
        fixed([[True, False, True], [False, False, True]]),
        call=lambda xp, x, v, m: xp.setitem(x, m, v),
        torch=lambda t, x, v, m: x.index_put((m,), v),
        variant="mask",
    ),
    row("take", real(3, 4), fixed([2, 0, 2]), axis=-1, torch=lambda t, x, i: t.index_select(x, -1, i)),
    row("take", real(3, 4), fixed([[2, 0], [-1, 2]]), axis=0, torch=lambda t, x, i: x[i], variant="2-d"),
    row(
        "take",
        real(4),
        fixed([]),
        call=lambda xp, x, i: xp.take(x, xp.astype(i, xp.int64)),
        torch=lambda t, x, i: x[i.long()],
        variant="empty",
    ),
    row("take_along_axis", real(3, 4), fixed([[0], [2], [2]]), axis=1, torch=lambda t, x, i: t.gather(x, 1, i)),
    row("take_along_axis", real(3, 4), fixed([[0, 0, 1, 2]]), axis=0, torch=lambda t, x, i: t.take_along_dim(x, i, 0)),
    row(
        "scatter_add",
        real(3, 4),
        fixed([[0, 0], [2, 1], [2, 2]]),
        real(3, 2),
        axis=1,
        torch=lambda t, x, i, v: t.scatter_add(x, 1, i, v),
    ),
    row(
        "scatter_add",
        real(3, 4),
        fixed([[0], [2], [2]]),
        real(1, 1),
        axis=-1,
        torch=lambda t, x, i, v: t.scatter_add(x, 1, i, v.expand(3, 1)),
        variant="broadcast",
    ),
]


def einsum(equation: str, *args: Sampler) -> Row:
    return row("einsum", *args, call=lambda xp, *x: xp.einsum(equation, *x), variant=equation)


LINEAR = [
    *[
        row("matmul", kind(*a), kind(*b), variant=f"{kind.__name__}{a}{b}")
        for kind in (real, cplx)
        for a, b in (((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 1, 2, 3), (4, 3, 2)))
    ],
    *[
        row("matmul", real(*a), real(*b), variant=f"{a}{b}")
        for a, b in (((3,), (4, 3, 2)), ((4, 2, 3), (3,)), ((0, 3), (3, 2)), ((2, 0), (0, 2)), ((0, 2, 3), (3, 4)))
    ],
    row("matmul", real(2, 3), cplx(3, 2), call=lambda xp, x, y: xp.matmul(x + 0j, y), variant="mixed"),
    *[
        row(
            "vecdot",
            kind(*a),
            kind(*b),
            axis=axis,
            torch=lambda t, x, y, i=axis: t.linalg.vecdot(x, y, dim=i),
            variant=kind.__name__,
        )
        for kind in (real, cplx)
        for a, b, axis in (((2, 3), (2, 3), -1), ((2, 3), (1, 3), -1), ((4, 2, 3), (2, 1), -2), ((3,), (3,), -1))
    ],
    *[
        row(
            "tensordot",
            kind(2, 3, 4),
            kind(*b),
            axes=axes,
            torch=lambda t, x, y, a=axes: t.tensordot(x, y, dims=a),
            variant=kind.__name__,
        )
        for kind in (real, cplx)
        for b, axes in (((3, 4, 2), 2), ((5,), 0), ((4, 2, 5), ((2, 0), (0, 1))), ((4, 3), ((1, -1), (1, -2))))
    ],
    *[
        row(
            "affine",
            real(*shape, 3),
            real(2, 3),
            real(2),
            call=lambda xp, *x: affine(*x),
            torch=lambda t, x, w, b: t.nn.functional.linear(x, w, b),
            variant=str(shape),
        )
        for shape in ((), (4,), (2, 4), (0,))
    ],
    row("outer", real(2), real(3)),
    row("outer", real(2, 2), real(3), torch=False, variant="flattened"),
    row("inner", real(2, 3), real(4, 3)),
    row("inner", real(), real(2), variant="0-d"),
    row("kron", real(2, 3), real(2)),
    row("kron", real(2), real(2, 3, 1)),
    einsum("ij,jk->ik", real(2, 3), real(3, 4)),
    einsum("ij,jk->ik", cplx(2, 3), cplx(3, 4)),
    einsum("ij,jk", real(2, 3), real(3, 4)),
    einsum("bij,bjk->ki", real(2, 2, 3), real(2, 3, 2)),
    einsum("ij->ji", real(2, 3)),
    einsum("ii->i", real(3, 3)),
    einsum("ii", real(3, 3)),
    einsum("iij->j", real(3, 3, 2)),
    einsum("ij->", real(2, 3)),
    einsum("i,j->ij", real(2), real(3)),
    einsum("ij,k->j", real(2, 3), real(4)),
    einsum("i,i,i->i", real(3), real(3), real(3)),
    einsum("ab,bc,cd->ad", real(2, 3), real(3, 2), real(2, 3)),
    einsum("...ij,...jk->...ik", real(2, 2, 3), real(3, 4)),
    einsum("...i,...i", real(4, 2, 3), real(2, 3)),
    einsum("i...,i->...", real(3, 2), real(3)),
    einsum(",i->i", real(), real(3)),
    einsum("ij,j->i", real(0, 3), real(3)),
]

ROWS = [*UNARY, *BINARY, *REDUCTION, *SHAPE, *ORDER, *INDEX, *LINEAR]
