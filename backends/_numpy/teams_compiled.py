"""Threads that work in step: phase by phase, each of as many parts as there are members.

    part = take(progress, member, phase)
    while part >= 0:
        ...
        part = finish(progress, member, phase)

Nobody waits for a thread that has not come: a part is done by whoever takes it first, its own member, or another one that has
finished its own. So a member that is late, or never comes, costs time and nothing else. All that a part needs lies in
arrays that the members share.

A team's ``progress`` holds how many parts are finished, and for each part the next phase in which it is to be taken.
"""

from __future__ import annotations

import os
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types

from backends._numpy.jit import jit

Array = Any

CAN_YIELD = hasattr(os, "sched_yield")
"""Whether a thread that waits can leave its core to others; without that there should be no teams."""

_LINE = 8
"""Numbers in a line of memory: what different threads write lies in different ones."""

_PATIENCE = 2000
"""Looks, a nanosecond or two each, after which a thread that waits leaves its core to others between looks."""


def progress(members: int) -> Array:
    """Nothing taken, nothing finished."""
    return np.zeros(_LINE * (members + 1), np.int64)


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def _exchange(context: Any, array: Any, place: Any, old: Any, new: Any) -> Any:
    """Put ``new`` where ``old`` is, at once; whether it was there."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        pair = builder.cmpxchg(builder.gep(data, [args[1]]), args[2], args[3], "acq_rel", "acquire")
        return builder.extract_value(pair, 1)

    return types.boolean(array, types.int64, types.int64, types.int64), generate


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def _increase(context: Any, array: Any) -> Any:
    """Add one to the first number, after all that was written before; returns what it was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", data, ir.IntType(64)(1), "acq_rel")

    return types.int64(array), generate


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def _first(context: Any, array: Any) -> Any:
    """The first number, before all that is read after."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(data, "acquire", 8)

    return types.int64(array), generate


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def _yield(context: Any) -> Any:
    """Leave the core to other threads that want it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if CAN_YIELD:
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(numba.core.cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


@jit
def take(progress: Array, member: int, phase: int) -> int:
    """The next part of a phase that the caller is to do, its own first; -1, when all of them are done."""
    members = len(progress) // _LINE - 1
    for i in range(members):
        part = (member + i) % members
        if _exchange(progress, _LINE * (part + 1), phase, phase + 1):
            return part
    looks = 0
    while _first(progress) < (phase + 1) * members:
        looks += 1
        if looks > _PATIENCE:
            _yield()
    return -1


@jit
def finish(progress: Array, member: int, phase: int) -> int:
    """Say that the part taken is done, and take the next."""
    _increase(progress)
    return take(progress, member, phase)
