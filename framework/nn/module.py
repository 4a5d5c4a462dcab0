"""The module: a tree of parameters, buffers and submodules, with a forward function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Self

import numpy as np

from framework.creation import zeros_like
from framework.dtypes import named
from framework.nn.hooks import Handle, Hooks
from framework.nn.parameter import Parameter
from framework.nn.state import LoadResult, load, snapshot
from framework.nn.summary import Summary, summarize
from framework.tensor import Tensor


class Module:
    """Base class of layers and models.

    Parameters, buffers and submodules are ordinary attributes, found by their type: what is assigned as a
    :class:`Parameter` or a :class:`Module` belongs to the module from then on, under the attribute's name.
    Subclasses call ``super().__init__()`` first, and define ``forward``.

    Attributes
    ----------
    training : bool
        Whether layers such as dropout behave as in training; set by :meth:`train` and :meth:`eval`.

    Examples
    --------
    >>> import framework as fw
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = Parameter([2.0])
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> scale(fw.asarray([3.0])).tolist()
    [6.0]
    >>> list(scale.state_dict())
    ['factor']
    """

    training: bool
    _buffers: dict[str, bool]
    _hooks: Hooks | None

    def __init__(self) -> None:
        self.__dict__.update(training=True, _buffers={}, _hooks=None)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What calling the module computes; subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run :meth:`forward`, with the hooks around it."""
        try:
            hooks = self._hooks
        except AttributeError:
            raise _uninitialised(self) from None
        return self.forward(*args, **kwargs) if hooks is None else hooks.call(self, args, kwargs)

    # ------------------------------------------------------------------------------------ attributes
    def __setattr__(self, name: str, value: Any) -> None:
        members = self.__dict__
        if "_buffers" not in members:
            if isinstance(value, Parameter | Module):
                raise _uninitialised(self, name)
        elif name in members and value is not None:
            _check_replacement(self, name, members[name], value)
            if isinstance(value, Parameter):
                self._buffers.pop(name, None)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self.__dict__.get("_buffers", {}).pop(name, None)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Set the attribute ``name`` to a parameter, or to None for one that this module goes without."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter {name!r} must be an nn.Parameter or None, got {type(param).__name__}")
        self._check_name(name, Parameter)
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Set the attribute ``name`` to a tensor that moves and is saved with the module, but is not trained.

        Parameters
        ----------
        name : str
            Name of the attribute.
        tensor : Tensor or None
            The values; of a parameter, a detached tensor that shares its memory.
        persistent : bool
            Whether the buffer is part of the state dict.
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"buffer {name!r} must be a Tensor or None, got {type(tensor).__name__}; use framework.asarray"
            )
        self._initialised(name)
        if name not in self._buffers:
            self._check_name(name)
        self._buffers[name] = persistent
        setattr(self, name, tensor.detach() if isinstance(tensor, Parameter) else tensor)

    def register_module(self, name: str, module: Module | None) -> None:
        """Set the attribute ``name`` to a submodule."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"submodule {name!r} must be an nn.Module or None, got {type(module).__name__}")
        self._check_name(name, Module)
        setattr(self, name, module)

    add_module = register_module

    def _initialised(self, name: str) -> None:
        if "_buffers" not in self.__dict__:
            raise _uninitialised(self, name)

    def _check_name(self, name: str, replaceable: type | tuple[type, ...] = ()) -> None:
        """Refuse names that cannot be part of a state dict's key, or that would hide another attribute."""
        self._initialised(name)
        if not isinstance(name, str):
            raise TypeError(f"a name must be a string, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"a name must be neither empty nor contain '.', got {name!r}")
        if hasattr(self, name) and not isinstance(getattr(self, name), (*_as_tuple(replaceable), type(None))):
            raise KeyError(f"{type(self).__name__} already has an attribute {name!r}; choose another name")

    # ------------------------------------------------------------------------------------- iteration
    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Names and direct submodules, each module once."""
        seen: set[int] = set()
        for name, value in self.__dict__.items():
            if isinstance(value, Module) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def children(self) -> Iterator[Module]:
        """Direct submodules."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[int] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Dotted names and modules of the whole tree, this one first under the name ``prefix``."""
        memo = set() if memo is None else memo
        if remove_duplicate and id(self) in memo:
            return
        memo.add(id(self))
        yield prefix, self
        for name, value in self.__dict__.items():
            if isinstance(value, Module):
                yield from value.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """The module itself and all below it."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Dotted names and parameters; one that is shared comes once, under its first name."""
        return self._named_tensors(prefix, recurse, remove_duplicate, lambda module, _, x: isinstance(x, Parameter))

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and all below it, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Dotted names and buffers; one that is shared comes once, under its first name."""
        return self._named_tensors(
            prefix, recurse, remove_duplicate, lambda module, name, x: name in module._buffers and x is not None
        )

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and all below it, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def _named_tensors(
        self, prefix: str, recurse: bool, remove_duplicate: bool, wanted: Callable[[Module, str, Any], bool]
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else iter([(prefix, self)])
        for path, module in modules:
            for name, value in module.__dict__.items():
                if wanted(module, name, value) and not (remove_duplicate and id(value) in seen):
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def _named_state(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        """Everything that a state dict holds, in PyTorch's order: of each module parameters, then buffers."""
        members = self.__dict__
        yield from ((prefix + name, x) for name, x in members.items() if isinstance(x, Parameter))
        yield from (
            (prefix + name, members[name])
            for name, persistent in self._buffers.items()
            if persistent and members[name] is not None
        )
        for name, value in members.items():
            if isinstance(value, Module):
                yield from value._named_state(f"{prefix}{name}.")

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name, this one for ``""``."""
        found: Any = self
        for name in target.split(".") if target else ():
            found = getattr(found, name, None)
            if not isinstance(found, Module):
                known = ", ".join(path for path, _ in self.named_modules() if path)
                raise AttributeError(f"{type(self).__name__} has no submodule {target!r}; it has {known or 'none'}")
        return found  # type: ignore[no-any-return]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name."""
        path, _, name = target.rpartition(".")
        found = getattr(self.get_submodule(path), name, None)
        if not isinstance(found, Parameter):
            known = ", ".join(name for name, _ in self.named_parameters())
            raise AttributeError(f"{type(self).__name__} has no parameter {target!r}; it has {known or 'none'}")
        return found

    # ----------------------------------------------------------------------------------------- state
    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """Dotted names and values of all parameters and persistent buffers.

        Parameters
        ----------
        prefix : str
            Put before every name.
        keep_vars : bool
            Return the parameters themselves, rather than detached tensors that share their memory.
        """
        return snapshot(self._named_state(prefix), keep_vars)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Copy values into this module's parameters and buffers.

        Parameters
        ----------
        state_dict : mapping of str to Tensor or array
            As :meth:`state_dict` returns it, or PyTorch's of the same model.
        strict : bool
            Whether the names must be exactly those of :meth:`state_dict`.

        Returns
        -------
        LoadResult
            ``missing_keys`` and ``unexpected_keys``; both empty if ``strict``.

        Raises
        ------
        RuntimeError
            Listing every missing and unexpected name and every shape that does not match; nothing is loaded then.
        """
        return load(type(self).__name__, dict(self._named_state("")), state_dict, strict)

    # ----------------------------------------------------------------------------------- whole trees
    def train(self, mode: bool = True) -> Self:
        """Let the whole tree behave as in training, or not; returns the module."""
        if not isinstance(mode, bool):
            raise TypeError(f"train: mode must be True or False, got {mode!r:.40}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Let the whole tree behave as in use: no dropout; returns the module."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every module, submodules first; returns the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for p in self.parameters():
            if set_to_none or p._grad is None:
                p._grad = None
            else:
                p.grad = zeros_like(p.grad)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train the parameters from now on, or freeze them; returns the module."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def to(self, device: Any = None, dtype: Any = None) -> Self:
        """Move and cast all parameters and buffers in place, so that optimizers keep hold of them.

        Parameters
        ----------
        device : str, dtype or Tensor, optional
            Where to; a dtype is taken as ``dtype``, a tensor names both.
        dtype : dtype, optional
            Floating or complex; integer buffers keep theirs.

        Returns
        -------
        Module
            This module.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            If the device cannot be used or lacks the dtype; nothing is changed then.
        """
        if isinstance(device, Tensor):
            device, dtype = device.device, dtype or device.dtype
        device, dtype = _device_and_dtype(device, dtype)
        if dtype is not None and dtype.kind not in "fcV":
            raise TypeError(f"a module can be cast to floating and complex dtypes only, got {dtype}")
        tensors = {id(x): x for module in self.modules() for x in (*module.parameters(False), *module.buffers(False))}
        moved = [_moved(x, device, dtype) for x in tensors.values()]
        for x, (values, grad) in zip(tensors.values(), moved):
            x.data, x.backend = values.data, values.backend
            x.grad = grad
        return self

    def cpu(self) -> Self:
        """Move to NumPy's memory; returns the module."""
        return self.to("cpu")

    def cuda(self, device: int | None = None) -> Self:
        """Move to an NVIDIA GPU; returns the module."""
        return self.to("cuda" if device is None else f"cuda:{device}")

    def half(self) -> Self:
        """Cast to float16; returns the module."""
        return self.to(dtype="float16")

    def bfloat16(self) -> Self:
        """Cast to bfloat16, which needs ml_dtypes; returns the module."""
        return self.to(dtype=named("bfloat16"))

    def float(self) -> Self:
        """Cast to float32; returns the module."""
        return self.to(dtype="float32")

    def double(self) -> Self:
        """Cast to float64; returns the module."""
        return self.to(dtype="float64")

    # ----------------------------------------------------------------------------------------- hooks
    def register_forward_pre_hook(self, hook: Callable[[Module, Any], Any]) -> Handle:
        """Call ``hook(module, args)`` before each forward; what it returns, if not None, replaces the arguments."""
        return self._hook_lists().add("pre", hook)

    def register_forward_hook(self, hook: Callable[[Module, Any, Any], Any]) -> Handle:
        """Call ``hook(module, args, output)`` after each forward; what it returns, if not None, replaces the output."""
        return self._hook_lists().add("post", hook)

    def register_full_backward_hook(self, hook: Callable[[Module, Any, Any], Any]) -> Handle:
        """Call ``hook(module, grad_input, grad_output)`` in each backward that comes through the module.

        Both are tuples with one gradient for each positional argument and each output, None for those without. What
        the hook returns, if not None, replaces ``grad_input``.
        """
        return self._hook_lists().add("backward", hook)

    def _hook_lists(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks

    # --------------------------------------------------------------------------------------- display
    def extra_repr(self) -> str:
        """What is shown between the parentheses of the module's repr."""
        return ""

    def summary(self, *example: Any) -> Summary:
        """List the layers with the shapes that come out of them, their parameters and their memory.

        Parameters
        ----------
        *example : Tensor
            Arguments to call the module with, in eval mode and without recording; without them no shapes are known.

        Returns
        -------
        Summary
            Printed as a table.

        Examples
        --------
        >>> import framework as fw
        >>> model = fw.nn.Sequential(fw.nn.Linear(3, 4), fw.nn.ReLU(), fw.nn.Linear(4, 2))
        >>> print(model.summary(fw.ones((10, 3))))
        layer        result   parameters
        --------------------------------
        Sequential   (10, 2)           0
          0: Linear  (10, 4)          16
          1: ReLU    (10, 4)           0
          2: Linear  (10, 2)          10
        --------------------------------
        parameters: 26 (26 trained), 104 B
        results of the layers: 400 B
        """
        return summarize(self, *example)

    def _repr_html_(self) -> str:
        from framework.nn.html import module_html

        return module_html(self)

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_indented(repr(x))}" for name, x in self.__dict__.items() if isinstance(x, Module)]
        if len(lines) <= 1 and not children:
            return f"{self._get_name()}({extra})"
        return "\n  ".join([f"{self._get_name()}(", *lines, *children]) + "\n)"


def _uninitialised(module: Module, name: str = "") -> AttributeError:
    cls = type(module).__name__
    what = f"cannot set {name!r}" if name else "cannot call the module"
    return AttributeError(f"{what} before super().__init__() was called; make it the first line of {cls}.__init__")


def _check_replacement(module: Module, name: str, old: Any, new: Any) -> None:
    expected: type = object
    if isinstance(old, Parameter):
        expected = Parameter
    elif isinstance(old, Module):
        expected = Module
    elif name in module._buffers:
        expected = Tensor
    if not isinstance(new, expected):
        raise TypeError(
            f"{type(module).__name__}.{name} is a {expected.__name__}, which cannot be replaced by "
            f"{type(new).__name__}; assign a {expected.__name__} or None, or del the attribute first"
        )


def _as_tuple(types: type | tuple[type, ...]) -> tuple[type, ...]:
    return types if isinstance(types, tuple) else (types,)


def _device_and_dtype(device: Any, dtype: Any) -> tuple[str | None, np.dtype[Any] | None]:
    """Sort out a dtype that was given in the place of the device."""
    if device is not None:
        with suppress(TypeError):
            device, dtype = None, np.dtype(device)
    return device, None if dtype is None else np.dtype(dtype)


def _moved(x: Tensor, device: str | None, dtype: np.dtype[Any] | None) -> tuple[Tensor, Tensor | None]:
    """The values elsewhere or in another dtype, and the gradient with them."""
    cast = dtype if x.dtype.kind in "fcV" else None
    grad = None if x._grad is None else x.grad.detach().to(device, cast)  # type: ignore[union-attr]
    return x.detach().to(device, cast), grad


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
