"""The functions that users call operations by: plain Python, with all that a call does written out.

What a call means is told by the operation's class (``Primitive.__call__``, for any arrays and keywords). On small arrays
its loops would be most of the time, so each operation's function is written for its own arguments when it is first
called, and its gradient rules are brought into one when they are first used. What the written lines do not know, a NumPy
array among tensors, say, they leave to the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, update_wrapper
from inspect import CO_VARARGS
from pathlib import Path
from textwrap import indent
from threading import RLock
from types import CodeType, FunctionType
from typing import Any, NamedTuple
from weakref import WeakSet

from framework.autograd.forks import held_over_forks
from framework.autograd.graph import Node, Variable, new, next_seq, result_class
from framework.autograd.modes import mode
from framework.autograd.versions import mixed

_MOST = 3
"""Arrays up to which the loop over them is written out."""


class _Way(NamedTuple):
    written: bool
    casts: bool


_way = _Way(written=True, casts=False)
_written: WeakSet[Any] = WeakSet()
_lock = held_over_forks(RLock())
"""Held while functions are written, lest another thread change the way in the middle of it."""


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
    with _lock:
        before, _way = _way, _way._replace(**changes)
        if _way != before:
            for op in list(_written):
                rewrite_call(op)
            _written.clear()
    return before


def rewrite_call(op: Any) -> None:
    """Have the function of ``op`` written anew when it is next called."""
    op.function.__code__ = _first.__code__


def function_of(op: Any) -> Any:
    """The function by which ``op`` is called: the arguments of ``op.fun`` without the namespace."""
    fun = op.fun
    scope = {"_op": op, "_write_out": _write_out, "__name__": fun.__module__}
    function: Any = FunctionType(_first.__code__, _with_builtins(scope), op.name, fun.__defaults__)
    function.__qualname__ = op.name
    function.__kwdefaults__ = fun.__kwdefaults__
    function.__doc__ = fun.__doc__
    function.__wrapped__ = function.op = op
    function.defvjp = op.defvjp
    return function


def _with_builtins(scope: dict[str, Any]) -> dict[str, Any]:
    """The globals of a written function; NumPy looks for what is built in when it imports something within a call."""
    return {**scope, "__builtins__": __builtins__}


def around(function: Any, body: str, **scope: Any) -> Any:
    """A function with the arguments of ``function``, which it is to call.

    Parameters
    ----------
    function : callable
        Plain Python.
    body : str
        Lines that may have ``{passed}``, the arguments as they are given on, and ``{given}``, those given by position.
    **scope
        Global names of these lines.
    """
    code = function.__code__
    n, end = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    names, keywords = code.co_varnames[:n], code.co_varnames[n:end]
    rest = [f"*{code.co_varnames[end]}"] if code.co_flags & CO_VARARGS else []
    given = ", ".join([*names, *rest])
    lines = body.format(given=given, passed=given + _passed(keywords))
    written = _compiled(
        f"def call({_parameters(names, code.co_posonlyargcount, rest, keywords)}):\n{indent(lines, '    ')}"
    )
    scope = _with_builtins({**scope, "__name__": function.__module__})
    call: Any = FunctionType(written, scope, function.__name__, function.__defaults__)
    call.__kwdefaults__ = function.__kwdefaults__
    return update_wrapper(call, function)


def _parameters(names: Sequence[str], by_position: int, rest: Sequence[str], keywords: Sequence[str]) -> str:
    slash, star = ["/"] * bool(by_position), rest or ["*"] * bool(keywords)
    return ", ".join([*names[:by_position], *slash, *names[by_position:], *star, *keywords])


def _passed(keywords: Sequence[str]) -> str:
    return "".join([f", {name}={name}" for name in keywords])


def _first(*args: Any, **kwargs: Any) -> Any:
    """The first call, which has the function written: to write all of them at once would make the import slow."""
    _write_out(_op)  # type: ignore[name-defined]  # noqa: F821
    return _op.function(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821


def _write_out(op: Any) -> None:
    code = op.fun.__code__
    call = _Call(op.names, max(code.co_posonlyargcount - 1, 0), op.keywords, op.joins, op.results is not None, op.view)
    target = _target(call, code)
    named = dict(zip(_TARGET, target))
    # Python notes in the code where it found global names, so each function has a copy, and its own globals.
    plans = {needs: op.plan(needs) for needs in range(1, 2 if op.joins else 1 << len(op.names))}
    own = {
        "fun": op.fun,
        "constants": op.constants,
        "plans": plans,
        "wanted": op.wanted,
        "Tensor": result_class[0],
        "kind": op.results,
    }
    op.function.__globals__.update({f"_{name}": value for name, value in {**_GLOBALS, **own}.items()})
    with _lock:
        written = _code(call, len(target), _way.written, _way.casts and op.precision is not None)
        names = tuple([named.get(name, name) for name in written.co_names])
        _written.add(op)
        op.function.__code__ = written.replace(co_name=op.name, co_names=names)


def pull_of(op: Any) -> Any:
    """``op.pull`` written out for its rules: for raw real arrays and a single result; the class does the rest."""
    rules = [rule and rule[1] for rule in op.rules]
    # As in _write_out, a copy of the code for each function.
    scope = {"op": op, "general": type(op).pull}
    pull = FunctionType(_pull_code(tuple(rules), op.holomorphic).replace(), _with_builtins(scope))
    pull.__globals__.update({f"rule{i}": rule[0] for i, rule in enumerate(op.rules) if rule})
    return pull


@cache
def _pull_code(rules: tuple[tuple[int | str, ...] | None, ...], holomorphic: bool) -> CodeType:
    def value(i: int, source: int | str) -> str:
        if isinstance(source, int):
            return "y" if source < 0 else f"args[{source}]"
        return f"op.context(node, {i}, {source!r})"

    def part(i: int, rule: tuple[int | str, ...] | None) -> str:
        if rule is None:
            return "None"
        asked = "".join([f", {value(i, source)}" for source in rule])
        return f"rule{i}(xp, g{asked}) if inputs[{i}] is not None else None"

    parts = [part(i, rule) for i, rule in enumerate(rules)]
    other = " or node.dtype in node.backend.complex_dtypes" if holomorphic else ""
    return _compiled(f"""def pull(node, g, xp, tensors):
    if tensors{other}:
        return general(op, node, g, xp, tensors)
    args, y, inputs = node.args, node.y, node.inputs
    return [{", ".join(parts)}]""")


def _compiled(source: str) -> CodeType:
    """The code of the one function in ``source``, which to those who look at a stack is among the framework's."""
    module = compile(source, str(Path(__file__).with_name("<call>")), "exec")
    return next(code for code in module.co_consts if isinstance(code, CodeType))


_TARGET = ("_first_name", "_second_name")
"""What the code has for the names of the function in the namespace that is called, so that it is compiled once for all."""


def _target(call: _Call, code: CodeType) -> tuple[str, ...]:
    """The names that lead from the namespace to a function, if an operation does nothing but call it; else none."""
    path = code.co_names
    if not 0 < len(path) <= len(_TARGET):
        return ()
    given = ", ".join(call.names) + call.passed()
    same = _compiled(f"def same(xp, {', '.join([*call.names, *call.keywords])}):\n return xp.{'.'.join(path)}({given})")
    return path if (same.co_code, same.co_consts[1:]) == (code.co_code, code.co_consts[1:]) else ()


_GLOBALS = {
    "Node": Node,
    "Variable": Variable,
    "mixed": mixed,
    "mode": mode,
    "new": new,
    "next_seq": next_seq,
    "nothing": {},
    "tuple": tuple.__new__,
}


class _Call(NamedTuple):
    names: tuple[str, ...]
    by_position: int
    keywords: tuple[str, ...]
    joins: bool
    several: bool
    view: bool

    def short(self) -> bool:
        return len(self.names) <= _MOST and not (self.joins and self.several)

    def parameters(self) -> str:
        return _parameters(self.names, self.by_position, (), self.keywords)

    def passed(self) -> str:
        return _passed(self.keywords)

    def kept(self) -> str:
        pairs = ", ".join([f"{name!r}: {name}" for name in self.keywords])
        return f"{{{pairs}}}" if pairs else "_nothing"


@cache
def _code(call: _Call, target: int, written: bool, casts: bool) -> CodeType:
    """The code of such a call. Its own names begin with an underscore, those of arguments never do."""
    general = f"return _op({', '.join(call.names)}{call.passed()})"
    body = _body(call, target, general, casts) if written and call.short() else f"\n    {general}"
    return _compiled(f"def call({call.parameters()}):{body}")


def _body(call: _Call, target: int, general: str, casts: bool) -> str:
    look = f"""
    if _mode.casts is not None:
        {general}"""
    given = "_raw" if call.joins else ", ".join([f"_raw_{name}" for name in call.names])
    raw = given if call.joins else f"({given},)"
    places = "".join([f"({x}.node or {x}) if _needs & {1 << i} else None, " for i, x in enumerate(call.names)])
    inputs = "_inputs" if call.joins else f"({places})"
    native = """
    if dtype is not None:
        dtype, _needs = _op.typed(_backend, dtype, _needs)"""
    return f"""{look if casts else ""}
    _backend, _needs = None, 0{_joined(general) if call.joins else _separate(call, general)}
    if _backend is None or _mixed:
        {general}{native if "dtype" in call.keywords else ""}
    try:
        _y = {f"_backend.xp.{'.'.join(_TARGET[:target])}(" if target else "_fun(_backend.xp, "}{given}{call.passed()})
    except (ValueError, TypeError, IndexError) as error:
        raise _op.explain(error, {raw}) from error
    {_several(call, inputs) if call.several else _one(call, inputs)}"""


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


def _joined(general: str) -> str:
    """The raw values of a list; whether any requires a gradient is enough to know, for one rule is for all."""
    return f"""
    _raw = []
    for _x in arrays:
        if not isinstance(_x, _Variable):
            {general}
        if _x.backend is not _backend:
            if _backend is not None:
                {general}
            _backend = _x.backend
        if _x.requires_grad:
            _needs = 1
        _raw.append(_x.data)"""


def _tensor(call: _Call) -> str:
    """A new tensor around a raw result."""
    cut = f"{call.names[0]}._cut or not _mode.grad" if call.view else "False"
    return f"""
    if type(_y) is not _backend.array_type:
        _y = _backend.wrap(_y)
    _t = _new(_Tensor)
    _t.data = _y
    _t.backend = _backend
    _t._cut = {cut}
    _t._grad = _t._hooks = _t._owed = _t._whole = None"""


def _one(call: _Call, inputs: str) -> str:
    """The result as a tensor, in a new place in the graph if it is recorded; as ``recorded`` in primitive.py does it."""
    return f"""{_tensor(call)}{_node(call, inputs)}
            _node.shape = _y.shape
            _node.dtype = _y.dtype
            _t.node = _node
            _t.requires_grad = True
            return _t
    _t.node = None
    _t.requires_grad = False
    return _t"""


def _several(call: _Call, inputs: str) -> str:
    """The results as tensors, each below a node of its own if they are recorded."""
    return f"""
    _results = []
    for _y in _y:{indent(_tensor(call), "    ")}
        _t.node = None
        _t.requires_grad = False
        _results.append(_t){_node(call, inputs, "tuple([_t.data for _t in _results])")}
            _op.hang(_node, _results)
    return _tuple(_kind, _results)"""


def _node(call: _Call, inputs: str, y: str = "_y") -> str:
    """A new place in the graph, if there is to be one."""
    chosen = "".join([f"_raw_{x} if _keep & {1 << i} else None, " for i, x in enumerate(call.names)])
    kept = "_raw if _keep else _shapes if _op.keeps_shapes else ()" if call.joins else f"({chosen}) if _keep else ()"
    walk = """
            _inputs, _shapes = [], []
            for _x in arrays:
                _inputs.append((_x.node or _x) if _x.requires_grad else None)
                _shapes.append(_x.data.shape)"""
    return f"""
    if _needs and _mode.grad:
        _needs &= _wanted
        if _needs:{walk if call.joins else ""}
            _keep, _keep_y = _plans[{"1" if call.joins else "_needs"}]
            _node = _Node()
            _node.op = _op
            _node.backend = _backend
            _node.inputs = {inputs}
            _node.args = {kept}
            _node.kwargs = {call.kept()}
            _node.y = {y} if _keep_y else None
            _node.hooks = None
            _node.seq = _next_seq()"""
