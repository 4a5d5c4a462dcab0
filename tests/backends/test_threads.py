"""Work split over threads."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from backends._numpy import threads

pytestmark = pytest.mark.cpu("threads of the CPU")


def test_threads_raise_what_their_items_raise_and_see_the_callers_error_state():
    with np.errstate(divide="ignore"):
        assert np.isinf(threads.each(lambda a: np.ones(1) / np.zeros(a), [1, 1])).all()
    with pytest.raises(RuntimeWarning, match="divide"):
        threads.each(lambda a: np.ones(1) / a, [np.ones(1), np.zeros(1)])


def test_items_may_split_their_work_again():
    def leaves(depth):
        return sum(threads.each(leaves, [depth - 1] * 3)) if depth else 1

    assert leaves(5) == 3**5


def test_threads_keep_nothing_that_an_item_held():
    def work():
        array = np.ones(3)
        threads.each(lambda item: array + item, [0, 1, 2])
        return weakref.ref(array)

    assert work()() is None


def test_products_are_threaded_again_after_an_interrupt_on_the_way_in(monkeypatch):
    counts = [7]

    def put(count):
        counts.append(count)
        if count == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(threads, "_openblas", lambda: (lambda: counts[-1], put))
    with pytest.raises(KeyboardInterrupt), threads._single_threaded_products():
        pass
    assert (counts, threads._users) == ([7, 1, 7], 0)


def test_products_are_threaded_again_afterwards():
    get, _ = threads._openblas() or pytest.skip("NumPy without OpenBLAS")
    before = get()
    with pytest.raises(ZeroDivisionError):
        threads.each(lambda a: 1 / a, [1, 0, 0])
    assert threads.each(lambda _: get(), [0, 1]) == [1, 1]
    assert get() == before
