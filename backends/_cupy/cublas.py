"""cuBLAS inside captured steps.

CuPy gives every call of cuBLAS its current stream first, and refuses to do so while that stream is captured. cuBLAS
itself can be captured, if what it works in has a fixed place (cuBLAS documentation, "CUDA Graphs Support"). So a captured
step has a handle of its own, with its stream and a workspace from its own memory, and calls the library directly.
"""

from __future__ import annotations

import ctypes
import warnings
from functools import cache
from typing import Any

# Numbers of the enumerations cublasOperation_t, cudaDataType_t, cublasComputeType_t and cublasGemmAlgo_t.
_PLAIN, _TRANSPOSED = 0, 1
_TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
_IN_FLOAT, _IN_DOUBLE = 68, 70
_DEFAULT = -1

_POINTER, _INT, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
_MATRIX = (_POINTER, _INT, _INT, _LONG)
_SIGNATURES = {
    "cublasCreate_v2": (ctypes.POINTER(_POINTER),),
    "cublasSetStream_v2": (_POINTER, _POINTER),
    "cublasSetWorkspace_v2": (_POINTER, _POINTER, ctypes.c_size_t),
    "cublasGemmStridedBatchedEx": (
        *(_POINTER, _INT, _INT, _INT, _INT, _INT, _POINTER, *_MATRIX, *_MATRIX, _POINTER, *_MATRIX, _INT, _INT, _INT),
    ),
}

Layout = tuple[int, int, int, int]
"""Where the matrices of a stack are: the address, and the strides of rows, columns and matrices in elements."""


@cache
def load() -> Cublas | None:
    """Return a handle on the cuBLAS that CuPy has loaded, or None where it cannot be reached."""
    from cupy_backends.cuda.libs import cublas

    try:
        # The names in a library are those of the libraries it needs too.
        return Cublas(ctypes.CDLL(cublas.__file__))
    except (OSError, AttributeError, RuntimeError):
        return None


class Cublas:
    """A handle of cuBLAS.

    Parameters
    ----------
    library : ctypes.CDLL
        cuBLAS.

    Raises
    ------
    AttributeError
        If the library lacks a function that is needed.
    RuntimeError
        If it makes no handle.
    """

    def __init__(self, library: Any) -> None:
        self._create, self._set_stream, self._set_workspace, self._gemm = (
            self._function(library, name) for name in _SIGNATURES
        )
        self._handle = _POINTER()
        self._works = True
        if status := self._create(ctypes.byref(self._handle)):
            raise RuntimeError(f"cuBLAS: no handle, status {status}")

    @staticmethod
    def _function(library: Any, name: str) -> Any:
        function = getattr(library, name)
        function.argtypes, function.restype = _SIGNATURES[name], _INT
        return function

    def bind(self, stream: int, workspace: int, size: int) -> None:
        """Work in a stream, and in so many bytes at an address; the stream first, since to set it forgets the other."""
        self._note("a stream", self._set_stream(self._handle, stream))
        self._note("a workspace", self._set_workspace(self._handle, workspace, size))

    def multiply(
        self, dtype: str, left: Layout, right: Layout, out: int, shape: tuple[int, int, int], batch: int
    ) -> bool:
        """Put ``batch`` products at the address ``out``, rows one after another; False if cuBLAS cannot.

        Parameters
        ----------
        dtype : str
            Of all arrays. Those of 16 bits are added up in float32.
        left, right : Layout
            Of each, rows or columns lie one after another.
        shape : tuple of int
            Rows and columns of a product, and the number of terms.
        """
        if not self._works or max(*shape, batch) >= 2**31:
            return False
        rows, columns, terms = shape
        double = dtype == "float64"
        one, zero = ((ctypes.c_double if double else ctypes.c_float)(x) for x in (1, 0))
        kind = _TYPES[dtype]
        # cuBLAS goes down columns: what it sees are the transposed matrices, whose product has its factors swapped.
        (second, *b), (first, *a) = _seen(left, terms, kind), _seen(right, columns, kind)
        made = out, kind, columns, rows * columns
        options = batch, _IN_DOUBLE if double else _IN_FLOAT, _DEFAULT
        sizes = first, second, columns, rows, terms
        factors = ctypes.byref(one), *a, *b, ctypes.byref(zero)
        self._note("a product", self._gemm(self._handle, *sizes, *factors, *made, *options))
        return self._works

    def _note(self, what: str, status: int) -> None:
        if status:
            self._works = False
            warnings.warn(
                f"cuBLAS refuses {what} for captured steps, status {status}; our own kernel multiplies", stacklevel=2
            )


def _seen(matrices: Layout, width: int, kind: int) -> tuple[int, int, int, int, int]:
    """Whether cuBLAS is to transpose what it sees of matrices of a width, and where and what that is."""
    address, row, column, each = matrices
    by_rows = column == 1 and row >= width  # where one side is 1, strides alone do not tell
    return (_PLAIN, address, kind, row, each) if by_rows else (_TRANSPOSED, address, kind, column, each)


def workspace_size(compute_capability: str) -> int:
    """Bytes of workspace that cuBLAS recommends."""
    return (32 if int(compute_capability) >= 90 else 4) << 20
