from .base import GroupSampler
from .batched import BatchedSampler
from .filters import DynamicSampling, SpreadFilter
from .generate import GenerateSampler
from .shared_prefix import SharedPrefixSampler
from .uncached import UncachedSampler
from .unsloth import UnslothSampler
from .unsloth_engine import UnslothEngineSampler
from .vllm import DiskSync, LoRASync, ServerError, VLLMSampler, WeightSync

__all__ = [
    "BatchedSampler",
    "DiskSync",
    "DynamicSampling",
    "GenerateSampler",
    "GroupSampler",
    "LoRASync",
    "ServerError",
    "SharedPrefixSampler",
    "SpreadFilter",
    "UncachedSampler",
    "UnslothEngineSampler",
    "UnslothSampler",
    "VLLMSampler",
    "WeightSync",
]
