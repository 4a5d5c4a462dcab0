"""Evaluate all calls and write what is wrong with each as JSON: a program, since SciPy reads its switch at import.

``SCIPY_ARRAY_API=1 python -m tests.interop.run_calls float64 cpu`` runs with that default dtype and device.
"""

from __future__ import annotations

import ast
import importlib
import json
import sys
import warnings
from typing import Any

import numpy as np

import framework as fw
from tests.interop import calls

SCIPY_MODULES = (
    "cluster cluster.hierarchy cluster.vq constants differentiate fft integrate interpolate linalg ndimage optimize "
    "optimize.elementwise signal spatial special stats"
)
SKLEARN_MODULES = (
    "cluster decomposition discriminant_analysis kernel_approximation kernel_ridge linear_model metrics "
    "metrics.pairwise model_selection naive_bayes pipeline preprocessing"
)
STEP = 1e-6
INPUTS = calls.inputs()
Host = np.ndarray[Any, Any]


def namespace(library: str, modules: str) -> dict[str, Any]:
    found = {name: importlib.import_module(f"{library}.{name}") for name in modules.split()}
    return {name: module for name, module in found.items() if "." not in name}


def names(call: str) -> list[str]:
    """The inputs that an expression uses."""
    return sorted({node.id for node in ast.walk(ast.parse(call)) if isinstance(node, ast.Name)} & set(INPUTS))


def differentiated(call: str) -> list[str]:
    return [name for name in names(call) if INPUTS[name].dtype.kind == "f" and name != "data"]


def parts(result: Any) -> list[Any]:
    """The arrays and numbers in a result, however it is packed."""
    if hasattr(result, "statistic") and hasattr(result, "pvalue"):
        return [result.statistic, result.pvalue]
    if isinstance(result, list | tuple):
        return [part for item in result for part in parts(item)]
    return [result]


def evaluate(call: str, space: dict[str, Any], values: dict[str, Any]) -> list[Any]:
    return parts(eval(call, {**space, **values}))


def host(part: Any) -> Host:
    return part.detach().cpu().numpy() if isinstance(part, fw.Tensor) else np.asarray(part)


def tensor(values: Host) -> fw.Tensor:
    return fw.asarray(values, device=fw.get_default_device(), copy=True)


def weights(results: list[Any]) -> list[Host]:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=host(part).shape) + 1j * rng.normal(size=host(part).shape) for part in results]
    return [w if host(part).dtype.kind == "c" else w.real for w, part in zip(arrays, results)]


def numeric_gradient(call: str, space: dict[str, Any], name: str, seeds: list[Host]) -> Host:
    """By central differences of the library's own results for NumPy arrays."""

    def loss(sign: int, place: tuple[int, ...]) -> float:
        values = {used: INPUTS[used].copy() for used in names(call)}
        values[name][place] += sign * STEP
        results = evaluate(call, space, values)
        return sum(float(np.sum(np.real(np.conj(w) * np.asarray(part)))) for w, part in zip(seeds, results))

    slopes = [(loss(1, place) - loss(-1, place)) / (2 * STEP) for place in np.ndindex(INPUTS[name].shape)]
    return np.reshape(slopes, INPUTS[name].shape)


def tensors(call: str, *, requires_grad: bool) -> dict[str, fw.Tensor]:
    wanted = differentiated(call) if requires_grad else ()
    return {name: tensor(INPUTS[name]).requires_grad_(name in wanted) for name in names(call)}


def check_values(call: str, space: dict[str, Any], *, requires_grad: bool) -> None:
    expected = evaluate(call, space, {name: INPUTS[name].copy() for name in names(call)})
    found = evaluate(call, space, tensors(call, requires_grad=requires_grad))
    for a, b in zip(expected, found, strict=True):
        scalar = isinstance(b, int | float) and not isinstance(a, np.ndarray)
        assert isinstance(b, fw.Tensor) or scalar, f"returns {type(b).__name__}"
        np.testing.assert_allclose(host(b), np.asarray(a), rtol=1e-9, atol=1e-11)
        assert host(b).dtype == np.asarray(a).dtype, f"dtype {host(b).dtype}, for NumPy {np.asarray(a).dtype}"


def gradients(call: str, space: dict[str, Any]) -> tuple[dict[str, fw.Tensor | None], list[Host]]:
    """The gradient in each input, and the weights of the results that it starts from."""
    values = tensors(call, requires_grad=True)
    results = evaluate(call, space, values)
    seeds = weights(results)
    recorded = [i for i, part in enumerate(results) if isinstance(part, fw.Tensor) and part.requires_grad]
    assert recorded, "the result has no gradient"
    inputs = {name: values[name] for name in differentiated(call)}
    starts = [tensor(seeds[i]) for i in recorded]
    found = fw.autograd.grad([results[i] for i in recorded], list(inputs.values()), starts, allow_unused=True)
    return dict(zip(inputs, found)), seeds


def check_gradients(call: str, space: dict[str, Any]) -> None:
    grads, seeds = gradients(call, space)
    for name, g in grads.items():
        expected = numeric_gradient(call, space, name, seeds)
        found = np.zeros_like(expected) if g is None else host(g)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=f"gradient of {name}")


def check_differentiable(call: str, space: dict[str, Any]) -> None:
    check_values(call, space, requires_grad=False)
    check_values(call, space, requires_grad=True)
    check_gradients(call, space)


def check_values_only(call: str, space: dict[str, Any]) -> None:
    check_values(call, space, requires_grad=True)
    results = evaluate(call, space, tensors(call, requires_grad=True))
    assert not any(isinstance(part, fw.Tensor) and part.requires_grad for part in results), "it has a gradient now"


def check_refused(call: str, space: dict[str, Any]) -> None:
    try:
        gradients(call, space)
    except (TypeError, AttributeError, RuntimeError):
        return
    raise AssertionError("it takes tensors now")


def problem(check: Any, call: str, space: dict[str, Any]) -> str:
    """What is wrong with a call, or nothing."""
    try:
        check(call, space)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return ""


def main() -> None:
    """Write {call: problem} to standard output."""
    import sklearn
    from scipy.spatial.transform import RigidTransform, Rotation

    fw.set_default_dtype(sys.argv[1])
    fw.set_default_device(sys.argv[2])
    scipy = {**namespace("scipy", SCIPY_MODULES), "Rotation": Rotation, "RigidTransform": RigidTransform}
    spaces = (scipy, namespace("sklearn", SKLEARN_MODULES))
    report = {}
    with warnings.catch_warnings(), sklearn.config_context(array_api_dispatch=True):
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", RuntimeWarning)  # divisions by zero whose result is then replaced
        for check, tables in (
            (check_differentiable, (calls.SCIPY, calls.SKLEARN)),
            (check_values_only, (calls.SCIPY_VALUES_ONLY, calls.SKLEARN_VALUES_ONLY)),
            (check_refused, (calls.SCIPY_REFUSED, calls.SKLEARN_REFUSED)),
        ):
            for space, table in zip(spaces, tables):
                report.update({call: problem(check, call, space) for group in table.values() for call in group})
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
