"""The founding lessons' own programs, run by this framework: one module for each way of writing them.

:mod:`framework.dialects.grokking` has the names of the step-by-step framework, :mod:`framework.dialects.zen` those of the
Zen library. Both stand on the public API and hold no mathematics of their own.
"""

from framework.dialects import grokking as grokking
from framework.dialects import zen as zen
