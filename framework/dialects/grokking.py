"""The step-by-step framework of the lessons (after *Grokking Deep Learning*, chapter 13), run by this one.

>>> import numpy as np
>>> from framework.dialects.grokking import *
>>> np.random.seed(0)
>>> data = Tensor(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), autograd=True)
>>> target = Tensor(np.array([[0], [1], [0], [1]]), autograd=True)
>>> model = Sequential([Linear(2, 3), Tanh(), Linear(3, 1), Sigmoid()])
>>> criterion, optim = MSELoss(), SGD(parameters=model.get_parameters(), alpha=1)
>>> for i in range(3):
...     loss = criterion.forward(model.forward(data), target)
...     loss.backward(Tensor(np.ones_like(loss.data)))
...     optim.step()
...     print(loss)
[1.06372865]
[0.75148144]
[0.57384259]

Values are float64, or whole numbers where they are so in the lessons. Every tensor draws its id, and every layer its initial
values, from NumPy's global generator in the lessons' order; gradients draw no ids. The one addition is ``device=``.

Where this differs from the lessons: a result takes part in differentiation if *any* of its operands does; a gradient flows
on at once instead of waiting for its tensor's other uses, which adds up to the same, and an unused branch does not hold it
back; a tensor does not hold on to what was made of it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import framework as fw
from framework import nn, optim
from framework.ops.rnn_cell import rnn_cell

__all__ = [
    "SGD", "CrossEntropyLoss", "Embedding", "Layer", "Linear", "MSELoss", "RNNCell", "Relu", "Sequential", "Sigmoid", "Tanh",
    "Tensor",
]  # fmt: skip

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": fw.add,
    "sub": fw.subtract,
    "mul": fw.multiply,
    "neg": fw.negative,
    "mm": fw.matmul,
    "transpose": lambda x: x.T,
    "sigmoid": fw.sigmoid,
    "tanh": fw.tanh,
    "relu": fw.relu,
}
_INEXACT = frozenset({"sigmoid", "tanh", "cross_entropy"})
_MORE_THAN_ONCE = (
    "cannot backprop more than once through the same part of a graph; compute the result anew before each backward()"
)

_Children = dict[int, int]
_Use = tuple[_Children, int]


class _Place:
    """A tensor's place in the recorded graph. It knows no tensor, so that no circle keeps a graph alive.

    The engine calls that of a result with the result's gradient.

    Attributes
    ----------
    children : dict
        For the id of each child how many gradients are still to come from it.
    uses : list
        The ``children`` of what the result is made of, each with the id to cross out there.
    twins : list of _Place
        Results with the same gradient, which the engine does not know of.
    """

    __slots__ = ("children", "closed", "forced", "grad", "twins", "uses")

    def __init__(self, uses: list[_Use]) -> None:
        self.children: _Children = {}
        self.uses = uses
        self.twins: list[_Place] = []
        self.grad: fw.Tensor | None = None
        self.forced = self.closed = False
        for children, child in uses:
            children[child] = children.get(child, 0) + 1

    def __call__(self, g: fw.Tensor) -> None:
        if self.closed:
            raise RuntimeError(_MORE_THAN_ONCE)
        self.grad = g if self.grad is None else self.grad + g
        if self.forced or not self.children:
            self.closed = True
            for children, child in self.uses:
                _settle(children, child)
        self._tell_twins()

    def follow(self, other: _Place) -> None:
        """Become another's twin: its only use has the same gradient."""
        self.grad, self.closed = other.grad, other.closed
        if self.closed:
            self.children.clear()
        self._tell_twins()

    def _tell_twins(self) -> None:
        for twin in self.twins:
            twin.follow(self)


def _settle(children: _Children, child: int) -> None:
    """Count one gradient less to come; who owes none is not kept."""
    if children.get(child, 0) > 1:
        children[child] -= 1
    else:
        children.pop(child, None)


class Tensor:
    """An array that remembers how it was made.

    Parameters
    ----------
    data : array or nested sequence
        The values, which are copied.
    autograd : bool
        Whether the tensor takes part in differentiation.
    creators, parents : list of Tensor, optional
        What it was made of, under either name.
    creation_op : str, optional
        How: ``"add"``, ``"sub"``, ``"mul"``, ``"neg"``, ``"mm"``, ``"transpose"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``,
        ``"sum_0"`` or ``"expand_0"`` (with the axis's number).
    id : int, optional
        Drawn with ``numpy.random.randint(100)`` if not given.
    device : str, optional
        Where the values live, such as ``"cuda"``.

    Attributes
    ----------
    data : array
        The values as an array of the device's library. It can be assigned, and changed in place.
    grad : Tensor or None
        The gradient, once ``backward`` has brought one; its ``data`` can be assigned and changed, too.
    children : dict
        For the id of each result made of this tensor, how many gradients are still to come from it.

    Raises
    ------
    ValueError
        If ``creators`` are given with an operation that cannot be told from its name.

    Examples
    --------
    >>> a, b = Tensor([1, 2, 3], autograd=True), Tensor([2, 2, 2], autograd=True)
    >>> c = a * b + b
    >>> c.backward(Tensor(np.array([1, 1, 1])))
    >>> print(c, b.grad, c.creation_op)
    [4 6 8] [2. 3. 4.] add
    """

    id: int
    creation_op: str | None
    _values: fw.Tensor
    _later: Callable[[], fw.Tensor]
    _place: _Place
    _creators: Any = None
    _shown: Tensor | None = None
    _zeroed = _borrowed = _exposed = False

    def __init__(
        self,
        data: Any,
        autograd: bool = False,
        creators: Iterable[Tensor] | None = None,
        creation_op: str | None = None,
        id: int | None = None,
        *,
        parents: Iterable[Tensor] | None = None,
        device: str | None = None,
    ) -> None:
        values = _as_tensor(data, device, copy=True)
        made_of = creators if parents is None else parents
        made_of = None if made_of is None else list(made_of)
        self._hold(values, autograd)
        if autograd and made_of is not None:
            self._values = _again(creation_op, made_of, values.shape)
            self._values.data = _as_floats(values).data
        self._take_place(np.random.randint(100) if id is None else id, creation_op, made_of)

    def _hold(self, values: fw.Tensor, autograd: bool) -> None:
        """Own these values: as whole numbers, which become floats when first computed with, or as they are."""
        self._whole: fw.Tensor | None = None
        if values.dtype.kind in "iub":
            self._whole = values
            self._later = lambda: _as_floats(values).requires_grad_(autograd)
        else:
            self._values = values.requires_grad_(autograd)

    def __getattr__(self, name: str) -> Any:
        if name != "_values":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with fw.enable_grad():
            self._values = values = self._later()
        if self._creators is not None and values.requires_grad:
            values.register_hook(self._place)
        return values

    def _take_place(self, id: int, creation_op: str | None, creators: list[Tensor] | None) -> None:
        self.id = id
        self.creation_op = creation_op
        self._creators = creators
        self._place = _Place([] if creators is None else [(x._place.children, id) for x in creators])
        if creators is not None and self.autograd:
            self._values.register_hook(self._place)

    # --------------------------------------------------------------------------------------- attributes
    @property
    def data(self) -> Any:
        """The values as an array of the device's library."""
        _compute_pending()
        self._exposed = True
        if self._whole is not None:
            return self._whole.data
        if self._borrowed:
            self._values.data = fw.asarray(self._values.data, copy=True).data
            self._borrowed = False
        return self._values.data

    @data.setter
    def data(self, values: Any) -> None:
        if values is self.data:  # as after an operator that works in place
            return
        fresh = _as_tensor(values, self.device)
        self._values.data = _as_floats(fresh).data
        self._whole = fresh if fresh.dtype.kind in "iub" else None

    @property
    def grad(self) -> Tensor | None:
        """The gradient that has arrived so far, or None."""
        place, made = self._place, self._creators is not None
        g = place.grad if made else self._values.grad
        if g is None and not self._zeroed:
            return None
        if g is None:
            g = self._values.grad = fw.zeros_like(self._values.detach())
        if self._shown is None or self._shown._values is not g:
            if made:
                # The engine may have handed the same array to others.
                g = place.grad = g.clone()
            self._shown = _wrap(g, 0)
        return self._shown

    @grad.setter
    def grad(self, g: Tensor | None) -> None:
        self._zeroed, self._shown = False, None
        values = None if g is None else g._floats()
        if self._creators is None:
            self._values.grad = values
        else:
            self._place.grad = values

    @property
    def autograd(self) -> bool:
        """Whether the tensor takes part in differentiation."""
        return self._values.requires_grad

    @autograd.setter
    def autograd(self, autograd: bool) -> None:
        self._values.requires_grad_(autograd)

    @property
    def children(self) -> dict[int, int]:
        """For the id of each result made of this tensor, how many gradients are still to come from it."""
        return self._place.children

    @property
    def creators(self) -> list[Tensor] | None:
        """What the tensor was made of."""
        if callable(self._creators):
            self._creators = self._creators(self)
        return self._creators  # type: ignore[no-any-return]

    parents = creators

    @property
    def device(self) -> str:
        """Where the values live."""
        return self._held.device

    @property
    def _held(self) -> fw.Tensor:
        """The values as they are, whole numbers or floats."""
        return self._values if self._whole is None else self._whole

    def _floats(self) -> fw.Tensor:
        """The values to compute with; whole numbers may have been changed in place since they were handed out."""
        if self._whole is not None and self._exposed:
            self._values.data = _as_floats(self._whole).data
        return self._values

    # ---------------------------------------------------------------------------------- differentiation
    def all_children_grads_accounted_for(self) -> bool:
        """Whether every result made of this tensor has sent its gradient."""
        return not self.children

    all_grads_propagated = all_children_grads_accounted_for

    def backward(self, grad: Any = None, grad_origin: Tensor | None = None) -> None:
        """Add a gradient here, and what follows from it to everything that this tensor was made of.

        Parameters
        ----------
        grad : Tensor, optional
            The gradient, itself without one; ones if not given.
        grad_origin : Tensor, optional
            The child that sends it.

        Raises
        ------
        RuntimeError
            If a gradient went through this part of the graph before, the child has sent its own, or ``grad`` takes part
            in differentiation.
        """
        if not self.autograd:
            return
        seed = self._seed(grad)
        if grad_origin is not None:
            if grad_origin.id not in self.children:
                raise RuntimeError(_MORE_THAN_ONCE)
            _settle(self.children, grad_origin.id)
        elif self._place.closed:
            raise RuntimeError(_MORE_THAN_ONCE)
        else:
            self._place.forced = True
        # Kept, because another result may send its gradient through the same nodes later.
        self._values.backward(seed, retain_graph=True)

    def _seed(self, grad: Any) -> fw.Tensor:
        if grad is None:
            return fw.ones_like(self._values.detach())
        if not isinstance(grad, Tensor):
            grad = Tensor(grad, id=0, device=self.device)
        if grad.autograd:
            raise RuntimeError("a gradient must not have a gradient of its own: make it without autograd=True")
        g: fw.Tensor = grad._floats().to(self.device)
        # The gradient of a loss of one element may come as (1,) or 0-d.
        return g if g.shape == self._values.shape else g.reshape(self._values.shape)

    # --------------------------------------------------------------------------------------- operations
    def _apply(self, op: str, *others: Any) -> Tensor:
        creators = [self, *[x if isinstance(x, Tensor) else Tensor(x, device=self.device) for x in others]]
        return _result(op, _OPERATIONS[op](*[x._floats() for x in creators]), creators)

    def __add__(self, other: Any) -> Tensor:
        return self._apply("add", other)

    def __sub__(self, other: Any) -> Tensor:
        return self._apply("sub", other)

    def __mul__(self, other: Any) -> Tensor:
        return self._apply("mul", other)

    def __neg__(self) -> Tensor:
        return self._apply("neg")

    def mm(self, x: Tensor) -> Tensor:
        """Matrix product."""
        return self._apply("mm", x)

    def transpose(self) -> Tensor:
        """The axes in reverse order."""
        return self._apply("transpose")

    def sigmoid(self) -> Tensor:
        """``1 / (1 + exp(-x))``."""
        return self._apply("sigmoid")

    def tanh(self) -> Tensor:
        """Hyperbolic tangent."""
        return self._apply("tanh")

    def relu(self) -> Tensor:
        """``max(x, 0)``."""
        return self._apply("relu")

    def sum(self, dim: int) -> Tensor:
        """Sum along an axis."""
        return _result(f"sum_{dim}", fw.sum(self._floats(), axis=dim), [self])

    def expand(self, dim: int, copies: int) -> Tensor:
        """Copies along a new axis, the ``dim``-th of the result."""
        out = _result(f"expand_{dim}", _expand(self._floats(), dim, copies), [self])
        out._borrowed = True
        return out

    def index_select(self, indices: Tensor) -> Tensor:
        """Rows at ``indices``, of any shape; the gradients of a row that is read several times add up."""
        table, rows = self._floats(), indices._beside(self)
        lookup = nn.functional.embedding(rows, table) if table.ndim == 2 else fw.take(table, rows, axis=0)
        return _result("index_select", lookup, [self])

    def cross_entropy(self, target_indices: Tensor) -> Tensor:
        """Softmax and negative log-likelihood over the last axis: the batch's mean, **with the gradient of its sum**.

        So it is in the lessons, whose learning rates count on it. The main API's ``cross_entropy`` has the gradient of
        whichever ``reduction`` is chosen.
        """
        logits, target = self._floats(), target_indices._beside(self)
        if target.ndim != 1 or logits.ndim != 2:
            target = target.reshape(-1)
            logits = logits.reshape(target.size, -1)
        loss = nn.functional.cross_entropy(logits, target, reduction="sum")
        loss.data = loss.data / target.size
        return _result("cross_entropy", loss, [self])

    def _beside(self, other: Tensor) -> fw.Tensor:
        """The values as they are, on the other's device."""
        return self._held if self.device == other.device else self._held.to(other.device)

    def __repr__(self) -> str:
        return repr(self._held.detach().cpu().numpy())

    def __str__(self) -> str:
        return str(self._held.detach().cpu().numpy())


def _wrap(values: fw.Tensor, id: int, op: str | None = None, creators: Any = None) -> Tensor:
    out = Tensor.__new__(Tensor)
    out._values = values
    out._whole = None
    if values.requires_grad:
        out._take_place(id, op, creators)
    else:
        out._take_place(id, None, None)
    return out


def _result(op: str, values: fw.Tensor, creators: list[Tensor]) -> Tensor:
    out = _wrap(values, np.random.randint(100), op, creators)
    if creators[0]._whole is not None and op not in _INEXACT and all(x._whole is not None for x in creators):
        out._whole = values.detach().to(fw.int64)
    return out


def _compound(
    op: str, values: Callable[[], fw.Tensor], id: int, uses: list[_Use], creators: Callable[[Tensor], list[Tensor]]
) -> Tensor:
    """A result of several of the lessons' operations, to be computed and taken apart when someone looks."""
    out = Tensor.__new__(Tensor)
    out.id, out.creation_op, out._creators = id, op, creators
    out._whole, out._later, out._place = None, values, _Place(uses)
    return out


def _creator(child: Tensor, op: str, values: fw.Tensor, id: int, creators: Any) -> Tensor:
    """One of the creators of a compound, of which it is the only child, with the same gradient."""
    out = _wrap(values, id)
    out.creation_op, out._creators = op, creators
    out._place.children[child.id] = 1
    child._place.twins.append(out._place)
    if child._place.grad is not None:
        out._place.follow(child._place)
    return out


_pending: weakref.WeakSet[Tensor] = weakref.WeakSet()


def _compute_pending() -> None:
    """Compute what was put off and is still wanted, before someone may change what it is made of."""
    if _pending:
        for out in list(_pending):
            out._floats()
        _pending.clear()


def _again(op: str | None, creators: list[Tensor], shape: tuple[int, ...]) -> fw.Tensor:
    """The operation that a user names as the origin of values computed by hand."""
    name, _, dim = (op or "").partition("_")
    inputs = [x._floats() for x in creators]
    out: fw.Tensor
    if op in _OPERATIONS:
        out = _OPERATIONS[op](*inputs)
    elif name == "sum":
        out = fw.sum(inputs[0], axis=int(dim))
    elif name == "expand":
        out = _expand(inputs[0], int(dim), shape[int(dim)])
    else:
        raise ValueError(
            f"creation_op must be one of {', '.join(_OPERATIONS)}, sum_0, expand_0, ... for a tensor with creators, got "
            f"{op!r}; other operations are recorded by calling their methods"
        )
    return out


def _expand(x: fw.Tensor, dim: int, copies: int) -> fw.Tensor:
    shape = (*x.shape[:dim], copies, *x.shape[dim:])
    copied: fw.Tensor = fw.broadcast_to(x if dim == 0 else fw.expand_dims(x, axis=dim), shape)
    return copied


def _as_tensor(data: Any, device: str | None, *, copy: bool | None = None) -> fw.Tensor:
    """Values of any kind, with NumPy's dtypes, on the device named, their own, or the default one."""
    if isinstance(data, Tensor | fw.Tensor):
        data = data.data
    elif not hasattr(data, "__dlpack__"):
        data = np.array(data)
    if device is None and isinstance(data, np.ndarray):
        device = fw.get_default_device()
    return fw.asarray(data, device=device, copy=copy)


def _as_floats(x: fw.Tensor) -> fw.Tensor:
    return x.to(fw.float64) if x.dtype.kind in "iub" else x


class Layer:
    """Something with parameters."""

    def __init__(self) -> None:
        self.parameters: list[Tensor] = []

    def get_parameters(self) -> list[Tensor]:
        """The parameters, in the order in which they were made."""
        return self.parameters


class Linear(Layer):
    """``input @ weight + bias``.

    Parameters
    ----------
    n_inputs, n_outputs : int
        The weight's shape; it starts normal with standard deviation ``sqrt(2 / n_inputs)`` (He et al., 2015), the bias at 0.
    bias : bool
        Whether there is one.
    device : str, optional
        Where the parameters live.
    """

    def __init__(self, n_inputs: int, n_outputs: int, bias: bool = True, *, device: str | None = None) -> None:
        super().__init__()
        self._view: tuple[Any, fw.Tensor] | None = None
        self.use_bias = bias
        weight = np.random.randn(n_inputs, n_outputs) * np.sqrt(2.0 / n_inputs)
        self.weight = Tensor(weight, autograd=True, device=device)
        self.parameters.append(self.weight)
        if bias:
            self.bias = Tensor(np.zeros(n_outputs), autograd=True, device=device)
            self.parameters.append(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, n_inputs) to (N, n_outputs)."""
        if not self.use_bias:
            return input.mm(self.weight)
        affine = _Affine(self, input, np.random.randint(100, size=3).tolist())
        if not (fw.is_grad_enabled() and (input.autograd or self.weight.autograd or self.bias.autograd)):
            return _wrap(affine.values(), affine.ids[2])
        out = _compound("add", affine.values, affine.ids[2], affine.uses, affine.creators)
        if input._exposed or self.weight._exposed or self.bias._exposed:
            out._floats()
        else:
            _pending.add(out)
        return out

    def _transposed(self) -> fw.Tensor:
        """The weight in the main API's layout: a view, made anew when another array has been assigned."""
        weight = self.weight._floats()
        if (
            self._view is None
            or self._view[0] is not weight.data
            or self._view[1].requires_grad is not weight.requires_grad
        ):
            self._view = (weight.data, weight.T)
        return self._view[1]


class _Affine:
    """One use of a linear layer: ``product`` the matrix product, ``ids`` those of it, of the expanded bias and of the sum."""

    def __init__(self, layer: Linear, input: Tensor, ids: list[int]) -> None:
        self.layer, self.input, self.ids = layer, input, ids
        input._floats()
        self.uses = [(input.children, ids[0]), (layer.weight.children, ids[0]), (layer.bias.children, ids[1])]

    def values(self) -> fw.Tensor:
        self.product: fw.Tensor = self.input._floats() @ self.layer.weight._floats()
        total: fw.Tensor = self.product + self.layer.bias._floats()
        return total

    def creators(self, out: Tensor) -> list[Tensor]:
        out._floats()
        rows = _expand(self.layer.bias._floats(), 0, self.product.shape[0])
        return [
            _creator(out, "mm", self.product, self.ids[0], [self.input, self.layer.weight]),
            _creator(out, "expand_0", rows, self.ids[1], [self.layer.bias]),
        ]


class Sequential(Layer):
    """Layers one after the other."""

    def __init__(self, layers: list[Any] | None = None) -> None:
        super().__init__()
        self.layers = [] if layers is None else layers

    def add(self, layer: Any) -> None:
        """Append a layer."""
        self.layers.append(layer)

    def forward(self, input: Tensor) -> Tensor:
        """What the last layer makes of it."""
        for layer in self.layers:
            input = layer.forward(input)
        return input

    def get_parameters(self) -> list[Tensor]:
        """The parameters of all layers."""
        return [p for layer in self.layers for p in layer.get_parameters()]


class Tanh(Layer):
    """The hyperbolic tangent as a layer."""

    def forward(self, input: Tensor) -> Tensor:
        """``tanh(input)``."""
        return input.tanh()


class Sigmoid(Layer):
    """The logistic function as a layer."""

    def forward(self, input: Tensor) -> Tensor:
        """``1 / (1 + exp(-input))``."""
        return input.sigmoid()


class Relu(Layer):
    """The rectifier as a layer."""

    def forward(self, input: Tensor) -> Tensor:
        """``max(input, 0)``."""
        return input.relu()


class MSELoss(Layer):
    """The squared error, summed (not averaged) over the batch."""

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Map two tensors (N, D) to (D,)."""
        return ((pred - target) * (pred - target)).sum(0)


class CrossEntropyLoss(Layer):
    """Softmax and negative log-likelihood; see :meth:`Tensor.cross_entropy` for what its gradient is."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The mean over the batch, for logits (N, C) and class numbers (N,)."""
        return input.cross_entropy(target)


class Embedding(Layer):
    """A table of vectors, at first uniform within ``0.5 / dim`` of zero."""

    def __init__(self, vocab_size: int, dim: int, *, device: str | None = None) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.dim = dim
        self.weight = Tensor((np.random.rand(vocab_size, dim) - 0.5) / dim, autograd=True, device=device)
        self.parameters.append(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """The vectors of the given rows."""
        return self.weight.index_select(input)


_NONLINEARITIES = {Tanh: "tanh", Sigmoid: "sigmoid", Relu: "relu"}


class RNNCell(Layer):
    """One step of a recurrent network, with an output.

    Parameters
    ----------
    n_inputs, n_hidden, n_output : int
        Sizes of the input, the state and the output.
    activation : {"sigmoid", "tanh"}
        Of the state.
    device : str, optional
        Where the parameters live.

    Raises
    ------
    ValueError
        If the activation is another.
    """

    def __init__(
        self, n_inputs: int, n_hidden: int, n_output: int, activation: str = "sigmoid", *, device: str | None = None
    ) -> None:
        super().__init__()
        if activation not in ("sigmoid", "tanh"):
            raise ValueError(f"activation must be 'sigmoid' or 'tanh', got {activation!r}")
        self.n_inputs, self.n_hidden, self.n_output = n_inputs, n_hidden, n_output
        self.activation: Any = Sigmoid() if activation == "sigmoid" else Tanh()
        self.w_ih = Linear(n_inputs, n_hidden, device=device)
        self.w_hh = Linear(n_hidden, n_hidden, device=device)
        self.w_ho = Linear(n_hidden, n_output, device=device)
        for layer in (self.w_ih, self.w_hh, self.w_ho):
            self.parameters += layer.get_parameters()

    def forward(self, input: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The output (N, n_output) and the next state (N, n_hidden)."""
        name = _NONLINEARITIES.get(type(self.activation))
        if name is None:
            from_prev_hidden = self.w_hh.forward(hidden)
            new_hidden = self.activation.forward(self.w_ih.forward(input) + from_prev_hidden)
        else:
            new_hidden = self._step(input, hidden, name)
        return self.w_ho.forward(new_hidden), new_hidden

    def _step(self, input: Tensor, hidden: Tensor, name: str) -> Tensor:
        """``activation(w_ih.forward(input) + w_hh.forward(hidden))`` as one operation, drawing the ids of these eight."""
        id = np.random.randint(100, size=8).tolist()[-1]
        creators = [input, hidden, self.w_ih.weight, self.w_hh.weight, self.w_ih.bias, self.w_hh.bias]
        x, h, _, _, b_ih, b_hh = [creator._floats() for creator in creators]
        values = rnn_cell(x, h, self.w_ih._transposed(), self.w_hh._transposed(), b_ih, b_hh, nonlinearity=name)
        return _wrap(values, id, "rnn_cell", creators)

    def init_hidden(self, batch_size: int = 1, *, device: str | None = None) -> Tensor:
        """A state of zeros, beside the parameters unless told otherwise."""
        return Tensor(np.zeros((batch_size, self.n_hidden)), autograd=True, device=device or self.w_hh.weight.device)


class SGD:
    """Plain stochastic gradient descent.

    Parameters
    ----------
    parameters : list of Tensor
        What to optimize.
    alpha : float
        The learning rate.

    Raises
    ------
    TypeError
        If a parameter holds whole numbers.
    ValueError
        If one does not take part in differentiation, or was computed.
    """

    def __init__(self, parameters: list[Tensor], alpha: float = 0.1) -> None:
        for i, p in enumerate(parameters):
            if p._whole is not None:
                raise TypeError(
                    f"SGD: parameter {i} holds whole numbers, which cannot go down by a little; make them floats"
                )
        self.parameters = parameters
        self.alpha = alpha
        self._optimizer = optim.SGD([p._values for p in dict.fromkeys(parameters)], lr=alpha)

    def zero(self) -> None:
        """Set all gradients to zero."""
        for p in self.parameters:
            if p._shown is not None and p.grad is not None:
                p.grad.data *= 0
            p.grad, p._zeroed = None, True

    def step(self, zero: bool = True) -> None:
        """Change each parameter by minus ``alpha`` times its gradient, and by default set the gradients to zero."""
        _compute_pending()
        self._optimizer.param_groups[0]["lr"] = self.alpha
        self._optimizer.step()
        if zero:
            self.zero()
