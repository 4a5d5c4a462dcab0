"""Values of the special functions, their edges, derivatives of high order, and SciPy's way to them."""

from __future__ import annotations

import os
import subprocess
import sys
from math import inf, nan, pi
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.special

import framework as fw
from backends import get_backend
from backends.reference.special import SpecialFunctions
from framework.autograd import grad

ROOT = Path(__file__).parents[2]
ONE = (
    *("cbrt", "cosm1", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "exp1", "exp10", "exp2", "expi"),
    *(
        "expit",
        "exprel",
        "gamma",
        "gammaln",
        "i0",
        "i0e",
        "i1",
        "i1e",
        "j0",
        "j1",
        "k0",
        "k0e",
        "k1",
        "k1e",
        "log_expit",
    ),
    *("log_ndtr", "loggamma", "logit", "ndtr", "ndtri", "psi", "rgamma", "sinc", "y0", "y1"),
)
TWO = (
    *("beta", "betaln", "binom", "boxcox", "chdtr", "chdtrc", "gammainc", "gammaincc", "huber", "kl_div", "pdtr"),
    *("pdtrc", "poch", "pseudo_huber", "rel_entr", "stdtr", "xlog1py", "xlogy"),
)
PROBABILITY = ("chdtri", "gammainccinv", "gammaincinv")
THREE = ("betainc", "betaincc", "fdtr", "fdtrc", "hyp1f1")
EDGES = (-inf, -40.0, -2.5, -1.0, -0.0, 0.0, 1e-300, 0.5, 1.0, 2.0, 40.0, inf, nan)


def leaf(values, device="cpu"):
    return fw.asarray(np.asarray(values), device=device, copy=True).requires_grad_()


def derivatives(function, at, order):
    """The value and derivatives of a function at one point."""
    x = leaf(at)
    y = function(x)
    found = [y.item()]
    for _ in range(order):
        (y,) = grad(y, x, create_graph=True)
        found.append(y.item())
    return found


# ---------------------------------------------------------------- values
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ONE)
def test_values_are_scipys(device, name, dtype):
    x = np.array(EDGES, dtype=dtype)
    with np.errstate(invalid="ignore"):
        result = getattr(fw.special, name)(fw.asarray(x, device=device))
        expected = getattr(scipy.special, name)(x)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result.numpy(), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*TWO, *THREE])
def test_values_of_several_arguments_are_scipys(device, name, dtype):
    grid = np.array([0.3, 1.0, 2.5] if name in THREE else [0.0, 0.3, 1.0, 2.5], dtype=dtype)
    count = 3 if name in THREE else 2
    x = np.meshgrid(*[grid] * count, sparse=True)
    result = getattr(fw.special, name)(*[fw.asarray(part, device=device) for part in x])
    assert result.dtype == dtype
    # SciPy's single-precision incomplete beta function is right to 2e-5 only, and so is all that is made of it.
    single = 4e-5 if name in (*THREE, "stdtr") else 1e-6
    expected = getattr(scipy.special, name)(*[part.astype("float64") for part in x])
    np.testing.assert_allclose(result.numpy(), expected, rtol=single if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("name", PROBABILITY)
def test_values_of_inverses_are_scipys(device, name):
    a, y = np.array([[0.5], [2.0]]), np.array([0.0, 0.3, 0.9, 1.0])
    result = getattr(fw.special, name)(fw.asarray(a, device=device), fw.asarray(y, device=device))
    np.testing.assert_allclose(result.numpy(), getattr(scipy.special, name)(a, y), rtol=1e-14)


@pytest.mark.parametrize("name", [*TWO, *THREE])
def test_python_numbers_do_not_promote(device, name):
    numbers = (2.0,) * (2 if name in THREE else 1)
    x = np.array([0.25, 0.5], dtype="float32")
    result = getattr(fw.special, name)(*numbers, fw.asarray(x, device=device))
    assert result.dtype == "float32"
    np.testing.assert_allclose(result.numpy(), getattr(scipy.special, name)(*numbers, x), rtol=1e-6)


def test_whole_numbers_give_double_precision(device):
    x = np.array([1, 2, 3])
    t = fw.asarray(x, device=device)
    np.testing.assert_allclose(fw.special.gammaln(t).numpy(), scipy.special.gammaln(x))
    np.testing.assert_allclose(fw.special.xlogy(0.5, t).numpy(), scipy.special.xlogy(0.5, x))
    assert fw.special.erf(t).dtype == "float64"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_with_an_order(device, dtype):
    x = np.array([0.5, 2.0], dtype=dtype)
    t = fw.asarray(x, device=device)
    rtol = 1e-6 if dtype == "float32" else 1e-13
    for n in range(4):
        for name in ("polygamma", "iv", "ive", "jv", "yv", "kv", "kve", "expn", "spherical_jn"):
            result = getattr(fw.special, name)(n, t)
            assert result.dtype == dtype
            np.testing.assert_allclose(result.numpy(), getattr(scipy.special, name)(n, x), rtol=rtol)
    np.testing.assert_allclose(
        fw.special.multigammaln(t + 2, 3).numpy(), scipy.special.multigammaln(x + 2, 3), rtol=rtol
    )
    np.testing.assert_allclose(fw.special.zeta(t + 1).numpy(), scipy.special.zeta(x + 1), rtol=rtol)


@pytest.mark.parametrize("weights", [None, [[1.0, 0.0, 2.0], [1.0, 1.0, 0.0]], [1.0, -2.0, 0.5]])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_weighted_sums_of_exponentials(device, weights, axis, keepdims):
    a = np.array([[1000.0, 1000.0, 999.0], [-inf, 1.0, 2.0]])
    b = None if weights is None else np.array(weights)
    t, u = (None if x is None else fw.asarray(x, device=device) for x in (a, b))
    for return_sign in (False, True):
        with np.errstate(divide="ignore", invalid="ignore"):
            ours = fw.special.logsumexp(t, axis, u, keepdims, return_sign)
        theirs = scipy.special.logsumexp(a, axis, b, keepdims, return_sign)
        for our, their in zip(ours if return_sign else [ours], theirs if return_sign else [theirs]):
            np.testing.assert_allclose(our.numpy(), their, rtol=1e-13)


def test_weights_of_zero(device):
    a, b = leaf(np.array([1.0, inf]), device), leaf(np.array([2.0, 0.0]), device)
    y = fw.special.logsumexp(a, b=b)
    assert y.item() == pytest.approx(1 + np.log(2))
    assert grad(y, a)[0].tolist() == [1.0, 0.0]
    with np.errstate(divide="ignore"):
        assert fw.special.logsumexp(a, b=0 * b).item() == -inf


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
def test_softmax_over_axes(device, name, axis):
    x = np.array([[1000.0, 1000.0, 0.0], [1.0, 2.0, 3.0]])
    result = getattr(fw.special, name)(fw.asarray(x, device=device), axis)
    np.testing.assert_allclose(result.numpy(), getattr(scipy.special, name)(x, axis), rtol=1e-13)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: fw.special.polygamma(-1, x), ValueError),
        (lambda x: fw.special.polygamma(1.5, x), TypeError),
        (lambda x: fw.special.spherical_jn(-1, x), ValueError),
        (lambda x: fw.special.expn(-1, x), ValueError),
        (lambda x: fw.special.expn(0.5, x), TypeError),
        (lambda x: fw.special.erf([1.0]), TypeError),
    ],
)
def test_bad_arguments(call, error):
    with pytest.raises(error):
        call(fw.ones(2))


# ---------------------------------------------------------------- gradients at edges
@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("xlogy", (0.0, 0.0), (0.0, 0.0)),
        ("xlogy", (0.0, -1.0), (0.0, 0.0)),
        ("xlogy", (0.0, 2.0), (np.log(2.0), 0.0)),
        ("xlog1py", (0.0, -1.0), (0.0, 0.0)),
        ("rel_entr", (0.0, 0.0), (1.0, 0.0)),
        ("kl_div", (0.0, 0.0), (0.0, 1.0)),
        ("kl_div", (2.0, 2.0), (0.0, 0.0)),
    ],
)
def test_where_a_factor_is_zero(device, name, at, expected):
    x, y = (leaf(v, device) for v in at)
    found = grad(getattr(fw.special, name)(x, y), [x, y])
    assert [g.item() for g in found] == pytest.approx(expected)


def test_the_complex_logarithm_of_gamma(device):
    z = leaf(np.array([0.5 + 1.0j, -1.5 + 0.5j, 3.0 - 2.0j]), device)
    y = fw.special.loggamma(z)
    np.testing.assert_allclose(y.detach().numpy(), scipy.special.loggamma(z.detach().numpy()), rtol=1e-14)
    (g,) = grad(y, z, fw.ones_like(y))
    np.testing.assert_allclose(g.numpy(), np.conj(scipy.special.digamma(z.detach().numpy())), rtol=1e-14)


@pytest.mark.parametrize(("name", "at"), [("erfinv", 1.0), ("erfinv", -1.0), ("ndtri", 0.0), ("ndtri", 1.0)])
def test_inverses_are_infinitely_steep_at_their_ends(device, name, at):
    x = leaf(at, device)
    assert grad(getattr(fw.special, name)(x), x)[0].item() == inf


def test_the_tails_of_the_normal_distribution(device):
    x = leaf(np.array([-1e10, -1e5, -100.0, 40.0, 1e5]), device)
    y = fw.special.log_ndtr(x)
    (g,) = grad(y, x, fw.ones_like(y), create_graph=True)
    np.testing.assert_allclose(g.detach().numpy(), [1e10, 1e5 + 1e-5, 100.00999800, 0, 0], rtol=1e-10)
    (h,) = grad(g, x, fw.ones_like(y))
    assert np.isfinite(h.numpy()).all()


# ---------------------------------------------------------------- derivatives of high order
@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (fw.special.i0, 0.0, [1, 0, 1 / 2, 0, 3 / 8, 0, 5 / 16]),
        (fw.special.i1, 0.0, [0, 1 / 2, 0, 3 / 8, 0, 5 / 16]),
        (fw.special.sinc, 0.0, [1, 0, -(pi**2) / 3, 0, pi**4 / 5, 0, -(pi**6) / 7]),
        (fw.special.erf, 0.0, [0, 2 / pi**0.5, 0, -4 / pi**0.5, 0, 24 / pi**0.5]),
        (fw.special.expit, 0.0, [1 / 2, 1 / 4, 0, -1 / 8, 0, 1 / 4]),
        (fw.special.gammaln, 1.5, [scipy.special.gammaln(1.5), *scipy.special.polygamma(range(5), 1.5)]),
    ],
)
def test_high_orders(function, at, expected):
    np.testing.assert_allclose(derivatives(function, at, len(expected) - 1), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["erfinv", "ndtri", "logit", "erfcinv"])
def test_inverses_undo_their_functions_to_third_order(name):
    forth = {"erfinv": "erf", "ndtri": "ndtr", "logit": "expit", "erfcinv": "erfc"}[name]
    composed = derivatives(lambda x: getattr(fw.special, name)(getattr(fw.special, forth)(x)), 0.3, 3)
    np.testing.assert_allclose(composed, [0.3, 1, 0, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        *(("gammainc", 1), ("gammaincc", 1), ("gammaincinv", 1), ("gammainccinv", 1), ("betainc", 2), ("betaincc", 2)),
        *(("stdtr", 1), ("zeta", 1), ("chdtr", 1), ("chdtri", 1), ("fdtr", 2), ("hyp1f1", 2)),
    ],
)
def test_parameters_without_a_gradient_are_refused(name, parameters):
    for which in range(parameters):
        args = [leaf(2.5).requires_grad_(i == which) for i in range(parameters)]
        y = getattr(fw.special, name)(*args, leaf(0.5))
        with pytest.raises(RuntimeError, match=r"has no gradient in '\w+'.*detach\(\)"):
            y.backward()


# ---------------------------------------------------------------- where the values come from
def test_a_librarys_own_functions_come_first():
    backend = get_backend("strict")
    functions = SpecialFunctions(backend)
    functions._own = SimpleNamespace(erf=lambda x: "own")
    assert functions.erf(backend.asarray([1.0])) == "own"
    assert isinstance(functions.erfc(backend.asarray([1.0])), backend.array_type)


def test_unknown_functions_are_missing(device):
    x = fw.ones(2, device=device)
    assert not hasattr(fw.special, "no_such_function")
    assert not hasattr(x.backend.xp.special, "no_such_function")


def run(code, **environment):
    env = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_scipy_is_loaded_at_the_first_use():
    code = """
import sys, framework as fw
x = fw.asarray([0.5])
assert "scipy" not in sys.modules
fw.special.erf(x)
print("scipy" in sys.modules)
"""
    assert run(code) == "True"


def test_scipy_finds_our_functions():
    """A tensor that requires a gradient cannot become a NumPy array: that a result requires one shows whose it is."""
    code = f"""
import numpy as np, scipy.special, framework as fw
values = np.array([0.25, 0.5])
counts = dict.fromkeys({ONE}, 1) | dict.fromkeys({(*TWO, *PROBABILITY)}, 2) | dict.fromkeys({THREE}, 3)
counts |= dict.fromkeys(("logsumexp", "softmax", "log_softmax"), 1)
found = set()
for name, count in counts.items():
    function = getattr(scipy.special, name)
    if isinstance(function, np.ufunc):
        continue
    x = fw.asarray(values)
    y = function(*[x] * (count - 1), fw.asarray(values).requires_grad_())
    assert y.requires_grad, name
    np.testing.assert_allclose(y.detach().numpy(), function(*[values] * count), rtol=1e-14)
    found.add(name)
assert scipy.special.polygamma(2, x.clone().requires_grad_()).requires_grad
assert scipy.special.multigammaln(x.clone().requires_grad_() + 2, 2).requires_grad
assert fw.special.xlogy(2.0, x.to("float32")).dtype == "float32"
print(*sorted(counts.keys() - found))
"""
    never_dispatched = "beta erfcinv log_expit"
    assert run(code, SCIPY_ARRAY_API="1") == never_dispatched
