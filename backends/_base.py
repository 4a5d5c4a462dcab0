"""What an array library must offer to carry the framework: :class:`Backend`.

A backend is one array library on one device. It offers

- ``xp``, the library's Array-API namespace plus our few extensions (``scatter``, ``einsum``, ...);
- conversions (``asarray``, ``to_numpy``, ``wrap``) and questions about memory (``owner``);
- **kernels**: functions that a library can do faster than a sum of array operations. Each kernel is an
  ordinary function whose first parameter is the backend; this class binds the *reference* kernels, written
  in the Array API alone, so that a new library works on its first day. A subclass binds faster ones under
  the same names and signatures.

Kernels get and return raw arrays, trust their inputs, never change them (but for the optimizers', which are there to),
and return arrays that own their memory. Checks are made by the callers in ``framework``, but for those that only a kernel
can make at no cost, of which it says so.
"""

from __future__ import annotations

from backends._library import Array as Array
from backends._library import Library
from backends._library import dtype_of_numbers as dtype_of_numbers
from backends.reference import cross_entropy, embedding, normalization, optimizer, random, recurrent


class Backend(Library):
    """One array library on one device, with the reference kernels, which a subclass replaces by faster ones."""

    random_bits = random.random_bits
    random_uniform = random.random_uniform
    random_normal = random.random_normal
    dropout_forward = random.dropout_forward

    rows_may_wait = embedding.rows_may_wait
    check_indices = embedding.check_indices
    check_offsets = embedding.check_offsets
    take_rows = embedding.take_rows
    sum_rows = embedding.sum_rows
    scatter_rows = embedding.scatter_rows
    add_rows = embedding.add_rows
    embedding_bag_forward = embedding.embedding_bag_forward
    embedding_bag_backward = embedding.embedding_bag_backward

    cross_entropy_forward = cross_entropy.cross_entropy_forward
    cross_entropy_backward = cross_entropy.cross_entropy_backward

    layer_norm_forward = normalization.layer_norm_forward
    layer_norm_backward = normalization.layer_norm_backward
    rms_norm_forward = normalization.rms_norm_forward
    rms_norm_backward = normalization.rms_norm_backward

    sgd_step = optimizer.sgd_step
    advance_rows = optimizer.advance_rows
    take_advanced_rows = optimizer.take_advanced_rows

    rnn_forward = recurrent.rnn_forward
    rnn_backward = recurrent.rnn_backward
    lstm_forward = recurrent.lstm_forward
    lstm_backward = recurrent.lstm_backward
    gru_forward = recurrent.gru_forward
    gru_backward = recurrent.gru_backward
