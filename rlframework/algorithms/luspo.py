"""Length-unbiased sequence policy optimization (LUSPO)."""

from __future__ import annotations

from torch import Tensor

from rlframework.algorithms.gspo import GSPO
from rlframework.functional.weights import sequence_sum


class LUSPO(GSPO):
    """LUSPO: GSPO with every completion multiplied by its length.

    ``L = 1/B sum_i -n_i min(s_i A_i, clip(s_i) A_i)`` with GSPO's ``s_i``.

    Source: arXiv:2602.05261. Differs from `GSPO` in the token weights: its ``1/n_i`` makes a token of a long completion
    count less, so that responses shrink. When: GSPO makes answers too short. The gradient grows with the length: expect
    a gradient clip to act at every step. Equals TRL's ``loss_type="luspo", importance_sampling_level="sequence"``.
    """

    def token_weights(self, mask: Tensor) -> Tensor:
        """Add up a completion's tokens, average over completions, ``(B, T)``."""
        return sequence_sum(mask)
