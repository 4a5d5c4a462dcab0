"""Optimizers, shaped as PyTorch's."""

from framework.optim.optimizer import Optimizer as Optimizer
from framework.optim.sgd import SGD as SGD
