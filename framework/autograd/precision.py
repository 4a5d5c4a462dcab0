"""What autocast does to the arguments of operations.

An operation whose dtype matters says so, and so does a function made of several::

    @precision("low")
    @primitive
    def matmul(xp, x1, x2, /):
        return xp.matmul(x1, x2)

Inside :class:`framework.amp.autocast` its arguments are cast first, recorded, so that gradients come back in the
dtypes that went in. Until autocast is first used no elementwise operation looks at it, and nothing is paid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from framework.autograd.checkpoint import preserve
from framework.autograd.graph import Variable, make_tensor, next_seq
from framework.autograd.modes import mode
from framework.autograd.primitive import Op, primitive, recorded
from framework.autograd.versions import latest, written_since

Array = Any
T = TypeVar("T")
Precision = Literal["low", "float32"]

_FLOAT32, _FLOAT64 = np.dtype("float32"), np.dtype("float64")


@primitive
def cast(xp: Any, x: Array, /, *, dtype: Any) -> Array:
    """The same values in another dtype."""
    return xp.astype(x, dtype, copy=False)


cast.defvjp(lambda xp, g: g)


class _Kept(NamedTuple):
    leaf: Variable
    source: Array
    values: Array
    seq: int


class Casts:
    """The casts of one autocast block, in one thread.

    Parameters
    ----------
    dtypes : dict
        The dtype that "low" stands for, by a backend's name. Tensors of other backends are left alone.
    kept : dict, optional
        What the block around this one has cast already.
    """

    def __init__(self, dtypes: dict[str, np.dtype[Any]], kept: dict[Any, _Kept] | None = None) -> None:
        self.dtypes = dtypes
        self._kept = {} if kept is None else kept

    def within(self, name: str, dtype: np.dtype[Any] | None) -> Casts:
        """The casts of a block inside this one, which changes what "low" is on one backend; None for nothing."""
        dtypes = {known: low for known, low in self.dtypes.items() if known != name}
        return Casts(dtypes if dtype is None else {**dtypes, name: dtype}, self._kept)

    def again(self) -> Casts:
        """The same, with nothing cast so far."""
        return Casts(self.dtypes)

    def __call__(self, precision: Precision, args: Sequence[T]) -> list[T]:
        """The arguments as an operation of this precision takes them; as they are if one is float64."""
        lows = [self._low(x) for x in args]
        if _FLOAT64 in [x.dtype for x, low in zip(args, lows) if low is not None]:  # type: ignore[attr-defined]
            return list(args)
        return [
            x if low is None else self._cast(x, low if precision == "low" else _FLOAT32) for x, low in zip(args, lows)
        ]

    def reach(self, *args: Any) -> bool:
        """Whether these are all cast, were they arguments of an operation with a precision."""
        return all(self._low(x) is not None and x.dtype != _FLOAT64 for x in args)

    def _low(self, x: Any) -> np.dtype[Any] | None:
        """What "low" is for a real floating tensor on a device of the block; None for everything else."""
        low = self.dtypes.get(x.backend.name) if isinstance(x, Variable) else None
        return low if low is not None and x.dtype.kind in "fV" else None

    def _cast(self, x: Any, dtype: np.dtype[Any]) -> Any:
        if x.dtype == dtype:
            return x
        if x.requires_grad and x.node is None and dtype != _FLOAT32 and not x.backend.capturing():
            return self._cast_leaf(x, dtype)
        return cast(x, dtype=dtype)

    def _cast_leaf(self, x: Any, dtype: np.dtype[Any]) -> Any:
        """Cast a parameter, whose values are cast once as long as nobody writes into them.

        Only the values are kept. Each use is a node of its own, so that the graph of one use can be freed, and the
        gradients of all uses are added up in the parameter's dtype.
        """
        key = id(x), dtype
        kept = self._kept.get(key)
        if kept is None or kept.source is not x.data or _changed(x, kept.seq):
            values = x.backend.xp.astype(x.data, x.backend.native_dtype(dtype))
            kept = self._kept[key] = _Kept(x, x.data, values, next_seq())
        if not mode.grad:
            return make_tensor(x.backend, kept.values)
        return recorded(cast.op, x.backend, (x,), kept.values, kwargs={"dtype": dtype})


def _changed(x: Any, seq: int) -> bool:
    return seq < latest.seq and written_since(x.backend, x.data, seq)


def autocasts(*tensors: Any) -> bool:
    """Whether autocast chooses the dtype in which operations with a precision compute these tensors now."""
    return mode.casts is not None and mode.casts.reach(*tensors)


preserve(lambda: mode.casts and mode.casts.again(), lambda casts: setattr(mode, "casts", casts))


def precision(wanted: Precision) -> Callable[[T], T]:
    """Decorator that says in which precision an operation, or a function of tensors, runs inside autocast.

    Parameters
    ----------
    wanted : {"low", "float32"}
        ``"low"`` for what is fast and safe in autocast's dtype: products of matrices. ``"float32"`` for what leaves
        the range of float16, or adds up many rounding errors. What says nothing runs in the widest dtype of its arguments.
    """

    def mark(target: Any) -> Any:
        op = getattr(target, "op", target)
        marked: Any = op if isinstance(op, Op) else _casting_function(target, wanted)
        marked.precision = wanted
        return target if marked is op else marked

    return mark


def _casting_function(function: Callable[..., Any], wanted: Precision) -> Any:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if mode.casts is None:
            return function(*args, **kwargs)
        cast_args = mode.casts(wanted, [*args, *kwargs.values()])
        return function(*cast_args[: len(args)], **dict(zip(kwargs, cast_args[len(args) :])))

    return call
