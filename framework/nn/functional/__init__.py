"""Layers and losses as functions, under PyTorch's names."""

from framework.nn.functional.activation import elu as elu
from framework.nn.functional.activation import hardtanh as hardtanh
from framework.nn.functional.activation import leaky_relu as leaky_relu
from framework.nn.functional.activation import log_softmax as log_softmax
from framework.nn.functional.activation import logsigmoid as logsigmoid
from framework.nn.functional.activation import relu as relu
from framework.nn.functional.activation import sigmoid as sigmoid
from framework.nn.functional.activation import silu as silu
from framework.nn.functional.activation import softmax as softmax
from framework.nn.functional.activation import softmin as softmin
from framework.nn.functional.activation import softplus as softplus
from framework.nn.functional.activation import tanh as tanh
from framework.nn.functional.binary import binary_cross_entropy as binary_cross_entropy
from framework.nn.functional.binary import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from framework.nn.functional.binary import kl_div as kl_div
from framework.nn.functional.classification import cross_entropy as cross_entropy
from framework.nn.functional.classification import nll_loss as nll_loss
from framework.nn.functional.dropout import dropout as dropout
from framework.nn.functional.dropout import locked_dropout as locked_dropout
from framework.nn.functional.linear import linear as linear
from framework.nn.functional.regression import huber_loss as huber_loss
from framework.nn.functional.regression import l1_loss as l1_loss
from framework.nn.functional.regression import mse_loss as mse_loss
from framework.nn.functional.regression import smooth_l1_loss as smooth_l1_loss
