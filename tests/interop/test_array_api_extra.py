"""array-api-extra, which SciPy and scikit-learn bring along, works on tensors, with gradients."""

from __future__ import annotations

import numpy as np
import pytest

import framework as fw

xpx = pytest.importorskip("sklearn.externals.array_api_extra")

CALLS = {
    "at set": lambda x, y: xpx.at(x * 1.0)[0].set(y, xp=fw),
    "at add": lambda x, y: xpx.at(x * 1.0)[:, 1].add(y[:3], xp=fw),
    "at multiply": lambda x, y: xpx.at(x, 0).multiply(y, copy=True, xp=fw),
    "at divide": lambda x, y: xpx.at(x * 1.0)[1].divide(y, xp=fw),
    "at power": lambda x, y: xpx.at(abs(x))[0].power(y, xp=fw),
    "at mask": lambda x, y: xpx.at(x * 1.0)[x > 0].set(y[0], xp=fw),
    "atleast_nd": lambda x, y: xpx.atleast_nd(x * y, ndim=4, xp=fw),
    "apply_where": lambda x, y: xpx.apply_where(x > 0, (x, x * y), lambda a, b: a * b, lambda a, b: a - b, xp=fw),
    "apply_where fill": lambda x, y: xpx.apply_where(x > 0, x * y, lambda a: a * a, fill_value=0.0, xp=fw),
    "cov": lambda x, y: xpx.cov(x * y, xp=fw),
    "create_diagonal": lambda x, y: xpx.create_diagonal(y * x[0], offset=1, xp=fw),
    "kron": lambda x, y: xpx.kron(x, y, xp=fw),
    "nan_to_num": lambda x, y: xpx.nan_to_num(x * y, xp=fw),
    "one_hot": lambda x, y: xpx.one_hot(fw.asarray([0, 2, 3], device=x.device), 4, dtype=fw.float64, xp=fw) * x * y,
    "pad": lambda x, y: xpx.pad(x * y, (1, 2), constant_values=0.5, xp=fw),
    "sinc": lambda x, y: xpx.sinc(x * y, xp=fw),
}


@pytest.mark.parametrize("name", CALLS)
def test_gradients(name, device):
    rng = np.random.default_rng(0)
    x, y = (fw.asarray(rng.normal(size=s), device=device).requires_grad_() for s in ((3, 4), 4))
    assert fw.autograd.gradcheck(CALLS[name], [x, y])


def test_values_without_a_gradient(device):
    x, y = fw.asarray([1.0, 2.0, 2.0, 4.0], device=device), fw.asarray([2.0], device=device)
    assert xpx.nunique(x, xp=fw).item() == 3
    assert xpx.setdiff1d(x, y, xp=fw).tolist() == [1.0, 4.0]
    assert xpx.isclose(x, y + 1e-9, xp=fw).tolist() == [False, True, True, False]
