"""Decoupled clip and dynamic sampling policy optimization (DAPO)."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.grpo import GRPO
from rlframework.functional.weights import token_mean


class DAPO(GRPO):
    """DAPO: the clip is wider upwards, and every token counts the same.

    ``L = 1/(sum_i n_i) sum_i sum_t -min(rho_it A_i, clip(rho_it, 1 - clip_low, 1 + clip_high) A_i)``.

    Source: DAPO (arXiv:2503.14476). Differs from `GRPO` in ``clip_high`` (0.28, so that unlikely tokens can grow) and
    in the token weights. Its other two parts are parts of their own: ``DynamicSampling`` around the sampler (dynamic
    sampling) and the reward ``SoftOverlong``. When: long completions, entropy collapses. Equals TRL's
    ``loss_type="dapo", epsilon_high=0.28`` where one optimizer step takes a whole generation batch, elsewhere TRL's
    token count is that of the generation batch divided by its steps; verl's ``token-mean`` with ``ratio_cap=3.0``,
    which is on there by default (dual clip).

    Example:
        All four parts:

        >>> from rlframework import SharedPrefixSampler, rewards
        >>> from rlframework.samplers import DynamicSampling
        >>> from rlframework.testing import tiny_policy
        >>> sampler = DynamicSampling(SharedPrefixSampler(group_size=8, max_tokens=32), rewards.CorrectAnswer(), keep=4)
        >>> reward = rewards.CorrectAnswer() + rewards.SoftOverlong(max_tokens=32, margin=8)
        >>> algorithm = DAPO(tiny_policy(), reward, sampler, prompts_per_rollout=12)
    """

    clip_high: float = 0.28

    def token_weights(self, mask: Tensor) -> Tensor:
        """Average over all tokens of the optimizer step, ``(B, T)``."""
        return token_mean(mask)
