"""Group reward-decoupled normalization policy optimization (GDPO)."""

from __future__ import annotations

import torch
from torch import Tensor

from rlframework.algorithms.grpo import GRPO
from rlframework.functional.advantages import batch_normalized, group_normalized
from rlframework.rewards.base import Scores


class GDPO(GRPO):
    """GDPO: each reward is normalised within the group before the rewards are added up.

    ``A_i = s_i / (std s + 1e-4)`` over the rollout, ``s_i = sum_k w_k (r_ik - mean r_k) / (std r_k + 1e-4)`` over the
    group.

    Source: GDPO (arXiv:2601.05242). Differs from `GRPO` in the advantages: added up first, a reward of large spread
    drowns the others, and different combinations get one advantage. When: several rewards of different scale. Equals
    TRL's ``multi_objective_aggregation="normalize_then_sum"``; verl's ``gdpo`` whitens by tokens at the end.

    Raises:
        ValueError: A KL term in the reward, which would be normalised away with the sum.
    """

    def __post_init__(self) -> None:
        """Refuse a KL term in the reward."""
        super().__post_init__()
        if self.kl.in_reward:
            raise ValueError("GDPO normalises single rewards and never sees the total; use KLInLoss")

    def advantages_of_scores(self, scores: Scores) -> Tensor:
        """Normalise each reward component, add up, scale by the rollout, ``(N, G)``; NaN where the row abstains."""
        parts = [scores.weights[name] * group_normalized(values) for name, values in scores.components.items()]
        # Each part is centred, so the sum is; NaN keeps rows without any reward out of the spread.
        total = torch.stack(parts).sum(0).masked_fill(scores.total.isnan(), float("nan"))
        return batch_normalized(total, epsilon=1e-4)
