"""Entropy bonus, of fixed weight or steered towards a target."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from rlframework.utilities.arguments import Checked


class EntropyBonus(Checked, nn.Module):
    """Subtracts ``coefficient`` times the mean entropy from the loss, over all loss tokens of the optimizer step.

    With ``top_entropy_share`` it is the mean over the tokens that are kept. TRL's ``entropy_coef``, there a mean over
    each micro-batch.

    Args:
        coefficient: Loss per nat of entropy.

    Example:
        >>> EntropyBonus(0.01).coefficient
        0.01
    """

    def __init__(self, coefficient: float) -> None:
        super().__init__()
        self._coefficient = coefficient

    @property
    def coefficient(self) -> float:
        """Weight of the entropy in the loss of the present optimizer step."""
        return self._coefficient

    def observe(self, entropy: float) -> None:
        """Take note of the mean entropy of the optimizer step that is done, over all ranks, in nats."""


class AdaptiveEntropyBonus(EntropyBonus):
    """Steers the entropy towards a target from below.

    After each step the coefficient grows by ``step`` if the entropy was at most ``target``, else it shrinks by as much;
    the bonus acts only while the entropy last seen is at most ``target``, so never in the first step. Skywork-OR1
    (arXiv:2505.22312); TRL's ``use_adaptive_entropy``. Its state is part of checkpoints.

    Args:
        target: Entropy in nats per token.
        coefficient: To start with.
        step: Change per optimizer step.
        lowest: Bound of the coefficient.
        highest: Bound of the coefficient.

    Raises:
        ValueError: The bounds are the wrong way round.

    Example:
        >>> bonus = AdaptiveEntropyBonus(target=0.2, step=0.005)
        >>> bonus.observe(0.1)
        >>> bonus.coefficient
        0.005
    """

    def __init__(
        self, target: float, coefficient: float = 0.0, step: float = 0.005, lowest: float = 0.0, highest: float = 1.0
    ) -> None:
        super().__init__(coefficient)
        if not lowest <= coefficient <= highest:
            raise ValueError(f"expected lowest <= coefficient <= highest, got {lowest}, {coefficient} and {highest}")
        self.target = target
        self.step = step
        self.lowest = lowest
        self.highest = highest
        self._last_entropy = float("inf")

    @property
    def coefficient(self) -> float:
        """Weight of the entropy in the present step; 0 while the entropy is above the target."""
        return self._coefficient if self._last_entropy <= self.target else 0.0

    def observe(self, entropy: float) -> None:
        """Raise or lower the coefficient; a step without any loss token, whose mean is NaN, says nothing."""
        if math.isnan(entropy):
            return
        self._last_entropy = entropy
        change = self.step if entropy <= self.target else -self.step
        self._coefficient = min(max(self._coefficient + change, self.lowest), self.highest)

    # Not buffers: half precision would round them.
    def get_extra_state(self) -> dict[str, float]:
        """Return the coefficient and the last entropy, for a checkpoint."""
        return {"coefficient": self._coefficient, "last_entropy": self._last_entropy}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_extra_state` returned."""
        self._coefficient = state["coefficient"]
        self._last_entropy = state["last_entropy"]
