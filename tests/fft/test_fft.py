"""Fourier transforms: values, gradients to second order against finite differences and PyTorch, refusals."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import framework as fw
import framework.fft
from tests.ops import test_gradients as shared
from tests.ops.gradient_table import Row, Sampler, cplx, real

COMPLEX = ("fft", "ifft", "irfft", "hfft")
REAL = ("rfft", "ihfft", "fft", "ifft")
NORMS = ("backward", "ortho", "forward")
NAMES = (
    *("fft", "ifft", "fftn", "ifftn", "rfft", "irfft", "rfftn", "irfftn", "hfft", "ihfft"),
    *("fftfreq", "rfftfreq", "fftshift", "ifftshift"),
)


# ---------------------------------------------------------------- the gradient table
def fft(name: str, x: Sampler, variant: str = "", **kwargs: Any) -> Row:
    """A row; PyTorch calls axes otherwise."""
    theirs = {"dim" if key in ("axis", "axes") else key: value for key, value in kwargs.items()}

    def on(xp: Any, x: Any) -> Any:
        return getattr(xp.fft, name)(x, **kwargs)

    # PyTorch's library refuses to transform nothing.
    torch = not variant.endswith("empty") and (lambda t, x: getattr(t.fft, name)(x, **theirs))
    return Row(name, (x,), kwargs, on, torch, variant)


def one_dimension(names: tuple[str, ...], sampler: Any) -> list[Row]:
    kind = sampler.__name__
    rows = [fft(name, sampler(2, n), f"{kind}-{n}", n=m) for name in names for n in (4, 5) for m in (None, 3, 4, 7, 8)]
    rows += [
        fft(name, sampler(3, 2, 2), kind, axis=axis, norm=norm) for name in names for axis in (0, -2) for norm in NORMS
    ]
    rows += [fft(name, sampler(1), f"{kind}-single", n=n) for name in names for n in (1, 2)]
    return rows + [fft(name, sampler(0, 3), f"{kind}-empty") for name in names]


def several(names: tuple[str, ...], sampler: Any) -> list[Row]:
    kind = sampler.__name__
    return [
        row
        for name in names
        for row in (
            *[fft(name, sampler(2, 3, 4), kind, axes=axes) for axes in (None, (0, 1), (2, 0), (-1,), (1, -1))],
            *[fft(name, sampler(3, 4), kind, norm=norm) for norm in NORMS],
            *[fft(name, sampler(2, 3, 4), kind, s=s, axes=axes) for s, axes in (((5, 3), (0, 2)), ((2, 6), (-1, 1)))],
            fft(name, sampler(3, 3), kind, s=(2, 5)),
            fft(name, sampler(0, 3), f"{kind}-empty", axes=(1,)),
        )
    ]


ROWS = [
    *one_dimension(COMPLEX, cplx),
    *one_dimension(REAL, real),
    *several(("fftn", "ifftn", "irfftn"), cplx),
    *several(("fftn", "ifftn", "rfftn"), real),
    *[fft(name, cplx(3, 4), axes=axes) for name in ("fftshift", "ifftshift") for axes in (None, 0, (-1,), (1, 0))],
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_against_finite_differences(row, device):
    function = shared.Function(lambda x: row(fw, x), device)
    shared.check(function, shared.arguments(row), 2, np.random.default_rng(1))


@pytest.mark.parametrize(
    "row", {row.name: row for row in ROWS if "empty" not in row.variant}.values(), ids=lambda row: row.id
)
def test_computed_by_another_library(row):
    """The rules use nothing but the standard: they hold on PyTorch's arrays, which no backend was written for."""
    pytest.importorskip("torch")
    function = shared.Function(lambda *x: row(fw, *x), "torch")
    shared.check(function, shared.arguments(row), 1, np.random.default_rng(1))


@pytest.mark.parametrize("row", [row for row in ROWS if row.torch], ids=lambda row: row.id)
def test_against_pytorch(row):
    shared.test_against_pytorch(row)


def test_every_differentiable_operation_is_in_the_table():
    assert shared.primitives(framework.fft) - set().union(*map(shared.recorded, ROWS)) == set()


# ---------------------------------------------------------------- the standard's surface
@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_standards(name):
    strict = pytest.importorskip("array_api_strict")
    theirs = inspect.signature(getattr(strict.fft, name)).parameters.values()
    ours = inspect.signature(getattr(fw.fft, name)).parameters.values()
    assert [(p.name, p.kind, p.default) for p in ours] == [(p.name, p.kind, p.default) for p in theirs]


@pytest.mark.parametrize("width", [32, 64])
def test_dtypes_follow_the_precision(device, width):
    x = fw.ones((3, 4), dtype=f"float{width}", device=device)
    spectrum = f"complex{2 * width}"
    for name in ("fft", "ifft", "fftn", "ifftn", "rfft", "rfftn", "ihfft"):
        assert getattr(fw.fft, name)(x).dtype == spectrum
    for name in ("irfft", "irfftn", "hfft"):
        assert getattr(fw.fft, name)(fw.astype(x, spectrum)).dtype == x.dtype
        assert getattr(fw.fft, name)(x).dtype == x.dtype


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_values_are_transformed_in_single_precision(dtype):
    wide = fw.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]])
    narrow = fw.astype(wide, dtype if dtype == "float16" else pytest.importorskip("ml_dtypes").bfloat16)
    for name in NAMES[:10]:
        transform = getattr(fw.fft, name)
        found, expected = transform(narrow), transform(wide)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_lengths_and_axes_may_be_numpys_integers():
    x = fw.asarray(np.random.default_rng(0).normal(size=(3, 4)))
    np.testing.assert_array_equal(
        fw.fft.rfft(x, n=np.int64(6), axis=np.int32(0)).numpy(), fw.fft.rfft(x, n=6, axis=0).numpy()
    )
    s = np.asarray([2, 6])
    np.testing.assert_array_equal(fw.fft.fftn(x, s=s).numpy(), fw.fft.fftn(x, s=(2, 6)).numpy())


def test_along_no_axis(device):
    for x in (fw.asarray(2.0, device=device), fw.ones((2, 3), dtype="float64", device=device)):
        for name in ("fftn", "ifftn"):
            y = getattr(fw.fft, name)(x, axes=())
            assert y.dtype == ("complex64" if x.ndim == 0 else "complex128")
            np.testing.assert_array_equal(y.numpy(), x.numpy())


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_frequencies(device, name, n):
    frequencies = getattr(fw.fft, name)(n, d=0.1, dtype="float64", device=device)
    assert (frequencies.dtype, frequencies.device) == ("float64", device)
    np.testing.assert_allclose(frequencies.numpy(), getattr(np.fft, name)(n, 0.1))
    assert getattr(fw.fft, name)(n).dtype == "float32"


@pytest.mark.parametrize("n", [4, 5])
def test_round_trips(device, n):
    x = np.random.default_rng(0).normal(size=(3, n))
    t = fw.asarray(x, device=device)
    for there, back in (("fft", "ifft"), ("fftn", "ifftn"), ("rfft", "irfft"), ("ihfft", "hfft")):
        kwargs = {"n": n} if back in ("irfft", "hfft") else {}
        returned = getattr(fw.fft, back)(getattr(fw.fft, there)(t), **kwargs)
        np.testing.assert_allclose(fw.real(returned).numpy(), x, atol=1e-14)
    np.testing.assert_allclose(fw.fft.irfftn(fw.fft.rfftn(t), s=(3, n)).numpy(), x, atol=1e-14)
    np.testing.assert_array_equal(fw.fft.ifftshift(fw.fft.fftshift(t)).numpy(), x)


def test_imaginary_parts_that_do_not_count_have_no_gradient(device):
    x = fw.asarray(np.ones(3, complex), device=device, copy=True).requires_grad_()
    (g,) = fw.autograd.grad(fw.fft.irfft(x), x, fw.asarray(np.arange(4.0) ** 2, device=device))
    imaginary = g.numpy().imag
    assert imaginary[0] == imaginary[-1] == 0 != imaginary[1]


def test_arguments_of_any_layout(arrays):
    a = np.random.default_rng(0).normal(size=(4, 3)).T[::2]
    x = arrays.make(a, requires_grad=True)
    spectrum = fw.fft.rfft(x)
    np.testing.assert_allclose(spectrum.detach().numpy(), np.fft.rfft(a))
    (g,) = fw.autograd.grad(fw.sum(fw.square(fw.abs(spectrum))), x)
    assert g.shape == a.shape


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: fw.fft.fft(x, norm="both"), ValueError, "'backward', 'ortho' or 'forward', got 'both'"),
        (lambda x: fw.fft.fft(x, n=0), ValueError, r"fft: expected at least one value .*\(0,\)"),
        (lambda x: fw.fft.fft(x[:, :0]), ValueError, r"fft: expected at least one value .*\(0,\)"),
        (lambda x: fw.fft.irfft(x[:, :1]), ValueError, r"irfft: expected at least one value .*\(0,\)"),
        (lambda x: fw.fft.fft(x, axis=2), IndexError, r"axes \(2,\) are out of range for 2 dimensions"),
        (lambda x: fw.fft.irfft(x, axis=-3), IndexError, r"axes \(-3,\) are out of range for 2 dimensions"),
        (lambda x: fw.fft.fftn(x, axes=(0, -2)), ValueError, r"must differ from each other, got \(0, -2\)"),
        (lambda x: fw.fft.fftn(x, s=(2,), axes=(0, 1)), ValueError, r"one length in s for each .*\(2,\)"),
        (lambda x: fw.fft.rfftn(x, axes=()), ValueError, "at least one axis"),
        (lambda x: fw.fft.irfftn(x, axes=()), ValueError, "at least one axis"),
        (lambda x: fw.fft.fft(fw.astype(x, "int64")), TypeError, "real floating dtype, got int64; cast"),
        (lambda x: fw.fft.rfft(fw.astype(x, "complex64")), TypeError, "real floating dtype, got complex64; cast"),
    ],
)
def test_bad_arguments(device, call, error, match):
    with pytest.raises(error, match=match):
        call(fw.ones((2, 3), device=device))
