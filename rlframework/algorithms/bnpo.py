"""BNPO: GRPO normalised by the tokens of each minibatch."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from rlframework.algorithms.grpo import GRPO
from rlframework.functional.weights import token_mean
from rlframework.rollout import Rollout
from rlframework.utilities.distributed import replica_rank


class BNPO(GRPO):
    """BNPO: every token of a minibatch counts the same, and every minibatch counts the same.

    ``L = 1/M sum_m 1/(sum_{i in m} n_i) sum_{i in m} sum_t -min(rho_it A_i, clip(rho_it) A_i)`` over the ``M``
    minibatches of the optimizer step on all ranks.

    Source: TRL's ``loss_type="bnpo"``, which it equals; named after arXiv:2506.02864, whose own
    subject, a Beta-distributed normalisation of rewards, it does not have. Differs from `GRPO` in the token
    weights. When: to reproduce a run of TRL. It is the one algorithm here whose gradient depends on how a step is cut
    into minibatches and ranks (a mean of means); `DAPO` is the same without that.
    """

    depends_on_minibatches = True

    def token_weights(self, mask: Tensor) -> Tensor:
        """Average over all tokens, ``(B, T)``; for several minibatches `prepare_step` replaces these weights."""
        return token_mean(mask)

    def prepare_step(self, minibatches: list[Rollout]) -> list[Rollout]:
        """Compute the token weights of each minibatch separately."""
        parts = len(minibatches) * replica_rank(self.trainer).total
        weighed = [replace(part, weights=token_mean(part.loss_mask) / parts) for part in minibatches]
        return super().prepare_step(weighed)
