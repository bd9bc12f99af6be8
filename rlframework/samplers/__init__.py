"""What samples."""

from rlframework.samplers.base import GroupSampler
from rlframework.samplers.batched import BatchedSampler
from rlframework.samplers.filters import SpreadFilter

__all__ = ["BatchedSampler", "GroupSampler", "SpreadFilter"]
