"""Lite PPO: group mean, batch spread, mean over tokens."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.grpo import GRPO
from rlframework.functional.advantages import batch_scaled
from rlframework.functional.weights import token_mean


class LitePPO(GRPO):
    """Lite PPO: centred within the group, scaled by the rewards of the whole rollout, mean over tokens.

    ``A_i = (r_i - mean r) / (std r + 1e-4)``, the mean over the group and the deviation over the rollout.

    Source: Tricks or Traps (arXiv:2508.08221). Differs from `GRPO` in the token weights and the
    deviation: a group that is almost always
    right has a tiny one, and dividing by it makes a lot of a single slip. When: base models, prompts of very different
    difficulty. Equals TRL's ``loss_type="dapo", scale_rewards="batch"`` (with one clip for both sides, as in PPO).
    """

    def advantages(self, rewards: Tensor) -> Tensor:
        """Centre rewards ``(N, G)`` within each group, scale by the rollout."""
        return batch_scaled(rewards)

    def token_weights(self, mask: Tensor) -> Tensor:
        """Average over all tokens of the optimizer step, ``(B, T)``."""
        return token_mean(mask)
