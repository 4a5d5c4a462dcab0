"""Where all the global random streams stand: the framework's, Python's and NumPy's."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from framework.random import get_state, set_state


def random_state() -> dict[str, Any]:
    """The places of all streams, in numbers that :func:`framework.save` can write."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "framework": list(get_state()),
        "python": [version, list(words), gauss],
        "numpy": [str(name), keys.tolist(), int(position), int(has_gauss), float(cached)],  # type: ignore[union-attr]
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Go to the places that :func:`random_state` returned."""
    version, words, gauss = state["python"]
    name, keys, *rest = state["numpy"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    set_state(tuple(state["framework"]))
