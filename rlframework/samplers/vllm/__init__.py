"""Samplers that get rollouts from vLLM servers, and ways to bring weights to these."""

from rlframework.samplers.vllm.errors import (
    BadAnswerError,
    DisagreementError,
    ServerError,
    StaleWeightsError,
    UnavailableError,
)
from rlframework.samplers.vllm.http_sync import HTTPSync
from rlframework.samplers.vllm.sampler import VLLMSampler
from rlframework.samplers.vllm.sync import DiskSync, LoRASync, WeightSync

__all__ = [
    "BadAnswerError",
    "DisagreementError",
    "DiskSync",
    "HTTPSync",
    "LoRASync",
    "ServerError",
    "StaleWeightsError",
    "UnavailableError",
    "VLLMSampler",
    "WeightSync",
]
