"""The gradient table of ``framework.special``; its rows are as those of the operations' table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.ops.gradient_table import Row, Sampler, away, between, fixed, positive, real

SELF = object()


def special(
    name: str, *args: Sampler, torch: Any = SELF, variant: str = "", call: Callable[..., Any] | None = None, **kw: Any
) -> Row:
    """A row for ``xp.special.name``, or for ``call(function, *arrays)``; PyTorch has many of them by that name."""

    def on(xp: Any, *arrays: Any) -> Any:
        function = getattr(xp.special, name)
        return call(function, *arrays) if call else function(*arrays, **kw)

    return Row(name, args, kw, on, True if torch is SELF else torch, variant)


def _constant(t: Any, number: float) -> Any:
    return t.tensor(number, dtype=t.float64)


UNIT = between(0.1, 0.9, 2, 3)
WIDE = fixed([-30.0, -8.0, -1.0, -0.1, 0.2, 2.0, 5.0])
NO = {"torch": False}

ELEMENTWISE = [
    *[special(name, real(2, 3)) for name in ("erf", "erfc", "erfcx", "expit", "ndtr", "log_ndtr")],
    special("erfcx", between(-2, 5, 6), variant="range"),
    special("log_ndtr", WIDE, variant="tails"),
    special("log_expit", WIDE, torch=lambda t, x: t.nn.functional.logsigmoid(x)),
    special("erfinv", between(-0.9, 0.9, 2, 3)),
    special("erfcinv", between(0.2, 1.8, 2, 3), **NO),
    special("ndtri", UNIT),
    special("logit", UNIT),
    special("entr", UNIT),
    special("gamma", positive(2, 3), torch=lambda t, x: t.exp(t.special.gammaln(x))),
    special("gamma", between(-2.7, -2.3, 3), variant="negative", **NO),
    special("gammaln", positive(2, 3)),
    special("gammaln", between(-2.7, -2.3, 3), variant="negative", **NO),
    special(
        "multigammaln",
        between(2.0, 4.0, 2, 3),
        call=lambda f, x: f(x, 3),
        torch=lambda t, x: t.special.multigammaln(x, 3),
    ),
    special("digamma", positive(2, 3)),
    special("psi", positive(2, 3)),
    special("digamma", between(-2.7, -2.3, 3), variant="negative", **NO),
    *[
        special(
            "polygamma",
            positive(2, 3),
            call=lambda f, x, n=n: f(n, x),
            variant=str(n),
            torch=lambda t, x, n=n: t.special.polygamma(n, x),
        )
        for n in range(4)
    ],
    special(
        "zeta", positive(2, 3), call=lambda f, q: f(2.5, q), torch=lambda t, q: t.special.zeta(_constant(t, 2.5), q)
    ),
    *[special(name, away(2, 3)) for name in ("i0", "i0e", "i1", "i1e")],
    *[special(name, fixed([0.0]), variant="zero", **NO) for name in ("i0", "i1", "sinc")],
    *[
        special(name, away(3), call=lambda f, x, v=v: f(v, x), variant=str(v), **NO)
        for name in ("iv", "ive")
        for v in (0, 1, 3)
    ],
    *[special("spherical_jn", real(3), call=lambda f, x, n=n: f(n, x), variant=str(n), **NO) for n in (0, 1, 2, 4)],
    special("sinc", away(2, 3)),
    *[special(name, real(2, 3), **NO) for name in ("j0", "j1", "cosm1", "exprel")],
    *[special(name, positive(2, 3), **NO) for name in ("y0", "y1", "k0", "k0e", "k1", "k1e", "exp1", "expi", "rgamma")],
    *[special(name, fixed([0.0]), variant="zero", **NO) for name in ("j0", "j1", "cosm1", "exprel")],
    *[
        special(name, positive(3), call=lambda f, x, v=v: f(v, x), variant=str(v), **NO)
        for name in ("jv", "yv", "kv", "kve", "expn")
        for v in (0, 1, 3)
    ],
    special("rgamma", between(-2.7, -2.3, 3), variant="negative", **NO),
    special("loggamma", positive(2, 3), torch=lambda t, x: t.lgamma(x)),
    special("cbrt", away(2, 3), **NO),
    special("exp2", real(2, 3)),
    special("exp10", real(2, 3), torch=lambda t, x: t.pow(10.0, x)),
    special("hyp1f1", real(2, 3), call=lambda f, x: f(1.5, 2.5, x), **NO),
    *[special(name, fixed(0.3), variant="0-d") for name in ("erf", "expit", "gammaln", "i0", "log_ndtr", "sinc")],
    *[special(name, real(0, 2), variant="empty") for name in ("erf", "expit", "gammaln", "i0", "log_ndtr", "sinc")],
]

TWO = [
    *[
        special(name, make(*left), make(*right), variant=f"{left}x{right}", torch=torch)
        for name, make, torch in (
            ("xlogy", positive, SELF),
            ("xlog1py", positive, SELF),
            ("rel_entr", positive, False),
            ("kl_div", positive, False),
            ("beta", positive, False),
            ("betaln", positive, lambda t, a, b: t.lgamma(a) + t.lgamma(b) - t.lgamma(a + b)),
            ("poch", positive, lambda t, z, m: t.exp(t.lgamma(z + m) - t.lgamma(z))),
            ("boxcox", positive, lambda t, x, k: (x**k - 1) / k),
            ("pseudo_huber", positive, lambda t, d, r: d**2 * (t.sqrt(1 + (r / d) ** 2) - 1)),
        )
        for left, right in (((2, 3), (2, 3)), ((3,), (4, 2, 1)), ((2, 1), (3,)), ((), (2,)), ((0, 3), (3,)))
    ],
    *[special(name, fixed([0.0, 0.0]), positive(2), variant="zero") for name in ("xlogy", "xlog1py")],
    special("binom", between(2.0, 4.0, 2, 3), positive(3), **NO),
    special("binom", between(2.0, 4.0, 3), call=lambda f, n: f(n, 2.0), variant="number", **NO),
    special("poch", positive(3), call=lambda f, z: f(z, 2.0), torch=lambda t, z: z * (z + 1), variant="number"),
    special("boxcox", positive(3), fixed([0.0, 0.0, 0.5]), variant="zero", **NO),
    special("boxcox", positive(3), call=lambda f, x: f(x, 0.0), torch=lambda t, x: t.log(x), variant="number"),
    special(
        "boxcox", real(3), call=lambda f, k: f(2.0, k), torch=lambda t, k: (2.0**k - 1) / k, variant="number-first"
    ),
    special("huber", between(1.0, 1.5, 2, 1), fixed([-4.0, -0.5, 0.0, 0.7, 3.0]), **NO),
    special(
        "huber",
        fixed([-4.0, -0.5, 0.0, 0.7, 3.0]),
        call=lambda f, r: f(1.2, r),
        torch=lambda t, r: t.nn.functional.huber_loss(r, t.zeros_like(r), reduction="none", delta=1.2),
        variant="number",
    ),
    special("pseudo_huber", real(3), call=lambda f, r: f(1.2, r), variant="number", **NO),
    special("xlogy", positive(2, 3), call=lambda f, x: f(2.0, x), variant="number"),
    special("xlogy", positive(2, 3), call=lambda f, x: f(x, 2.0), variant="number-second"),
    special("xlog1py", positive(2, 3), call=lambda f, x: f(2.0, x), variant="number"),
    special("rel_entr", positive(2, 3), call=lambda f, x: f(0.5, x), variant="number", **NO),
    special("kl_div", positive(2, 3), call=lambda f, x: f(x, 0.5), variant="number", **NO),
    special("betaln", positive(2, 3), call=lambda f, x: f(x, 0.5), variant="number", **NO),
    *[
        special(
            name,
            positive(2, 3),
            call=lambda f, x: f(1.7, x),
            torch=lambda t, x, name=name: getattr(t.special, name)(_constant(t, 1.7), x),
        )
        for name in ("gammainc", "gammaincc")
    ],
    *[special(name, UNIT, call=lambda f, y: f(1.7, y), **NO) for name in ("gammaincinv", "gammainccinv", "chdtri")],
    *[special(name, positive(2, 3), call=lambda f, m: f(2.5, m), **NO) for name in ("pdtr", "pdtrc")],
    *[special(name, UNIT, call=lambda f, x: f(1.7, 2.2, x), **NO) for name in ("betainc", "betaincc")],
    special("stdtr", real(2, 3), call=lambda f, x: f(4.0, x), **NO),
    *[special(name, positive(2, 3), call=lambda f, x: f(3.0, x), **NO) for name in ("chdtr", "chdtrc")],
    *[special(name, positive(2, 3), call=lambda f, x: f(3.0, 5.0, x), **NO) for name in ("fdtr", "fdtrc")],
]


def _all(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda t, x: getattr(t.special, function)(x.reshape(-1), 0).reshape(x.shape)


AXES = [
    *[
        special("logsumexp", real(2, 3, 2), axis=axis, torch=lambda t, x, a=axis: t.logsumexp(x, a))
        for axis in (0, -1, (0, 2))
    ],
    special("logsumexp", real(2, 3), torch=lambda t, x: t.logsumexp(x, (0, 1))),
    special("logsumexp", real(2, 3), axis=1, keepdims=True, torch=lambda t, x: t.logsumexp(x, 1, keepdim=True)),
    *[
        special(
            "logsumexp",
            real(2, 3),
            positive(3),
            call=lambda f, a, b, axis=axis: f(a, axis, b),
            torch=lambda t, a, b, axis=axis: t.logsumexp(a + t.log(b), (0, 1) if axis is None else axis),
            variant=f"weighted-{axis}",
        )
        for axis in (None, 0, -1, (0, 1))
    ],
    special("logsumexp", real(2, 3), away(3), call=lambda f, a, b: f(a, 1, b, True, True), variant="signed", **NO),
    special("logsumexp", real(2, 3), call=lambda f, a: f(a, return_sign=True)[0], variant="sign-only", **NO),
    *[
        special(name, real(2, 3, 2), axis=axis, torch=lambda t, x, name=name, a=axis: getattr(t.special, name)(x, a))
        for name in ("softmax", "log_softmax")
        for axis in (0, -1)
    ],
    *[special(name, real(2, 3), torch=_all(name), variant="all") for name in ("softmax", "log_softmax")],
    *[special(name, real(2, 3, 2), axis=(0, 2), **NO) for name in ("softmax", "log_softmax")],
]

ROWS = [*ELEMENTWISE, *TWO, *AXES]
