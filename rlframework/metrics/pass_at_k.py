"""pass@k as a torchmetrics metric: the chance that one of ``k`` answers to a held-out prompt is right."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rlframework.completions import Completions
from rlframework.functional.pass_at_k import pass_at_k
from rlframework.metrics.score import ScoreMetric
from rlframework.rewards.base import RewardModel
from rlframework.utilities.arguments import at_least


class PassAtK(ScoreMetric):
    """Mean over prompts of the unbiased estimate of pass@k (`rlframework.functional.pass_at_k.pass_at_k`).

    A prompt with fewer than ``k`` completions that were judged is left out.

    Args:
        reward: Of 0 and 1.
        k: Answers that may be tried.

    Raises:
        ValueError: ``k`` is below 1; when completions are added, they are fewer than ``k`` a prompt, or a score is
            neither 0 nor 1.

    Example:
        >>> from rlframework.completions import Completion
        >>> from rlframework.prompt import Prompt
        >>> from rlframework.rewards import CorrectAnswer
        >>> prompt = Prompt([1], "1+1=?", {"answer": "2"})
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in "2345"]
        >>> metric = PassAtK(CorrectAnswer(), k=2)
        >>> metric.update(Completions([Completion(prompt, [5], text, "stop") for text in texts], group_size=4))
        >>> metric.compute()
        tensor(0.5000)
    """

    total: Tensor
    prompts: Tensor

    def __init__(self, reward: RewardModel, k: int, **kwargs: Any) -> None:
        at_least(self, 1, k=k)
        super().__init__(reward, samples=k, **kwargs)
        self.k = k
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("prompts", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def add(self, completions: Completions, scores: Tensor) -> None:
        """Add the estimates of some prompts."""
        size = completions.group_size
        if self.k > size:
            raise ValueError(
                f"pass@{self.k} cannot be told from {size} completions a prompt; sample with group_size={self.k}"
            )
        # On the CPU: not every accelerator has float64.
        right, judged = self.shares(scores.cpu())
        estimates = pass_at_k(right, judged, self.k).to(self.total)
        self.total += estimates.nansum()
        self.prompts += (~estimates.isnan()).sum()

    def compute(self) -> Tensor:
        """Return the mean over the prompts, a float32 scalar; NaN if there were none."""
        return (self.total / self.prompts).float()
