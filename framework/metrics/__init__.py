"""Numbers about a model over many batches: ``update`` with each batch, ``compute`` when wanted, ``reset``."""

from framework.metrics.classification import Accuracy as Accuracy
from framework.metrics.classification import BinaryAccuracy as BinaryAccuracy
from framework.metrics.classification import BinaryF1Score as BinaryF1Score
from framework.metrics.classification import BinaryPrecision as BinaryPrecision
from framework.metrics.classification import BinaryRecall as BinaryRecall
from framework.metrics.classification import ConfusionMatrix as ConfusionMatrix
from framework.metrics.classification import F1Score as F1Score
from framework.metrics.classification import Precision as Precision
from framework.metrics.classification import Recall as Recall
from framework.metrics.language import Perplexity as Perplexity
from framework.metrics.metric import Mean as Mean
from framework.metrics.metric import Metric as Metric
from framework.metrics.regression import MeanSquaredError as MeanSquaredError
from framework.metrics.regression import R2Score as R2Score
