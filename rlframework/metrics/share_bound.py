"""A bound of the confidence interval of an accuracy, as a torchmetrics metric."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from rlframework.completions import Completions
from rlframework.functional.confidence import design_effect, wilson_interval
from rlframework.metrics.score import ScoreMetric
from rlframework.rewards.base import RewardModel
from rlframework.utilities.arguments import one_of


class ShareBound(ScoreMetric):
    """Lower or upper bound of the 95 % Wilson interval of an accuracy.

    Several completions of a prompt are right or wrong together; they count for as many as the variance between prompts
    says (`rlframework.functional.confidence.design_effect`).

    Args:
        reward: Of 0 and 1.
        side: ``"low"`` or ``"high"``.

    Raises:
        ValueError: Another side; when completions are added, a score is neither 0 nor 1.

    Example:
        >>> from rlframework.completions import Completion
        >>> from rlframework.prompt import Prompt
        >>> from rlframework.rewards import CorrectAnswer
        >>> prompt = Prompt([1], "1+1=?", {"answer": "2"})
        >>> rows = [Completion(prompt, [5], "<end_working_out><SOLUTION>2</SOLUTION>", "stop")] * 16
        >>> low, high = ShareBound(CorrectAnswer(), "low"), ShareBound(CorrectAnswer(), "high")
        >>> for bound in (low, high):
        ...     bound.update(Completions(rows, group_size=1))
        >>> low.compute(), high.compute()
        (tensor(0.8064), tensor(1.))
    """

    numbers: Tensor

    def __init__(self, reward: RewardModel, side: Literal["low", "high"], **kwargs: Any) -> None:
        one_of(self, "side", side, ("low", "high"))
        super().__init__(reward, **kwargs)
        self.side = side
        # Right, judged, prompts, and the sum over prompts of the square of right.
        self.add_state("numbers", torch.zeros(4, dtype=torch.int64), dist_reduce_fx="sum")

    def add(self, completions: Completions, scores: Tensor) -> None:
        """Count right answers."""
        right, judged = self.shares(scores)
        self.numbers += torch.stack([right.sum(), judged.sum(), (judged > 0).sum(), right.square().sum()])

    def compute(self) -> Tensor:
        """Return the bound, a scalar; NaN if nothing was judged."""
        right, judged, prompts, squares = self.numbers.tolist()
        if not judged:
            return torch.tensor(torch.nan, device=self.device)
        effect = design_effect(right, judged, prompts, squares)
        bounds = wilson_interval(right / effect, max(1.0, judged / effect))
        return torch.tensor(bounds[self.side == "high"], device=self.device)
