"""The functions that users call operations by: plain Python, with all that a call does written out.

What a call means is told by the operation's class (``Primitive.__call__``, for any arrays and keywords). On small arrays
its loops would be most of the time, so each operation's function is written for its own arguments when it is first
called. What the written lines do not know, a NumPy array among tensors, say, they leave to the class.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple
from weakref import WeakSet

from framework.autograd.graph import Node, Variable, edges, make_tensor, new, next_seq, result_class
from framework.autograd.modes import mode
from framework.autograd.versions import mixed

_MOST = 3
"""Arrays up to which the loop over them is written out."""


class _Way(NamedTuple):
    written: bool
    casts: bool


_way = _Way(written=True, casts=False)
_written: WeakSet[Any] = WeakSet()


def rewrite(**changes: bool) -> _Way:
    """Have every function written anew when it is next called.

    Parameters
    ----------
    written : bool
        Whether calls may go the written way at all from now on, and not only that of the operation's class.
    casts : bool
        Whether operations with a precision look whether autocast is on.

    Returns
    -------
    NamedTuple
        What held before.
    """
    global _way
    before, _way = _way, _way._replace(**changes)
    for op in list(_written):
        op.function.__code__ = _first.__code__
    _written.clear()
    return before


def function_of(op: Any) -> Any:
    """The function by which ``op`` is called: the arguments of ``op.fun`` without the namespace."""
    fun = op.fun
    scope = {"_op": op, "_write_out": _write_out, "__name__": fun.__module__}
    function: Any = FunctionType(_first.__code__, scope, op.name, fun.__defaults__)
    function.__qualname__ = op.name
    function.__kwdefaults__ = fun.__kwdefaults__
    function.__doc__ = fun.__doc__
    function.__wrapped__ = function.op = op
    function.defvjp = op.defvjp
    return function


def _first(*args: Any, **kwargs: Any) -> Any:
    """The first call, which has the function written: to write all of them at once would make the import slow."""
    _write_out(_op)  # type: ignore[name-defined]  # noqa: F821
    return _op.function(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821


def _write_out(op: Any) -> None:
    code = op.fun.__code__
    several = str(op.fun.__annotations__.get("return")).startswith("tuple")
    call = _Call(op.names, max(code.co_posonlyargcount - 1, 0), op.keywords, op.joins, several)
    written = _code(call, _way.written, _way.casts and op.precision is not None)
    # Python notes in the code where it found global names, so each function has a copy, and its own globals.
    own = {"fun": op.fun, "constants": op.constants, "plans": op.plans, "wanted": op.wanted, "Tensor": result_class[0]}
    op.function.__globals__.update({f"_{name}": value for name, value in {**_GLOBALS, **own}.items()})
    op.function.__code__ = written.replace(co_name=op.name)
    _written.add(op)


_GLOBALS = {
    "Node": Node,
    "Variable": Variable,
    "edges": edges,
    "make_tensor": make_tensor,
    "mixed": mixed,
    "mode": mode,
    "new": new,
    "next_seq": next_seq,
}


class _Call(NamedTuple):
    names: tuple[str, ...]
    by_position: int
    keywords: tuple[str, ...]
    joins: bool
    several: bool

    def parameters(self) -> str:
        n = self.by_position
        slash, star = ["/"] * bool(n), ["*"] * bool(self.keywords)
        return ", ".join([*self.names[:n], *slash, *self.names[n:], *star, *self.keywords])

    def passed(self) -> str:
        return "".join([f", {name}={name}" for name in self.keywords])

    def kept(self) -> str:
        return f"{{{', '.join([f'{name!r}: {name}' for name in self.keywords])}}}"


@cache
def _code(call: _Call, written: bool, casts: bool) -> CodeType:
    """The code of such a call. Its own names begin with an underscore, those of arguments never do."""
    general = f"return _op({', '.join(call.names)}{call.passed()})"
    body = _body(call, general, casts) if written and len(call.names) <= _MOST else f"\n    {general}"
    scope: dict[str, Any] = {}
    exec(compile(f"def call({call.parameters()}):{body}", str(Path(__file__).with_name("<call>")), "exec"), scope)
    return scope["call"].__code__  # type: ignore[no-any-return]


def _body(call: _Call, general: str, casts: bool) -> str:
    look = f"""
    if _mode.casts is not None:
        {general}"""
    raw = "_raw" if call.joins else f"({''.join([f'_raw_{name}, ' for name in call.names])})"
    places = "".join([f"({x}.node or {x}) if _needs & {1 << i} else None, " for i, x in enumerate(call.names)])
    inputs = f"_edges({call.names[0]}, _needs)" if call.joins else f"({places})"
    native = """
    if dtype is not None:
        dtype, _needs = _op.typed(_backend, dtype, _needs)"""
    return f"""{look if casts else ""}
    _backend, _needs = None, 0{_joined(call, general) if call.joins else _separate(call, general)}
    if _backend is None or _mixed:
        {general}{native if "dtype" in call.keywords else ""}
    try:
        _y = _fun(_backend.xp, {raw if call.joins else raw[1:-3]}{call.passed()})
    except (ValueError, TypeError, IndexError) as error:
        raise _op.explain(error, {raw}) from error
    {_several(call, raw, inputs) if call.several else _one(call, raw, inputs)}"""


def _separate(call: _Call, general: str) -> str:
    """Each argument's raw value."""
    return "".join(
        f"""
    if isinstance({x}, _Variable):
        if {x}.backend is not _backend:
            if _backend is not None:
                {general}
            _backend = {x}.backend
        _raw_{x} = {x}.data
        if {x}.requires_grad:
            _needs += {1 << i}
    elif type({x}) in _constants:
        _raw_{x} = {x}
    else:
        {general}"""
        for i, x in enumerate(call.names)
    )


def _joined(call: _Call, general: str) -> str:
    """The raw values of a list."""
    return f"""
    _raw = []
    for _x in {call.names[0]}:
        if not isinstance(_x, _Variable):
            {general}
        if _x.backend is not _backend:
            if _backend is not None:
                {general}
            _backend = _x.backend
        if _x.requires_grad:
            _needs |= 1 << len(_raw)
        _raw.append(_x.data)"""


def _one(call: _Call, raw: str, inputs: str) -> str:
    """The result as a tensor, in a new place in the graph if it is recorded; as ``recorded`` in primitive.py does it."""
    return f"""
    if type(_y) is not _backend.array_type:
        _y = _backend.wrap(_y)
    _t = _new(_Tensor)
    _t.data = _y
    _t.backend = _backend
    if _needs and _mode.grad:
        _needs &= _wanted
        if _needs:
            _keep, _keep_y = _plans.get(_needs) or _op.plan(_needs, {"len(_raw)" if call.joins else len(call.names)})
            _node = _Node()
            _node.op = _op
            _node.backend = _backend
            _node.inputs = {inputs}
            _node.args = {raw} if _keep is True else _op.kept({raw}, _keep){"" if call.joins else " if _keep else ()"}
            _node.kwargs = {call.kept()}
            _node.y = _y if _keep_y else None
            _node.hooks = None
            _node.seq = _next_seq()
            _node.shape = _y.shape
            _node.dtype = _y.dtype
            _t.node = _node
            _t.requires_grad = True
            return _t
    _t.node = None
    _t.requires_grad = False
    return _t"""


def _several(call: _Call, raw: str, inputs: str) -> str:
    """The results as tensors."""
    return f"""
    _y = tuple([_backend.wrap(_part) for _part in _y])
    if _needs and _mode.grad:
        _needs &= _wanted
        if _needs:
            return _op.record(_backend, {inputs}, {raw}, {call.kept()}, _needs, _y)
    return tuple([_make_tensor(_backend, _part) for _part in _y])"""
