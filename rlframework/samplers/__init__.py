"""What samples."""

from rlframework.samplers.base import GroupSampler
from rlframework.samplers.batched import BatchedSampler
from rlframework.samplers.filters import SpreadFilter
from rlframework.samplers.generate import GenerateSampler
from rlframework.samplers.shared_prefix import SharedPrefixSampler
from rlframework.samplers.unsloth import UnslothSampler
from rlframework.samplers.unsloth_engine import UnslothEngineSampler

__all__ = [
    "BatchedSampler",
    "GenerateSampler",
    "GroupSampler",
    "SharedPrefixSampler",
    "SpreadFilter",
    "UnslothEngineSampler",
    "UnslothSampler",
]
