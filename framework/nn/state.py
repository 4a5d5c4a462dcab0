"""State dicts: named values taken out of a module, and put back whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from framework.autograd import no_grad
from framework.creation import asarray
from framework.tensor import Tensor


class LoadResult(NamedTuple):
    """Names that were not found, and names that found no place."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"LoadResult(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def snapshot(named: Iterable[tuple[str, Tensor]], keep_vars: bool) -> dict[str, Tensor]:
    """The values by name, detached unless ``keep_vars``."""
    return {name: x if keep_vars else x.detach() for name, x in named}


def load(model: str, own: Mapping[str, Tensor], state: Mapping[str, Any], strict: bool) -> LoadResult:
    """Copy ``state`` into the tensors of ``own``; everything is checked before anything is changed."""
    if not isinstance(state, Mapping):
        raise TypeError(f"expected state_dict to be a mapping of names to tensors, got {type(state).__name__}")
    result = LoadResult([k for k in own if k not in state], [k for k in state if k not in own])
    values = {key: _value(key, state[key]) for key in own if key in state}
    problems = _name_problems(result) if strict else []
    problems += [text for key, value in values.items() for text in _mismatch(key, own[key], value)]
    if problems:
        raise RuntimeError(f"Error(s) in loading state_dict for {model}:\n\t" + "\n\t".join(problems))
    with no_grad():
        for key, value in values.items():
            own[key].copy_(value)
    return result


def _value(key: str, value: Any) -> Tensor:
    """A tensor of any library, without its graph."""
    value = value.detach() if hasattr(value, "detach") else value
    try:
        return asarray(value)
    except TypeError:
        raise TypeError(f'state_dict["{key}"] must be a Tensor or an array, got {type(value).__name__}') from None


def _name_problems(result: LoadResult) -> list[str]:
    kinds = (("Missing", result.missing_keys), ("Unexpected", result.unexpected_keys))
    return [f"{kind} key(s) in state_dict: " + ", ".join(f'"{k}"' for k in keys) + ". " for kind, keys in kinds if keys]


def _mismatch(key: str, own: Tensor, value: Tensor) -> list[str]:
    if own.shape != value.shape:
        return [
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {own.shape}."
        ]
    if value.dtype.kind == "c" and own.dtype.kind != "c":
        return [f"dtype mismatch for {key}: {value.dtype} in checkpoint cannot be stored as {own.dtype}."]
    if not own.backend.writable(own.data):
        return [f"{key} of the current model is in read-only memory; make it of a copy."]
    return []
