"""What is trained."""

from rlframework.policies.base import Policy
from rlframework.policies.causal_lm import CausalLMPolicy

__all__ = ["CausalLMPolicy", "Policy"]
