"""Find the line that made the first NaN or infinity.

While :func:`detect_anomaly` is entered, the classes of operations are given a ``__call__`` that looks at every
result; at all other times they have their own, and nothing is paid.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

import backends
from framework.autograd.calls import rewrite
from framework.autograd.forks import held_over_forks
from framework.autograd.fused import Fused
from framework.autograd.graph import Node, Variable
from framework.autograd.primitive import Op, Primitive
from framework.autograd.rows import RowSparse

_OURS = tuple(str(folder) for folder in (Path(__file__).parents[1], Path(backends.__file__).parent))
_LIBRARY = ("nan", "inf")
_CALLS: dict[Any, Any] = {cls: vars(cls)["__call__"] for cls in (Primitive, Fused)}
_lock = held_over_forks(Lock())
_open: set[object] = set()
"""One object for each block that is open, in all threads."""

_written = True
"""Whether calls went the written way before the first."""


class _Watched:
    """An operation in a node that knows its line, and looks at the gradients that it makes."""

    def __init__(self, op: Op, line: str) -> None:
        self._op = op
        self._line = line

    # Asked whether it is a Primitive, it says so: it does what one does.
    __class__: Any = property(lambda self: type(self._op))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._op, name)

    def pull(self, node: Node, g: Any, xp: Any, tensors: bool) -> Sequence[Any]:
        """Gradients of the inputs; see :meth:`Op.pull`."""
        with np.errstate(all="ignore"):
            parts = self._op.pull(node, g, xp, tensors)
        given = [_kind(node.backend, x) for x in (g if isinstance(g, tuple) else (g,))]
        for i, part in enumerate(parts):
            kind = _kind(node.backend, part)
            if kind and not any(given):
                raise FloatingPointError(
                    f"the gradient of {self._op.name!r} is the first that is not finite: {kind} for argument {i}, of shape "
                    f"{tuple(part.shape)}. {self._line}"
                )
        return parts


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Raise at the first operation that makes a NaN or an infinity of finite values, and name the line.

    In the forward pass the message names the line that is being run; in the backward pass the line whose gradient
    it is, if that was run inside the block too. Every result is looked at, which takes time and waits for the device:
    for debugging only. It holds for all threads.

    Raises
    ------
    FloatingPointError
        Inside the ``with`` block: with the operation, its arguments, the place and the line.

    Examples
    --------
    >>> import framework as fw
    >>> x = fw.Tensor([4.0, 0.0], requires_grad=True)
    >>> with fw.autograd.detect_anomaly():
    ...     y = fw.sqrt(x)
    ...     y.sum().backward()  # doctest: +ELLIPSIS, +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    FloatingPointError: the gradient of 'sqrt' is the first that is not finite: ...
    """
    block = object()
    try:
        _note(_open.add, block)
        # What NumPy would warn of is told by the error.
        with np.errstate(all="ignore"):
            yield
    finally:
        _note(_open.discard, block)


def _note(change: Callable[[object], None], block: object) -> None:
    """Open or close a block; while any is open the classes have the call that looks, otherwise their own."""
    global _written
    with _lock:
        others = bool(_open)
        change(block)
        for cls, call in _CALLS.items():
            cls.__call__ = _watching(call) if _open else call
        if not _open:
            rewrite(written=_written)
        elif not others:
            _written = rewrite(written=False).written


def _watching(call: Callable[..., Any]) -> Callable[..., Any]:
    def watched(self: Op, *args: Any, **kwargs: Any) -> Any:
        result = call(self, *args, **kwargs)
        line = _user_line()
        args = tuple(args[0]) if isinstance(args[0], list | tuple) else args
        for part in result if isinstance(result, tuple) else (result,):
            kind = _new_kind(part, args)
            if kind:
                raise FloatingPointError(
                    f"{self.name!r} made the first {kind} of finite values, in a result of shape {part.shape}; its "
                    f"arguments: {', '.join(map(_described, args))}. {line}"
                )
            _mark(self, part.node, line)
        return result

    return watched


def _mark(op: Op, node: Any, line: str) -> None:
    """Let the node of a new result, or the one above its several results, know the line."""
    if node is not None and node.name == "output":
        node = node.inputs[0]
    if node is not None and node.op is op:
        node.op = _Watched(op, line)


def _new_kind(result: Any, args: Sequence[Any]) -> str:
    """What the result has that no argument has: ``"nan"``, ``"inf"`` or nothing."""
    kind = _kind(result.backend, result)
    if not kind:
        return ""
    had = {_kind(result.backend, x) for x in args}
    return "" if "nan" in had or kind in had else kind


def _kind(backend: Any, x: Any) -> str:
    """``"nan"`` or ``"inf"`` if there is one in a tensor, an array or a number."""
    if type(x) is RowSparse:
        x = x.rows
    if isinstance(x, Variable):
        x = x.data
    if isinstance(x, float | complex):
        x = backend.asarray(x)
    if not hasattr(x, "dtype") or backend.dtype_of(x).kind not in "fcV":
        return ""
    xp = backend.xp
    for name in _LIBRARY:
        if bool(xp.any(getattr(xp, f"is{name}")(x))):
            return name
    return ""


def _described(x: Any) -> str:
    return f"{x.dtype} {tuple(x.shape)}" if hasattr(x, "shape") else repr(x)[:40]


def _user_line() -> str:
    """The innermost line that is not the framework's own."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    path, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(path, number).strip()
    return f"Made at {path}:{number}, in {frame.f_code.co_name}: {text or '(no source)'}"
