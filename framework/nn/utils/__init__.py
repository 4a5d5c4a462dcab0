"""Functions around modules and their gradients."""

from framework.nn.utils.clip import clip_grad_norm_ as clip_grad_norm_
from framework.nn.utils.clip import clip_grad_value_ as clip_grad_value_
