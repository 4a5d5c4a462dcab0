"""What all optimizers share: parameter groups, state, saving and loading."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from backends import backend_of
from framework.autograd.graph import Variable
from framework.autograd.modes import enable_grad, no_grad
from framework.autograd.rows import RowSparse
from framework.creation import asarray, zeros_like
from framework.tensor import Tensor

Group = dict[str, Any]


class Optimizer:
    """Base class of optimizers.

    Parameters
    ----------
    params : iterable of Tensor or of dict
        What to optimize: leaves that require a gradient, or groups of them, ``{"params": [...], "lr": 0.1}``, with
        options of their own.
    defaults : dict
        Options of groups that do not say otherwise.

    Attributes
    ----------
    param_groups : list of dict
        The groups; their options may be changed between steps, by a schedule, say.
    state : dict
        For each parameter what the optimizer remembers.

    Raises
    ------
    TypeError
        If something else than tensors comes, or a group names an unknown option.
    ValueError
        If there is nothing to optimize, a parameter comes twice, or an option is out of range. Parameters that do not
        require a gradient, frozen ones, stay as they are until they do.
    """

    counts: ClassVar[tuple[str, ...]] = ()
    """Names in a parameter's state that are numbers of steps; the others are arrays of its shape."""

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Variable | dict) or not isinstance(params, Iterable):
            raise TypeError(
                f"{self._name}: params must be an iterable of tensors or of groups, such as model.parameters(), got one "
                f"{type(params).__name__}"
            )
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Any, dict[str, Any]] = {}
        given = self._in_order(params)
        if not given:
            raise ValueError(
                f"{self._name}: got no parameters to optimize; is model.parameters() an exhausted iterator?"
            )
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)
        if not any(p.requires_grad for p in self._all_params()):
            raise ValueError(
                f"{self._name}: no parameter requires a gradient; call requires_grad_() on those to optimize"
            )

    @property
    def _name(self) -> str:
        return type(self).__name__

    def add_param_group(self, group: Group) -> None:
        """Optimize further parameters, with options of their own."""
        if not isinstance(group, dict) or "params" not in group:
            raise TypeError(f"{self._name}: a parameter group must be a dict with the key 'params', got {group!r:.60}")
        params = group["params"]
        params = [params] if isinstance(params, Variable) else self._in_order(params)
        unknown = set(group) - set(self.defaults) - {"params"}
        if unknown:
            raise TypeError(
                f"{self._name}: unknown option {sorted(unknown)[0]!r}; expected some of {', '.join(self.defaults)}"
            )
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for i, p in enumerate(params):
            self._check_param(i, p, known)
            known.add(id(p))
        group = {**self.defaults, **group, "params": params}
        group = {name: _plain(value) for name, value in group.items()}
        self._check_options(group)
        self.param_groups.append(group)

    def _in_order(self, params: Iterable[Any]) -> list[Any]:
        if isinstance(params, set | frozenset):
            raise TypeError(
                f"{self._name}: params must come in an order, by which a state dict numbers them, got a "
                f"{type(params).__name__}; pass a list"
            )
        return list(params)

    def _check_param(self, i: int, p: Any, known: set[int]) -> None:
        if not isinstance(p, Variable):
            raise TypeError(f"{self._name}: parameter {i} must be a Tensor, got {type(p).__name__}")
        if id(p) in known:
            raise ValueError(f"{self._name}: parameter {i}, of shape {p.shape}, is given twice")
        if p.node is not None:
            raise ValueError(
                f"{self._name}: parameter {i} is the result of {p.node.name!r}; only leaves can be optimized"
            )

    def _check_options(self, group: Group) -> None:
        """Raise ValueError for an option that is out of range."""

    def _check_not_negative(self, group: Group, *names: str) -> None:
        for name in names:
            value = group[name]
            if not is_number(value) or not value >= 0:
                raise ValueError(f"{self._name}: {name} must be a number of at least 0, got {value!r}")

    def _check_finite(self, group: Group, *names: str) -> None:
        for name in names:
            if not is_number(group[name]) or not math.isfinite(group[name]):
                raise ValueError(f"{self._name}: {name} must be a finite number, got {group[name]!r}")

    def _check_flags(self, group: Group, *names: str) -> None:
        for name in names:
            if not isinstance(group[name], bool):
                raise ValueError(f"{self._name}: {name} must be True or False, got {group[name]!r}")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p._grad is None:
                    p._grad = None
                else:
                    p.grad = zeros_like(p.grad)

    def step(self, closure: Any = None) -> Any:
        """Update all parameters that have a gradient.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients anew, recorded also inside ``no_grad``; its value is returned.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            If a parameter cannot be stepped: its gradient or its state is of another kind, shape or device, or its memory
            is read-only. Nothing is changed then.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            todo = [(group, [p for p in group["params"] if p._grad is not None]) for group in self.param_groups]
            for _, params in todo:
                if self.state or not _are_plain(params):
                    for p in params:
                        self._check_step(p)
            for group, params in todo:
                self._update(group, params)
        return loss

    def _check_step(self, p: Any) -> None:
        """Raise if a parameter cannot be stepped, before any is."""
        # Reading the data of a table whose rows are behind would bring them all up to date.
        array = p.data if p._owed is None else p._owed.array
        g, backend = p._grad, p.backend
        if not isinstance(array, backend.array_type):
            raise TypeError(
                f"{self._name}: the data of a parameter must be an array of {backend.device!r}, got {type(array).__name__}; "
                "assign a raw array, such as the data of a Tensor"
            )
        shape, values = (g.shape, g.rows) if type(g) is RowSparse else (g.data.shape, g.data)
        if shape != array.shape or g.backend is not backend:
            raise ValueError(
                f"{self._name}: a parameter of shape {tuple(array.shape)} on {backend.device!r} has a gradient of shape "
                f"{tuple(shape)} on {g.backend.device!r}; compute it anew after the parameter's data was assigned or moved"
            )
        dtype = backend.dtype_of(array)
        if dtype.kind not in "fcV" or (values.dtype != array.dtype and _narrows(backend.dtype_of(values), dtype)):
            raise TypeError(
                f"{self._name}: a parameter of dtype {dtype} cannot be stepped by a gradient of dtype "
                f"{backend.dtype_of(values)}; both must be floating, or the parameter complex"
            )
        if not backend.writable(array):
            raise ValueError(
                f"{self._name}: a parameter of shape {tuple(array.shape)} is in read-only memory, as broadcast arrays and "
                "mapped files are; make it of a copy"
            )
        for name, value in self.state[p].items() if p in self.state else ():
            if name not in self.counts and isinstance(value, Tensor):
                self._check_state(p, array.shape, name, value)

    def _check_state(self, p: Any, shape: Any, name: str, value: Tensor) -> None:
        """Raise if a parameter was moved away from its state, or was given another shape."""
        if value.backend is not p.backend:
            raise RuntimeError(
                f"{self._name}: a parameter is on {p.device!r} but its {name!r} on {value.device!r}; move the model "
                "before the first step, or pass state_dict() through load_state_dict() after moving it"
            )
        if value.data.shape != shape:
            raise ValueError(
                f"{self._name}: a parameter has shape {tuple(shape)} but its {name!r} {value.shape}; make a new optimizer "
                "after its data was assigned"
            )

    def _update(self, group: Group, params: list[Any]) -> None:
        """Update the parameters of a group that have a gradient."""
        raise NotImplementedError

    def _bring_up_to_date(self) -> None:
        """Finish what was put off, before the state is read."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint stores: options and state, with parameters by their number, as in PyTorch.

        Returns
        -------
        dict
            ``{"state": {number: {name: Tensor or number}}, "param_groups": [{option: value, "params": [number]}]}``
        """
        self._bring_up_to_date()
        numbers = {id(p): i for i, p in enumerate(self._all_params())}
        groups = [{**group, "params": [numbers[id(p)] for p in group["params"]]} for group in self.param_groups]
        return {
            "state": {numbers[id(p)]: self._export(state) for p, state in self.state.items()},
            "param_groups": groups,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned; raises before anything is changed.

        Raises
        ------
        TypeError
            If it is not a state dict of an optimizer.
        ValueError
            If the groups or the shapes do not fit, or an option is out of range.
        """
        groups = self._saved_groups(state_dict)
        named = dict(zip((number for group in groups for number in group["params"]), self._all_params()))
        state = {}
        for number, saved in state_dict["state"].items():
            if int(number) not in named:
                raise ValueError(
                    f"{self._name}: there is state of parameter {number}, which is in none of the saved groups"
                )
            p = named[int(number)]
            state[p] = self._import(p, saved)
        options = [{name: _plain(value) for name, value in saved.items() if name != "params"} for saved in groups]
        for group, loaded in zip(self.param_groups, options):
            self._check_options({**group, **loaded})
        for group, loaded in zip(self.param_groups, options):
            group.update(loaded)
        self._forget()
        self.state = {p: loaded for p, loaded in state.items() if loaded}

    def _saved_groups(self, state_dict: Any) -> list[Group]:
        """The groups of a state dict, which must be of the sizes of these."""
        if not _is_state_dict(state_dict):
            raise TypeError(
                f"{self._name}: expected what state_dict() returned, with the keys 'state' and 'param_groups': a dict "
                f"by number, and a list of groups with their 'params'; got {type(state_dict).__name__} {state_dict!r:.80}"
            )
        groups: list[Group] = state_dict["param_groups"]
        sizes, expected = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
        if sizes != expected:
            raise ValueError(f"{self._name}: the saved groups hold {sizes} parameters, these hold {expected}")
        return groups

    def _forget(self) -> None:
        """Drop what was derived from the old state."""
        self._bring_up_to_date()

    def _all_params(self) -> list[Any]:
        return [p for group in self.param_groups for p in group["params"]]

    def _export(self, state: dict[str, Any]) -> dict[str, Any]:
        return {name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()}

    def _import(self, p: Any, saved: Mapping[str, Any]) -> dict[str, Any]:
        """The saved state of a parameter, checked, in its dtype and on its device."""
        return {
            name: self._import_count(name, value) if name in self.counts else self._import_array(p, name, value)
            for name, value in saved.items()
            if value is not None
        }

    def _import_count(self, name: str, value: Any) -> int:
        try:
            count = float(value)  # PyTorch keeps it in a tensor.
        except (TypeError, ValueError):
            count = -1.0
        if count < 0 or not count.is_integer():
            raise ValueError(f"{self._name}: saved {name!r} must be an integer of at least 0, got {value!r:.40}")
        return int(count)

    def _import_array(self, p: Any, name: str, value: Any) -> Tensor:
        found = asarray(value) if backend_of(value) is not None else value
        if not isinstance(found, Tensor):
            raise ValueError(f"{self._name}: saved {name!r} must be an array, got {type(value).__name__} {value!r:.40}")
        if found.shape != p.shape:
            raise ValueError(f"{self._name}: saved {name!r} has shape {found.shape}, its parameter {p.shape}")
        if found.dtype.kind == "c" and p.dtype.kind != "c":
            raise ValueError(f"{self._name}: saved {name!r} is {found.dtype}, its parameter {p.dtype}")
        return found.to(p.device, p.dtype, copy=True)

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines.extend(f"    {name}: {value}" for name, value in sorted(group.items()) if name != "params")
        return "\n".join([*lines, ")"])


def _are_plain(params: list[Any]) -> bool:
    """Whether all parameters and gradients are arrays of one kind and shape, so that nothing else need be looked at."""
    for p in params:
        g = p._grad
        if p._owed is not None or type(g) is RowSparse or g.backend is not p.backend:
            return False
        array, values = p.data, g.data
        same = type(array) is type(values) and array.shape == values.shape and array.dtype == values.dtype
        if not (same and g.backend.writable(array)):
            return False
    return True


def _narrows(dtype: Any, to: Any) -> bool:
    """Whether a cast would drop imaginary parts."""
    return bool(dtype.kind == "c" and to.kind != "c")


def _is_state_dict(value: Any) -> bool:
    if not isinstance(value, Mapping) or not {"state", "param_groups"} <= set(value):
        return False
    state, groups = value["state"], value["param_groups"]
    return (
        isinstance(state, Mapping)
        and all(isinstance(saved, Mapping) and str(number).isdigit() for number, saved in state.items())
        and isinstance(groups, list | tuple)
        and all(isinstance(group, Mapping) and isinstance(group.get("params"), list | tuple) for group in groups)
    )


def is_number(value: Any) -> bool:
    """Whether it is a real number, of Python's or NumPy's."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """A number of NumPy's as a Python number, which lets arrays keep their dtype."""
    return value.item() if isinstance(value, np.generic) else value
