"""The emulated GPU, with threads and blocks in rising and in falling order."""

from __future__ import annotations

import pytest

from tests.cuda import emulation


@pytest.fixture(scope="module", params=["rising", "falling"])
def gpu(request):
    """A backend whose kernels run on the CPU."""
    if emulation.COMPILER is None:
        pytest.skip("kernels are run on the CPU with g++, which is missing")
    backend = emulation.EmulatedBackend()
    backend.launch.falling = request.param == "falling"
    return backend
