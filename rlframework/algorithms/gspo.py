"""Group Sequence Policy Optimization (GSPO)."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.grpo import GRPO
from rlframework.functional.ratios import masked_mean


class GSPO(GRPO):
    """GSPO: the importance ratio is that of the completion, as the reward is.

    ``L = 1/B sum_i -min(s_i A_i, clip(s_i, 1 - clip_low, 1 + clip_high) A_i)`` with
    ``s_i = exp(1/n_i sum_t (log pi - log pi_old))``.

    Source: Group Sequence Policy Optimization (arXiv:2507.18071). Differs from `GRPO` in the level of the ratio and in
    the clip, which is that of the paper: a mean over tokens moves far less than one token does. When:
    mixture-of-experts models, long completions, several steps per rollout. Equals TRL's
    ``loss_type="grpo", importance_sampling_level="sequence"`` and verl's ``gspo``.
    """

    sequence_ratio = True

    clip_low: float = 3e-4
    clip_high: float = 4e-4

    def importance(self, log_ratio: Tensor, mask: Tensor) -> Tensor:
        """Average log-ratios over the completion's tokens, ``(B, 1)``."""
        return masked_mean(log_ratio, mask)
