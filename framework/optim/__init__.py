"""Optimizers and schedules of their learning rates, shaped as PyTorch's."""

from framework.optim.adagrad import Adagrad as Adagrad
from framework.optim.adam import Adam as Adam
from framework.optim.adamw import AdamW as AdamW
from framework.optim.optimizer import Optimizer as Optimizer
from framework.optim.rmsprop import RMSprop as RMSprop
from framework.optim.sgd import SGD as SGD

from . import lr_scheduler as lr_scheduler
