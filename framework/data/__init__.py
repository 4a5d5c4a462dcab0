"""Data sets, the order in which they are visited, batches, and text."""

from framework.data.collate import default_collate as default_collate
from framework.data.collate import default_convert as default_convert
from framework.data.collate import pad_collate as pad_collate
from framework.data.dataset import ConcatDataset as ConcatDataset
from framework.data.dataset import Dataset as Dataset
from framework.data.dataset import IterableDataset as IterableDataset
from framework.data.dataset import Subset as Subset
from framework.data.dataset import TensorDataset as TensorDataset
from framework.data.dataset import random_split as random_split
from framework.data.loader import DataLoader as DataLoader
from framework.data.samplers import BatchSampler as BatchSampler
from framework.data.samplers import BucketSampler as BucketSampler
from framework.data.samplers import RandomSampler as RandomSampler
from framework.data.samplers import Sampler as Sampler
from framework.data.samplers import SequentialSampler as SequentialSampler
from framework.data.samplers import WeightedRandomSampler as WeightedRandomSampler
from framework.data.workers import WorkerInfo as WorkerInfo
from framework.data.workers import get_worker_info as get_worker_info
