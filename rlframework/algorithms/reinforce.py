"""REINFORCE with the mean reward as baseline."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.base import PolicyGradient
from rlframework.functional.advantages import batch_centered
from rlframework.functional.surrogates import weighted_logprobs
from rlframework.functional.weights import sequence_sum
from rlframework.rollout import Rollout


class REINFORCE(PolicyGradient):
    """REINFORCE: the log-probability of a completion, times how much better than average its reward was.

    ``L = 1/B sum_i sum_t -sg(rho_it) (r_i - mean r) log pi_it``, the mean over the rollout; on-policy ``rho`` is 1.

    Source: R. J. Williams, "Simple statistical gradient-following algorithms", Machine Learning 8 (1992). The plainest
    member: a baseline over all prompts knows nothing of how hard each is, so a prompt that is always solved still
    pushes. When: as the thing to beat. Off-policy steps are importance-weighted by token; ``ratio_cap`` bounds the
    weight.
    Equal to no peer's option: those called so whiten by tokens or clip.
    """

    def advantages(self, rewards: Tensor) -> Tensor:
        """Centre rewards ``(N, G)`` by the mean of the whole rollout."""
        return batch_centered(rewards)

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Weigh log-probabilities by ratio and advantage, ``(B, T)``."""
        return weighted_logprobs(logprobs, self.log_ratio(logprobs, batch), batch.advantages)

    def token_weights(self, mask: Tensor) -> Tensor:
        """Add up a completion's tokens, average over completions, ``(B, T)``."""
        return sequence_sum(mask)
