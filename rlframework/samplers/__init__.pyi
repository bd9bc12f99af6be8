from .base import GroupSampler
from .batched import BatchedSampler
from .conversation import Conversation, Reply
from .episodes import EpisodeSampler
from .filters import DynamicSampling, SpreadFilter
from .generate import GenerateSampler
from .remote import RemoteSampler, Version
from .shared_prefix import SharedPrefixSampler
from .uncached import UncachedSampler
from .unsloth import UnslothSampler
from .unsloth_engine import UnslothEngineSampler
from .vllm import DiskSync, HTTPSync, LoRASync, ServerError, VLLMSampler, WeightSync
from .wrapper import SamplerWrapper

__all__ = [
    "BatchedSampler",
    "Conversation",
    "DiskSync",
    "DynamicSampling",
    "EpisodeSampler",
    "GenerateSampler",
    "GroupSampler",
    "HTTPSync",
    "LoRASync",
    "RemoteSampler",
    "Reply",
    "SamplerWrapper",
    "ServerError",
    "SharedPrefixSampler",
    "SpreadFilter",
    "UncachedSampler",
    "UnslothEngineSampler",
    "UnslothSampler",
    "VLLMSampler",
    "Version",
    "WeightSync",
]
