"""NVIDIA GPUs, through CuPy."""

from framework.cuda.device import are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled
from framework.cuda.device import check as check
from framework.cuda.device import current_device as current_device
from framework.cuda.device import device as device
from framework.cuda.device import device_count as device_count
from framework.cuda.device import is_available as is_available
from framework.cuda.device import set_device as set_device
from framework.cuda.device import synchronize as synchronize
from framework.cuda.device import use_deterministic_algorithms as use_deterministic_algorithms
from framework.cuda.graph import graph as graph
from framework.cuda.memory import OutOfMemoryError as OutOfMemoryError
from framework.cuda.memory import empty_cache as empty_cache
from framework.cuda.memory import max_memory_allocated as max_memory_allocated
from framework.cuda.memory import memory_allocated as memory_allocated
from framework.cuda.memory import reset_peak_memory_stats as reset_peak_memory_stats
from framework.cuda.stream import Stream as Stream
