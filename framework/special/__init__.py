"""Special functions under SciPy's names and signatures, with gradients of any order.

With ``SCIPY_ARRAY_API=1`` SciPy's own functions find these when they are given a tensor. Arguments are real
floating and broadcast. Values come from SciPy (or CuPy's copy of it); the formulas of the gradients stand in
Abramowitz and Stegun and in the NIST Digital Library of Mathematical Functions.

>>> import framework as fw
>>> x = fw.Tensor([0.0, 1.0], requires_grad=True)
>>> fw.special.erf(x).detach()
Tensor([0.       , 0.8427008])
"""

from framework.special.bessel import i0 as i0
from framework.special.bessel import i0e as i0e
from framework.special.bessel import i1 as i1
from framework.special.bessel import i1e as i1e
from framework.special.bessel import iv as iv
from framework.special.bessel import ive as ive
from framework.special.bessel import sinc as sinc
from framework.special.bessel import spherical_jn as spherical_jn
from framework.special.distributions import betainc as betainc
from framework.special.distributions import chdtr as chdtr
from framework.special.distributions import chdtrc as chdtrc
from framework.special.distributions import fdtr as fdtr
from framework.special.distributions import fdtrc as fdtrc
from framework.special.distributions import gammainc as gammainc
from framework.special.distributions import gammaincc as gammaincc
from framework.special.distributions import stdtr as stdtr
from framework.special.entropy import entr as entr
from framework.special.entropy import kl_div as kl_div
from framework.special.entropy import rel_entr as rel_entr
from framework.special.entropy import xlog1py as xlog1py
from framework.special.entropy import xlogy as xlogy
from framework.special.gammas import beta as beta
from framework.special.gammas import betaln as betaln
from framework.special.gammas import digamma as digamma
from framework.special.gammas import gamma as gamma
from framework.special.gammas import gammaln as gammaln
from framework.special.gammas import multigammaln as multigammaln
from framework.special.gammas import polygamma as polygamma
from framework.special.gammas import psi as psi
from framework.special.gammas import zeta as zeta
from framework.special.logistic import expit as expit
from framework.special.logistic import log_expit as log_expit
from framework.special.logistic import log_softmax as log_softmax
from framework.special.logistic import logit as logit
from framework.special.logistic import logsumexp as logsumexp
from framework.special.logistic import softmax as softmax
from framework.special.normal import erf as erf
from framework.special.normal import erfc as erfc
from framework.special.normal import erfcinv as erfcinv
from framework.special.normal import erfcx as erfcx
from framework.special.normal import erfinv as erfinv
from framework.special.normal import log_ndtr as log_ndtr
from framework.special.normal import ndtr as ndtr
from framework.special.normal import ndtri as ndtri
