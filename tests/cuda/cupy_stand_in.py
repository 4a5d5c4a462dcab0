"""A CuPy that computes on the host, for ``pytest --gpu emulated``: NumPy's functions under CuPy's rules.

What CuPy refuses is refused here, so that code which works by mixing up host and device fails without a GPU: arrays of the
two do not meet in one operation, nothing becomes a NumPy array of its own accord, results without axes are arrays and not
scalars, and functions, keywords and dtypes that CuPy 14 lacks are missing. Where CuPy does not raise (indices out of
range, singular matrices) neither does this. Kernels are run by :mod:`tests.cuda.emulation`.
"""

from __future__ import annotations

import ctypes
import operator
import sys
import warnings
from contextlib import contextmanager, nullcontext
from functools import cache, wraps
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import scipy.special
from numpy.lib.mixins import NDArrayOperatorsMixin

from backends._numpy import NumpyBackend, narrow

# ---------------------------------------------------------------- CuPy's names, and what its functions do not take
FUNCTIONS = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "all",
    "allclose",
    "amax",
    "amin",
    "angle",
    "any",
    "append",
    "apply_along_axis",
    "apply_over_axes",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "argwhere",
    "around",
    "array_equal",
    "array_equiv",
    "array_split",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "average",
    "bincount",
    "bitwise_and",
    "bitwise_count",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "cbrt",
    "ceil",
    "choose",
    "clip",
    "column_stack",
    "common_type",
    "compress",
    "concat",
    "concatenate",
    "conj",
    "conjugate",
    "convolve",
    "copy",
    "copysign",
    "copyto",
    "corrcoef",
    "correlate",
    "cos",
    "cosh",
    "count_nonzero",
    "cov",
    "cross",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "deg2rad",
    "degrees",
    "delete",
    "diag",
    "diag_indices",
    "diag_indices_from",
    "diagflat",
    "diagonal",
    "diff",
    "digitize",
    "divide",
    "divmod",
    "dot",
    "dsplit",
    "dstack",
    "ediff1d",
    "einsum",
    "empty",
    "empty_like",
    "equal",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "extract",
    "eye",
    "fabs",
    "fill_diagonal",
    "fix",
    "flatnonzero",
    "flip",
    "fliplr",
    "flipud",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "full",
    "full_like",
    "gcd",
    "gradient",
    "greater",
    "greater_equal",
    "heaviside",
    "histogram",
    "histogram2d",
    "histogramdd",
    "hsplit",
    "hstack",
    "hypot",
    "i0",
    "identity",
    "imag",
    "indices",
    "inner",
    "interp",
    "intersect1d",
    "invert",
    "isclose",
    "iscomplex",
    "iscomplexobj",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "isrealobj",
    "ix_",
    "kron",
    "lcm",
    "ldexp",
    "left_shift",
    "less",
    "less_equal",
    "lexsort",
    "linspace",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logspace",
    "matmul",
    "matrix_transpose",
    "max",
    "maximum",
    "may_share_memory",
    "mean",
    "median",
    "meshgrid",
    "min",
    "minimum",
    "mod",
    "modf",
    "moveaxis",
    "multiply",
    "nan_to_num",
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "negative",
    "nextafter",
    "nonzero",
    "not_equal",
    "ones",
    "ones_like",
    "outer",
    "packbits",
    "pad",
    "partition",
    "percentile",
    "permute_dims",
    "piecewise",
    "place",
    "positive",
    "pow",
    "power",
    "prod",
    "ptp",
    "put",
    "put_along_axis",
    "putmask",
    "quantile",
    "rad2deg",
    "radians",
    "ravel",
    "ravel_multi_index",
    "real",
    "reciprocal",
    "remainder",
    "repeat",
    "reshape",
    "resize",
    "right_shift",
    "rint",
    "roll",
    "rollaxis",
    "rot90",
    "round",
    "searchsorted",
    "select",
    "setdiff1d",
    "setxor1d",
    "shares_memory",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "sort",
    "sort_complex",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "subtract",
    "sum",
    "swapaxes",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensordot",
    "tile",
    "trace",
    "transpose",
    "trapezoid",
    "tri",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
    "true_divide",
    "trunc",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "unravel_index",
    "unwrap",
    "vander",
    "var",
    "vdot",
    "vsplit",
    "vstack",
    "where",
    "zeros",
    "zeros_like",
]

# What CuPy has from NumPy as it is.
BORROWED = [
    "bool",
    "bool_",
    "byte",
    "cdouble",
    "complex128",
    "complex64",
    "complexfloating",
    "csingle",
    "double",
    "dtype",
    "e",
    "euler_gamma",
    "finfo",
    "float16",
    "float32",
    "float64",
    "floating",
    "generic",
    "half",
    "iinfo",
    "index_exp",
    "inexact",
    "inf",
    "int16",
    "int32",
    "int64",
    "int8",
    "int_",
    "intc",
    "integer",
    "intp",
    "isdtype",
    "issubdtype",
    "longlong",
    "nan",
    "ndindex",
    "newaxis",
    "number",
    "pi",
    "promote_types",
    "s_",
    "short",
    "signedinteger",
    "single",
    "ubyte",
    "uint",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
    "uintc",
    "uintp",
    "ulonglong",
    "unsignedinteger",
    "ushort",
]

LINALG = [
    "cholesky",
    "cond",
    "cross",
    "det",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matrix_power",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "tensorinv",
    "tensorsolve",
]

FFT = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

SPECIAL = [
    "bdtr",
    "bdtrc",
    "bdtri",
    "beta",
    "betainc",
    "betaincinv",
    "betaln",
    "binom",
    "boxcox",
    "boxcox1p",
    "btdtr",
    "btdtri",
    "cbrt",
    "chdtr",
    "chdtrc",
    "chdtri",
    "cosdg",
    "cosm1",
    "cotdg",
    "digamma",
    "ellipeinc",
    "ellipj",
    "ellipk",
    "ellipkinc",
    "ellipkm1",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfinv",
    "exp1",
    "exp10",
    "exp2",
    "expi",
    "expit",
    "expm1",
    "expn",
    "exprel",
    "fdtr",
    "fdtrc",
    "fdtri",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammainccinv",
    "gammaincinv",
    "gammaln",
    "gammasgn",
    "gdtr",
    "gdtrc",
    "huber",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "inv_boxcox",
    "inv_boxcox1p",
    "j0",
    "j1",
    "k0",
    "k0e",
    "k1",
    "k1e",
    "kl_div",
    "lambertw",
    "log1p",
    "log_expit",
    "log_ndtr",
    "log_softmax",
    "loggamma",
    "logit",
    "logsumexp",
    "lpmv",
    "multigammaln",
    "nbdtr",
    "nbdtrc",
    "nbdtri",
    "ndtr",
    "ndtri",
    "pdtr",
    "pdtrc",
    "pdtri",
    "poch",
    "polygamma",
    "pseudo_huber",
    "psi",
    "radian",
    "rel_entr",
    "rgamma",
    "round",
    "shichi",
    "sici",
    "sinc",
    "sindg",
    "softmax",
    "sph_harm_y",
    "spherical_yn",
    "tandg",
    "wright_bessel",
    "xlog1py",
    "xlogy",
    "y0",
    "y1",
    "yn",
    "zeta",
    "zetac",
]

_REDUCTIONS = ["all", "any", "sum", "prod", "amax", "amin", "max", "min", "nansum", "nanprod", "nanmax", "nanmin"]
_MOMENTS = ["mean", "var", "std", "nanmean", "nanvar", "nanstd"]
_MADE = [
    "empty",
    "ones",
    "zeros",
    "full",
    "empty_like",
    "ones_like",
    "zeros_like",
    "full_like",
    "eye",
    "arange",
    "linspace",
    "fftfreq",
    "rfftfreq",
]
LACKING = (
    dict.fromkeys(_REDUCTIONS, frozenset({"initial", "where"}))
    | dict.fromkeys(_MOMENTS, frozenset({"where", "mean", "correction"}))
    | dict.fromkeys(_MADE, frozenset({"device", "like"}))
    | dict.fromkeys(("sort", "argsort"), frozenset({"stable", "order"}))
    | dict.fromkeys(("partition", "argpartition"), frozenset({"kind", "order"}))
    | {"clip": {"min", "max"}, "count_nonzero": {"keepdims"}, "reshape": {"shape", "copy"}, "take": {"mode"}}
    | {"cholesky": {"upper"}, "svd": {"hermitian"}, "pinv": {"rtol", "hermitian"}, "unique": {"sorted"}}
    | {"matrix_rank": {"rtol", "hermitian"}, "einsum": {"out", "order", "casting"}, "trim_zeros": {"axis"}}
)
"""Keywords of NumPy's functions that CuPy's of the same name do not have."""

METHODS = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "astype",
    "choose",
    "clip",
    "compress",
    "conj",
    "conjugate",
    "copy",
    "cumprod",
    "cumsum",
    "diagonal",
    "dot",
    "flatten",
    "max",
    "mean",
    "min",
    "nonzero",
    "prod",
    "ravel",
    "repeat",
    "reshape",
    "round",
    "searchsorted",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "trace",
    "transpose",
    "var",
    "view",
]

ADDED_AT_INDICES = ("int32", "float16", "float32", "float64", "uint32", "uint64")
"""Dtypes for which CuPy adds at an array of indices."""


# ---------------------------------------------------------------- between host and device
def to_host(value):
    """The values of device arrays, in nested sequences too; an array of the host is refused."""
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, (list, tuple)):
        parts = [to_host(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if hasattr(value, "__array__") and not isinstance(value, (np.generic, type)):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def to_device(value, owners=()):
    """What a function of NumPy returned, as CuPy returns it: arrays, never scalars."""
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray._of(np.asarray(value), owners)
    if isinstance(value, (list, tuple)):
        parts = [to_device(part, owners) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def arrays_in(values):
    """All device arrays in nested sequences."""
    for value in values:
        if isinstance(value, ndarray):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from arrays_in(value)


def lift(function, *, strict=False):
    """A function of NumPy, made one on device arrays; a strict one takes no sequences in their place."""
    lacking = LACKING.get(function.__name__, frozenset())

    @wraps(function)
    def call(*args, **kwargs):
        if not lacking.isdisjoint(kwargs):
            raise TypeError(
                f"{function.__name__}() got an unexpected keyword argument {min(lacking & kwargs.keys())!r}"
            )
        if strict and any(isinstance(x, (list, tuple)) for x in args):
            raise TypeError(f"Unsupported type {list}")
        owners = list(arrays_in([*args, *kwargs.values()]))
        args, kwargs = to_host(args), {name: to_host(value) for name, value in kwargs.items()}
        # A GPU computes 1 / 0 without a word.
        with np.errstate(all="ignore"):
            return to_device(function(*args, **kwargs), owners)

    return call


@cache
def in_float32():
    """NumPy's functions for floats of 16 bits, which it knows less of than CuPy does."""
    return narrow.functions(NumpyBackend().xp)


class Ufunc:
    """A ufunc: takes device arrays and numbers, nothing else."""

    def __init__(self, ufunc):
        self.__name__ = ufunc.__name__
        self.__doc__ = ufunc.__doc__
        self._ufunc = ufunc
        self._call = lift(ufunc, strict=True)
        self.reduce, self.accumulate, self.outer = (
            lift(_named(getattr(ufunc, name), name)) for name in ("reduce", "accumulate", "outer")
        )

    def __call__(self, *args, **kwargs):
        narrow_one = self.__name__ in in_float32() and any(narrow.is_narrow(x.dtype) for x in arrays_in(args))
        if not narrow_one or self.__name__ in ("matmul", "vecdot"):
            return self._call(*args, **kwargs)
        return lift(_named(in_float32()[self.__name__], self.__name__), strict=True)(*args, **kwargs)

    def at(self, a, indices, b=None):
        if self.__name__ not in ("add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"):
            raise NotImplementedError(f"`cupy_{self.__name__}.at` is not supported yet")
        if has_index_array(indices) and a.dtype.name not in ADDED_AT_INDICES:
            raise TypeError(f"cupy.{self.__name__}.at only supports {', '.join(ADDED_AT_INDICES)}, as data type")
        self._ufunc.at(a.host, wrapped(indices, a.shape), to_host(b))


def _named(function, name):
    @wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)

    call.__name__ = name
    return call


# ---------------------------------------------------------------- indices
def has_index_array(key):
    """Whether a key has an array of integers in it."""
    parts = key if isinstance(key, tuple) else (key,)
    return any(
        isinstance(part, (list, ndarray, np.ndarray)) and np.asarray(_bare(part)).dtype != bool for part in parts
    )


def _bare(part):
    return part.host if isinstance(part, ndarray) else part


def wrapped(key, shape):
    """A key for the host; arrays of indices out of range are wrapped around, as CuPy does without a word."""
    parts = [_bare(part) for part in (key if isinstance(key, tuple) else (key,))]
    parts = [
        np.asarray(part, dtype=None if len(part) else np.int64) if isinstance(part, list) else part for part in parts
    ]
    axes = [np.ndim(part) if _is_mask(part) else 0 if part is None else 1 for part in parts]
    after = len(shape) - sum(n for n, part in zip(axes, parts) if part is not Ellipsis)
    axis, host = 0, []
    for n, part in zip(axes, parts):
        if part is Ellipsis:
            n = after
        elif isinstance(part, np.ndarray) and part.dtype.kind in "iu" and axis < len(shape) and shape[axis]:
            part = part % shape[axis]
        axis += n
        host.append(part)
    return tuple(host) if isinstance(key, tuple) else host[0]


def _is_mask(part):
    return isinstance(part, (bool, np.bool_)) or (isinstance(part, np.ndarray) and part.dtype == bool)


# ---------------------------------------------------------------- the array
class Flags:
    """CuPy's flags: a few of NumPy's."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata


class Pointer:
    """Where an array's numbers are."""

    def __init__(self, host):
        self._host = host
        self.ptr = host.ctypes.data
        self.device = Device(0)

    def copy_from_host_async(self, address, size, stream=None):
        assert size == self._host.nbytes
        ctypes.memmove(self.ptr, address, size)


class ndarray(NDArrayOperatorsMixin):
    """``cupy.ndarray``.

    Attributes
    ----------
    host : numpy.ndarray
        The values.
    base : ndarray or None
        The array whose memory this one shares.
    """

    __module__ = "cupy"
    __array_priority__ = 100

    def __init__(self, shape, dtype=float):
        self.host = np.empty(shape, dtype)
        self.base = None

    @classmethod
    def _of(cls, host, owners=()):
        if host.dtype.kind in "OUSMm" or host.dtype.name in ("longdouble", "clongdouble", "float128", "complex256"):
            raise ValueError(f"Unsupported dtype {host.dtype}")
        array = cls.__new__(cls)
        array.host = host
        array.base = None
        for owner in owners:
            if host is owner.host:
                return owner
            if host.size and host.base is not None and np.may_share_memory(host, owner.host):
                array.base = owner if owner.base is None else owner.base
                break
        return array

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    itemsize = property(lambda self: self.host.itemsize)
    strides = property(lambda self: self.host.strides)
    flags = property(lambda self: Flags(self.host.flags))
    data = property(lambda self: Pointer(self.host))
    device = property(lambda self: Device(0))
    T = property(lambda self: ndarray._of(self.host.T, [self]))
    mT = property(lambda self: ndarray._of(self.host.mT, [self]))
    real = property(lambda self: ndarray._of(self.host.real, [self]))
    imag = property(lambda self: ndarray._of(self.host.imag, [self]))

    @real.setter
    def real(self, value):
        self.host.real = to_host(value)

    @imag.setter
    def imag(self, value):
        self.host.imag = to_host(value)

    def get(self, stream=None, order="C", out=None, blocking=True):
        return np.array(self.host, order=order)

    def item(self):
        return self.host.item()

    def tolist(self):
        return self.host.tolist()

    def tobytes(self, order="C"):
        return self.host.tobytes(order)

    def fill(self, value):
        if isinstance(value, np.ndarray) and value.shape:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        self.host.fill(_bare(value))

    def sort(self, axis=-1, kind=None):
        self.host.sort(axis, kind="stable")

    def __getitem__(self, key):
        key = wrapped(key, self.shape)
        part = self.host[key]
        # Of a single entry NumPy gives a scalar, CuPy a view.
        return to_device(
            part if isinstance(part, np.ndarray) else self.host[(*key, ...) if type(key) is tuple else (key, ...)],
            [self],
        )

    def __setitem__(self, key, value):
        if not isinstance(value, ndarray):
            if isinstance(value, np.ndarray) and value.shape and not has_index_array(key):
                raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
            if hasattr(value, "__array__") and not isinstance(value, (np.ndarray, np.generic)):
                raise TypeError(f"Unsupported type {type(value)}")
        with np.errstate(all="ignore"):
            self.host[wrapped(key, self.shape)] = _bare(value)

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
            "explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **kwargs):
        own = getattr(cupy, ufunc.__name__, None) or getattr(cupyx.scipy.special, ufunc.__name__, None)
        if own is None or not all(_is_operand(x) for x in (*inputs, *out)):
            return NotImplemented
        if out:
            if any(isinstance(x, np.ndarray) for x in out):
                raise TypeError(f"Unsupported type {np.ndarray}")
            result = own(*inputs, **kwargs)
            np.copyto(out[0].host, result.host, casting="same_kind")
            return out[0]
        return (own if method == "__call__" else getattr(own, method))(*inputs, **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        module = cupy
        for part in function.__module__.split(".")[1:]:
            module = getattr(module, part, None)
        own = getattr(module, function.__name__, None)
        if own is None or own is function or not all(issubclass(t, (ndarray, np.ndarray)) for t in types):
            return NotImplemented
        return own(*args, **kwargs)

    def __len__(self):
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    def __bool__(self):
        if not self.size:
            warnings.warn("The truth value of an empty array is ambiguous.", DeprecationWarning, stacklevel=2)
            return False
        return bool(self.host)

    def __int__(self):
        return int(self.host)

    def __float__(self):
        return float(self.host)

    def __complex__(self):
        return complex(self.host)

    def __index__(self):
        return operator.index(self.host)

    def __repr__(self):
        return repr(self.host)

    def __str__(self):
        return str(self.host)

    def __format__(self, spec):
        return format(self.host, spec)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __reduce__(self):
        return array, (self.get(),)

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if dl_device is None and stream is None and max_version is None:
            raise BufferError("a stand-in's memory is the host's")
        return self.host.__dlpack__(max_version=max_version, copy=copy)


def _method(name):
    of_numpy = getattr(np.ndarray, name)
    own = lift(_named(of_numpy, name))
    if name in ("sum", "mean", "prod", "var", "std"):
        return lambda self, *args, **kwargs: getattr(cupy, name)(self, *args, **kwargs)

    @wraps(of_numpy)
    def call(self, *args, **kwargs):
        if name == "nonzero" and not self.ndim:
            raise ValueError(
                "Calling nonzero on 0d arrays is not allowed. Use cp.atleast_1d(scalar).nonzero() instead."
            )
        if name in ("argsort", "searchsorted", "take"):
            kwargs.pop("kind", None)
            return getattr(cupy, name)(self, *args, **kwargs)
        return own(self, *args, **kwargs)

    return call


for _name in METHODS:
    setattr(ndarray, _name, _method(_name))


def _is_operand(x):
    return isinstance(x, (ndarray, np.ndarray, np.generic, bool, int, float, complex))


# ---------------------------------------------------------------- functions that are not simply NumPy's
def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    """``cupy.array``, which takes what is on the host to the device."""
    if isinstance(obj, ndarray):
        host = obj.host if dtype is None or obj.dtype == dtype else obj.host.astype(dtype)
        if host is obj.host and not copy and obj.ndim >= ndmin:
            return obj
        return ndarray._of(np.array(host, order=order, ndmin=ndmin))
    if isinstance(obj, (list, tuple)):
        obj = to_host(obj)
    return ndarray._of(np.array(obj, dtype=dtype, order=order, ndmin=ndmin))


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    """``cupy.asarray``."""
    if copy is False and not isinstance(a, ndarray):
        raise ValueError("Unable to avoid copy while creating an array as requested")
    return array(a, dtype=dtype, copy=bool(copy))


def ascontiguousarray(a, dtype=None):
    """``cupy.ascontiguousarray``."""
    a = asarray(a, dtype)
    return a if a.flags.c_contiguous else a.copy()


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    """``cupy.asnumpy``."""
    return a.get(order=order) if isinstance(a, ndarray) else np.asarray(a)


def astype(x, dtype, /, *, copy=True):
    """``cupy.astype``."""
    return x.astype(dtype, copy=copy)


def result_type(*arrays_and_dtypes):
    """``cupy.result_type``."""
    return np.result_type(*(x.dtype if isinstance(x, ndarray) else x for x in arrays_and_dtypes))


def can_cast(from_, to, casting="safe"):
    """``cupy.can_cast``."""
    return np.can_cast(from_.dtype if isinstance(from_, ndarray) else from_, to, casting)


def from_dlpack(x, /, *, device=None, copy=None):
    """``cupy.from_dlpack``, of a GPU's memory."""
    if int(x.__dlpack_device__()[0]) not in (2, 3, 13):
        raise ValueError("Only CUDA's memory can be shared")
    capsule = x.__dlpack__(stream=1, max_version=(1, 0))
    host = np.from_dlpack(SimpleNamespace(__dlpack__=lambda **_: capsule, __dlpack_device__=lambda: (1, 0)))
    return ndarray._of(np.array(host) if copy else host)


def _sort(x, axis=-1, kind=None):
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")
    return np.sort(x, axis=axis, kind="stable")


def _argsort(x, axis=-1, kind=None):
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")
    return np.argsort(x, axis=axis, kind="stable")


def _take(a, indices, axis=None, out=None):
    return np.take(a, indices, axis=axis, mode="wrap") if np.size(a) else np.take(a, indices, axis=axis)


def _take_along_axis(a, indices, axis):
    return np.take_along_axis(a, indices % a.shape[axis] if indices.size else indices, axis)


def _linalg(function):
    """A decomposition or solution; what cannot be had is nan, unless errors were asked for."""

    @wraps(function)
    def call(*args, **kwargs):
        like = args[-1] if function.__name__ == "solve" else args[0]
        if function.__name__ == "solve" and like.ndim > 1 and args[0].shape[:-1] != like.shape[:-1]:
            raise ValueError("a must have (..., M, M) shape and b must have (..., M, K) for multidimensional b")
        try:
            return function(*args, **kwargs)
        except np.linalg.LinAlgError as error:
            if "ingular" not in str(error) and "positive definite" not in str(error):
                raise
            if cupyx._linalg == "raise":
                raise np.linalg.LinAlgError("Error reported by getrf in cuSOLVER. devInfo = [1].") from None
            return np.full_like(like, np.nan)

    return call


def _join(function):
    """A function of a sequence of arrays, all of the device."""

    @wraps(function)
    def call(tup, *args, **kwargs):
        if not all(isinstance(x, ndarray) for x in tup):
            raise TypeError("Only cupy arrays can be concatenated")
        return function(tup, *args, **kwargs)

    return call


# ---------------------------------------------------------------- devices, streams, memory
class Device:
    """The one device."""

    id = 0
    attributes: ClassVar = {"MultiProcessorCount": 6, "MaxSharedMemoryPerBlockOptin": 64 * 1024}
    compute_capability = "90"

    def __init__(self, device=None):
        if device not in (None, 0) and getattr(device, "id", None) != 0:
            raise ValueError(f"no device {device!r}")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def __eq__(self, other):
        return isinstance(other, Device)

    def __hash__(self):
        return 0

    def __repr__(self):
        return "<CUDA Device 0>"

    def synchronize(self):
        """All is done at once."""


class Event:
    """Something that has happened."""

    def __init__(self, *args, **kwargs):
        pass

    def synchronize(self):
        """It has."""


class Stream:
    """A stream, whose work is done at once."""

    ptr = 0

    def __init__(self, *args, **kwargs):
        pass

    def __enter__(self):
        _streams.append(self)
        return self

    def __exit__(self, *error):
        _streams.pop()

    def synchronize(self):
        """All is done."""

    def wait_event(self, event):
        """It has happened."""

    def record(self, event=None):
        return event or Event()


_streams = [Stream()]


class Pinned(np.ndarray):
    """Memory of the host that the device sees; its address stands for itself, so that the emulator knows its length."""

    @property
    def ptr(self):
        return np.asarray(self).view(np.int32)


class CUDARuntimeError(RuntimeError):
    """``cupy.cuda.runtime.CUDARuntimeError``."""


class OutOfMemoryError(MemoryError):
    """``cupy.cuda.memory.OutOfMemoryError``."""


class MemoryPool:
    """A pool that nobody takes from."""

    def malloc(self, size):
        raise NotImplementedError("arrays of the stand-in are the host's")

    def used_bytes(self):
        return 0

    def free_bytes(self):
        return 0

    def free_all_blocks(self):
        """There are none."""


# ---------------------------------------------------------------- the modules
def module(name, **members):
    made = ModuleType(name)
    vars(made).update(members)
    made.__all__ = [member for member in members if not member.startswith("_")]
    return made


def lifted(source, names, wrap=lambda f: f):
    """Functions of NumPy or SciPy by CuPy's names, those of the list that this version has."""
    made = {}
    for name in names:
        function = getattr(source, name, None)
        if isinstance(function, np.ufunc):
            made[name] = Ufunc(function)
        elif function is not None:
            made[name] = lift(wrap(function))
    return made


def lifted_narrow(functions):
    """Those of the functions that NumPy does in 16 bits otherwise than CuPy, with what is done in float32."""

    def either(name, function):
        @wraps(function)
        def call(*args, **kwargs):
            if any(narrow.is_narrow(x.dtype) for x in arrays_in(args)):
                if "ddof" in kwargs:
                    kwargs["correction"] = kwargs.pop("ddof")
                return lift(_named(in_float32()[name], "narrow"))(*args, **kwargs)
            return function(*args, **kwargs)

        return call

    names = (
        "sum",
        "mean",
        "prod",
        "var",
        "std",
        "cumulative_sum",
        "cumulative_prod",
        "tensordot",
        "einsum",
        "where",
        "clip",
    )
    return {name: either(name, functions[name]) for name in names} | {"matmul": either("matmul", functions["matmul"])}


def _make_cupy():
    functions = lifted(np, FUNCTIONS)
    own = {"sort": _sort, "argsort": _argsort, "take": _take, "take_along_axis": _take_along_axis}
    functions |= {name: lift(_named(function, name)) for name, function in own.items()}
    functions |= {name: _join(functions[name]) for name in ("concatenate", "concat", "stack", "vstack", "hstack")}
    functions |= lifted_narrow(functions)
    runtime = module(
        "cupy.cuda.runtime",
        CUDARuntimeError=CUDARuntimeError,
        getDevice=lambda: 0,
        getDeviceCount=lambda: 1,
        memGetInfo=lambda: (1 << 30, 1 << 34),
        setDevice=lambda device: None,
    )
    cuda = module(
        "cupy.cuda",
        Device=Device,
        Event=Event,
        MemoryPool=MemoryPool,
        Stream=Stream,
        alloc_pinned_memory=lambda size: np.zeros(size, np.uint8).view(Pinned),
        device=module("cupy.cuda.device", Device=Device),
        get_allocator=lambda: None,
        get_current_stream=lambda: _streams[-1],
        is_available=lambda: True,
        memory=module("cupy.cuda.memory", OutOfMemoryError=OutOfMemoryError),
        runtime=runtime,
        set_allocator=lambda allocator: None,
        using_allocator=lambda allocator: nullcontext(),
    )
    return module(
        "cupy",
        **{name: getattr(np, name) for name in BORROWED},
        **functions,
        __version__="14.0.0",
        array=array,
        asanyarray=asarray,
        asarray=asarray,
        ascontiguousarray=ascontiguousarray,
        asnumpy=asnumpy,
        astype=astype,
        can_cast=can_cast,
        cuda=cuda,
        fft=module("cupy.fft", **lifted(np.fft, FFT)),
        from_dlpack=from_dlpack,
        get_default_memory_pool=MemoryPool,
        is_available=lambda: True,
        linalg=module("cupy.linalg", LinAlgError=np.linalg.LinAlgError, **lifted(np.linalg, LINALG, _linalg)),
        ndarray=ndarray,
        ndim=np.ndim,
        result_type=result_type,
    )


def _scatter_add(a, slices, value):
    warnings.warn(
        "`ndarray.scatter_add` is deprecated. Please use `cupy.add.at` instead.", DeprecationWarning, stacklevel=2
    )
    cupy.add.at(a, slices, value)


@contextmanager
def _errstate(*, linalg=None):
    before, cupyx._linalg = cupyx._linalg, linalg or cupyx._linalg
    try:
        yield
    finally:
        cupyx._linalg = before


cupy = _make_cupy()
cupyx = module("cupyx", scatter_add=_scatter_add, errstate=_errstate, _linalg="ignore")
cupyx.scipy = module("cupyx.scipy", special=module("cupyx.scipy.special", **lifted(scipy.special, SPECIAL)))


def install():
    """Let ``import cupy`` find the stand-in, and let its kernels and captured steps be emulated."""
    import backends._cupy
    from tests.cuda.emulation import EmulatedCapture, EmulatedLauncher

    modules = [cupy, cupy.cuda, cupy.cuda.device, cupy.cuda.runtime, cupy.cuda.memory, cupy.linalg, cupy.fft]
    modules += [cupyx, cupyx.scipy, cupyx.scipy.special]
    sys.modules.update({made.__name__: made for made in modules})
    backends._cupy.Launcher = lambda device: EmulatedLauncher()
    backends._cupy.Capture = EmulatedCapture
