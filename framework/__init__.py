"""A differentiable array namespace: the Python Array API on any array library, with gradients.

>>> import framework as fw
>>> x = fw.Tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x**2).sum().backward()
>>> x.grad
Tensor([2., 4., 6.])
"""

from importlib import import_module
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import TYPE_CHECKING, Any

from framework import autograd as autograd
from framework import cuda as cuda
from framework import random as random
from framework.autograd import enable_grad as enable_grad
from framework.autograd import is_grad_enabled as is_grad_enabled
from framework.autograd import no_grad as no_grad
from framework.autograd import set_grad_enabled as set_grad_enabled
from framework.creation import arange as arange
from framework.creation import asarray as asarray
from framework.creation import empty as empty
from framework.creation import empty_like as empty_like
from framework.creation import eye as eye
from framework.creation import from_dlpack as from_dlpack
from framework.creation import full as full
from framework.creation import full_like as full_like
from framework.creation import linspace as linspace
from framework.creation import ones as ones
from framework.creation import ones_like as ones_like
from framework.creation import zeros as zeros
from framework.creation import zeros_like as zeros_like
from framework.devices import get_default_device as get_default_device
from framework.devices import set_default_device as set_default_device
from framework.dtypes import bool as bool
from framework.dtypes import complex64 as complex64
from framework.dtypes import complex128 as complex128
from framework.dtypes import float16 as float16
from framework.dtypes import float32 as float32
from framework.dtypes import float64 as float64
from framework.dtypes import get_default_dtype as get_default_dtype
from framework.dtypes import int8 as int8
from framework.dtypes import int16 as int16
from framework.dtypes import int32 as int32
from framework.dtypes import int64 as int64
from framework.dtypes import set_default_dtype as set_default_dtype
from framework.dtypes import uint8 as uint8
from framework.dtypes import uint16 as uint16
from framework.dtypes import uint32 as uint32
from framework.dtypes import uint64 as uint64
from framework.inspection import __array_api_version__ as __array_api_version__
from framework.inspection import __array_api_versions__ as __array_api_versions__
from framework.inspection import __array_namespace_info__ as __array_namespace_info__
from framework.inspection import can_cast as can_cast
from framework.inspection import finfo as finfo
from framework.inspection import iinfo as iinfo
from framework.inspection import isdtype as isdtype
from framework.inspection import result_type as result_type
from framework.ops.closeness import allclose as allclose
from framework.ops.closeness import isclose as isclose
from framework.ops.contraction import einsum as einsum
from framework.ops.cumulative import cumulative_prod as cumulative_prod
from framework.ops.cumulative import cumulative_sum as cumulative_sum
from framework.ops.cumulative import diff as diff
from framework.ops.diagonals import diagonal as diagonal
from framework.ops.diagonals import trace as trace
from framework.ops.diagonals import tril as tril
from framework.ops.diagonals import triu as triu
from framework.ops.elementwise import abs as abs
from framework.ops.elementwise import acos as acos
from framework.ops.elementwise import acosh as acosh
from framework.ops.elementwise import add as add
from framework.ops.elementwise import asin as asin
from framework.ops.elementwise import asinh as asinh
from framework.ops.elementwise import atan as atan
from framework.ops.elementwise import atan2 as atan2
from framework.ops.elementwise import atanh as atanh
from framework.ops.elementwise import bitwise_and as bitwise_and
from framework.ops.elementwise import bitwise_invert as bitwise_invert
from framework.ops.elementwise import bitwise_left_shift as bitwise_left_shift
from framework.ops.elementwise import bitwise_or as bitwise_or
from framework.ops.elementwise import bitwise_right_shift as bitwise_right_shift
from framework.ops.elementwise import bitwise_xor as bitwise_xor
from framework.ops.elementwise import ceil as ceil
from framework.ops.elementwise import clip as clip
from framework.ops.elementwise import conj as conj
from framework.ops.elementwise import copysign as copysign
from framework.ops.elementwise import cos as cos
from framework.ops.elementwise import cosh as cosh
from framework.ops.elementwise import divide as divide
from framework.ops.elementwise import equal as equal
from framework.ops.elementwise import exp as exp
from framework.ops.elementwise import expm1 as expm1
from framework.ops.elementwise import floor as floor
from framework.ops.elementwise import floor_divide as floor_divide
from framework.ops.elementwise import greater as greater
from framework.ops.elementwise import greater_equal as greater_equal
from framework.ops.elementwise import hypot as hypot
from framework.ops.elementwise import imag as imag
from framework.ops.elementwise import isfinite as isfinite
from framework.ops.elementwise import isinf as isinf
from framework.ops.elementwise import isnan as isnan
from framework.ops.elementwise import less as less
from framework.ops.elementwise import less_equal as less_equal
from framework.ops.elementwise import log as log
from framework.ops.elementwise import log1p as log1p
from framework.ops.elementwise import log2 as log2
from framework.ops.elementwise import log10 as log10
from framework.ops.elementwise import logaddexp as logaddexp
from framework.ops.elementwise import logical_and as logical_and
from framework.ops.elementwise import logical_not as logical_not
from framework.ops.elementwise import logical_or as logical_or
from framework.ops.elementwise import logical_xor as logical_xor
from framework.ops.elementwise import maximum as maximum
from framework.ops.elementwise import minimum as minimum
from framework.ops.elementwise import multiply as multiply
from framework.ops.elementwise import negative as negative
from framework.ops.elementwise import nextafter as nextafter
from framework.ops.elementwise import not_equal as not_equal
from framework.ops.elementwise import positive as positive
from framework.ops.elementwise import pow as pow
from framework.ops.elementwise import real as real
from framework.ops.elementwise import reciprocal as reciprocal
from framework.ops.elementwise import relu as relu
from framework.ops.elementwise import remainder as remainder
from framework.ops.elementwise import round as round
from framework.ops.elementwise import sigmoid as sigmoid
from framework.ops.elementwise import sign as sign
from framework.ops.elementwise import signbit as signbit
from framework.ops.elementwise import sin as sin
from framework.ops.elementwise import sinh as sinh
from framework.ops.elementwise import sqrt as sqrt
from framework.ops.elementwise import square as square
from framework.ops.elementwise import subtract as subtract
from framework.ops.elementwise import tan as tan
from framework.ops.elementwise import tanh as tanh
from framework.ops.elementwise import trunc as trunc
from framework.ops.elementwise import where as where
from framework.ops.indexing import getitem as getitem
from framework.ops.indexing import put_along_axis as put_along_axis
from framework.ops.indexing import scatter as scatter
from framework.ops.indexing import scatter_add as scatter_add
from framework.ops.indexing import setitem as setitem
from framework.ops.indexing import take as take
from framework.ops.indexing import take_along_axis as take_along_axis
from framework.ops.linear import inner as inner
from framework.ops.linear import kron as kron
from framework.ops.linear import matmul as matmul
from framework.ops.linear import outer as outer
from framework.ops.linear import tensordot as tensordot
from framework.ops.linear import vecdot as vecdot
from framework.ops.manipulation import astype as astype
from framework.ops.manipulation import broadcast_to as broadcast_to
from framework.ops.manipulation import concat as concat
from framework.ops.manipulation import expand_dims as expand_dims
from framework.ops.manipulation import flip as flip
from framework.ops.manipulation import matrix_transpose as matrix_transpose
from framework.ops.manipulation import moveaxis as moveaxis
from framework.ops.manipulation import permute_dims as permute_dims
from framework.ops.manipulation import reshape as reshape
from framework.ops.manipulation import roll as roll
from framework.ops.manipulation import squeeze as squeeze
from framework.ops.manipulation import stack as stack
from framework.ops.manipulation import tile as tile
from framework.ops.manipulation import unstack as unstack
from framework.ops.missing import nan_to_num as nan_to_num
from framework.ops.missing import nanmean as nanmean
from framework.ops.missing import nansum as nansum
from framework.ops.padding import pad as pad
from framework.ops.reduction import all as all
from framework.ops.reduction import any as any
from framework.ops.reduction import argmax as argmax
from framework.ops.reduction import argmin as argmin
from framework.ops.reduction import count_nonzero as count_nonzero
from framework.ops.reduction import logsumexp as logsumexp
from framework.ops.reduction import max as max
from framework.ops.reduction import mean as mean
from framework.ops.reduction import min as min
from framework.ops.reduction import prod as prod
from framework.ops.reduction import std as std
from framework.ops.reduction import sum as sum
from framework.ops.reduction import var as var
from framework.ops.repeating import broadcast_arrays as broadcast_arrays
from framework.ops.repeating import broadcast_shapes as broadcast_shapes
from framework.ops.repeating import meshgrid as meshgrid
from framework.ops.repeating import repeat as repeat
from framework.ops.sampling import convolve as convolve
from framework.ops.sampling import interp as interp
from framework.ops.sampling import trapezoid as trapezoid
from framework.ops.searching import nonzero as nonzero
from framework.ops.searching import searchsorted as searchsorted
from framework.ops.sets import isin as isin
from framework.ops.sets import unique_all as unique_all
from framework.ops.sets import unique_counts as unique_counts
from framework.ops.sets import unique_inverse as unique_inverse
from framework.ops.sets import unique_values as unique_values
from framework.ops.softmax import log_softmax as log_softmax
from framework.ops.softmax import softmax as softmax
from framework.ops.sorting import argsort as argsort
from framework.ops.sorting import sort as sort
from framework.ops.sorting import topk as topk
from framework.ops.statistics import bincount as bincount
from framework.ops.statistics import cov as cov
from framework.ops.statistics import median as median
from framework.ops.statistics import quantile as quantile
from framework.random import Generator as Generator
from framework.random import bernoulli as bernoulli
from framework.random import manual_seed as manual_seed
from framework.random import rand as rand
from framework.random import rand_like as rand_like
from framework.random import randint as randint
from framework.random import randint_like as randint_like
from framework.random import randn as randn
from framework.random import randn_like as randn_like
from framework.random import randperm as randperm
from framework.tensor import Tensor as Tensor

if TYPE_CHECKING:
    from framework import amp as amp
    from framework import data as data
    from framework import dialects as dialects
    from framework import fft as fft
    from framework import linalg as linalg
    from framework import metrics as metrics
    from framework import nn as nn
    from framework import optim as optim
    from framework import special as special
    from framework.dtypes import bfloat16 as bfloat16
    from framework.serialization import load as load
    from framework.serialization import save as save

newaxis = None
__version__ = "0.1.0"

_LATER = ("amp", "data", "dialects", "fft", "linalg", "metrics", "nn", "optim", "special", "training", "viz")


_FROM = {"bfloat16": "framework.dtypes", "load": "framework.serialization", "save": "framework.serialization"}


def __getattr__(name: str) -> Any:
    """``fw.nn`` and its like, and a few names: imported when first used, so that importing stays quick."""
    if name in _LATER:
        return import_module(f"framework.{name}")
    if name in _FROM:
        return getattr(import_module(_FROM[name]), name)
    raise AttributeError(f"module 'framework' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_FROM})
