"""Soft Adaptive Policy Optimization (SAPO)."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.base import PolicyGradient
from rlframework.functional.advantages import group_normalized
from rlframework.functional.surrogates import soft_gated_surrogate
from rlframework.functional.weights import sequence_mean
from rlframework.rollout import Rollout


class SAPO(PolicyGradient):
    """SAPO: a sigmoid gate in place of the clip, closing sooner where the advantage is negative.

    ``L = 1/B sum_i 1/n_i sum_t -(4/tau_i) sigmoid(tau_i (rho_it - 1)) A_i``, ``tau_i`` by the sign of ``A_i``.

    Source: Soft Adaptive Policy Optimization (arXiv:2511.20347). Differs from `GRPO` in the surrogate. When: the clip
    fraction is high and training unsteady. Equals TRL's ``loss_type="sapo"`` and verl's ``sapo``.

    Raises:
        ValueError: A temperature is not above 0.
    """

    trust_region = True

    temperature_positive: float = 1.0
    """Temperature ``tau`` of the gate for positive advantages."""
    temperature_negative: float = 1.05
    """Temperature ``tau`` of the gate for the other advantages."""

    def __post_init__(self) -> None:
        """Check the temperatures of the gate."""
        super().__post_init__()
        if min(temperatures := (self.temperature_positive, self.temperature_negative)) <= 0:
            raise ValueError(f"temperatures must be above 0, got {' and '.join(map(str, temperatures))}")

    def advantages(self, rewards: Tensor) -> Tensor:
        """Centre and scale rewards ``(N, G)`` within each group."""
        return group_normalized(rewards)

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Pass the importance ratio through a sigmoid gate, ``(B, T)``."""
        log_ratio = self.log_ratio(logprobs, batch)
        return soft_gated_surrogate(log_ratio, batch.advantages, self.temperature_positive, self.temperature_negative)

    def token_weights(self, mask: Tensor) -> Tensor:
        """Average over a completion's tokens, then over completions, ``(B, T)``."""
        return sequence_mean(mask)
