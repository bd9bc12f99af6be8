"""Geometric-Mean Policy Optimization (GMPO)."""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor

from rlframework.algorithms.base import PolicyGradient
from rlframework.functional.advantages import group_normalized
from rlframework.functional.surrogates import geometric_surrogate
from rlframework.functional.weights import sequence_mean
from rlframework.rollout import Rollout
from rlframework.utilities.fields import derived


class GMPO(PolicyGradient):
    """GMPO: a completion weighs as much as the geometric mean of its clipped token ratios.

    ``L = 1/B sum_i -A_i exp(1/n_i sum_t c_i(log rho_it))``, ``c_i`` bounding by ``clip_high`` from above where
    ``A_i > 0`` and by ``-clip_low`` from below elsewhere.

    Source: Geometric-Mean Policy Optimization (arXiv:2507.20673). Differs from `GRPO` in the surrogate; from `GSPO` in
    that tokens are clipped before they are pooled. When: single tokens with outlying ratios upset training. With
    ``top_entropy_share`` the mean is over the tokens that are kept. Equals TRL's ``GMPOTrainer`` (which has no KL
    correction, ratio cap, off-policy mask, entropy bonus or sampler correction) and verl's ``geo_mean``.

    Raises:
        ValueError: ``ratio_cap`` lies within the clip.
    """

    trust_region = True

    clip_low: float = 0.4
    """Bound of the token's log-ratio from below, so exp(-0.4) of the ratio."""
    clip_high: float = derived(default=None)
    """Bound of the token's log-ratio from above; by default as ``clip_low``."""

    def __post_init__(self) -> None:
        """Fill in the upper side of the clip, and check the cap."""
        super().__post_init__()
        self.clip_high = self.clip_low if self.clip_high is None else self.clip_high
        if self.ratio_cap is not None and math.log(self.ratio_cap) < self.clip_high:
            raise ValueError(
                f"ratio_cap={self.ratio_cap} must not lie below the clip at {math.exp(self.clip_high):.3f}"
            )

    def advantages(self, rewards: Tensor) -> Tensor:
        """Centre and scale rewards ``(N, G)`` within each group."""
        return group_normalized(rewards)

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Take the geometric mean of a completion's clipped ratios, ``(B, 1)``."""
        mask = batch.loss_mask if batch.entropy_mask is None else batch.entropy_mask
        log_ratio = self.log_ratio(logprobs, batch)
        return geometric_surrogate(log_ratio, batch.advantages, mask, self.clip_low, self.clip_high)

    def surrogate_factor(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Leave the entropy mask out of the factor, ``(B, T)`` or ``(B, 1)``: it acts inside the mean."""
        return super().surrogate_factor(logprobs, replace(batch, entropy_mask=None))

    def token_weights(self, mask: Tensor) -> Tensor:
        """Average over completions, ``(B, T)``: a row's tokens share its weight."""
        return sequence_mean(mask)
