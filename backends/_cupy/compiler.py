"""From a kernel's name to something that can be launched: sources are compiled once for each device and number type.

CuPy keeps what NVRTC made in its cache on disk, so that a second process does not compile at all.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "kernels"
_SHARED = ("common.cuh", "runs.cuh")
_SHARED_WITHOUT_ASKING = 48 * 1024

SCALARS = {"float32": "float", "float64": "double", "float16": "half", "bfloat16": "bfloat16"}
"""The number types that kernels are compiled for, by dtype."""

FILES = tuple(sorted(path.stem for path in _FOLDER.glob("*.cu")))
"""The sources by name."""

Grid = tuple[int, int, int]


@cache
def source(file: str) -> str:
    """Return the whole text of a source, what all share included; line numbers in messages are the file's own."""
    paths = [_FOLDER / name for name in (*_SHARED, f"{file}.cu")]
    return "".join(f'#line 1 "{path.name}"\n{path.read_text(encoding="utf-8")}' for path in paths)


def options(dtype: str) -> tuple[str, ...]:
    """Return the compiler's options for a number type."""
    return "--std=c++17", f"-DSCALAR={SCALARS[dtype]}"


class Launcher:
    """Launches kernels on one device, on CuPy's current stream.

    Parameters
    ----------
    device : cupy.cuda.Device
        Where to.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        self._kernels: dict[tuple[str, str], Any] = {}
        self._shared: dict[tuple[str, str], int] = {}

    def __call__(
        self,
        kernel: str,
        dtype: str,
        grid: Grid,
        block: Grid,
        args: tuple[Any, ...],
        *,
        shared: int = 0,
        cooperative: bool = False,
    ) -> None:
        """Launch ``"file.function"``.

        Parameters
        ----------
        dtype : str
            The number type, one of :data:`SCALARS`.
        grid, block : tuple of int
            Numbers of blocks, and of threads in each; nothing happens if a block is missing.
        args : tuple
            Arrays, addresses or None for pointers; int for ``long long``; float for ``double``; an array of size one
            on the host for a structure.
        shared : int
            Bytes of dynamic shared memory of a block.
        cooperative : bool
            Whether blocks wait for each other, so that all must be resident at once.
        """
        if 0 in grid:
            return
        key = kernel, dtype
        with self._device:
            loaded = self._kernels.get(key) or self._load(key)
            if shared > self._shared.get(key, _SHARED_WITHOUT_ASKING):
                loaded.max_dynamic_shared_size_bytes = self._shared[key] = shared
            loaded.kernel(grid, block, args, shared_mem=shared, enable_cooperative_groups=cooperative)

    def _load(self, key: tuple[str, str]) -> Any:
        import cupy

        kernel, dtype = key
        file, _, function = kernel.partition(".")
        module = cupy.RawModule(code=source(file), options=options(dtype))
        self._kernels[key] = module.get_function(function)
        return self._kernels[key]
