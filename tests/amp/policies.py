"""The precision of every operation inside autocast, each one chosen; see the test beside this file."""

from __future__ import annotations

LOW = {
    "framework.ops.affine": "affine",
    "framework.ops.contraction": "_contract",
    "framework.ops.linear": "_inner _tensordot _vecdot matmul",
    "framework.ops.sampling": "_convolve",
    "framework.ops.recurrent": "gru lstm rnn",
    "framework.ops.rnn_cell": "rnn_cell",
    "framework.nn.recurrent": "_carried",
}
"""Products of matrices, where 16 bits are fast and errors are averaged."""

FLOAT32 = {
    "framework.linalg.decompositions": "_eigvals cholesky eig eigh eigvalsh qr svd svdvals",
    "framework.linalg.norms": "_matrix_rank vector_norm",
    "framework.linalg.solvers": "_pinv det inv slogdet solve",
    "framework.nn.functional.binary": "_binary_cross_entropy binary_cross_entropy binary_cross_entropy_with_logits kl_div",
    "framework.nn.functional.classification": "_soft_cross_entropy nll_loss",
    "framework.nn.functional.normalization": "rms_norm",
    "framework.nn.functional.regression": "_squared_error _weighted_squared_error huber_loss l1_loss smooth_l1_loss",
    "framework.ops.cross_entropy": "cross_entropy",
    "framework.ops.cumulative": "_cumulative_prod _cumulative_sum",
    "framework.ops.diagonals": "_trace",
    "framework.ops.elementwise": (
        "acos asin cosh exp expm1 log log10 log1p log2 logaddexp pow reciprocal sinh square tan"
    ),
    "framework.ops.normalization": "layer_norm rms_norm",
    "framework.ops.reduction": "_std _var logsumexp mean prod sum",
    "framework.ops.sampling": "_trapezoid",
    "framework.ops.softmax": "log_softmax softmax",
    "framework.special.normal": "erfinv",
}
"""What leaves the range of float16, adds up rounding errors, or is not offered in 16 bits."""

WIDEST = {
    "framework.autograd.checkpoint": "_checkpoint",
    "framework.autograd.fused": "identity",
    "framework.autograd.precision": "cast",
    "framework.autograd.primitive": "_output",
    "framework.fft": "fft fftn hfft ifft ifftn ihfft irfft irfftn rfft rfftn",
    "framework.linalg.products": "_cross",
    "framework.nn.hooks": "_gate",
    "framework.ops.closeness": "_isclose",
    "framework.ops.cumulative": "_diff",
    "framework.ops.diagonals": "_diagonal tril triu",
    "framework.ops.linear": "outer",
    "framework.ops.missing": "_nan_to_num",
    "framework.ops.dropout": "dropout",
    "framework.ops.elementwise": (
        "_clip abs acosh add asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or "
        "bitwise_right_shift bitwise_xor ceil conj copysign cos divide equal floor floor_divide greater greater_equal hypot "
        "imag isfinite isinf isnan less less_equal logical_and logical_not logical_or logical_xor maximum minimum multiply "
        "negative nextafter not_equal positive real relu remainder round sigmoid sign signbit sin sqrt subtract tanh trunc "
        "where"
    ),
    "framework.ops.embedding": "lookup",
    "framework.ops.embedding_bag": "_bag",
    "framework.ops.indexing": (
        "_advanced_getitem _basic_getitem _scatter _scatter_add _setitem _take _take_along_axis"
    ),
    "framework.ops.manipulation": (
        "_astype _broadcast_to _concat _expand_dims _flip _moveaxis _permute_dims _reshape _roll _squeeze _stack _tile "
        "matrix_transpose"
    ),
    "framework.ops.padding": "_pad_constant",
    "framework.ops.reduction": "all any argmax argmin count_nonzero max min",
    "framework.ops.repeating": "_repeat",
    "framework.ops.sampling": "_interp",
    "framework.ops.searching": "_searchsorted nonzero",
    "framework.ops.sets": "isin unique_all unique_counts unique_inverse unique_values",
    "framework.ops.sorting": "argsort sort",
    "framework.ops.statistics": "_bincount _quantile",
    "framework.ops.transfer": "transfer",
    "framework.special.bessel": "_iv _ive _jv _kv _kve _spherical_jn _yv i0 i0e i1 i1e j0 j1 k0 k0e k1 k1e sinc y0 y1",
    "framework.special.exponentials": ("_expn boxcox cbrt cosm1 exp1 exp10 exp2 expi exprel hyp1f1"),
    "framework.special.losses": "huber pseudo_huber",
    "framework.special.distributions": "betainc betaincc gammainc gammaincc gammainccinv gammaincinv stdtr",
    "framework.special.entropy": "entr kl_div rel_entr xlog1py xlogy",
    "framework.special.gammas": "_zeta beta betaln binom digamma gamma gammaln loggamma poch psi rgamma",
    "framework.special.logistic": "expit log_expit logit",
    "framework.special.normal": "erf erfc erfcinv erfcx log_ndtr ndtr ndtri",
}
"""Everything else."""

TORCH_NAMES = {
    "affine": "linear",
    "_contract": "einsum",
    "_vecdot": "linalg_vecdot",
    "gru": "_thnn_fused_gru_cell",
    "lstm": "_thnn_fused_lstm_cell",
    "rnn": "rnn_tanh_cell",
    "rnn_cell": "rnn_tanh_cell",
    "_tensordot": "tensordot",
    "_cumulative_prod": "cumprod",
    "_cumulative_sum": "cumsum",
    "_squared_error": "mse_loss",
    "_weighted_squared_error": "mse_loss",
    "cross_entropy": "nll_loss",
    "vector_norm": "linalg_vector_norm",
    "_cross": "cross",
    "_scatter_add": "scatter_add",
    "_setitem": "index_put",
}
"""PyTorch's names of ours; what is not here has the same name, or none."""

OTHERWISE = {
    "_tensordot": "PyTorch reaches no tensor core with it; for us it is a matrix product as any other",
    "kl_div": "that of framework.special: SciPy computes it in float32 itself; the loss of this name is PyTorch's",
}
"""Where we differ from PyTorch's lists, and why."""
