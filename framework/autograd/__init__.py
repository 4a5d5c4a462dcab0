"""Automatic differentiation: the graph, the engine, and derivatives for users."""

from framework.autograd.anomaly import detect_anomaly as detect_anomaly
from framework.autograd.checkpoint import checkpoint as checkpoint
from framework.autograd.functional import backward as backward
from framework.autograd.functional import grad as grad
from framework.autograd.fused import fused as fused
from framework.autograd.gradcheck import gradcheck as gradcheck
from framework.autograd.gradcheck import gradgradcheck as gradgradcheck
from framework.autograd.graph import Node as Node
from framework.autograd.modes import enable_grad as enable_grad
from framework.autograd.modes import is_grad_enabled as is_grad_enabled
from framework.autograd.modes import no_grad as no_grad
from framework.autograd.modes import set_grad_enabled as set_grad_enabled
from framework.autograd.primitive import primitive as primitive
from framework.autograd.rows import RowSparse as RowSparse
from framework.autograd.transforms import hessian as hessian
from framework.autograd.transforms import hvp as hvp
from framework.autograd.transforms import jacobian as jacobian
from framework.autograd.transforms import jvp as jvp
from framework.autograd.transforms import value_and_grad as value_and_grad
from framework.autograd.transforms import vjp as vjp
