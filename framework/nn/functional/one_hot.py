"""Class indices as rows of zeros with a single one."""

from __future__ import annotations

from typing import Any

from framework.creation import arange, asarray
from framework.nn.sizes import check_size
from framework.ops.manipulation import expand_dims
from framework.ops.reduction import max
from framework.tensor import Tensor


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Zeros with a one at each class index.

    Parameters
    ----------
    tensor : integer Tensor
        Class indices, of any shape.
    num_classes : int
        Length C of the new last axis; -1 for one more than the largest index.

    Returns
    -------
    Tensor
        int64, of shape ``tensor.shape + (C,)``.

    Raises
    ------
    IndexError
        If an index is outside ``[0, C)``; names it, its position and the range.
    ValueError
        If ``num_classes`` is -1 and there are no indices to find it from.

    Examples
    --------
    >>> import framework as fw
    >>> one_hot(fw.asarray([0, 2]))
    Tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    ids = asarray(tensor)
    if num_classes == -1 and ids.size == 0:
        raise ValueError("one_hot: num_classes cannot be found from no indices; say it")
    classes = int(max(ids).item()) + 1 if num_classes == -1 else check_size("one_hot: num_classes", num_classes)
    ids.backend.check_indices(ids.data, classes, "one_hot")
    hits = expand_dims(ids, axis=-1) == arange(classes, dtype=ids.dtype, device=ids.device)
    return hits.to(dtype="int64")  # type: ignore[no-any-return]
