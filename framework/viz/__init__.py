"""Pictures: graphs of computations and models, training curves, confusion matrices."""

from framework.viz.confusion import confusion_matrix as confusion_matrix
from framework.viz.curves import curves as curves
from framework.viz.graph import Graph as Graph
from framework.viz.graph import graph as graph
