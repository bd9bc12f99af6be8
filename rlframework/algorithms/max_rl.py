"""Maximum likelihood reinforcement learning (MaxRL)."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.reinforce import REINFORCE
from rlframework.functional.advantages import mean_normalized


class MaxRL(REINFORCE):
    """MaxRL: divide by the group's success rate, so that the likelihood of success grows and not its mean.

    ``L = 1/B sum_i sum_t -sg(rho_it) (r_i - mean r) / (mean r + 1e-6) log pi_it``, the mean over the group.

    Source: Maximum Likelihood Reinforcement Learning (arXiv:2602.02710). Differs from `REINFORCE` in the advantages:
    with rewards of 0 and 1 the gradient is an average over the successes alone (and a control variate of mean 0), so
    rare ones count most. When: hard
    prompts, many completions each, pass@k matters. Rewards must not be negative. prime-rl's ``max_rl`` has
    the same advantages.

    Raises:
        ValueError: A KL term in the reward, which makes rewards negative.
    """

    def __post_init__(self) -> None:
        """Refuse a KL term in the reward."""
        super().__post_init__()
        if self.kl.in_reward:
            raise ValueError("MaxRL divides by the mean reward, which a KL in the reward makes negative; use KLInLoss")

    def advantages(self, rewards: Tensor) -> Tensor:
        """Centre rewards ``(N, G)`` within each group and divide by its mean."""
        return mean_normalized(rewards)
