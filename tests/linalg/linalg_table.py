"""The gradient table of ``framework.linalg``; its rows are as those of the operations' table.

Factors are looked at through functions that do not depend on the signs and phases of vectors. Hermitian
arguments are made from the row's, so that every direction of the checks is one that the function can see.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from tests.ops.gradient_table import Row, Sampler, away, cplx, fixed, real

Call = Callable[..., Any]


def linalg(name: str, *args: Sampler, torch: Any = True, variant: str = "", call: Call | None = None, **kw: Any) -> Row:
    """A row for ``xp.linalg.name``, or for ``call(xp, function, *arrays)``."""

    def on(xp: Any, *arrays: Any) -> Any:
        function = getattr(xp.linalg, name)
        return call(xp, function, *arrays) if call else function(*arrays, **kw)

    return Row(name, args, kw, on, torch, variant)


def both(name: str, *shapes: tuple[int, ...], sampler: Any = None, **options: Any) -> list[Row]:
    """Real and complex arguments of the shapes."""
    kinds = {"real": sampler or real, "complex": (lambda *s: complex_of(sampler, *s)) if sampler else cplx}
    return [
        linalg(name, *[make(*shape) for shape in shapes], variant=_variant(kind, shapes, options), **options)
        for kind, make in kinds.items()
    ]


def _variant(kind: str, shapes: Any, options: dict[str, Any]) -> str:
    return f"{kind}-{'x'.join(map(str, shapes))}{options.pop('suffix', '')}".replace(" ", "")


def complex_of(sampler: Callable[..., Sampler], *shape: int) -> Sampler:
    return lambda rng: sampler(*shape)(rng) + 0.2j * rng.normal(size=shape)


def spread(*shape: int) -> Sampler:
    """Matrices of full rank whose singular values and eigenvalues differ."""
    m, n = shape[-2:]
    steps = np.eye(m, n) * np.arange(1.5, m + 1.5)[:, None]
    return lambda rng: 0.2 * rng.normal(size=shape) + steps


# ---------------------------------------------------------------- what does not depend on signs and phases
def adjoint(xp: Any, x: Any) -> Any:
    return xp.conj(x.mT)


def hermitian(xp: Any, x: Any) -> Any:
    return x + adjoint(xp, x)


def positive_definite(xp: Any, x: Any) -> Any:
    return x @ adjoint(xp, x)


def squares(xp: Any, x: Any) -> Any:
    return xp.real(x * xp.conj(x))


def of_hermitian(xp: Any, function: Call, x: Any) -> Any:
    return function(hermitian(xp, x))


def of_positive_definite(xp: Any, function: Call, x: Any) -> Any:
    return function(positive_definite(xp, x))


def eigh_invariants(xp: Any, function: Call, x: Any) -> Any:
    w, v = function(hermitian(xp, x))
    return w, squares(xp, v), (v * xp.sin(w)[..., None, :]) @ adjoint(xp, v)


def eig_invariants(xp: Any, function: Call, x: Any) -> Any:
    w, v = function(x)
    return w, squares(xp, v)


def svd_invariants(xp: Any, function: Call, x: Any) -> Any:
    u, s, vh = function(x, full_matrices=False)
    return s, squares(xp, u), squares(xp, vh), (u * xp.sin(s)[..., None, :]) @ vh


def svd_complements(xp: Any, function: Call, x: Any) -> Any:
    u, s, vh = function(x, full_matrices=True)
    k = s.shape[-1]
    left, right = u[..., :, k:], vh[..., k:, :]
    return (u[..., :, :k] * s[..., None, :]) @ vh[..., :k, :], left @ adjoint(xp, left), adjoint(xp, right) @ right


def qr_complement(xp: Any, function: Call, x: Any) -> Any:
    q, r = function(x, mode="complete")
    rest = q[..., :, r.shape[-1] :]
    return r, q[..., :, : r.shape[-1]], rest @ adjoint(xp, rest)


def spread_or_real(*shape: int) -> Sampler:
    return spread(*shape) if len(shape) > 1 else real(*shape)


def least_squares(xp: Any, function: Call, a: Any, b: Any) -> Any:
    found = function(a, b)
    return found.solution, found.residuals, found.singular_values


# ---------------------------------------------------------------- rows
def _torch_lstsq(t: Any, a: Any, b: Any) -> Any:
    """PyTorch takes no vectors, and its residuals no gradient."""
    columns = b[:, None] if b.ndim == 1 else b
    x = t.linalg.lstsq(a, columns).solution
    residuals = t.sum(t.abs(columns - a @ x) ** 2, dim=-2)
    return (x[..., 0], residuals[..., 0], t.linalg.svdvals(a)) if b.ndim == 1 else (x, residuals, t.linalg.svdvals(a))


def _torch_norm(**kwargs: Any) -> Any:
    return lambda t, x: t.linalg.vector_norm(x, **kwargs)


SOLVERS = [
    *[r for shape in ((3, 3), (2, 2, 2), (1, 1), (0, 3, 3), (2, 0, 0)) for r in both("inv", shape, sampler=spread)],
    *[r for shape in ((3, 3), (2, 2, 2), (1, 1), (0, 3, 3), (2, 0, 0)) for r in both("det", shape, sampler=spread)],
    linalg("det", fixed([[1.0, 2.0], [2.0, 4.0]]), variant="singular"),
    *[r for shape in ((3, 3), (2, 2, 2), (1, 1), (0, 3, 3)) for r in both("slogdet", shape, sampler=spread)],
    *both("solve", (3, 3), (3,)),
    *both("solve", (3, 3), (3, 2)),
    *both("solve", (2, 3, 3), (3, 1)),
    *both("solve", (2, 3, 3), (3,), torch=lambda t, a, b: t.linalg.solve(a, b[:, None])[..., 0]),
    *both("solve", (3, 3), (4, 3, 2)),
    *both("solve", (2, 1, 2, 2), (3, 2, 2)),
    *both("solve", (0, 3, 3), (0, 3, 2)),
    *both("solve", (3, 3), (3, 0)),
    *[r for shape in ((3, 2), (2, 3), (3, 3), (2, 3, 2), (1, 4), (0, 2, 3)) for r in both("pinv", shape)],
    linalg("pinv", spread(3, 3), variant="rtol", rtol=1e-3),
    *[
        r
        for a, b in (((4, 2), (4,)), ((4, 2), (4, 3)), ((2, 4), (2,)), ((2, 4), (2, 3)), ((3, 3), (3, 2)))
        for r in both("lstsq", a, b, sampler=spread_or_real, call=least_squares, torch=_torch_lstsq)
    ],
    *[
        r
        for a, b in (((2, 4, 2), (3, 1, 4, 2)), ((2, 2, 4), (2,)), ((0, 3, 2), (3,)), ((3, 2), (3, 0)), ((0, 2), (0,)))
        for r in both("lstsq", a, b, sampler=spread_or_real, call=least_squares, torch=False)
    ],
    linalg(
        "lstsq",
        spread(3, 2),
        real(3),
        call=lambda xp, f, a, b: f(xp.concat([a, a], axis=1), b).solution,
        torch=False,
        variant="rank-2-of-4",
    ),
]

DECOMPOSITIONS = [
    *[r for s in ((3, 3), (2, 2, 3), (1, 1), (0, 2, 2)) for r in both("cholesky", s, call=of_positive_definite)],
    *both(
        "cholesky",
        (3, 4),
        call=lambda xp, f, x: f(positive_definite(xp, x), upper=True),
        suffix="-upper",
    ),
    *[
        r
        for s in ((4, 3), (3, 3), (3, 5), (2, 4, 2), (2, 2, 4), (1, 1), (0, 3, 2))
        for r in both("qr", s, sampler=spread, call=lambda xp, f, x: tuple(f(x)))
    ],
    *[r for s in ((4, 2), (2, 3, 1)) for r in both("qr", s, sampler=spread, call=qr_complement, torch=False)],
    *[r for s in ((3, 3), (2, 4, 4), (1, 1), (0, 2, 2)) for r in both("eigh", s, sampler=spread, call=eigh_invariants)],
    *[
        r
        for s in ((3, 3), (2, 4, 4), (1, 1), (0, 2, 2))
        for r in both("eigvalsh", s, sampler=spread, call=of_hermitian)
    ],
    *[r for s in ((3, 3), (2, 4, 4), (1, 1), (0, 2, 2)) for r in both("eig", s, sampler=spread, call=eig_invariants)],
    *[r for s in ((3, 3), (2, 2, 2)) for r in both("eigvals", s, sampler=spread)],
    *[
        r
        for s in ((3, 3), (4, 2), (2, 4), (2, 3, 2), (1, 1), (0, 3, 2))
        for r in both("svd", s, sampler=spread, call=svd_invariants)
    ],
    *[
        r
        for s in ((4, 2), (2, 4), (2, 3, 1))
        for r in both("svd", s, sampler=spread, call=svd_complements, torch=False, suffix="-full")
    ],
    *[r for s in ((3, 3), (4, 2), (2, 2, 3), (1, 1), (0, 3, 2)) for r in both("svdvals", s, sampler=spread)],
]

NORMS = [
    *[
        linalg("vector_norm", make(3, 4), torch=_torch_norm(ord=ord), ord=ord, variant=make.__name__)
        for make in (away, cplx)
        for ord in (0, 0.5, 1, 1.5, 2, 3, inf, -inf, -1)
    ],
    *[
        linalg("vector_norm", away(2, 3, 2), torch=_torch_norm(dim=axis, keepdim=keep), axis=axis, keepdims=keep)
        for axis in (0, -1, (0, 2), (-1, 1), None)
        for keep in (False, True)
    ],
    linalg("vector_norm", away(), variant="0-d"),
    linalg("vector_norm", real(0, 3), axis=0, variant="empty", torch=_torch_norm(dim=0)),
    linalg("vector_norm", real(0, 3), axis=1, variant="empty", torch=_torch_norm(dim=1)),
    *[
        r
        for ord in ("fro", "nuc", 1, -1, 2, -2, inf, -inf)
        for shape in ((3, 3), (2, 2, 3), (0, 3, 2))
        for r in both(
            "matrix_norm",
            shape,
            sampler=away if ord in (1, -1, inf, -inf) else spread,
            ord=ord,
            torch=lambda t, x, o=ord: t.linalg.matrix_norm(x, o),
        )
    ],
    linalg(
        "matrix_norm", spread(2, 3), keepdims=True, ord=2, torch=lambda t, x: t.linalg.matrix_norm(x, 2, keepdim=True)
    ),
]


def _torch_diagonal(offset: int) -> Any:
    return lambda t, x: t.diagonal(x, offset=offset, dim1=-2, dim2=-1)


PRODUCTS = [
    *both("cross", (3,), (3,)),
    *both("cross", (2, 3), (4, 1, 3), torch=lambda t, x, y: t.linalg.cross(x[None], y)),
    *both("cross", (0, 3), (1, 3)),
    linalg("cross", real(2, 3, 4), real(2, 3, 1), axis=-2, torch=lambda t, x, y: t.linalg.cross(x, y, dim=-2)),
    linalg("cross", real(3, 2), real(3, 2), axis=0, torch=lambda t, x, y: t.linalg.cross(x, y, dim=0)),
    *[
        r
        for offset in (-4, -2, -1, 0, 1, 3, 5)
        for shape in ((3, 4), (2, 4, 2), (0, 3, 3))
        for r in both("diagonal", shape, offset=offset, torch=_torch_diagonal(offset) if -3 < offset < 3 else False)
    ],
    *both("diagonal", (3, 0), torch=_torch_diagonal(0)),
    *both("trace", (3, 4), torch=lambda t, x: t.diagonal(x).sum()),
    *both("trace", (2, 3, 2), offset=-1, torch=lambda t, x: t.diagonal(x, offset=-1, dim1=-2, dim2=-1).sum(-1)),
    *both("outer", (3,), (2,), torch=lambda t, x, y: t.outer(x, y)),
    *both("outer", (0,), (2,), torch=lambda t, x, y: t.outer(x, y)),
    *[
        r
        for n in (-3, -1, 1, 2, 3, 5, 8)
        for shape in ((2, 2), (2, 3, 3), (0, 2, 2))
        for r in both(
            "matrix_power",
            shape,
            sampler=spread,
            call=lambda xp, f, x, n=n: f(x, n),
            suffix=f"-{n}",
        )
    ],
    *both("matmul", (2, 3), (3, 2)),
    *both("vecdot", (2, 3), (3,)),
    *both("tensordot", (2, 3), (3, 2), axes=1, torch=lambda t, x, y: t.tensordot(x, y, 1)),
    *both("matrix_transpose", (2, 3), torch=lambda t, x: x.mT),
]

ROWS = [*SOLVERS, *DECOMPOSITIONS, *NORMS, *PRODUCTS]
