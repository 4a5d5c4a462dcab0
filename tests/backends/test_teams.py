"""Threads that work in step: every part of every phase once and in order, whoever comes and whenever."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("numba", reason="teams are compiled")

import numba

from backends._numpy.teams_compiled import finish, progress, take

pytestmark = pytest.mark.cpu("NumPy's own kernels")


LIMIT = 1 << 20


@numba.njit(nogil=True)
def walk(state, member, phases, values, done):
    """Add to each part's number that of the next, as the phase before left it; returns how many parts were done here."""
    members, count = values.shape[1], 0
    for phase in range(phases):
        part = take(state, member, phase)
        while part >= 0:
            values[phase + 1, part] = (values[phase, part] + values[phase, (part + 1) % members] + phase) % LIMIT
            done[phase, part] += 1
            count += 1
            part = finish(state, member, phase)
    return count


def expected(members, phases):
    """What the phases leave, one after another."""
    rows = [np.arange(members)]
    for phase in range(phases):
        rows.append((rows[-1] + np.roll(rows[-1], -1) + phase) % LIMIT)
    return np.stack(rows)


def room(members, phases):
    values, done = np.zeros((phases + 1, members), np.int64), np.zeros((phases, members), np.int64)
    values[0] = np.arange(members)
    return values, done


def check(values, done):
    phases, members = done.shape
    np.testing.assert_array_equal(values, expected(members, phases))
    assert (done == 1).all()


@pytest.mark.parametrize("members", [1, 2, 5])
def test_who_comes_alone_does_all_and_who_comes_late_nothing(members):
    values, done = room(members, 9)
    state = progress(members)
    counts = [walk(state, member, 9, values, done) for member in reversed(range(members))]
    assert counts == [9 * members, *[0] * (members - 1)]
    check(values, done)


def at_once(members, phases):
    """Walk with a thread for each member; how many parts each did, and what came of it."""
    values, done = room(members, phases)
    state, counts = progress(members), [0] * members

    def call(member):
        counts[member] = walk(state, member, phases, values, done)

    others = [threading.Thread(target=call, args=(member,)) for member in range(1, members)]
    for other in others:
        other.start()
    call(0)
    for other in others:
        other.join()
    return counts, values, done


@pytest.mark.parametrize("members", [2, 3, 8])
def test_members_wait_for_each_other(members):
    for _ in range(20):
        counts, values, done = at_once(members, 40)
        assert sum(counts) == 40 * members
        check(values, done)


def test_own_part_comes_first():
    state = progress(3)
    assert [take(state, 2, 0), take(state, 2, 0), take(state, 0, 0)] == [2, 0, 1]
