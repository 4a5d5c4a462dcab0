"""Products of captured steps by cuBLAS, with a stand-in for the library that keeps its conventions and its rules."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from backends._cupy.cublas import Cublas, workspace_size
from tests.cuda.emulation import COMPILER
from tests.cuda.test_kernels import MATRICES, rng, same


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if COMPILER is None:
        pytest.skip("the stand-in is compiled with g++, which is missing")
    made = tmp_path_factory.mktemp("cublas") / "stand_in.so"
    source = Path(__file__).with_name("cublas_stand_in.cpp")
    subprocess.run([COMPILER, "-std=c++17", "-O1", "-fPIC", "-shared", source, "-o", made], check=True)
    return ctypes.CDLL(str(made))


@pytest.fixture
def captured(gpu, library, monkeypatch):
    """The emulated GPU in a captured step that has cuBLAS."""
    capture = gpu.new_capture()
    capture.blas = Cublas(library)
    capture.blas.bind(1, 1 << 20, workspace_size("75"))
    monkeypatch.setattr(gpu, "capture", capture)
    gpu.launch.log.clear()
    return gpu


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shapes", [*MATRICES, ((1, 5), (5, 7)), ((7, 1), (1, 5)), ((1, 1), (1, 1)), ((3, 5), (5, 1))])
def test_products(captured, dtype, shapes):
    kind = np.dtype(getattr(pytest.importorskip("ml_dtypes"), dtype, dtype))
    a, b = (rng(i).standard_normal(shape).astype(kind) for i, shape in enumerate(shapes))
    wide = np.matmul(a.astype("f8"), b.astype("f8"))
    views = [(a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b)), (np.repeat(a, 2, axis=-1)[..., ::2], b)]
    for x, y in views:
        made = np.asarray(captured.xp.matmul(x, y))
        assert (made.dtype, made.shape) == (kind, wide.shape)
        if dtype == "bfloat16":
            np.testing.assert_allclose(made.astype("f8"), wide, rtol=2**-8, atol=2**-8)
        else:
            same(made, np.asarray(wide.astype(kind)), dtype)
    assert captured.launch.log == []  # our own kernel was not needed


def test_products_over_several_axes(captured):
    a, b = rng().standard_normal((2, 3, 4)), rng(1).standard_normal((4, 3, 5))
    same(captured.xp.tensordot(a, b, axes=((1, 2), (1, 0))), np.tensordot(a, b, axes=((1, 2), (1, 0))), "float64")
    assert captured.launch.log == []


def test_what_cublas_refuses_our_kernel_does(captured):
    captured.capture.blas.bind(1, 1 << 20, workspace_size("90"))
    with pytest.warns(UserWarning, match="cuBLAS refuses a workspace for captured steps, status 7; our own kernel"):
        captured.capture.blas.bind(1, 1 << 20, 16)
    a, b = rng().standard_normal((3, 4)), rng(1).standard_normal((4, 5))
    same(captured.xp.matmul(a, b), a @ b, "float64")
    assert captured.launch.log == ["products.matmul"]


def test_a_product_without_a_workspace_is_not_made(captured, library):
    captured.capture.blas = Cublas(library)
    a = rng().standard_normal((3, 3))
    with pytest.warns(UserWarning, match="cuBLAS refuses a product for captured steps, status 1"):
        same(captured.xp.matmul(a, a), a @ a, "float64")
    assert captured.launch.log == ["products.matmul"]


def test_sizes_beyond_32_bits_are_left_to_our_kernel(library):
    blas = Cublas(library)
    assert not blas.multiply("float32", (0, 1, 1, 0), (0, 1, 1, 0), 0, (2**31, 1, 1), 1)


def test_libraries_that_lack_what_is_needed_are_refused():
    with pytest.raises(AttributeError):
        Cublas(SimpleNamespace())


def test_a_library_that_makes_no_handle():
    def function(*args):
        return 3

    names = ("cublasCreate_v2", "cublasSetStream_v2", "cublasSetWorkspace_v2", "cublasGemmStridedBatchedEx")
    with pytest.raises(RuntimeError, match="cuBLAS: no handle, status 3"):
        Cublas(SimpleNamespace(**{name: lambda *args: function() for name in names}))
