"""What samples."""

from rlframework.samplers.base import GroupSampler
from rlframework.samplers.batched import BatchedSampler

__all__ = ["BatchedSampler", "GroupSampler"]
