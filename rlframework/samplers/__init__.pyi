from .base import GroupSampler
from .batched import BatchedSampler
from .filters import SpreadFilter
from .generate import GenerateSampler
from .shared_prefix import SharedPrefixSampler
from .unsloth import UnslothSampler
from .unsloth_engine import UnslothEngineSampler
from .vllm import DiskSync, LoRASync, ServerError, VLLMSampler, WeightSync

__all__ = [
    "BatchedSampler",
    "DiskSync",
    "GenerateSampler",
    "GroupSampler",
    "LoRASync",
    "ServerError",
    "SharedPrefixSampler",
    "SpreadFilter",
    "UnslothEngineSampler",
    "UnslothSampler",
    "VLLMSampler",
    "WeightSync",
]
