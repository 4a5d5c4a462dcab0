"""NumPy's global generator is put back: JAX draws from it when it starts, and the lessons when they make a tensor."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def global_random_state():
    """The state after the test is that before it."""
    state = np.random.get_state()
    yield
    np.random.set_state(state)
