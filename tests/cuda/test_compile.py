"""Every kernel is compiled for every architecture that is supported, without a warning; no GPU is needed."""

from __future__ import annotations

import pytest

from backends._cupy import compiler
from tests.cuda import nvrtc

pytestmark = pytest.mark.skipif(nvrtc.load() is None, reason="NVRTC is missing: pip install nvidia-cuda-nvrtc")

CASES = [(dtype, architecture) for dtype in compiler.SCALARS for architecture in nvrtc.ARCHITECTURES]


@pytest.mark.parametrize("file", compiler.FILES)
@pytest.mark.parametrize(("dtype", "architecture"), CASES)
def test_without_a_warning(file, dtype, architecture):
    options = (*compiler.options(dtype), f"--gpu-architecture=sm_{architecture}")
    binary, log = nvrtc.compile(compiler.source(file), f"{file}.cu", options)
    assert log == ""
    assert binary.startswith(b"\x7fELF")


def test_a_warning_would_be_seen():
    _, log = nvrtc.compile("__global__ void f() { int unused; }", "f.cu", ("--gpu-architecture=sm_75",))
    assert "never referenced" in log


def test_messages_name_the_file_and_its_line():
    lines = len((compiler.source("random")).partition('#line 1 "random.cu"\n')[2].splitlines())
    with pytest.raises(RuntimeError, match=rf"random\.cu\({lines + 1}\): error"):
        nvrtc.compile(
            compiler.source("random") + "mistake", "program", (*compiler.options("float32"), "--gpu-architecture=sm_75")
        )
