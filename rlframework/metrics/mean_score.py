"""A reward as a torchmetrics metric: task accuracy, format share, or anything else that is a mean of scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torchmetrics import Metric

from rlframework.completions import Completions
from rlframework.rewards.base import RewardModel
from rlframework.rewards.failure_limits import Counts


class MeanScore(Metric):
    """Mean of a reward over completions; with a reward of 0 and 1 it is an accuracy. Abstentions do not count.

    Args:
        reward: The reward that is averaged.

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
        # By component: the failures of one are no smaller a share because others stand next to it.
        self.names = [part.name for part in reward.components()]
        self.add_state("failures", torch.zeros(len(self.names), 5, dtype=torch.int64), dist_reduce_fx="sum")
        self.details = dict.fromkeys(self.names, "")

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Any = "") -> MeanScore:
        """Follow the module to a device, and not to its precision: bfloat16 counts to 256."""
        super()._apply(fn, exclude_state)
        for name in ("total", "count"):
            setattr(self, name, getattr(self, name).float())
            self._defaults[name] = cast(Tensor, self._defaults[name]).float()
        return self

    def update(self, completions: Completions) -> None:
        """Add the scores of some completions."""
        scores = self.reward.evaluate(completions)
        total = scores.total.to(self.device)
        self.total += total.nansum()
        self.count += (~total.isnan()).sum()
        for place, name in enumerate(self.names):
            counts = Counts.of(scores.judgements[name])
            self.failures[place] += torch.tensor(counts.numbers, device=self.device)
            self.details[name] = self.details[name] or counts.detail

    def counts(self, total: Callable[[Tensor], Tensor]) -> dict[str, Counts]:
        """Return the number of checks since the last reset, and of those that failed, by component.

        Args:
            total: Adds up a tensor over all ranks.
        """
        numbers = total(self.failures).tolist()
        return {name: Counts.of_numbers(own, self.details[name]) for name, own in zip(self.names, numbers, strict=True)}

    def compute(self) -> Tensor:
        """Return the mean score, a scalar; NaN if every score abstained."""
        return self.total / self.count
