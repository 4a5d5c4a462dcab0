"""NVIDIA's runtime compiler, which needs no GPU, through its C interface."""

from __future__ import annotations

import ctypes
import functools
from importlib.util import find_spec
from pathlib import Path

ARCHITECTURES = (75, 80, 86, 90, 100, 120)


@functools.cache
def load():
    """Return the compiler of the newest pip wheel (``nvidia-cuda-nvrtc``), or None."""
    spec = find_spec("nvidia")
    folders = [Path(folder) for folder in spec.submodule_search_locations] if spec else []
    found = sorted(path for folder in folders for path in folder.glob("*/lib/libnvrtc.so.*") if "alt" not in path.name)
    return ctypes.CDLL(str(found[-1])) if found else None


def compile(text, name, options):
    """Return the binary, and what the compiler had to say.

    Raises
    ------
    RuntimeError
        With the compiler's messages, if it refuses.
    """
    nvrtc, made = load(), ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(made), text.encode(), name.encode(), 0, None, None) == 0
    try:
        arguments = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        status = nvrtc.nvrtcCompileProgram(made, len(options), arguments)
        log = _fetch(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, made).rstrip(b"\0").decode()
        if status:
            raise RuntimeError(f"{name} with {' '.join(options)}:\n{log}")
        return _fetch(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, made), log
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(made))


def _fetch(get_size, get, program):
    size = ctypes.c_size_t()
    assert get_size(program, ctypes.byref(size)) == 0
    buffer = ctypes.create_string_buffer(size.value)
    assert get(program, buffer) == 0
    return buffer.raw
