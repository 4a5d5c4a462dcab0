"""Hooks: functions called around a module's forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from framework.autograd.graph import Node, Variable, edges, make_tensor
from framework.autograd.modes import mode
from framework.autograd.primitive import Op, recorded

if TYPE_CHECKING:
    from framework.nn.module import Module

_ids = count().__next__


class Handle:
    """What registering a hook returns: ``remove()`` takes the hook away again."""

    def __init__(self, hooks: dict[int, Any], key: int) -> None:
        self._hooks = hooks
        self._key = key

    def remove(self) -> None:
        """Take the hook away; nothing happens the second time."""
        self._hooks.pop(self._key, None)


class Hooks:
    """The hooks of one module, by kind and in the order of their registration."""

    def __init__(self) -> None:
        self.pre: dict[int, Callable[..., Any]] = {}
        self.post: dict[int, Callable[..., Any]] = {}
        self.backward: dict[int, Callable[..., Any]] = {}

    def add(self, kind: str, hook: Callable[..., Any]) -> Handle:
        """Register a hook."""
        if not callable(hook):
            raise TypeError(f"a hook must be callable, got {type(hook).__name__}")
        hooks: dict[int, Any] = getattr(self, kind)
        key = _ids()
        hooks[key] = hook
        return Handle(hooks, key)

    def call(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Forward with everything around it."""
        for hook in list(self.pre.values()):
            replaced = hook(module, args)
            if replaced is not None:
                args = replaced if isinstance(replaced, tuple) else (replaced,)
        watch = _Watch(module, list(self.backward.values())) if self.backward and mode.grad else None
        if watch is not None:
            args = watch.inputs(args)
        output = module.forward(*args, **kwargs)
        for hook in list(self.post.values()):
            replaced = hook(module, args, output)
            output = output if replaced is None else replaced
        return output if watch is None else watch.outputs(output)


class _Watch:
    """Brings the gradients of one call's outputs and inputs together for its backward hooks."""

    def __init__(self, module: Module, hooks: list[Callable[..., Any]]) -> None:
        self.module = module
        self.hooks = hooks
        self.grad_output: tuple[Any, ...] = ()
        self.reaches_inputs = False

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.reaches_inputs = any(_needs(x) for x in args)
        return _pass_through(args, self._at_inputs)

    def outputs(self, output: Any) -> Any:
        several = isinstance(output, tuple)
        passed = _pass_through(output if several else (output,), self._at_outputs)
        return passed if several else passed[0]

    def _at_outputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        self.grad_output = grads
        if not self.reaches_inputs:
            self._run((None,))
        return grads

    def _at_inputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        return self._run(grads)

    def _run(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.hooks:
            replaced = hook(self.module, grad_input, self.grad_output)
            if replaced is not None and self.reaches_inputs:
                grad_input = _replacement(type(self.module).__name__, replaced, grad_input)
        return grad_input


def _replacement(name: str, replaced: Any, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a backward hook returned in the place of ``grad_input``, checked."""
    given = replaced if isinstance(replaced, tuple) else (replaced,)
    if len(given) != len(grad_input):
        raise ValueError(
            f"backward hook of {name}: expected None or {len(grad_input)} gradients, one for each argument, got {len(given)}"
        )
    for new, old in zip(given, grad_input):
        if new is not None and not isinstance(new, Variable):
            raise TypeError(f"backward hook of {name}: expected gradients as tensors or None, got {type(new).__name__}")
        if new is not None and old is not None and new.shape != old.shape:
            raise ValueError(f"backward hook of {name}: expected a gradient of shape {old.shape}, got {new.shape}")
    return given


def _needs(x: Any) -> bool:
    return isinstance(x, Variable) and x.requires_grad


class _Gate(Op):
    """Passes several tensors on unchanged, and their gradients back through a function, together."""

    def __call__(self, tensors: Sequence[Any], on_backward: Callable[..., Any]) -> tuple[Any, ...]:
        inputs, arrays = edges(tensors, (1 << len(tensors)) - 1), tuple([x.data for x in tensors])
        return recorded(self, tensors[0].backend, inputs, arrays, kwargs={"on_backward": on_backward})  # type: ignore[no-any-return]

    def pull(self, node: Node, g: Any, xp: Any, tensors: bool) -> Sequence[Any]:
        if tensors:
            return node.kwargs["on_backward"](g)  # type: ignore[no-any-return]
        passed = node.kwargs["on_backward"](tuple([make_tensor(node.backend, part) for part in g]))
        return tuple([None if part is None else part.data for part in passed])


def module_boundary() -> None:
    """Where gradients enter or leave a module with backward hooks."""


_gate = _Gate(module_boundary, view=True)


def _pass_through(values: tuple[Any, ...], on_backward: Callable[..., Any]) -> tuple[Any, ...]:
    """The values, those that need a gradient through one gate; ``on_backward`` sees None for the others."""
    places = [i for i, x in enumerate(values) if _needs(x)]
    if not places:
        return values

    def spread(grads: tuple[Any, ...]) -> tuple[Any, ...]:
        whole: list[Any] = [None] * len(values)
        for i, g in zip(places, grads):
            whole[i] = g
        passed = on_backward(tuple(whole))
        return tuple([passed[i] for i in places])

    passed = list(values)
    for i, x in zip(places, _gate([values[i] for i in places], spread)):
        passed[i] = x
    return tuple(passed)
