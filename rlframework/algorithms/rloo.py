"""REINFORCE leave-one-out (RLOO)."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.grpo import GRPO
from rlframework.functional.advantages import leave_one_out
from rlframework.functional.ratios import masked_sum
from rlframework.terms import KLInReward, KLTerm
from rlframework.utilities.fields import derived


class RLOO(GRPO):
    """RLOO: the baseline is the mean of the others, a completion is one action, the KL is part of the reward.

    ``L = 1/B sum_i -min(rho_i A_i, clip(rho_i, 1 - clip_low, 1 + clip_high) A_i)`` with
    ``rho_i = pi(y_i) / pi_old(y_i)``, ``A_i = r_i - 1/(G - 1) sum_{j != i} r_j`` and ``r_i`` the reward less
    ``beta sum_t (log pi_old - log pi_ref)``.

    Source: Back to Basics (arXiv:2402.14740). Differs from `GRPO` in the advantages (unbiased, unscaled), the level of
    the ratio (whole completion, not normalised by length) and the place of the KL. When: on-policy, one step per
    rollout; off-policy the ratio of a long completion leaves the clip at once. Equals TRL's ``RLOOTrainer``; verl's
    and OpenRLHF's ``rloo`` share the advantages.
    """

    sequence_ratio = True

    kl_coefficient: float = 0.05
    kl: KLTerm = derived(default=None)
    """KL term; by default ``KLInReward(k1)``."""

    def __post_init__(self) -> None:
        """Fill in the KL term."""
        self.kl = self.kl or KLInReward()
        super().__post_init__()

    def advantages(self, rewards: Tensor) -> Tensor:
        """Compare each reward ``(N, G)`` with the mean of the others of its group (leave-one-out)."""
        return leave_one_out(rewards)

    def importance(self, log_ratio: Tensor, mask: Tensor) -> Tensor:
        """Add up log-ratios over the completion's tokens, ``(B, 1)``."""
        return masked_sum(log_ratio, mask)
