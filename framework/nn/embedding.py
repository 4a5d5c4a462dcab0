"""Tables of vectors: ``Embedding`` and ``EmbeddingBag``."""

from __future__ import annotations

from typing import Any

from framework import random
from framework.creation import asarray
from framework.nn.module import Module
from framework.nn.parameter import Parameter
from framework.nn.sizes import check_size
from framework.ops.embedding import embedding, padding_row
from framework.ops.embedding_bag import embedding_bag
from framework.tensor import Tensor


class _Table(Module):
    """A table of ``num_embeddings`` rows of length ``embedding_dim``, and how it is read."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        weight: Any,
        device: str | None,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.num_embeddings = num_embeddings = check_size(f"{name}: num_embeddings", num_embeddings)
        self.embedding_dim = embedding_dim = check_size(f"{name}: embedding_dim", embedding_dim)
        self.padding_idx = padding_row(name, padding_idx, num_embeddings)
        if weight is None:
            self.weight = Parameter(random.randn(num_embeddings, embedding_dim, device=device, dtype=dtype))
            self._clear_padding()
        else:
            weight = asarray(weight, device=device, dtype=dtype)
            if weight.shape != (num_embeddings, embedding_dim):
                raise ValueError(
                    f"{name}: weight must have shape {(num_embeddings, embedding_dim)}, got {weight.shape}"
                )
            self.weight = Parameter(weight)

    def reset_parameters(self) -> None:
        """Draw new rows from the standard normal distribution; the padding row is zero."""
        weight = self.weight.detach()
        weight.copy_(random.randn(*weight.shape, device=weight.device, dtype=weight.dtype))
        self._clear_padding()

    def _clear_padding(self) -> None:
        if self.padding_idx is not None:
            self.weight.detach()[self.padding_idx] = 0.0

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, **options: Any) -> Any:
        """A layer with given rows.

        Parameters
        ----------
        embeddings : (V, D) Tensor or array
            The rows, copied.
        freeze : bool
            Whether the rows stay as they are in training.
        **options
            As for the class, such as ``padding_idx``.

        Raises
        ------
        ValueError
            If ``embeddings`` has not two axes.

        Examples
        --------
        >>> Embedding.from_pretrained([[1.0, 2.0], [3.0, 4.0]])(asarray([1]))
        Tensor([[3., 4.]])
        """
        rows = asarray(embeddings)
        if rows.ndim != 2:
            raise ValueError(f"{cls.__name__}.from_pretrained: expected a table of shape (V, D), got {rows.shape}")
        layer: Any = cls(*rows.shape, _weight=rows, **options)  # type: ignore[call-arg, arg-type]
        layer.weight.requires_grad_(not freeze)
        return layer


class Embedding(_Table):
    """Rows of a trainable table, looked up by number.

    The gradient is row-sparse inside, so that a training step costs what a batch touches and not the size of the
    vocabulary; ``weight.grad`` shows it as an ordinary dense tensor, made when it is read.

    Parameters
    ----------
    num_embeddings : int
        Number of rows V.
    embedding_dim : int
        Length D of a row.
    padding_idx : int, optional
        A row that starts at zero and gets no gradient.
    max_norm : float, optional
        Longer rows are returned scaled down to this ``norm_type``-norm; the table is not changed.
    norm_type : float
        Which norm.
    scale_grad_by_freq : bool
        Divide the gradient of each row by how often the batch names it.
    sparse : bool
        Accepted for PyTorch's sake; see above.
    device, dtype : optional
        Of the table.

    Attributes
    ----------
    weight : (V, D) Parameter
        Drawn from the standard normal distribution.

    Raises
    ------
    IndexError
        In a call, if a number is outside ``[0, V)``; names it, its position and the range.

    Examples
    --------
    >>> layer = Embedding(10, 3)
    >>> layer(asarray([[1, 2], [3, 3]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = True,
        _weight: Any = None,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx, _weight, device, dtype)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq

    def forward(self, input: Any) -> Tensor:
        """Integers of any shape to rows: ``(...)`` to ``(..., D)``."""
        return embedding(  # type: ignore[no-any-return]
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )

    def extra_repr(self) -> str:
        """The sizes and options, for printing."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        return text + (", scale_grad_by_freq=True" if self.scale_grad_by_freq else "")


class EmbeddingBag(_Table):
    """Sums, means or maxima of bags of rows, without making the rows in between.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Shape (V, D) of the table.
    mode : {"mean", "sum", "max"}
        How the rows of a bag become one; an empty bag gives zeros.
    include_last_offset : bool
        Whether ``offsets`` ends with one more entry, where the last bag ends.
    padding_idx : int, optional
        Entries with this number do not count.
    max_norm, norm_type, scale_grad_by_freq, sparse
        At PyTorch's places; bags offer neither norms nor frequencies, and gradients are row-sparse anyway.

    Examples
    --------
    >>> layer = EmbeddingBag(10, 3, mode="sum")
    >>> layer(asarray([1, 2, 4]), asarray([0, 1])).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = True,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx, _weight, device, dtype)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = mode
        self.include_last_offset = include_last_offset

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        """Bags, one a row of ``input (B, L)`` or begun at ``offsets (B,)`` in ``input (n,)``, to ``(B, D)``."""
        return embedding_bag(  # type: ignore[no-any-return]
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )

    def extra_repr(self) -> str:
        """The sizes and options, for printing."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        text += f", mode={self.mode!r}"
        return text + (f", padding_idx={self.padding_idx}" if self.padding_idx is not None else "")
