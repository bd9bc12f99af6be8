"""What samples."""

from rlframework.samplers.base import GroupSampler
from rlframework.samplers.batched import BatchedSampler
from rlframework.samplers.filters import SpreadFilter
from rlframework.samplers.shared_prefix import SharedPrefixSampler

__all__ = ["BatchedSampler", "GroupSampler", "SharedPrefixSampler", "SpreadFilter"]
