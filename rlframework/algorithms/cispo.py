"""Clipped importance-sampling policy optimization (CISPO)."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.base import PolicyGradient
from rlframework.functional.advantages import group_normalized
from rlframework.functional.surrogates import weighted_logprobs
from rlframework.functional.weights import token_mean
from rlframework.rollout import Rollout


class CISPO(PolicyGradient):
    """CISPO: the importance weight is capped, and no token loses its gradient.

    ``L = 1/(sum_i n_i) sum_i sum_t -sg(min(rho_it, ratio_cap)) A_i log pi_it``.

    Source: MiniMax-M1 (arXiv:2506.13585); the cap as in ScaleRL (arXiv:2510.13786). Differs from `DAPO` in
    the surrogate. When: several steps per rollout, where a clip would silence the rare tokens that matter. Equals TRL's
    ``loss_type="cispo", epsilon_high=5.0`` (the cap itself there too, and 0.2 by default, which scales every on-policy
    gradient by 0.2).
    """

    ratio_cap: float | None = 5.0
    """Upper bound of the weight; here it keeps the token's gradient."""

    def advantages(self, rewards: Tensor) -> Tensor:
        """Centre and scale rewards ``(N, G)`` within each group."""
        return group_normalized(rewards)

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Weigh log-probabilities by the capped ratio, ``(B, T)``."""
        return weighted_logprobs(logprobs, self.log_ratio(logprobs, batch), batch.advantages)

    def token_weights(self, mask: Tensor) -> Tensor:
        """Average over all tokens of the optimizer step, ``(B, T)``."""
        return token_mean(mask)
