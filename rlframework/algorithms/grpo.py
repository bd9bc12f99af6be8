"""Group Relative Policy Optimization (GRPO)."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.base import PolicyGradient
from rlframework.functional.advantages import group_normalized
from rlframework.functional.surrogates import clipped_surrogate
from rlframework.functional.weights import sequence_mean
from rlframework.rollout import Rollout
from rlframework.utilities.arguments import at_least
from rlframework.utilities.fields import derived


class GRPO(PolicyGradient):
    """GRPO: the group is the baseline, the ratio is clipped, every completion counts the same.

    ``L = 1/B sum_i 1/n_i sum_t [ -min(rho_it A_i, clip(rho_it, 1 - clip_low, 1 + clip_high) A_i) + beta K_it ]`` with
    ``rho = pi / pi_old``, ``A_i = (r_i - mean r) / (std r + 1e-4)`` over the group and ``K`` the k3 estimate of the KL
    divergence to the reference, ``beta = kl_coefficient``.

    Source: DeepSeekMath (arXiv:2402.03300), equations 3 and 4. When: the place to start. Equals TRL's
    ``loss_type="grpo"`` with ``use_bias_correction_kl=False``.

    Raises:
        ValueError: ``ratio_cap`` lies within the clip.

    Example:
        Another algorithm is a subclass that overrides what differs:

        >>> from rlframework.functional.advantages import group_centered
        >>> class Unscaled(GRPO):
        ...     def advantages(self, rewards):
        ...         return group_centered(rewards)
    """

    trust_region = True

    clip_low: float = 0.2
    """Lower clip: how far below 1 a ratio may fall before it is clipped."""
    clip_high: float = derived(default=None)
    """Upper clip: how far above 1 a ratio may rise; by default as far as ``clip_low``."""

    def __post_init__(self) -> None:
        """Check the clip, and fill in its upper side."""
        super().__post_init__()
        at_least(self, 0, clip_low=self.clip_low, clip_high=self.clip_high)
        self.clip_high = self.clip_low if self.clip_high is None else self.clip_high
        if self.ratio_cap is not None and self.ratio_cap < 1 + self.clip_high:
            raise ValueError(f"ratio_cap={self.ratio_cap} must not lie below the clip at {1 + self.clip_high}")

    def advantages(self, rewards: Tensor) -> Tensor:
        """Centre and scale rewards ``(N, G)`` within each group."""
        return group_normalized(rewards)

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Clip the importance ratio, ``(B, T)``, or ``(B, 1)`` where it is one per completion."""
        return clipped_surrogate(self.log_ratio(logprobs, batch), batch.advantages, self.clip_low, self.clip_high)

    def token_weights(self, mask: Tensor) -> Tensor:
        """Average over a completion's tokens, then over completions, ``(B, T)``."""
        return sequence_mean(mask)

    def diagnostics(self, logprobs: Tensor, batch: Rollout) -> dict[str, Tensor]:
        """Return ratios beyond the bound that the advantage makes binding (clip fraction), ``(B, T)`` or ``(B, 1)``."""
        ratio = self.log_ratio(logprobs, batch).exp()
        return {
            "clip_fraction_low": ((ratio < 1 - self.clip_low) & (batch.advantages < 0)).float(),
            "clip_fraction_high": ((ratio > 1 + self.clip_high) & (batch.advantages > 0)).float(),
        }
