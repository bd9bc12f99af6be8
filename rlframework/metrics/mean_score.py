"""A reward as a torchmetrics metric: task accuracy, format share, or anything else that is a mean of scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from rlframework.completions import Completions
from rlframework.rewards.base import RewardModel
from rlframework.rewards.limits import Counts


class MeanScore(Metric):
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

    total: Tensor
    count: Tensor
    failures: Tensor

    def __init__(self, reward: RewardModel, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reward = reward
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("failures", torch.zeros(3, dtype=torch.int64), dist_reduce_fx="sum")
        self.detail = ""

    def update(self, completions: Completions) -> None:
        """Add the scores of some completions."""
        scores = self.reward.evaluate(completions)
        total = scores.total.to(self.device)
        self.total += total.nansum()
        self.count += (~total.isnan()).sum()
        for counts in map(Counts.of, scores.judgements.values()):
            self.failures += torch.tensor(counts[:3], device=self.device)
            self.detail = self.detail or counts.detail

    def counts(self, total: Callable[[Tensor], Tensor]) -> Counts:
        """Return how many checks were made since the last reset and how many failed.

        Args:
            total: Adds up a tensor over all ranks.
        """
        rows, errors, unverifiable = total(self.failures).tolist()
        return Counts(rows, errors, unverifiable, self.detail)

    def compute(self) -> Tensor:
        """Return the mean; NaN if every score abstained."""
        return self.total / self.count
