"""Long compilations are announced."""

from __future__ import annotations

import logging
import time

import pytest

pytest.importorskip("numba", reason="compiled loops need numba")

from types import SimpleNamespace

from backends._numpy.jit import Notice

pytestmark = pytest.mark.cpu("numba compiles for the host")


def compiling(module):
    def walk():
        """Stands for a function that is compiled."""

    walk.__module__ = module
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=walk)})


def said(caplog):
    return [record.getMessage() for record in caplog.records if "walk" in record.getMessage()]


def test_what_takes_long_is_said_once(caplog):
    notice, outer, inner = Notice(after=0.01), *[compiling("backends._numpy.x_compiled") for _ in range(2)]
    with caplog.at_level(logging.WARNING):
        notice.on_start(outer)
        notice.on_start(inner)
        deadline = time.monotonic() + 10
        while not said(caplog) and time.monotonic() < deadline:
            time.sleep(0.01)
        notice.on_end(inner)
        notice.on_end(outer)
    assert len(said(caplog)) == 1
    assert said(caplog)[0].startswith("compiling backends._numpy.x_compiled.walk")


@pytest.mark.parametrize(("after", "module"), [(0.05, "backends._numpy.x_compiled"), (0.0, "users.own")])
def test_nothing_is_said_of_what_is_quick_or_not_ours(caplog, after, module):
    notice, compiled = Notice(after), compiling(module)
    with caplog.at_level(logging.WARNING):
        notice.on_start(compiled)
        notice.on_end(compiled) if after else time.sleep(0.05)
        time.sleep(2 * after)
    assert not said(caplog)
