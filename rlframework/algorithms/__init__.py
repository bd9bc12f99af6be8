"""What learns."""

from rlframework.algorithms.base import PolicyGradient
from rlframework.algorithms.grpo import GRPO

__all__ = ["GRPO", "PolicyGradient"]
