"""A reward as a torchmetrics metric: task accuracy, format share, or anything else that is a mean of scores."""

from __future__ import annotations

from typing import Any

from torchmetrics import MeanMetric

from rlframework.completions import Completions
from rlframework.rewards.base import RewardModel


class MeanScore(MeanMetric):
    """Mean of a reward over completions; with a reward of 0 and 1 it is an accuracy. Abstentions do not count.

    Args:
        reward: What judges.

    Example:
        >>> from rlframework.completions import Completion
        >>> from rlframework.prompt import Prompt
        >>> from rlframework.rewards import CorrectAnswer
        >>> prompt = Prompt([1], "1+1=?", {"answer": "2"})
        >>> texts = ["<end_working_out><SOLUTION>2</SOLUTION>", "two"]
        >>> accuracy = MeanScore(CorrectAnswer())
        >>> accuracy.update(Completions([Completion(prompt, [5], text, "stop") for text in texts], group_size=1))
        >>> accuracy.compute()
        tensor(0.5000)
    """

    def __init__(self, reward: RewardModel, **kwargs: Any) -> None:
        super().__init__(nan_strategy="ignore", **kwargs)
        self.reward = reward

    def update(self, completions: Completions) -> None:
        """Add the scores of some completions."""
        super().update(self.reward.evaluate(completions).total.to(self.device))
