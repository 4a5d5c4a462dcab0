"""The CuPy backend without CuPy: NumPy arrays, and kernels compiled by g++ and run on the CPU.

Python on the kernels' side, from the choice of grids to the order of arguments, is the same as on a GPU.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from backends._cupy import CupyBackend, compiler, joining, products, shapes
from backends._cupy.mistakes import SLOT, Mistakes
from backends._namespace import Namespace
from backends._numpy import NumpyBackend, narrow
from framework.autograd.tree import leaves, map_tree
from framework.random import get_state, set_state

HEADER = Path(__file__).with_name("emulator.h")
CACHE = Path(tempfile.gettempdir()) / f"framework-emulated-{os.getuid()}"
GUARD = 64
COMPILER = shutil.which("g++")
# Without unique symbols, since the same name of two number types is another thing.
FLAGS = ("-std=c++17", "-O1", "-g0", "-fPIC", "-fno-gnu-unique", "-shared", "-pthread", "-w", "-ffp-contract=off")


def kernel_names(text):
    """Return the kernels that a source defines, macros expanded."""
    command = [COMPILER, "-E", "-P", "-D__global__=KERNEL", "-D__launch_bounds__(n)=", "-x", "c++", "-"]
    expanded = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return re.findall(r"KERNEL\s+void\s+(\w+)", expanded)


def program(source, dtype):
    """Return C++ of a source, with a function ``run_<kernel>`` for each kernel."""
    runners = "\n".join(
        f'extern "C" const char* run_{name}(const char* kinds, const int* grid, const int* threads, long shared,'
        f" int together, int falling, void** args) {{ return emulator::launch({name}, kinds, grid, threads, shared,"
        " together, falling, args); }"
        for name in kernel_names(source)
    )
    return f'#define SCALAR {compiler.SCALARS[dtype]}\n#include "{HEADER}"\n{source}\n{runners}\n'


@functools.cache
def library(source, dtype):
    """Compile a source's text for a number type, once for all processes."""
    text = program(source, dtype)
    digest = hashlib.sha256((text + HEADER.read_text() + " ".join(FLAGS)).encode()).hexdigest()[:24]
    path = CACHE / f"{digest}.so"
    if not path.exists():
        CACHE.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            code, made = Path(folder) / "kernel.cpp", Path(folder) / "kernel.so"
            code.write_text(text)
            done = subprocess.run([COMPILER, *FLAGS, code, "-o", made], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"g++ refuses, for {dtype}:\n{done.stderr}")
            os.replace(made, path)
    return ctypes.CDLL(str(path))


class Memory:
    """Copies of arrays for one launch, with borders that a kernel must leave alone; what it reads there is nan."""

    def __init__(self):
        self.copies = {}

    def lend(self, array):
        key = array.ctypes.data, array.nbytes
        if key not in self.copies:
            assert array.flags.c_contiguous, "a kernel got an array that is not contiguous"
            inside = np.full(array.nbytes + 2 * GUARD + 16, 0xFF, np.uint8)
            inside = inside[-inside.ctypes.data % 16 :]
            inside[GUARD : GUARD + array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)
            self.copies[key] = array, inside
        return self.copies[key][1].ctypes.data + GUARD

    def bring_back(self):
        for array, inside in self.copies.values():
            assert (inside[:GUARD] == 0xFF).all(), "a kernel wrote before an array"
            assert (inside[GUARD + array.nbytes :] == 0xFF).all(), "a kernel wrote behind an array"
            now = inside[GUARD : GUARD + array.nbytes].tobytes()
            if now != array.tobytes():
                array[...] = np.frombuffer(now, array.dtype).reshape(array.shape)


class EmulatedLauncher:
    """Runs kernels on the CPU; see :class:`backends._cupy.compiler.Launcher`.

    Attributes
    ----------
    falling : bool
        Whether the last thread and block come first.
    log : list of str
        Names of the kernels launched.
    """

    def __init__(self):
        self.falling = False
        self.log = []

    def __call__(self, kernel, dtype, grid, block, args, *, shared=0, cooperative=False):
        self.log.append(kernel)
        if 0 in grid:
            return
        assert block[0] * block[1] * block[2] <= 1024
        assert grid[0] < 2**31
        assert max(grid[1:]) < 2**16
        file, _, function = kernel.partition(".")
        run = getattr(library(compiler.source(file), dtype), f"run_{function}")
        run.restype = ctypes.c_char_p
        memory = Memory()
        kinds, values = zip(("", None), *(self._argument(memory, argument) for argument in args))
        places = (ctypes.c_void_p * len(args))(*(ctypes.addressof(value) for value in values[1:]))
        three = ctypes.c_int * 3
        failure = run(
            "".join(kinds).encode(),
            three(*grid),
            three(*block),
            ctypes.c_long(shared),
            cooperative,
            self.falling,
            places,
        )
        assert failure is None, f"{kernel}: {failure.decode()}"
        memory.bring_back()

    @staticmethod
    def _argument(memory, argument):
        argument = getattr(argument, "host", argument)
        if argument is None:
            return "p", ctypes.c_void_p(None)
        if isinstance(argument, np.ndarray) and argument.dtype.fields and argument.size == 1:
            return "s", (ctypes.c_char * argument.nbytes).from_buffer(argument)
        if isinstance(argument, np.ndarray):
            return "p", ctypes.c_void_p(memory.lend(argument))
        if isinstance(argument, float):
            return "d", ctypes.c_double(argument)
        assert type(argument) is int, f"a kernel got {type(argument).__name__} {argument!r}"
        return "i", ctypes.c_longlong(argument)


class EmulatedBackend(CupyBackend):
    """The ``"emulated"`` device.

    Parameters
    ----------
    multiprocessors, shared_per_block : int
        Of the GPU that is played.
    """

    name = "emulated"

    def __init__(self, multiprocessors=6, shared_per_block=64 * 1024):
        self.device = "emulated"
        self.array_type = np.ndarray
        self.complex_dtypes = NumpyBackend.complex_dtypes
        numpy = NumpyBackend().xp
        vars(numpy).update(narrow.functions(numpy))
        own = {name: getattr(numpy, name) for name in ("getitem", "setitem", "assign", "scatter", "argsort", "sort")}
        own |= {name: getattr(numpy, name) for name in narrow.functions(numpy)}
        own |= (
            products.overrides(self, numpy, numpy.einsum)
            | joining.overrides(self, numpy)
            | shapes.overrides(self, numpy)
        )
        self.xp = Namespace(np, special=lambda: numpy.special, **own)
        self.multiprocessors = multiprocessors
        self.shared_per_block = shared_per_block
        self.launch = EmulatedLauncher()
        mark = np.zeros(1, np.int32)
        self.mistakes = Mistakes(np.zeros(SLOT.itemsize, np.uint8), mark, mark, lambda slot: slot)

    wrap = NumpyBackend.wrap
    owner = NumpyBackend.owner

    def asarray(self, obj, *, dtype=None, copy=None):
        return np.asarray(obj, dtype=dtype, copy=copy)

    def to_numpy(self, array):
        self.refuse_in_capture("to the host", "a value")
        self.mistakes.check()
        return array

    def device_of(self, array):
        return self.device

    def synchronize(self):
        self.mistakes.check()

    def address(self, array):
        return array.ctypes.data

    def new_capture(self):
        return EmulatedCapture(self)


class EmulatedCapture:
    """A recording that is repeated by running the step again, its results put where the first ones were.

    What is drawn at random must come from the place that the step was recorded at, moved by the shift.
    """

    blas = None

    def __init__(self, backend):
        self.backend = backend
        self.shift = np.zeros(1, np.int64)
        self.random_keys = set()

    def rehearse(self, step):
        self.backend.capture = self
        try:
            return step()
        finally:
            self.backend.capture = None

    def record(self, step):
        self.start = get_state()
        self.step = step
        self.kept = copy_values(self.rehearse(step))
        return self.kept

    def replay(self, shift):
        now = get_state()
        set_state(self.start)
        self.shift[0] = shift
        for static, new in zip(leaves(self.kept), leaves(self.rehearse(self.step)), strict=True):
            static.data[...] = new.data
        self.shift[0] = 0
        set_state(now)


def copy_values(tree):
    """Return a tree of tensors with memory of their own."""
    return map_tree(lambda x: x.detach().clone(), tree)
