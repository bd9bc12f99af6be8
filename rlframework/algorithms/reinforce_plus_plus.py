"""REINFORCE++ with the group as baseline."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.dapo import DAPO
from rlframework.functional.advantages import batch_normalized, group_centered
from rlframework.functional.divergences import k2
from rlframework.terms import KLInLoss, KLTerm
from rlframework.utilities.fields import derived


class ReinforcePlusPlusBaseline(DAPO):
    """REINFORCE++ with baseline: centred within the group, scaled by the rollout, the KL as k2 in the loss.

    ``A_i = c_i / (std c + 1e-8)`` over the rollout, ``c_i = r_i - mean r`` over the group; then `DAPO`'s clip (with
    equal offsets) and mean over tokens.

    Source: REINFORCE++ (arXiv:2501.03262). Differs from `LitePPO` in whose spread it divides by, that of the centred
    rewards, and in the KL. When: groups are small, so that their own spread is noise. OpenRLHF's
    ``reinforce_baseline`` and verl's ``reinforce_plus_plus_baseline`` are the same but for mean and spread, where they
    count each row once per token.
    """

    kl: KLTerm = derived(default=None)
    """KL term; by default ``KLInLoss(k2)``."""
    clip_high: float = derived(default=None)
    """Upper clip; by default as ``clip_low``."""

    def __post_init__(self) -> None:
        """Fill in the KL term."""
        self.kl = self.kl or KLInLoss(k2)
        super().__post_init__()

    def advantages(self, rewards: Tensor) -> Tensor:
        """Centre rewards ``(N, G)`` within each group, scale by the rollout."""
        return batch_normalized(group_centered(rewards).masked_fill(rewards.isnan(), float("nan")))
