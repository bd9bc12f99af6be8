"""Variational sequence-level soft policy optimization (VESPO)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from rlframework.algorithms.base import PolicyGradient
from rlframework.functional.advantages import group_normalized
from rlframework.functional.surrogates import gamma_weight
from rlframework.functional.weights import token_mean
from rlframework.rollout import Rollout


class VESPO(PolicyGradient):
    """VESPO: a completion is weighed by a smooth bump around ratio 1, without normalising by length.

    ``L = 1/(sum_i n_i) sum_i sum_t -sg(phi_i) A_i log pi_it`` with ``phi = w^k exp(lambda (1 - w))`` and
    ``w_i = pi(y_i) / pi_old(y_i)``, ``k`` and ``lambda`` by the sign of ``A_i``.

    Source: VESPO (arXiv:2602.10693). Differs from `CISPO` in the weight. When: rollouts are used for many steps or come
    late. A sampler correction enters ``w`` rather than the loss; it must be one by token, and tokens that it masks
    leave ``w`` and the loss (in TRL one masked token silences its whole completion). Equals TRL's
    ``loss_type="vespo"``.

    Raises:
        ValueError: ``ratio_cap``, which has no ratio to act on, or a sampler correction by sequence.
    """

    shape_positive: float = 2.0
    """``k`` where the advantage is not negative."""
    rate_positive: float = 3.0
    """``lambda`` where the advantage is not negative."""
    shape_negative: float = 3.0
    """``k`` where the advantage is negative."""
    rate_negative: float = 2.0
    """``lambda`` where the advantage is negative."""

    def __post_init__(self) -> None:
        """Refuse options that have nothing to act on."""
        super().__post_init__()
        if self.ratio_cap is not None:
            raise ValueError(f"ratio_cap={self.ratio_cap}: the weight of VESPO is bounded already and falls beyond 1")
        if self.sampler_correction is not None and self.sampler_correction.per_sequence:
            raise ValueError("VESPO adds the sampler's gap up itself; use TokenTruncation or TokenMask")

    def advantages(self, rewards: Tensor) -> Tensor:
        """Centre and scale rewards ``(N, G)`` within each group."""
        return group_normalized(rewards)

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Weigh log-probabilities by the bump of the completion's ratio, ``(B, T)``."""
        log_ratio, mask = self.log_ratio(logprobs, batch), batch.loss_mask
        if batch.sampler_correction is not None:
            mask = mask & (batch.sampler_correction > 0)
            log_ratio = log_ratio + batch.sampler_correction.log()
        rise = batch.advantages >= 0
        shape = torch.where(rise, self.shape_positive, self.shape_negative)
        rate = torch.where(rise, self.rate_positive, self.rate_negative)
        return -gamma_weight(log_ratio, mask, shape, rate) * batch.advantages * logprobs

    def surrogate_factor(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Reduce the sampler correction to the tokens that it masks, ``(B, T)``: the rest of it is in the ratio."""
        kept = None if batch.sampler_correction is None else (batch.sampler_correction > 0).float()
        return super().surrogate_factor(logprobs, replace(batch, sampler_correction=kept))

    def token_weights(self, mask: Tensor) -> Tensor:
        """Average over all tokens of the optimizer step, ``(B, T)``."""
        return token_mean(mask)
