"""An operation: a function on raw arrays with its gradient rules beneath it.

::

    @primitive
    def multiply(xp, x1, x2, /):
        return xp.multiply(x1, x2)
    multiply.defvjp(lambda xp, g, x2: g * x2,
                    lambda xp, g, x1: g * x1)

There is one rule for each array argument, or None where there is no gradient. A rule gets the namespace and
the gradient of the output, and asks **by name** for what else it needs: ``y`` the output, an argument of the
function, a keyword, ``shape`` the shape of the argument it belongs to. An operation whose one argument is called
``arrays`` takes a list of them, with one rule for all, which may ask for ``i``, the array's position in it, and for
``args``, all of them, or ``shapes``, all of theirs. What no rule asks for is not kept.

Rules are written as for real numbers. For complex ones PyTorch's convention holds (the gradient is that of a
real loss with respect to the conjugate), which for holomorphic functions means: conjugate the incoming
gradient, apply the rule, conjugate the result. The mechanism does that; an operation that is not holomorphic
(``abs``, ``real``, ``conj``) or whose rule handles complex values itself says ``holomorphic=False``.

In an ordinary backward ``xp`` is the backend's namespace and all values are raw arrays; with
``create_graph=True`` it is ``framework`` itself and the same rule runs on tensors, recorded, so that
gradients of any order come from one source. A rule need not undo broadcasting or promotion of dtypes: the
engine sums each gradient back to its argument's shape and casts it to its dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, update_wrapper
from inspect import Signature, signature
from typing import Any, overload

import numpy as np

from backends import Backend, backend_of
from framework.autograd.calls import function_of, pull_of, rewrite_call
from framework.autograd.graph import Edge, Node, Variable, edges, make_tensor, next_seq
from framework.autograd.modes import mode
from framework.autograd.versions import check_views, mixed

Array = Any
Rule = Callable[..., Any]

_NOTHING: dict[str, Any] = {}
_tuple = tuple.__new__
"""Makes a tuple of some class from a list; a named tuple's own way takes four times as long."""

_NUMBERS = frozenset({int, float, complex, bool})
_SCALARS = _NUMBERS | {type(None)}


class _Signature:
    """What ``inspect.signature`` and ``help`` show of an operation: its function without the namespace."""

    def __get__(self, op: Op | None, owner: type) -> Signature:
        if op is None:
            raise AttributeError("__signature__")
        whole = signature(op.__wrapped__)  # type: ignore[attr-defined]
        return whole.replace(parameters=[p for p in whole.parameters.values() if p.name != "xp"])


class Op:
    """What primitives and fused operations share: telling tensors from constants, and recording.

    Parameters
    ----------
    fun : callable
        The function that the operation is named and documented by.
    view : bool
        Whether the result may share the first argument's memory.
    """

    constants = _SCALARS
    """Types of arguments that are taken as they are."""

    precision: Any = None
    """In which precision it runs inside autocast; see :mod:`framework.autograd.precision`."""

    __signature__ = _Signature()

    def __init__(self, fun: Callable[..., Any], *, view: bool = False) -> None:
        update_wrapper(self, fun)  # type: ignore[arg-type]
        self.name = fun.__name__.lstrip("_").rstrip("_")
        self.view = view

    results: Any = tuple
    """Of an operation with several results, the class of tuples that they are returned in."""

    wants_zeros = True
    """Whether an output that got no gradient counts as having got zeros, or None; of operations with several."""

    def pull(self, node: Node, g: Any, xp: Any, tensors: bool) -> Sequence[Any]:
        """Gradients of ``node``'s inputs, from that of its output."""
        raise NotImplementedError

    def unwrap(self, args: Sequence[Any]) -> tuple[Backend, list[Any], int]:
        """Raw values of the arguments, their backend, and a bit mask of those that require a gradient."""
        backend: Backend | None = None
        raw: list[Any] = []
        needs, plain = 0, True
        for x in args:
            if isinstance(x, Variable):
                if x.backend is not backend:
                    if backend is not None:
                        raise self._mixed_devices(args)
                    backend = x.backend
                if x.requires_grad:
                    needs |= 1 << len(raw)
                raw.append(x.data)
            else:
                if type(x) not in self.constants:
                    plain = False
                raw.append(x)
        if backend is None or not plain:
            return self.unwrap(self._as_tensors(args, backend))
        if mixed and mode.grad:
            for x in args:
                if isinstance(x, Variable):
                    check_views(x)
        return backend, raw, needs

    def _as_tensors(self, args: Sequence[Any], backend: Backend | None) -> list[Any]:
        """The arguments with raw arrays made tensors and NumPy's 0-d numbers kept with their dtype."""
        converted = []
        for x in args:
            found = None if isinstance(x, Variable) or type(x) in self.constants else backend_of(x)
            if backend is not None and isinstance(x, np.generic):
                # A number of NumPy's has a dtype, but is on no device.
                x = make_tensor(backend, backend.asarray(x))
            elif found is not None:
                x = make_tensor(found, found.wrap(x))
            elif not isinstance(x, Variable) and isinstance(x, int | float | complex):
                x = _plain_number(x)
            elif not isinstance(x, Variable) and type(x) not in self.constants:
                raise TypeError(
                    f"{self.name}: expected a Tensor, an array or a number, got {type(x).__name__}; "
                    "make a Tensor of it with framework.asarray first"
                )
            converted.append(x)
        if backend is None and not any(isinstance(x, Variable) for x in converted):
            kinds = ", ".join(type(x).__name__ for x in args) or "nothing"
            raise TypeError(f"{self.name}: expected at least one Tensor or array, got {kinds}")
        return converted

    def _mixed_devices(self, args: Sequence[Any]) -> RuntimeError:
        devices = sorted({x.backend.device for x in args if isinstance(x, Variable)})
        names = " and ".join(repr(device) for device in devices)
        return RuntimeError(
            f"{self.name}: expected all tensors on one device, got {names}; move one of them with .to({devices[0]!r}) first"
        )

    def tensors(self, backend: Backend, arrays: Sequence[Array]) -> Any:
        """The several results, which no gradient flows to."""
        return _tuple(self.results, [make_tensor(backend, array) for array in arrays])

    def outputs(self, node: Node, arrays: Sequence[Array]) -> Any:
        """The several results, each below a node of its own, which is below ``node``."""
        made = [make_tensor(node.backend, array) for array in arrays]
        self.hang(node, made)
        return _tuple(self.results, made)

    def hang(self, node: Node, results: Sequence[Variable]) -> None:
        """Give new tensors their places below ``node``, those that have a gradient."""
        backend, parent = node.backend, (node,)
        node.shape = shapes = []
        node.dtype = dtypes = []
        for index, t in enumerate(results):
            array = t.data
            shapes.append(array.shape)
            dtype = backend.dtype_of(array)
            dtypes.append(dtype)
            if dtype.kind in "fcV":
                t.node = below = Node()
                t.requires_grad = True
                below.op = _output
                below.backend = backend
                below.inputs = parent
                below.args = ()
                below.kwargs = {"index": index}
                below.y = below.hooks = None
                below.seq = next_seq()
                below.shape = array.shape
                below.dtype = array.dtype

    def explain(self, error: Exception, args: Sequence[Any]) -> Exception:
        """The library's error, with the operation's name and what it was called with."""
        kinds = ", ".join(f"{x.dtype} {tuple(x.shape)}" if hasattr(x, "shape") else type(x).__name__ for x in args)
        text = str(error).removeprefix(f"{self.name}: ").strip().rstrip(".")
        if any(isinstance(x, Variable) for x in args):
            text = "a tensor's data is a Tensor itself, where a raw array was expected; assign x.data = other.data"
        message = f"{self.name}: {text}; the arguments were {kinds}"
        try:
            return type(error)(message)
        except TypeError:
            return next(kind for kind in (TypeError, IndexError, ValueError) if isinstance(error, kind))(message)

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


class Primitive(Op):
    """An operation with one gradient rule for each array argument; see the module's docstring.

    Users call its ``function``, which has the same arguments and the loop over the arrays written out; this object is
    what nodes keep, and its ``__call__`` is the whole meaning of a call.
    """

    constants = _NUMBERS

    def __init__(self, fun: Callable[..., Any], *, view: bool = False, holomorphic: bool = True) -> None:
        super().__init__(fun, view=view)
        self.fun = fun
        self.holomorphic = holomorphic
        code = fun.__code__
        self.names = code.co_varnames[1 : code.co_argcount]
        self.keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        self.results = _results(fun)
        if any("None" in str(fun.__annotations__.get(name)) for name in self.names):
            self.constants = _SCALARS
        self._defaults: dict[str, Any] = fun.__kwdefaults__ or {}
        self.joins = self.names == ("arrays",)
        self.rules: tuple[tuple[Rule, tuple[int | str, ...]] | None, ...] = ()
        self.wanted = 0
        self.keeps_shapes = False
        self._plans: dict[int, tuple[int, bool]] = {}
        self.function = function_of(self)

    def defvjp(self, *rules: Rule | None) -> None:
        """Set the gradient rules, one for each array argument (an operation on a list of arrays has one for all)."""
        if len(rules) != len(self.names):
            raise TypeError(
                f"{self.name}: expected {len(self.names)} gradient rules, one or None for each of {', '.join(self.names)}, got "
                f"{len(rules)}"
            )
        self.rules = tuple(rule and (rule, self._sources(rule)) for rule in rules)
        self.keeps_shapes = any("shapes" in rule[1] for rule in self.rules if rule)
        self.wanted = -1 if self.joins else sum(1 << i for i, rule in enumerate(rules) if rule)
        self._plans.clear()
        self.__dict__.pop("pull", None)
        rewrite_call(self)

    def _sources(self, rule: Rule) -> tuple[int | str, ...]:
        """Where what the rule asks for is found: an argument's position, -1 for the output, or else the name."""
        asked = rule.__code__.co_varnames[2 : rule.__code__.co_argcount]
        known = {*self.names, *self.keywords, "y", "shape", *(("i", "args", "shapes") if self.joins else ())}
        for name in asked:
            if name not in known:
                raise TypeError(
                    f"{self.name}: a gradient rule asks for {name!r}, but there is only {', '.join(sorted(known))}"
                )
        return tuple(-1 if n == "y" else self.names.index(n) if n in self.names else n for n in asked)

    @property
    def differentiable(self) -> bool:
        """Whether any argument has a gradient."""
        return bool(self.wanted)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the base class says."""
        arrays = args[0] if self.joins else args
        if self.precision is not None and mode.casts is not None:
            arrays = mode.casts(self.precision, arrays)
        backend, raw, needs = self.unwrap(arrays)
        if kwargs.get("dtype") is not None:
            kwargs["dtype"], needs = self.typed(backend, kwargs["dtype"], needs)
        try:
            y = self.fun(backend.xp, raw, **kwargs) if self.joins else self.fun(backend.xp, *raw, **kwargs)
        except (ValueError, TypeError, IndexError) as error:
            raise self.explain(error, raw) from error
        if type(y) is not backend.array_type:
            y = tuple([backend.wrap(part) for part in y]) if isinstance(y, tuple) else backend.wrap(y)
        if needs and mode.grad:
            needs &= self.wanted
            if needs:
                return self.record(backend, edges(arrays, needs), raw, kwargs, needs, y)
        made = self.tensors(backend, y) if type(y) is tuple else make_tensor(backend, y)
        if self.view:
            cut = not mode.grad or (isinstance(arrays[0], Variable) and arrays[0]._cut)
            for t in made if type(y) is tuple else (made,):
                t._cut = cut
        return made

    def typed(self, backend: Backend, dtype: Any, needs: int) -> tuple[Any, int]:
        """The library's dtype for the one asked for, and which arguments need a gradient of a result of that dtype."""
        native = backend.native_dtype(dtype)
        return native, needs if needs and _has_gradient(backend.xp.isdtype, native) else 0

    def record(
        self,
        backend: Backend,
        inputs: tuple[Edge, ...],
        raw: Sequence[Any],
        kwargs: dict[str, Any],
        needs: int,
        y: Any,
    ) -> Any:
        """A new place in the graph, with what the rules of the wanted gradients ask for."""
        keep, keep_y = self._plans.get(needs) or self.plan(needs)
        args = self.kept(raw, keep)
        return recorded(self, backend, inputs, y, args=args, kwargs=kwargs, saved=y if keep_y else None)

    def kept(self, raw: Sequence[Any], keep: int) -> Sequence[Any]:
        """The arguments that the bits of ``keep`` name, None for others; of a list their shapes, if the rule asks for them."""
        if keep:
            return [x if keep >> i & 1 else None for i, x in enumerate(raw)]
        return [x.shape for x in raw] if self.keeps_shapes else ()

    def plan(self, needs: int) -> tuple[int, bool]:
        """Which arguments the rules of the wanted gradients ask for, as bits; and whether for the output."""
        rules = self.rules if self.joins else [rule for i, rule in enumerate(self.rules) if needs >> i & 1]
        asked = {source for rule in rules if rule for source in rule[1]}
        keep = -1 if "args" in asked else sum(1 << i for i in range(len(self.names)) if i in asked)
        self._plans[needs] = plan = keep, -1 in asked
        return plan

    def pull(self, node: Node, g: Any, xp: Any, tensors: bool) -> Sequence[Any]:
        """Gradients of the inputs; see :meth:`Op.pull`."""
        if "pull" not in vars(self) and not tensors and not self.joins and type(g) is not tuple:
            self.pull = pull_of(self)  # type: ignore[method-assign]
        args, y = node.args, node.y
        if tensors:
            if args and not self.keeps_shapes:
                args = [revive(node, x, edge) for x, edge in zip(args, node.inputs)]
            y = revive_output(node)
        conjugate = self.holomorphic and type(g) is not tuple and node.dtype in node.backend.complex_dtypes
        if conjugate:
            g = xp.conj(g)
        grads: list[Any] = []
        for i, edge in enumerate(node.inputs):
            if edge is None:
                grads.append(None)
                continue
            rule, sources = self.rules[0 if self.joins else i]  # type: ignore[misc]
            values = []
            for source in sources:
                if type(source) is int:
                    values.append(y if source < 0 else args[source])
                else:
                    values.append(args if source in ("args", "shapes") else self.context(node, i, str(source)))
            part = rule(xp, g, *values)
            grads.append(xp.conj(part) if conjugate else part)
        return grads

    def context(self, node: Node, i: int, name: str) -> Any:
        """What a rule asks for besides the output and the arguments."""
        if name == "shape":
            return tuple(node.inputs[i].shape)  # type: ignore[union-attr]
        if name == "i":
            return i
        return node.kwargs[name] if name in node.kwargs else self._defaults[name]


@lru_cache(maxsize=64)
def _has_gradient(isdtype: Callable[..., bool], dtype: Any) -> bool:
    return not isdtype(dtype, ("bool", "integral"))


def _plain_number(x: complex) -> complex:
    """A number of a subclass of int, float or complex (an IntEnum, say) as the plain Python number."""
    return int(x) if isinstance(x, int) else float(x) if isinstance(x, float) else complex(x)


def revive(node: Node, raw: Any, edge: Edge) -> Any:
    """A kept raw argument as the tensor it was, in its place in the graph."""
    if isinstance(edge, Variable):
        if raw is not None and raw is not edge.data:
            raise RuntimeError(
                f"the gradient of {node.name!r} needs the values of a leaf of shape {tuple(raw.shape)}, which was given "
                f"other data after {node.name!r} used it; set data after backward()"
            )
        return edge
    if raw is None or type(raw) in node.op.constants:
        return raw
    t = make_tensor(node.backend, raw, edge)
    # A constant that shares memory with what was written in the graph had been taken out of it on purpose.
    t._cut = edge is None
    return t


def revive_output(node: Node) -> Any:
    """The kept raw output as the tensor it was."""
    if node.y is None:
        return None
    if type(node.y) is tuple:
        return node.op.outputs(node, node.y)
    return make_tensor(node.backend, node.y, node)


class _Output(Op):
    """Picks one of several outputs; its node hangs below the operation's node."""

    def pull(self, node: Node, g: Any, xp: Any, tensors: bool) -> Sequence[Any]:
        return (OutputGrads({node.kwargs["index"]: g}),)


def output() -> None:
    """One of the results of an operation that has several."""


_output = _Output(output, view=True)


class OutputGrads(dict[int, Any]):
    """Gradients of some of the outputs of one operation, by position."""

    def merge(self, other: OutputGrads) -> OutputGrads:
        """Both together; where both have a gradient, their sum."""
        both = OutputGrads(self)
        for index, g in other.items():
            both[index] = both[index] + g if index in both else g
        return both

    def given(self, node: Node) -> tuple[Any, ...]:
        """One gradient for each output, None where none came."""
        return tuple([self.get(i) for i in range(len(node.shape))])

    def filled(self, node: Node, xp: Any) -> tuple[Any, ...]:
        """One gradient for each output, zeros where none came."""
        device = node.backend.device if isinstance(next(iter(self.values())), Variable) else None
        return tuple(
            self[i] if i in self else xp.zeros(shape, dtype=node.backend.native_dtype(dtype), device=device)
            for i, (shape, dtype) in enumerate(zip(node.shape, node.dtype))
        )


def recorded(
    op: Op,
    backend: Backend,
    inputs: tuple[Edge, ...],
    y: Any,
    *,
    args: Any = (),
    kwargs: dict[str, Any] = _NOTHING,
    saved: Any = None,
) -> Any:
    """The raw result of an operation, or its several ones, as tensors in a new place in the graph."""
    node = Node()
    node.op = op
    node.backend = backend
    node.inputs = inputs
    node.args = args
    node.kwargs = kwargs
    node.y = saved
    node.hooks = None
    node.seq = next_seq()
    if type(y) is tuple:
        return op.outputs(node, y)
    node.shape = y.shape
    node.dtype = y.dtype
    return make_tensor(backend, y, node)


def _results(fun: Callable[..., Any]) -> Any:
    """The class of tuples that a function says that it returns its several results in."""
    said = str(fun.__annotations__.get("return"))
    named = tuple if said.startswith("tuple[") else fun.__globals__.get(said)
    return named if isinstance(named, type) and issubclass(named, tuple) else None


@overload
def primitive(fun: Callable[..., Any], *, view: bool = False, holomorphic: bool = True) -> Any: ...
@overload
def primitive(
    fun: None = None, *, view: bool = False, holomorphic: bool = True
) -> Callable[[Callable[..., Any]], Any]: ...
def primitive(fun: Callable[..., Any] | None = None, *, view: bool = False, holomorphic: bool = True) -> Any:
    """Decorator that makes a function on raw arrays an operation on tensors.

    Parameters
    ----------
    fun : callable
        ``fun(xp, *arrays, **keywords)``: array arguments by position, everything else by keyword. Annotations say that
        one may be missing, ``Array | None``, and that several arrays are returned, ``-> tuple[...]`` or a named tuple.
    view : bool
        Whether the result may share the first argument's memory, as a reshape's does.
    holomorphic : bool
        Whether the rules, written for real numbers, hold for complex ones up to conjugation.
    """
    if fun is None:
        return lambda fun: primitive(fun, view=view, holomorphic=holomorphic)
    return Primitive(fun, view=view, holomorphic=holomorphic).function
