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
from framework.special.bessel import j0 as j0
from framework.special.bessel import j1 as j1
from framework.special.bessel import jv as jv
from framework.special.bessel import k0 as k0
from framework.special.bessel import k0e as k0e
from framework.special.bessel import k1 as k1
from framework.special.bessel import k1e as k1e
from framework.special.bessel import kv as kv
from framework.special.bessel import kve as kve
from framework.special.bessel import sinc as sinc
from framework.special.bessel import spherical_jn as spherical_jn
from framework.special.bessel import y0 as y0
from framework.special.bessel import y1 as y1
from framework.special.bessel import yv as yv
from framework.special.distributions import betainc as betainc
from framework.special.distributions import betaincc as betaincc
from framework.special.distributions import chdtr as chdtr
from framework.special.distributions import chdtrc as chdtrc
from framework.special.distributions import chdtri as chdtri
from framework.special.distributions import fdtr as fdtr
from framework.special.distributions import fdtrc as fdtrc
from framework.special.distributions import gammainc as gammainc
from framework.special.distributions import gammaincc as gammaincc
from framework.special.distributions import gammainccinv as gammainccinv
from framework.special.distributions import gammaincinv as gammaincinv
from framework.special.distributions import pdtr as pdtr
from framework.special.distributions import pdtrc as pdtrc
from framework.special.distributions import stdtr as stdtr
from framework.special.entropy import entr as entr
from framework.special.entropy import kl_div as kl_div
from framework.special.entropy import rel_entr as rel_entr
from framework.special.entropy import xlog1py as xlog1py
from framework.special.entropy import xlogy as xlogy
from framework.special.exponentials import boxcox as boxcox
from framework.special.exponentials import cbrt as cbrt
from framework.special.exponentials import cosm1 as cosm1
from framework.special.exponentials import exp1 as exp1
from framework.special.exponentials import exp2 as exp2
from framework.special.exponentials import exp10 as exp10
from framework.special.exponentials import expi as expi
from framework.special.exponentials import expn as expn
from framework.special.exponentials import exprel as exprel
from framework.special.exponentials import hyp1f1 as hyp1f1
from framework.special.gammas import beta as beta
from framework.special.gammas import betaln as betaln
from framework.special.gammas import binom as binom
from framework.special.gammas import digamma as digamma
from framework.special.gammas import gamma as gamma
from framework.special.gammas import gammaln as gammaln
from framework.special.gammas import loggamma as loggamma
from framework.special.gammas import multigammaln as multigammaln
from framework.special.gammas import poch as poch
from framework.special.gammas import polygamma as polygamma
from framework.special.gammas import psi as psi
from framework.special.gammas import rgamma as rgamma
from framework.special.gammas import zeta as zeta
from framework.special.logistic import expit as expit
from framework.special.logistic import log_expit as log_expit
from framework.special.logistic import log_softmax as log_softmax
from framework.special.logistic import logit as logit
from framework.special.logistic import logsumexp as logsumexp
from framework.special.logistic import softmax as softmax
from framework.special.losses import huber as huber
from framework.special.losses import pseudo_huber as pseudo_huber
from framework.special.normal import erf as erf
from framework.special.normal import erfc as erfc
from framework.special.normal import erfcinv as erfcinv
from framework.special.normal import erfcx as erfcx
from framework.special.normal import erfinv as erfinv
from framework.special.normal import log_ndtr as log_ndtr
from framework.special.normal import ndtr as ndtr
from framework.special.normal import ndtri as ndtri
