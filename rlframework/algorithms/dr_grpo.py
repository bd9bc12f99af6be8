"""Dr. GRPO: GRPO done right."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.grpo import GRPO
from rlframework.functional.advantages import group_centered
from rlframework.functional.weights import fixed_budget


class DrGRPO(GRPO):
    """Dr. GRPO: no division by the group's spread, and one constant denominator for every token.

    ``L = 1/(B max_tokens) sum_i sum_t -min(rho_it A_i, clip(rho_it) A_i)`` with ``A_i = r_i - mean r``.

    Source: Understanding R1-Zero-Like Training (arXiv:2503.20783). Differs from `GRPO` in advantages and token weights:
    dividing by the spread prefers prompts that are almost always or almost never solved, and dividing by the length
    makes wrong answers long. When: completions grow without getting better. Its gradients are smaller
    (divided by the budget, not the length), which AdamW does not notice, but a gradient clip and SGD do. Equals TRL's
    ``loss_type="dr_grpo", scale_rewards="none"``; verl and OpenRLHF share the advantages.
    """

    def advantages(self, rewards: Tensor) -> Tensor:
        """Centre rewards ``(N, G)`` within each group."""
        return group_centered(rewards)

    def token_weights(self, mask: Tensor) -> Tensor:
        """Divide by the token budget of all rows, ``(B, T)``."""
        return fixed_budget(mask, self.sampler.max_tokens)
