"""From a list of samples to one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from framework.creation import asarray
from framework.dtypes import FLOATING, default_for
from framework.ops.manipulation import stack
from framework.tensor import Tensor

EXPECTED = "tensors, arrays, numbers, strings, or tuples, lists and dicts of these"


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack samples along a new first axis.

    Parameters
    ----------
    batch : sequence
        Samples of one structure. Tensors and arrays must agree in shape; numbers become a 1-d tensor; strings stay
        a list; tuples, lists and dicts are collated field by field.

    Returns
    -------
    Tensor, list, tuple or dict
        The structure of a sample, with an axis N in front of every tensor.

    Raises
    ------
    ValueError
        If the batch is empty, or shapes, lengths or keys differ; the message says in which field.
    TypeError
        If a field is of another type.

    Examples
    --------
    >>> default_collate([([1.0, 2.0], "a"), ([3.0, 4.0], "b")])
    ([Tensor([1., 3.]), Tensor([2., 4.])], ['a', 'b'])
    """
    return _collate(batch, "sample", _stack)


def pad_collate(batch: Sequence[Any], padding_value: float = 0) -> Any:
    """Pad sequences to the longest of the batch, and return their lengths with them.

    Parameters
    ----------
    batch : sequence
        Samples. In each, a list of numbers, or an array or tensor of at least one dimension, is a sequence along
        its first axis; everything else is treated as by :func:`default_collate`.
    padding_value : float
        What to put behind the end of a sequence; a number that the sequences' dtype holds.

    Returns
    -------
    (padded, lengths), or tuple or dict of such pairs and tensors
        ``padded`` is (N, T, ...) with T the longest length, ``lengths`` (N,) int64.

    Raises
    ------
    ValueError
        If the batch is empty, sequences differ in more than their length, or integers cannot be padded with the value.
    TypeError
        If a field is of another type.

    Examples
    --------
    >>> (tokens, lengths), labels = pad_collate([([5, 6, 7], 0), ([8], 1)])
    >>> tokens
    Tensor([[5, 6, 7],
            [8, 0, 0]])
    >>> lengths, labels
    (Tensor([3, 1]), Tensor([0, 1]))
    """
    return _collate(batch, "sample", lambda fields, where: _pad(fields, where, padding_value))


def default_convert(sample: Any) -> Any:
    """A single sample with its NumPy arrays turned into tensors."""
    if isinstance(sample, np.ndarray | np.generic):
        return asarray(sample)
    return map_tensors(default_convert, sample) if isinstance(sample, tuple | list | Mapping) else sample


def map_tensors(function: Any, batch: Any) -> Any:
    """The same structure with ``function`` applied to all that is no tuple, list or dict."""
    if isinstance(batch, Mapping):
        return {key: map_tensors(function, value) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        return _like(batch, [map_tensors(function, value) for value in batch])
    return function(batch)


# Each field is looked at by its first sample; `leaf` makes the tensors.
def _collate(fields: Sequence[Any], where: str, leaf: Any) -> Any:
    if not len(fields):
        raise ValueError("collate: the batch is empty; expected at least one sample")
    first = fields[0]
    if isinstance(first, str | bytes):
        return list(fields)
    if isinstance(first, Mapping):
        return _collate_dicts(fields, where, leaf)
    if isinstance(first, tuple) or (isinstance(first, list) and leaf is _stack):
        return _collate_tuples(fields, where, leaf)
    return leaf(fields, where)


def _collate_dicts(fields: Sequence[Any], where: str, leaf: Any) -> dict[Any, Any]:
    first = fields[0]
    for position, other in enumerate(fields):
        if not isinstance(other, Mapping) or other.keys() != first.keys():
            found = list(other) if isinstance(other, Mapping) else type(other).__name__
            raise ValueError(f"collate: {where} has the keys {list(first)}, but in sample {position} it is {found}")
    return {key: _collate([other[key] for other in fields], f"{where}[{key!r}]", leaf) for key in first}


def _collate_tuples(fields: Sequence[Any], where: str, leaf: Any) -> Any:
    first = fields[0]
    for position, other in enumerate(fields):
        if not isinstance(other, tuple | list) or len(other) != len(first):
            found = f"{len(other)} entries" if isinstance(other, tuple | list) else f"a {type(other).__name__}"
            raise ValueError(
                f"collate: {where} has {len(first)} entries, but in sample {position} it has {found}; "
                "for sequences of different lengths use pad_collate"
            )
    return _like(first, [_collate(column, f"{where}[{i}]", leaf) for i, column in enumerate(zip(*fields))])


def _like(example: Any, values: list[Any]) -> Any:
    """The values in a container of the example's kind; named tuples keep their names."""
    if isinstance(example, tuple):
        return type(example)(*values) if hasattr(example, "_fields") else tuple(values)
    return values


def _stack(fields: Sequence[Any], where: str) -> Tensor:
    first = fields[0]
    if isinstance(first, Tensor | np.ndarray):
        _check_shapes(fields, where)
        if all(isinstance(field, Tensor) for field in fields):
            return stack(list(fields), axis=0)  # type: ignore[no-any-return]
        return asarray(np.stack([np.asarray(field) for field in fields]))
    for position, field in enumerate(fields):
        if not isinstance(field, bool | int | float | complex | np.generic):
            kind = type(field).__name__
            raise TypeError(f"collate: {where} is a {kind} in sample {position}; expected {EXPECTED}")
    return asarray(np.asarray(fields)) if isinstance(first, np.generic) else asarray(list(fields))


def _check_shapes(fields: Sequence[Any], where: str) -> None:
    shape = fields[0].shape
    for position, field in enumerate(fields):
        if getattr(field, "shape", None) != shape:
            found = f"shape {field.shape}" if hasattr(field, "shape") else f"a {type(field).__name__}"
            raise ValueError(
                f"collate: {where} has shape {shape}, but in sample {position} it is {found}; "
                "for sequences of different lengths use pad_collate"
            )


def _pad(fields: Sequence[Any], where: str, padding_value: float) -> Any:
    first = fields[0]
    if not isinstance(first, list) and not (isinstance(first, Tensor | np.ndarray) and first.ndim):
        return _stack(fields, where)
    arrays = [_sequence(field, where, position) for position, field in enumerate(fields)]
    for position, array in enumerate(arrays):
        if array.shape[1:] != arrays[0].shape[1:] and array.size:
            raise ValueError(
                f"collate: the entries of {where} have shape {arrays[0].shape[1:]}, but in sample {position} "
                f"{array.shape[1:]}; only the first axis may differ"
            )
    # An empty list says nothing about its dtype or its entries' shape.
    telling = [array for array in arrays if array.size] or arrays
    lengths = [len(array) for array in arrays]
    from_python = all(isinstance(field, list) for field in fields)
    dtype = default_for(np.result_type(*[array.dtype for array in telling]), from_python=from_python)
    _check_padding(padding_value, dtype)
    padded = np.full((len(arrays), max(lengths), *telling[0].shape[1:]), padding_value, dtype=dtype)
    for row, array in zip(padded, arrays):
        row[: len(array)] = array if len(array) else row[:0]
    device = first.device if isinstance(first, Tensor) else None
    return asarray(padded, device=device), asarray(lengths, device=device)


def _check_padding(value: Any, dtype: Any) -> None:
    if dtype.kind in "biu":
        with np.errstate(invalid="ignore"):
            kept = np.asarray(value).astype(dtype) == value
        if not kept:
            raise ValueError(f"collate: the padding_value {value} is not a number that {dtype} holds; choose another")


def _sequence(field: Any, where: str, position: int) -> np.ndarray[Any, Any]:
    """A sequence as a NumPy array."""
    if isinstance(field, Tensor):
        field = field.cpu().numpy()
    try:
        array = np.asarray(field)
    except ValueError:
        raise ValueError(
            f"collate: {where} in sample {position} is a ragged list; expected equal lengths inside"
        ) from None
    if array.dtype.kind not in "biuc" + FLOATING or not array.ndim:
        kind = f"{type(field).__name__} of {array.dtype}" if array.ndim else type(field).__name__
        raise TypeError(f"collate: {where} is a {kind} in sample {position}; expected a sequence of numbers")
    return array
