"""Linear algebra on CuPy, which broadcasts less than the standard and reports a singular matrix only when asked to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

Array = Any


class Linalg:
    """``linalg`` of array-api-compat, put right where CuPy differs from the other libraries.

    Parameters
    ----------
    gpu : CupyBackend
        In whose captured steps nothing is checked, since the host would have to wait.
    module : module
        ``array_api_compat.cupy.linalg``.
    """

    def __init__(self, gpu: Any, module: Any) -> None:
        self._gpu = gpu
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def inv(self, x: Array, /) -> Array:
        """Inverse; (..., n, n)."""
        with self._checked("Singular matrix"):
            return self._module.inv(x)

    def cholesky(self, x: Array, /, *, upper: bool = False) -> Array:
        """Triangular factor; (..., n, n)."""
        with self._checked("Matrix is not positive definite"):
            return self._module.cholesky(x, upper=upper)

    def solve(self, x1: Array, x2: Array, /) -> Array:
        """Solution of ``x1 @ x = x2``; x1 (..., n, n), x2 (n,) or (..., n, k)."""
        columns = x2[:, None] if x2.ndim == 1 else x2
        leading = np.broadcast_shapes(x1.shape[:-2], columns.shape[:-2])
        matrices, columns = (self._gpu.xp.broadcast_to(x, (*leading, *x.shape[-2:])) for x in (x1, columns))
        with self._checked("Singular matrix"):
            solution = self._module.solve(matrices, columns)
        return solution[..., 0] if x2.ndim == 1 else solution

    @contextmanager
    def _checked(self, message: str) -> Iterator[None]:
        """Raise LinAlgError with NumPy's message where CuPy gives a routine's status."""
        if self._gpu.capturing():
            yield
            return
        import cupyx

        try:
            with cupyx.errstate(linalg="raise"):
                yield
        except np.linalg.LinAlgError as error:
            if "Error reported by" not in str(error):
                raise
            raise np.linalg.LinAlgError(message) from error
