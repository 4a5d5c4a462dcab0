"""Linear algebra: the Array API's extension and least squares, with gradients of any order, real and complex.

All functions take stacks of matrices, in the last two axes.

>>> import framework as fw
>>> a = fw.asarray([[2.0, 0.0], [0.0, 4.0]])
>>> fw.linalg.solve(a, fw.asarray([2.0, 2.0]))
Tensor([1. , 0.5])
"""

from framework.linalg.decompositions import EigResult as EigResult
from framework.linalg.decompositions import QRResult as QRResult
from framework.linalg.decompositions import SVDResult as SVDResult
from framework.linalg.decompositions import cholesky as cholesky
from framework.linalg.decompositions import eig as eig
from framework.linalg.decompositions import eigh as eigh
from framework.linalg.decompositions import eigvals as eigvals
from framework.linalg.decompositions import eigvalsh as eigvalsh
from framework.linalg.decompositions import qr as qr
from framework.linalg.decompositions import svd as svd
from framework.linalg.decompositions import svdvals as svdvals
from framework.linalg.norms import matrix_norm as matrix_norm
from framework.linalg.norms import matrix_rank as matrix_rank
from framework.linalg.norms import vector_norm as vector_norm
from framework.linalg.products import cross as cross
from framework.linalg.products import diagonal as diagonal
from framework.linalg.products import matrix_power as matrix_power
from framework.linalg.products import outer as outer
from framework.linalg.products import trace as trace
from framework.linalg.solvers import LstsqResult as LstsqResult
from framework.linalg.solvers import SlogdetResult as SlogdetResult
from framework.linalg.solvers import det as det
from framework.linalg.solvers import inv as inv
from framework.linalg.solvers import lstsq as lstsq
from framework.linalg.solvers import pinv as pinv
from framework.linalg.solvers import slogdet as slogdet
from framework.linalg.solvers import solve as solve
from framework.ops.linear import matmul as matmul
from framework.ops.linear import tensordot as tensordot
from framework.ops.linear import vecdot as vecdot
from framework.ops.manipulation import matrix_transpose as matrix_transpose
