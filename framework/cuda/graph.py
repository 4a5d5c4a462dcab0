"""A training step recorded as a CUDA graph and repeated in one launch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from framework.autograd.primitive import Op
from framework.autograd.tree import map_tree
from framework.cuda.device import gpu
from framework.random import default_generator
from framework.tensor import Tensor


class CapturedStep:
    """What :func:`graph` returns: call it with new inputs of the shapes and dtypes of the examples."""

    def __init__(self, step: Callable[..., Any], inputs: tuple[Tensor, ...], warmup: int) -> None:
        self._inputs = tuple(x.detach().clone() for x in inputs)
        self._capture = gpu(inputs[0].device).new_capture()
        for _ in range(warmup):
            with _naming_the_op():
                self._capture.rehearse(lambda: step(*self._inputs))
        self._start = default_generator.get_state()
        with _naming_the_op():
            self._outputs = self._capture.record(lambda: step(*self._inputs))
        self._blocks = default_generator.offset - self._start[1]
        default_generator.set_state(self._start)
        others = self._capture.random_keys - {self._start[0]}
        if others:
            raise RuntimeError(
                "graph: a captured step can draw random numbers from the default generator only, but it used the "
                f"streams of seeds {sorted(others)}; pass no generator"
            )

    def __call__(self, *inputs: Tensor) -> Any:
        """Run the step on new inputs; returns new tensors in the structure that the step returned."""
        for i, (x, static) in enumerate(zip(inputs, self._inputs, strict=True)):
            if (x.shape, x.dtype, x.device) != (static.shape, static.dtype, static.device):
                raise ValueError(
                    f"graph: input {i} was captured as {_described(static)}, got {_described(x)}; capture another "
                    "step for other shapes"
                )
        seed, offset = default_generator.get_state()
        if self._blocks and seed != self._start[0]:
            raise RuntimeError(
                f"graph: the step was captured with random seed {self._start[0]}, and the default generator has seed "
                f"{seed} now; capture it again after manual_seed()"
            )
        for x, static in zip(inputs, self._inputs):
            static.data[...] = x.data
        self._capture.replay(offset - self._start[1])
        default_generator.set_state((seed, offset + self._blocks))
        return map_tree(lambda y: y.detach().clone() if isinstance(y, Tensor) else y, self._outputs)


def graph(step: Callable[..., Any], *example_inputs: Tensor, warmup: int = 3) -> CapturedStep:
    """Record a training step, so that running it takes one launch however many kernels it has.

    The step, forward, backward and optimizer, is first run `warmup` times for real, which trains on the example
    inputs, and then recorded. The recording repeats the same kernels at the same addresses: everything that Python
    decides, a learning rate included, stays as it was when it was recorded; only inputs, parameters and random
    numbers of the default generator change. ``p.grad`` shows the gradient of the last run.

    Parameters
    ----------
    step : callable
        Takes as many tensors as examples are given and returns tensors, in tuples, lists or dicts, or nothing.
    example_inputs : Tensor
        On one GPU.
    warmup : int
        At least 1.

    Returns
    -------
    CapturedStep
        To be called with inputs of the same shapes, dtypes and device.

    Raises
    ------
    TypeError
        If an example is no tensor.
    ValueError
        If there is no example, they are not on one GPU, or ``warmup`` is below 1.
    RuntimeError
        If an operation of the step cannot be recorded, such as one that reads a value back; names the operation.

    Examples
    --------
    ::

        def step(x, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        fast = fw.cuda.graph(step, x, y)
        for x, y in loader:
            losses.append(fast(x, y))
    """
    for x in example_inputs:
        if not isinstance(x, Tensor):
            raise TypeError(f"graph: example inputs must be tensors, got {type(x).__name__}")
    devices = {x.device for x in example_inputs}
    if len(devices) != 1:
        raise ValueError(f"graph: expected example inputs on one GPU, got {sorted(devices) or 'none'}")
    if warmup < 1:
        raise ValueError(f"graph: warmup must be at least 1, got {warmup}")
    return CapturedStep(step, example_inputs, warmup)


def _described(x: Tensor) -> str:
    return f"{x.dtype} of shape {x.shape} on {x.device!r}"


@contextmanager
def _naming_the_op() -> Iterator[None]:
    """Say which operation it was that could not be recorded."""
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        op = _innermost_op(error.__traceback__)
        if op is None:
            raise
        raise RuntimeError(f"graph: {op!r} cannot be captured: {error}") from error


def _innermost_op(trace: TracebackType | None) -> str | None:
    name = None
    while trace is not None:
        frame = trace.tb_frame
        # The written functions of operations have it among their globals.
        op = frame.f_locals.get("self", frame.f_globals.get("_op"))
        name = op.name if isinstance(op, Op) else name
        trace = trace.tb_next
    return name
