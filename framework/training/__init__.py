"""A training loop for when one is wanted, with what belongs around it; loops of one's own may use the parts."""

from framework.training.callbacks import BestModel as BestModel
from framework.training.callbacks import Callback as Callback
from framework.training.callbacks import EarlyStopping as EarlyStopping
from framework.training.checkpoint import load_checkpoint as load_checkpoint
from framework.training.checkpoint import save_checkpoint as save_checkpoint
from framework.training.fit import fit as fit
from framework.training.history import History as History
from framework.training.run import Run as Run
from framework.training.tensorboard import TensorBoard as TensorBoard
from framework.training.unused import warn_without_gradient as warn_without_gradient
