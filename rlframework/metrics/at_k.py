"""Base of the metrics of several answers to a prompt, pass@k and maj@k: a number for each prompt, and their mean."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from rlframework.completions import Completions
from rlframework.metrics.score import ScoreMetric
from rlframework.rewards.base import RewardModel
from rlframework.utilities.arguments import at_least


class MeanAtK(ScoreMetric):
    """Mean over prompts of a number that ``k`` answers to each of them give. Override `of_prompts`.

    Args:
        reward: Of 0 and 1.
        k: Answers to a prompt.

    Raises:
        ValueError: ``k`` is below 1.
    """

    total: Tensor
    prompts: Tensor

    def __init__(self, reward: RewardModel, k: int, **kwargs: Any) -> None:
        at_least(self, 1, k=k)
        super().__init__(reward, samples=k, **kwargs)
        self.k = k
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("prompts", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    @abstractmethod
    def of_prompts(self, completions: Completions, scores: Tensor) -> Tensor:
        """Return the number of each prompt, ``(N,)``; NaN leaves it out.

        Args:
            completions: ``N`` groups of ``G``.
            scores: ``(N, G)``, 0 or 1; NaN abstains.
        """

    def add(self, completions: Completions, scores: Tensor) -> None:
        """Add the numbers of some prompts."""
        # On the CPU: not every accelerator has float64.
        found = self.of_prompts(completions, scores.cpu())
        self.total += found.nansum().to(self.total)
        self.prompts += (~found.isnan()).sum().to(self.prompts)

    def compute(self) -> Tensor:
        """Return the mean over the prompts, a float32 scalar; NaN if there were none."""
        return (self.total / self.prompts).float()
