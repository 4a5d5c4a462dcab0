"""Derivatives of functions, over trees; checkpoint; gradcheck."""

import numpy as np
import pytest

import framework as fw
from framework import autograd


def t(values, device="cpu"):
    return fw.asarray(np.asarray(values, dtype=np.float64), device=device)


def f(p):
    return (fw.sin(p["w"]) @ p["x"][0] + p["x"][1] ** 2).sum()


def point(device="cpu"):
    rng = np.random.default_rng(0)
    return {
        "w": t(rng.normal(size=(2, 3)), device),
        "x": (t(rng.normal(size=3), device), t(rng.normal(size=2), device)),
    }


def test_value_and_grad_over_a_tree(device):
    p = point(device)
    value, g = autograd.value_and_grad(f)(p)
    assert set(g) == {"w", "x"}
    assert isinstance(g["x"], tuple)
    w, x0, x1 = (a.cpu().numpy() for a in (p["w"], *p["x"]))
    np.testing.assert_allclose(g["w"].cpu().numpy(), np.cos(w) * x0)
    np.testing.assert_allclose(g["x"][0].cpu().numpy(), np.sin(w).sum(0))
    np.testing.assert_allclose(g["x"][1].cpu().numpy(), 2 * x1)
    assert not value.requires_grad
    assert not g["w"].requires_grad


def test_value_and_grad_of_several_arguments():
    value, (a, b) = autograd.value_and_grad(lambda x, y, k: x * y * k, (0, 1))(t(2.0), t(3.0), 5)
    assert (value.item(), a.item(), b.item()) == (30.0, 15.0, 10.0)


def test_an_argument_that_does_not_count_gets_zeros():
    _, (a, b) = autograd.value_and_grad(lambda x, y: x * 2, (0, 1))(t(2.0), t([3.0, 4.0]))
    assert a.item() == 2.0
    np.testing.assert_array_equal(b.numpy(), [0.0, 0.0])


def test_transforms_nest():
    d = autograd.value_and_grad(lambda x: x**4, create_graph=True)
    dd = autograd.value_and_grad(lambda x: d(x)[1], create_graph=True)
    ddd = autograd.value_and_grad(lambda x: dd(x)[1])
    assert ddd(t(2.0))[1].item() == 48.0


def cubic(x):
    return fw.sum(x**3)


@pytest.mark.parametrize(
    "inner",
    [
        lambda x: autograd.value_and_grad(cubic)(x)[1],
        lambda x: autograd.jacobian(lambda x: x**2, x) @ x * 1.5,
        lambda x: autograd.vjp(lambda x: x**2, x)[1](x)[0] * 1.5,
        lambda x: autograd.jvp(lambda x: x**2, (x,), (x,))[1] * 1.5,
        lambda x: autograd.jvp(lambda x: x**2, (x.to("float32"),), (x,))[1].to("float64") * 1.5,
        lambda x: autograd.hessian(cubic, x) @ x / 2,
        lambda x: autograd.hvp(cubic, x, x)[1] / 2,
        lambda x: autograd.hvp(cubic, x, x)[0],
        lambda x: autograd.checkpoint(lambda x: autograd.value_and_grad(cubic)(x)[1], x),
    ],
)
def test_any_transform_may_be_in_a_function_that_is_differentiated(inner, device):
    """Each is 3 * x**2 in its own way."""
    x = t([0.5, -2.0], device)
    np.testing.assert_allclose(autograd.jacobian(inner, x).cpu().numpy(), np.diag([3.0, -12.0]))
    assert not inner(x).requires_grad
    with fw.no_grad():
        np.testing.assert_allclose(autograd.jacobian(inner, x).cpu().numpy(), np.diag([3.0, -12.0]))


def test_a_derivative_taken_under_no_grad_is_a_constant():
    @fw.no_grad()
    def slope(x):
        return autograd.value_and_grad(cubic)(x)[1]

    assert autograd.jacobian(lambda x: x * slope(x), t([2.0])).tolist() == [[12.0]]


def test_a_derivative_with_respect_to_what_is_outside_of_the_inner_function():
    def outer(w):
        return autograd.value_and_grad(lambda x: fw.sum(x**2 * w))(t([3.0]))[1].sum()

    assert autograd.value_and_grad(outer)(t([5.0]))[1].tolist() == [6.0]


def test_products_agree_with_the_jacobian(device):
    rng = np.random.default_rng(1)
    x, v, u = (t(rng.normal(size=n), device) for n in (3, 3, 2))

    def g(x):
        return fw.stack([fw.sum(x**2 * x[0]), fw.exp(x[1]) * x[2]])

    j = autograd.jacobian(g, x).cpu().numpy()
    _, pull = autograd.vjp(g, x)
    _, push = autograd.jvp(g, (x,), (v,))
    np.testing.assert_allclose(pull(u)[0].cpu().numpy(), u.cpu().numpy() @ j, rtol=1e-12)
    np.testing.assert_allclose(push.cpu().numpy(), j @ v.cpu().numpy(), rtol=1e-12)
    np.testing.assert_allclose(pull(u)[0].cpu().numpy(), u.cpu().numpy() @ j, rtol=1e-12)


def test_jacobian_and_hessian_against_pytorch():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(2).normal(size=(2, 3))

    def ours(x):
        return fw.tanh(x) @ fw.permute_dims(x, (1, 0)) * fw.exp(x[0, 0])

    def theirs(x):
        return torch.tanh(x) @ x.T * torch.exp(x[0, 0])

    np.testing.assert_allclose(
        autograd.jacobian(ours, t(x)).numpy(),
        torch.autograd.functional.jacobian(theirs, torch.tensor(x)).numpy(),
        rtol=1e-12,
    )
    np.testing.assert_allclose(
        autograd.hessian(lambda x: ours(x).sum(), t(x)).numpy(),
        torch.autograd.functional.hessian(lambda x: theirs(x).sum(), torch.tensor(x)).numpy(),
        rtol=1e-11,
    )


def test_hessian_of_a_tree_and_its_product():
    p = {"a": t([1.0, 2.0]), "b": t(3.0)}

    def h(p):
        return (p["a"] ** 2).sum() * p["b"] ** 2

    blocks = autograd.hessian(h, p)
    np.testing.assert_allclose(blocks["a"]["a"].numpy(), np.eye(2) * 18)
    np.testing.assert_allclose(blocks["a"]["b"].numpy(), [12.0, 24.0])
    np.testing.assert_allclose(blocks["b"]["a"].numpy(), [12.0, 24.0])
    assert blocks["b"]["b"].item() == 10.0
    v = {"a": t([1.0, -1.0]), "b": t(2.0)}
    g, product = autograd.hvp(h, p, v)
    assert g["b"].item() == 30.0
    np.testing.assert_allclose(product["a"].numpy(), [18 + 24.0, -18 + 48.0])
    assert product["b"].item() == 12 - 24 + 20.0


def test_an_empty_output_has_an_empty_jacobian():
    assert autograd.jacobian(lambda x: x[:0], t([1.0, 2.0])).shape == (0, 2)


def test_checkpoint_gives_the_same_gradients_also_to_what_is_outside(device):
    results = []
    for wrap in (lambda f, *a: f(*a), autograd.checkpoint):
        x = t(np.linspace(-1, 1, 6).reshape(2, 3), device).requires_grad_()
        w = t(np.linspace(0, 2, 9).reshape(3, 3), device).requires_grad_()
        middle = w * 2

        def piece(x, k, middle=middle, w=w):
            return fw.tanh(x @ middle) * k, fw.exp(x) @ w

        y, z = wrap(piece, x * 1.5, 2.0)
        ((y * y).sum() + z.sum()).backward()
        results.append((x.grad.cpu().numpy(), w.grad.cpu().numpy()))
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_checkpoint_keeps_only_its_inputs():
    x = t(np.ones(1000)).requires_grad_()
    calls = []

    def deep(x):
        calls.append(1)
        for _ in range(5):
            x = fw.exp(fw.sin(x))
        return x

    y = autograd.checkpoint(deep, x)
    assert y.node.inputs[0].name == "checkpoint"
    assert len(calls) == 1
    y.sum().backward()
    assert len(calls) == 2


def test_checkpoint_has_second_derivatives():
    x = t(0.5).requires_grad_()
    (g,) = autograd.grad(autograd.checkpoint(lambda x: fw.exp(x * x), x), x, create_graph=True)
    (h,) = autograd.grad(g, x)
    assert h.item() == pytest.approx((2 + 4 * 0.25) * np.exp(0.25), rel=1e-12)


@pytest.mark.parametrize("kind", ["leaf", "result", "constant"])
def test_checkpoint_sees_that_what_it_read_from_outside_was_overwritten(kind):
    x, w = t([1.0, 2.0]).requires_grad_(), t([3.0, 4.0])
    w = w if kind == "constant" else w.requires_grad_()
    w = w * 1.0 if kind == "result" else w
    y = autograd.checkpoint(lambda x: x * w, x).sum()
    with fw.set_grad_enabled(kind == "result"):
        w *= 10.0
    with pytest.raises(RuntimeError, match="overwritten in place"):
        y.backward()
    assert x.grad is None


def test_checkpoint_may_write_what_it_made_itself():
    def piece(x):
        y = fw.zeros(3, dtype="float64", device=x.device)
        y[:2] = x
        y *= y
        return y

    x, other = t([1.0, 2.0]).requires_grad_(), fw.zeros(2)
    y = autograd.checkpoint(piece, x).sum()
    other += 1
    assert autograd.grad(y, x)[0].tolist() == [2.0, 4.0]


@pytest.mark.parametrize("recorded", [False, True])
def test_what_checkpoint_calls_may_not_write_into_its_arguments(recorded):
    x, y = t([1.0, 2.0]).requires_grad_(), t([3.0, 4.0])
    with pytest.raises(RuntimeError, match=r"wrote in place into an argument of shape \(2,\)"):
        autograd.checkpoint(lambda x, y: x * y.mul_(2.0), x, y * x if recorded else y)


def test_checkpoint_passes_on_a_leaf_from_outside():
    x, w = t([1.0, 2.0]).requires_grad_(), t([3.0, 4.0]).requires_grad_()
    a, b = autograd.checkpoint(lambda x: (w, x * 2), x)
    gx, gw = autograd.grad((a * b).sum(), [x, w])
    assert (gx.tolist(), gw.tolist()) == ([6.0, 8.0], [2.0, 4.0])


def test_gradcheck_names_the_wrong_entry():
    from framework.autograd import primitive

    @primitive
    def wrong(xp, x, w, /):
        return x * w

    wrong.defvjp(lambda xp, g, w: g * w, lambda xp, g, x: g * x * 1.01)
    x, w = t([[1.0, 2.0]]).requires_grad_(), t([[3.0, 0.0]]).requires_grad_()
    with pytest.raises(RuntimeError, match=r"entry \(0, 0\) of output 0 is 1.01.*, in entry \(0, 0\) of input 1$"):
        autograd.gradcheck(wrong, [x, w])
    assert not autograd.gradcheck(wrong, [x, w], raise_exception=False)
    assert autograd.gradcheck(wrong, [x, w.detach()])
    with pytest.raises(TypeError, match="float64"):
        autograd.gradcheck(fw.exp, fw.Tensor([1.0], requires_grad=True))


def test_gradcheck_goes_into_trees_and_names_the_place():
    from framework.autograd import primitive

    @primitive
    def wrong(xp, x, /):
        return x * 1

    wrong.defvjp(lambda xp, g: g * 0.5)
    p = {"w": [t([1.0]).requires_grad_(), t([2.0, 3.0]).requires_grad_()], "n": 3, "none": None}
    assert autograd.gradcheck(lambda p, k: {"y": p["w"][0] * p["w"][1] * k * p["n"]}, [p, 2.0])
    with pytest.raises(RuntimeError, match=r"in entry \(1,\) of input 0\['w'\]\[1\]$"):
        autograd.gradcheck(lambda p: p["w"][0] * fw.stack([p["w"][1][0], wrong(p["w"][1])[1]]), [p])
    with pytest.raises(RuntimeError, match=r"of the first gradients .* of input 0\['w'\]\[1\]$"):
        autograd.gradgradcheck(lambda p: p["w"][1] ** 2 * wrong(p["w"][1]), [p])


@pytest.mark.parametrize("check", [autograd.gradcheck, autograd.gradgradcheck])
def test_derivatives_can_be_checked_themselves_under_no_grad_too(check):
    x = t([0.5, -2.0]).requires_grad_()
    with fw.no_grad():
        assert check(lambda x: autograd.value_and_grad(cubic)(x)[1], x)


@pytest.mark.parametrize("check", [autograd.gradcheck, autograd.gradgradcheck])
def test_nothing_to_check_is_an_error(check):
    with pytest.raises(ValueError, match="no input requires a gradient"):
        check(fw.sin, [t(1.0)])
    with pytest.raises(TypeError, match=r"no floating or complex tensor.*it returned nothing"):
        check(lambda x: None, t(1.0).requires_grad_())
    with pytest.raises(TypeError, match="no floating or complex tensor"):
        check(fw.argmax, t([1.0]).requires_grad_())


def test_gradgradcheck_sees_a_rule_that_cannot_be_differentiated():
    from framework.autograd import primitive

    @primitive
    def lossy(xp, x, /):
        return x**3

    lossy.defvjp(lambda xp, g, x: g * (x * x * 3).detach() if hasattr(x, "detach") else g * 3 * x * x)
    x = t([0.5]).requires_grad_()
    assert autograd.gradcheck(lossy, x)
    assert not autograd.gradgradcheck(lossy, x, raise_exception=False)
    assert autograd.gradgradcheck(lambda x: x**3 * fw.sin(x), x)


def test_gradcheck_of_complex_functions():
    z = fw.asarray(np.array([0.3 + 0.4j, -1.0 + 0.2j])).requires_grad_()
    assert autograd.gradcheck(lambda z: z * z, z)
    assert autograd.gradcheck(lambda z: fw.abs(z), z)
    assert autograd.gradcheck(lambda z: fw.conj(z) * fw.exp(z), z)
    assert autograd.gradgradcheck(lambda z: fw.real(z * z * z), z)


# ---------------------------------------------------------------- structures
def test_grad_over_trees():
    p = {"w": t([1.0, 2.0]).requires_grad_(), "b": (t(3.0).requires_grad_(), None)}
    y = {"loss": (p["w"] ** 2).sum() * p["b"][0], "other": p["w"] * 1.0}
    g = autograd.grad(y, p, {"loss": None, "other": t([10.0, 20.0])}, retain_graph=True)
    assert g["w"].tolist() == [16.0, 32.0]
    assert (g["b"][0].item(), g["b"][1]) == (5.0, None)
    (nested,) = autograd.grad(y["loss"], [p["b"]])
    assert nested[0].item() == 5.0
    with pytest.raises(ValueError, match="grad_outputs must be a dict of 'loss', 'other', got a dict of 'loss'"):
        autograd.grad(y, p, {"loss": None})
    with pytest.raises(TypeError, match=r"got float at inputs\[1\]"):
        autograd.grad(y["loss"], [p["w"], 2.0])


def test_jacobian_of_a_tree():
    j = autograd.jacobian(lambda p: {"y": p[0] * p[1], "s": p[0].sum()}, (t([1.0, 2.0]), t([3.0, 4.0])))
    assert j["y"][0].tolist() == [[3.0, 0.0], [0.0, 4.0]]
    assert j["y"][1].tolist() == [[1.0, 0.0], [0.0, 2.0]]
    assert (j["s"][0].tolist(), j["s"][1].tolist()) == ([1.0, 1.0], [0.0, 0.0])


def test_products_over_trees():
    p, v = {"a": t([1.0, 2.0]), "b": None}, {"a": t([3.0, 4.0]), "b": None}
    value, tangent = autograd.jvp(lambda p: [p["a"] ** 2, fw.argmax(p["a"])], (p,), (v,))
    assert [part.tolist() for part in tangent] == [[6.0, 16.0], 0]
    assert value[1].item() == 1
    _, pull = autograd.vjp(lambda p: (p["a"] * 2, p["a"].sum()), p)
    assert pull((t([1.0, 2.0]), None))[0]["a"].tolist() == [2.0, 4.0]
    assert pull((None, t(1.0)))[0]["a"].tolist() == [1.0, 1.0]
    assert autograd.jvp(lambda x, y: x * y, (t(2.0), t(3.0)), (None, t(1.0)))[1].item() == 2.0


def test_what_else_a_function_returns():
    call = autograd.value_and_grad(lambda x: ((x * x).sum(), {"twice": x * 2, "name": "n"}), has_aux=True)
    (value, aux), g = call(t([1.0, 2.0]))
    assert (value.item(), aux["name"], g.tolist()) == (5.0, "n", [2.0, 4.0])
    assert not aux["twice"].requires_grad
    with pytest.raises(TypeError, match="must return a pair"):
        autograd.value_and_grad(lambda x: x.sum(), has_aux=True)(t([1.0]))


def test_arguments_are_counted_from_either_end():
    call = autograd.value_and_grad(lambda x, y: x**2 * y, -1)
    assert call(t(3.0), t(2.0))[1].item() == 9.0
    assert autograd.value_and_grad(lambda x, y: x**2 * y, [1, 0])(t(3.0), t(2.0))[1][1].item() == 12.0


def test_checkpoint_takes_keywords_and_none():
    x = t([1.0, 2.0]).requires_grad_()
    y = autograd.checkpoint(lambda x, n, *, by: x * by["k"], x * 1.0, None, by={"k": x})
    (g,) = autograd.grad(y.sum(), x)
    assert g.tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda x: autograd.value_and_grad(lambda x: x * 2)(x),
            TypeError,
            r"of one element.*got float64 of shape \(2,\)",
        ),
        (lambda x: autograd.value_and_grad(lambda x: x.sum() * 1j)(x), TypeError, "real floating.*got complex128"),
        (lambda x: autograd.value_and_grad(lambda x: fw.argmax(x))(x), TypeError, "real floating.*got int64"),
        (lambda x: autograd.value_and_grad(lambda x: 3.0)(x), TypeError, "tensor of one element.*got float"),
        (lambda x: autograd.value_and_grad(fw.sum)([x, 2.0]), TypeError, "got float; make a tensor of it"),
        (lambda x: autograd.value_and_grad(fw.sum)(fw.astype(x, "int64")), TypeError, "got int64; cast it"),
        (lambda x: autograd.value_and_grad(fw.sum, 1)(x), IndexError, "names argument 1, .* with 1 positional"),
        (
            lambda x: autograd.vjp(lambda x: (x, x), x)[1](x),
            ValueError,
            "must be a tuple or list of length 2, got a tensor",
        ),
        (lambda x: autograd.vjp(lambda x: x, x)[1](x[:1]), ValueError, r"must have the shape \(2,\), got \(1,\)"),
        (
            lambda x: autograd.vjp(lambda x: [x, 1.0], x),
            TypeError,
            r"must return a tensor, .* got float as result\[1\]",
        ),
        (lambda x: autograd.jvp(fw.sin, x, x), TypeError, "primals must be a tuple"),
        (
            lambda x: autograd.jvp(fw.add, (x, x), (x,)),
            ValueError,
            "tangents must be .* of length 2, got .* of length 1",
        ),
        (lambda x: autograd.jvp(fw.sin, (x,), (x[:1],)), ValueError, r"tangents\[0\] must have the shape \(2,\)"),
        (lambda x: autograd.jvp(fw.sin, ({"a": x},), ({"b": x},)), ValueError, r"tangents\[0\] must be a dict of 'a'"),
        (lambda x: autograd.jacobian(lambda x: x * 1j, x), TypeError, "expected real results, got complex128"),
        (lambda x: autograd.jacobian(lambda x: None, x), TypeError, "must return a tensor.*got NoneType"),
        (lambda x: autograd.hessian(lambda x: x, x), TypeError, "of one element"),
        (lambda x: autograd.hvp(lambda x: x.sum(), x, x[:1]), ValueError, r"v must have the shape \(2,\)"),
        (lambda x: autograd.hvp(lambda x: x, x, x), TypeError, "hvp: .* of one element"),
        (lambda x: (x.requires_grad_() * 1j).sum().backward(), ValueError, "only from a real value, got complex128"),
    ],
)
def test_mistakes(call, error, match):
    with pytest.raises(error, match=match):
        call(t([1.0, 2.0]))
