"""Recurrent layers over sequences, and their cells for one step."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from backends import backend_of
from framework.autograd.graph import Variable, make_tensor
from framework.autograd.precision import autocasts, precision
from framework.creation import asarray, zeros
from framework.dtypes import get_default_dtype
from framework.nn.functional.dropout import dropout
from framework.nn.init import uniform_
from framework.nn.module import Module
from framework.nn.parameter import Parameter
from framework.nn.sizes import check_size
from framework.ops import recurrent
from framework.ops.affine import affine
from framework.ops.manipulation import concat, expand_dims, squeeze, stack
from framework.ops.recurrent import ACTIVATIONS
from framework.tensor import Tensor

States = tuple[Tensor, ...]

_EXPECTED = {False: "(T, N, {0}) or (T, {0})", True: "(N, T, {0}) or (T, {0})"}
"""Shapes of a layer's input."""

# ----------------------------------------------------------------------------------------------- checks


def _check_nonlinearity(name: str) -> str:
    if name not in ACTIVATIONS:
        raise ValueError(f"nonlinearity must be one of {', '.join(map(repr, ACTIVATIONS))}, got {name!r}")
    return name


def _check_input(layer: Module, x: Any, ndims: tuple[int, int], expected: str, weight: Tensor) -> Tensor:
    """The input as a tensor of an expected number of dimensions, with the layer's feature size and dtype."""
    x = asarray(x)
    shape, features = x.shape, weight.shape[1]
    if len(shape) not in ndims:
        raise ValueError(
            f"{type(layer).__name__}: expected an input of shape {expected.format(features)}, got {len(shape)} "
            f"dimensions: {shape}"
        )
    if shape[-1] != features:
        raise ValueError(
            f"{type(layer).__name__}: expected input_size={features} features in the last axis, got an input of shape {shape}"
        )
    return _check_dtype(layer, "the input", x, weight)


def _check_dtype(layer: Module, what: str, x: Tensor, weight: Tensor) -> Tensor:
    if x.dtype != weight.dtype and not autocasts(x, weight):
        raise TypeError(
            f"{type(layer).__name__}: {what} is {x.dtype}, but the parameters are {weight.dtype}; cast one of them "
            f"with .to({weight.dtype.name!r})"
        )
    return x


def _check_states(layer: Module, hx: Any, names: tuple[str, ...], shape: tuple[int, ...], weight: Tensor) -> States:
    """The initial states as tensors of the expected shape, of which there is one for each name."""
    given = hx if isinstance(hx, tuple | list) else (hx,)
    if len(given) != len(names):
        expected = " and ".join(names)
        raise TypeError(f"{type(layer).__name__}: expected the initial state as {expected}, got {len(given)} tensor(s)")
    states = tuple([asarray(state) for state in given])
    for name, state in zip(names, states):
        if state.shape != shape:
            raise ValueError(f"{type(layer).__name__}: expected {name} of shape {shape}, got {state.shape}")
        _check_dtype(layer, name, state, weight)
    return states


def _check_lengths(layer: Module, lengths: Any, steps: int, batch: int, x: Tensor) -> Tensor | None:
    """The lengths as an integer tensor beside ``x``; None if all sequences are full."""
    name = type(layer).__name__
    raw = lengths.data if isinstance(lengths, Variable) else lengths
    found = backend_of(raw)
    host = np.asarray(raw) if found is None else found.to_numpy(raw)
    if host.dtype.kind not in "iu" and host.size:
        raise TypeError(f"{name}: lengths must be integers, got {host.dtype}")
    if host.shape != (batch,):
        raise ValueError(f"{name}: expected one length for each of {batch} sequences, got shape {host.shape}")
    wrong = np.flatnonzero((host < 0) | (host > steps))
    if wrong.size:
        at = int(wrong[0])
        raise ValueError(f"{name}: lengths must lie between 0 and the input's {steps} steps, got {host[at]} at {at}")
    if (host == steps).all():
        return None
    return lengths if found is x.backend else asarray(host.astype(np.int64), device=x.device)


# ----------------------------------------------------------------------------------------------- layers


class _Recurrent(Module):
    """Layers and directions around one of the operations in :mod:`framework.ops.recurrent`."""

    gates: ClassVar[int]
    state_names: ClassVar[tuple[str, ...]] = ("h_0",)
    weight_ih_l0: Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = check_size("input_size", input_size, least=1)
        self.hidden_size = check_size("hidden_size", hidden_size, least=1)
        self.num_layers = check_size("num_layers", num_layers, least=1)
        self.bias, self.batch_first, self.bidirectional = bool(bias), bool(batch_first), bool(bidirectional)
        self.dropout = _check_dropout(dropout)
        if self.dropout and num_layers == 1:
            depth = 2 if type(self).__init__ is _Recurrent.__init__ else 3
            warnings.warn("dropout acts between layers, so with num_layers=1 it does nothing", stacklevel=depth)
        self._names = [
            [_parameter_names(layer, suffix) for suffix in ("", "_reverse")[: 1 + self.bidirectional]]
            for layer in range(num_layers)
        ]
        self._create_parameters(device, dtype or get_default_dtype())
        self.reset_parameters()

    def _create_parameters(self, device: str | None, dtype: Any) -> None:
        rows, width = self.gates * self.hidden_size, self.input_size
        for directions in self._names:
            for names in directions:
                shapes = [(rows, width), (rows, self.hidden_size), (rows,), (rows,)]
                for name, shape in zip(names, shapes if self.bias else shapes[:2]):
                    self.register_parameter(name, Parameter(zeros(shape, dtype=dtype, device=device)))
            width = self.hidden_size * len(directions)

    def reset_parameters(self) -> None:
        """Draw all parameters uniformly between plus and minus ``1 / sqrt(hidden_size)``."""
        _draw(self)

    def flatten_parameters(self) -> None:
        """Do nothing: the kernels need no particular layout. There for programs written for PyTorch."""

    def _weights(self, names: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple([getattr(self, name, None) for name in names])

    def _operation(self, *arrays: Any, **options: bool) -> tuple[Tensor, ...]:
        """Outputs and final states of one direction of one layer."""
        raise NotImplementedError

    def _run(self, input: Any, hx: Any, lengths: Any) -> tuple[Tensor, States]:
        """Outputs of the last layer and the final states, all shaped as the caller's input is."""
        weight = self.weight_ih_l0
        x = _check_input(self, input, (2, 3), _EXPECTED[self.batch_first], weight)
        batched = x.ndim == 3
        if not batched:
            x = expand_dims(x, axis=1)
        batch_first = self.batch_first and batched
        batch, steps = x.shape[:2] if batch_first else x.shape[1::-1]
        starts = self._starts(hx, x, batch, batched, weight)
        if lengths is not None:
            if not batched:
                raise ValueError(
                    f"{type(self).__name__}: lengths need a batch, got one sequence of shape {x[:, 0].shape}"
                )
            lengths = _check_lengths(self, lengths, steps, batch, x)
        y, finals = self._layers(x, starts, lengths, batch_first)
        final = tuple([_together(parts, batched) for parts in zip(*finals)])
        return y if batched else squeeze(y, 1), final

    def _starts(self, hx: Any, x: Tensor, batch: int, batched: bool, weight: Tensor) -> list[States]:
        """The initial states (N, H) of each layer and direction."""
        count, width = self.num_layers * (1 + self.bidirectional), self.hidden_size
        if hx is None:
            backend = x.backend
            nothing = backend.xp.zeros((batch, width), dtype=backend.native_dtype(x.dtype))
            return [(make_tensor(backend, nothing),) * len(self.state_names)] * count
        shape = (count, batch, width) if batched else (count, width)
        states = _check_states(self, hx, self.state_names, shape, weight)
        return [tuple([s[k, ...] if batched else s[k : k + 1, ...] for s in states]) for k in range(count)]

    def _layers(self, x: Tensor, starts: list[States], lengths: Any, batch_first: bool) -> tuple[Tensor, list[States]]:
        """Outputs (T, N, directions * H) of the last layer; final states (N, H) of each layer and direction."""
        finals: list[States] = []
        for layer, directions in enumerate(self._names):
            if layer and self.dropout:
                x = dropout(x, self.dropout, self.training)
            outputs = []
            for reverse, names in enumerate(directions):
                start = starts[len(finals)]
                arrays = x, *start, *self._weights(names), lengths
                y, *final = self._operation(*arrays, reverse=bool(reverse), batch_first=batch_first)
                outputs.append(y)
                finals.append(tuple(final))
            x = concat(outputs, axis=2) if self.bidirectional else outputs[0]
        return x, finals

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults, as PyTorch prints them."""
        defaults = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        changed = [f"{name}={getattr(self, name)}" for name, value in defaults.items() if getattr(self, name) != value]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *changed])


def _parameter_names(layer: int, suffix: str) -> tuple[str, ...]:
    return tuple(f"{kind}_l{layer}{suffix}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))


def _check_dropout(dropout: float) -> float:
    if isinstance(dropout, bool) or not isinstance(dropout, Real):
        raise TypeError(f"dropout must be a number, got {type(dropout).__name__} {dropout!r}")
    if not 0 <= dropout <= 1:
        raise ValueError(f"dropout must be a probability between 0 and 1, got {dropout}")
    return float(dropout)


def _draw(layer: _Recurrent | _Cell) -> None:
    bound = layer.hidden_size**-0.5
    for parameter in layer.parameters():
        uniform_(parameter, -bound, bound)


def _together(parts: tuple[Tensor, ...], batched: bool) -> Tensor:
    """States (N, H) of each layer and direction as one (K, N, H), or (K, H) for a single sequence."""
    if not batched:
        return concat(parts, axis=0)  # type: ignore[no-any-return]
    return expand_dims(parts[0], axis=0) if len(parts) == 1 else stack(parts)  # type: ignore[no-any-return]


class RNN(_Recurrent):
    r"""Elman network: ``h = nonlinearity(W_ih x + b_ih + W_hh h + b_hh)`` at each step, as PyTorch's.

    Parameters
    ----------
    input_size, hidden_size : int
        Features D of each step of the input, and H of the state.
    num_layers : int
        Layers, each of which reads the outputs of the one before.
    nonlinearity : {"tanh", "relu", "sigmoid"}
        The last is an extension of PyTorch's.
    bias : bool
        Whether the biases exist.
    batch_first : bool
        Whether inputs and outputs are (N, T, features) in place of (T, N, features). States are not affected.
    dropout : float
        Probability with which each output of every layer but the last is zeroed in training.
    bidirectional : bool
        Whether each layer also reads the sequence backwards; outputs of both directions are concatenated.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 : Parameter
        Of shapes (H, D), (H, H), (H,) and (H,); ``_l1`` and so on for further layers, whose D is that of the layer
        below, and ``_l0_reverse`` for the second direction. Drawn uniformly between plus and minus 1 / sqrt(H).

    Examples
    --------
    >>> import framework as fw
    >>> rnn = RNN(3, 4, batch_first=True)
    >>> y, h_n = rnn(fw.zeros((2, 5, 3)), lengths=[5, 2])
    >>> y.shape, h_n.shape
    ((2, 5, 4), (1, 2, 4))
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype
        )
        self.nonlinearity = _check_nonlinearity(nonlinearity)

    def _operation(self, *arrays: Any, **options: bool) -> tuple[Tensor, ...]:
        return recurrent.rnn(*arrays, nonlinearity=self.nonlinearity, **options)  # type: ignore[no-any-return]

    def forward(self, input: Any, hx: Any = None, lengths: Any = None) -> tuple[Tensor, Tensor]:
        """Run over sequences.

        Parameters
        ----------
        input : (T, N, D) tensor, (N, T, D) if ``batch_first``, or (T, D) for a single sequence
            In the dtype of the parameters.
        hx : (K, N, H) tensor, or (K, H) for a single sequence, optional
            Initial state of each of the K = ``num_layers`` * directions; zeros by default.
        lengths : N integers, optional
            Number of valid steps of each sequence, between 0 and T, in any order, as a list, array or tensor on any
            device (checking one on a GPU waits for it). Outputs past the end are zero, the final state is that of the
            last valid step, and the second direction starts there. The padding may hold anything.

        Returns
        -------
        y : tensor shaped as the input, with H * directions features
            Outputs of the last layer.
        h_n : (K, N, H) tensor, or (K, H)
            Final state of each layer and direction.

        Raises
        ------
        ValueError
            If the shape of the input or of ``hx`` does not fit, or a length is not between 0 and T.
        TypeError
            If a dtype is not that of the parameters, or the lengths are not integers.
        """
        y, (h_n,) = self._run(input, hx, lengths)
        return y, h_n


class LSTM(_Recurrent):
    r"""Long short-term memory, with PyTorch's parameters: the gates i, f, g, o lie below each other.

    ``c = sigmoid(f) c + sigmoid(i) tanh(g)`` and ``h = sigmoid(o) tanh(c)`` at each step, where i, f, g and o are the
    parts of ``W_ih x + b_ih + W_hh h + b_hh`` [1]_.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        As for :class:`RNN`.
    proj_size : int
        Must be 0; projections are not supported.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 : Parameter
        As for :class:`RNN`, with 4 * H rows.

    References
    ----------
    .. [1] Gers, Schmidhuber, Cummins, "Learning to forget: continual prediction with LSTM", 2000.

    Examples
    --------
    >>> import framework as fw
    >>> y, (h_n, c_n) = LSTM(3, 4, bidirectional=True)(fw.zeros((5, 2, 3)))
    >>> y.shape, h_n.shape, c_n.shape
    ((5, 2, 8), (2, 2, 4), (2, 2, 4))
    """

    gates = 4
    state_names = ("h_0", "c_0")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        if proj_size:
            raise ValueError(f"LSTM: proj_size={proj_size} is not supported; put a Linear after the LSTM instead")
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype
        )

    def _operation(self, *arrays: Any, **options: bool) -> tuple[Tensor, ...]:
        return recurrent.lstm(*arrays, **options)  # type: ignore[no-any-return]

    def forward(self, input: Any, hx: Any = None, lengths: Any = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over sequences, as :meth:`RNN.forward` does.

        Parameters
        ----------
        input, lengths
            As for :meth:`RNN.forward`.
        hx : tuple (h_0, c_0), optional
            Initial states, each shaped as the ``hx`` of :meth:`RNN.forward`.

        Returns
        -------
        y : tensor
            As for :meth:`RNN.forward`.
        (h_n, c_n) : tuple of tensors
            Final states, each shaped as ``h_0``.

        Raises
        ------
        ValueError, TypeError
            As for :meth:`RNN.forward`.
        """
        y, (h_n, c_n) = self._run(input, hx, lengths)
        return y, (h_n, c_n)


class GRU(_Recurrent):
    r"""Gated recurrent unit, with PyTorch's parameters: the gates r, z, n lie below each other.

    ``n = tanh(W_in x + b_in + r (W_hn h + b_hn))`` and ``h = (1 - z) n + z h`` at each step, where r and z are sigmoids
    of their parts of ``W_ih x + b_ih + W_hh h + b_hh`` [1]_.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        As for :class:`RNN`.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 : Parameter
        As for :class:`RNN`, with 3 * H rows.

    References
    ----------
    .. [1] Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, version 3.

    Examples
    --------
    >>> import framework as fw
    >>> y, h_n = GRU(3, 4, num_layers=2)(fw.zeros((5, 3)))
    >>> y.shape, h_n.shape
    ((5, 4), (2, 4))
    """

    gates = 3

    def _operation(self, *arrays: Any, **options: bool) -> tuple[Tensor, ...]:
        return recurrent.gru(*arrays, **options)  # type: ignore[no-any-return]

    def forward(self, input: Any, hx: Any = None, lengths: Any = None) -> tuple[Tensor, Tensor]:
        """Run over sequences; arguments, results and errors are those of :meth:`RNN.forward`."""
        y, (h_n,) = self._run(input, hx, lengths)
        return y, h_n


# ------------------------------------------------------------------------------------------------ cells


@precision("low")
def _carried(*states: Tensor) -> States:
    """The states in the dtype of a cell's products, which autocast may have chosen."""
    return states


class _Cell(Module):
    """One step, in ordinary operations."""

    gates: ClassVar[int]
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, device: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size = check_size("input_size", input_size, least=1)
        self.hidden_size = check_size("hidden_size", hidden_size, least=1)
        self.bias = bool(bias)
        rows, dtype = self.gates * hidden_size, dtype or get_default_dtype()
        self.weight_ih = Parameter(zeros((rows, input_size), dtype=dtype, device=device))
        self.weight_hh = Parameter(zeros((rows, hidden_size), dtype=dtype, device=device))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(zeros(rows, dtype=dtype, device=device)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters uniformly between plus and minus ``1 / sqrt(hidden_size)``."""
        _draw(self)

    def _step(self, a: Tensor, b: Tensor, state: States) -> States:
        """The new state, from the affine maps of the input and of the old state."""
        raise NotImplementedError

    def _run(self, input: Any, hx: Any) -> States:
        x = _check_input(self, input, (1, 2), f"(N, {self.input_size}) or ({self.input_size},)", self.weight_ih)
        shape = (*x.shape[:-1], self.hidden_size)
        if hx is None:
            state: States = (zeros(shape, dtype=x.dtype, device=x.device),) * len(self.state_names)
        else:
            state = _check_states(self, hx, self.state_names, shape, self.weight_ih)
        a = affine(x, self.weight_ih, self.bias_ih)
        return self._step(a, affine(state[0], self.weight_hh, self.bias_hh), _carried(*state))

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults, as PyTorch prints them."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell):
    r"""One step of :class:`RNN`: ``h = nonlinearity(W_ih x + b_ih + W_hh h + b_hh)``.

    Parameters
    ----------
    input_size, hidden_size : int
        Features D of the input and H of the state.
    bias : bool
        Whether the biases exist.
    nonlinearity : {"tanh", "relu", "sigmoid"}
        The last is an extension of PyTorch's.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight_ih, weight_hh, bias_ih, bias_hh : Parameter
        Of shapes (H, D), (H, H), (H,) and (H,), drawn uniformly between plus and minus 1 / sqrt(H).

    Examples
    --------
    >>> import framework as fw
    >>> RNNCell(3, 4)(fw.zeros((2, 3))).shape
    (2, 4)
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device=device, dtype=dtype)
        self.nonlinearity = _check_nonlinearity(nonlinearity)

    def _step(self, a: Tensor, b: Tensor, state: States) -> States:
        return recurrent.rnn_step(a, b, state, nonlinearity=self.nonlinearity)

    def forward(self, input: Any, hx: Any = None) -> Tensor:
        """Take one step.

        Parameters
        ----------
        input : (N, D) or (D,) tensor
            In the dtype of the parameters.
        hx : (N, H) or (H,) tensor, optional
            The state before; zeros by default.

        Returns
        -------
        (N, H) or (H,) tensor
            The state after.

        Raises
        ------
        ValueError
            If the shape of the input or of ``hx`` does not fit.
        TypeError
            If a dtype is not that of the parameters.
        """
        return self._run(input, hx)[0]

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults, as PyTorch prints them."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class LSTMCell(_Cell):
    r"""One step of :class:`LSTM`.

    Parameters
    ----------
    input_size, hidden_size, bias, device, dtype
        As for :class:`RNNCell`.

    Attributes
    ----------
    weight_ih, weight_hh, bias_ih, bias_hh : Parameter
        As for :class:`RNNCell`, with 4 * H rows: the gates i, f, g, o.

    Examples
    --------
    >>> import framework as fw
    >>> h, c = LSTMCell(3, 4)(fw.zeros((2, 3)))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    gates = 4
    state_names = ("h", "c")

    def _step(self, a: Tensor, b: Tensor, state: States) -> States:
        return recurrent.lstm_step(a, b, state)

    def forward(self, input: Any, hx: Any = None) -> tuple[Tensor, Tensor]:
        """Take one step from the state ``hx = (h, c)`` to the next; otherwise as :meth:`RNNCell.forward`."""
        h, c = self._run(input, hx)
        return h, c


class GRUCell(_Cell):
    r"""One step of :class:`GRU`.

    Parameters
    ----------
    input_size, hidden_size, bias, device, dtype
        As for :class:`RNNCell`.

    Attributes
    ----------
    weight_ih, weight_hh, bias_ih, bias_hh : Parameter
        As for :class:`RNNCell`, with 3 * H rows: the gates r, z, n.

    Examples
    --------
    >>> import framework as fw
    >>> GRUCell(3, 4)(fw.zeros(3)).shape
    (4,)
    """

    gates = 3

    def _step(self, a: Tensor, b: Tensor, state: States) -> States:
        return recurrent.gru_step(a, b, state)

    def forward(self, input: Any, hx: Any = None) -> Tensor:
        """Take one step; arguments, result and errors are those of :meth:`RNNCell.forward`."""
        return self._run(input, hx)[0]
