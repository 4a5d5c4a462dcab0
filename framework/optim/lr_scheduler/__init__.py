"""Schedules of the learning rate, with PyTorch's names and numbers: call ``step()`` after each epoch, or each step."""

from framework.optim.lr_scheduler.one_cycle import OneCycleLR as OneCycleLR
from framework.optim.lr_scheduler.plateau import ReduceLROnPlateau as ReduceLROnPlateau
from framework.optim.lr_scheduler.scheduler import LRScheduler as LRScheduler
from framework.optim.lr_scheduler.sequential import SequentialLR as SequentialLR
from framework.optim.lr_scheduler.shapes import ConstantLR as ConstantLR
from framework.optim.lr_scheduler.shapes import CosineAnnealingLR as CosineAnnealingLR
from framework.optim.lr_scheduler.shapes import ExponentialLR as ExponentialLR
from framework.optim.lr_scheduler.shapes import LambdaLR as LambdaLR
from framework.optim.lr_scheduler.shapes import LinearLR as LinearLR
from framework.optim.lr_scheduler.shapes import MultiStepLR as MultiStepLR
from framework.optim.lr_scheduler.shapes import StepLR as StepLR
