"""Policies: language models that sample and are trained."""

from rlframework.policies.base import Policy
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.policies.precision import Precision, fastest_precision
from rlframework.policies.unsloth import UnslothPolicy

__all__ = ["CausalLMPolicy", "Policy", "Precision", "UnslothPolicy", "fastest_precision"]
