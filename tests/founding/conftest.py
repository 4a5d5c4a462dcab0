"""NumPy's global generator, which the lessons draw from."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def global_seed():
    """``numpy.random.seed``; the state is put back after the test."""
    state = np.random.get_state()
    yield np.random.seed
    np.random.set_state(state)
