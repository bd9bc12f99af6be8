"""A reward as a torchmetrics metric: task accuracy, format share, or anything else that is a mean of scores."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rlframework.completions import Completions
from rlframework.metrics.score import ScoreMetric
from rlframework.rewards.base import RewardModel


class MeanScore(ScoreMetric):
    """Mean of a reward over completions; with a reward of 0 and 1 it is an accuracy. Abstentions do not count.

    Args:
        reward: The reward that is averaged.

    Attributes:
        scores: What the reward said of the completions of the last `update`; None before.

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

    total: Tensor
    count: Tensor

    def __init__(self, reward: RewardModel, **kwargs: Any) -> None:
        super().__init__(reward, **kwargs)
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def add(self, completions: Completions, scores: Tensor) -> None:
        """Add the scores of some completions."""
        self.total += scores.nansum()
        self.count += (~scores.isnan()).sum()

    def compute(self) -> Tensor:
        """Return the mean score, a scalar; NaN if every score abstained."""
        return self.total / self.count
