"""A reward for some of the rows: those whose column has a value."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rlframework.completions import Completions
from rlframework.rewards.base import RewardModel
from rlframework.rewards.judgement import Judgement


class Where(RewardModel):
    """Judges the rows whose column has a value and abstains on all others: for mixtures of tasks, or to measure a part.

    The reward inside never sees the other rows. Groups stay whole, as the rows of a group have one prompt.

    Args:
        reward: What judges.
        column: Column of the data.
        value: What it has to hold.
        name: Name of the component in logs; by default that of the reward and the value.

    Raises:
        KeyError: When it judges: a row has no such column.

    Example:
        >>> from rlframework.completions import Completion
        >>> from rlframework.prompt import Prompt
        >>> from rlframework.rewards import RightEquation
        >>> prompts = [Prompt([1], "?", {"answer": "4", "task": task}) for task in ("sums", "poems")]
        >>> rows = [Completion(prompt, [2], "2 + 2 = 4", "stop") for prompt in prompts]
        >>> Where(RightEquation(), "task", "sums").evaluate(Completions(rows, 1)).total
        tensor([[1.],
                [nan]])
    """

    def __init__(self, reward: RewardModel, column: str, value: Any, name: str | None = None) -> None:
        super().__init__(name or f"{reward.name}_{value}")
        self.reward = reward
        self.column = column
        self.value = value

    def score(self, completions: Completions) -> Judgement:
        """Return the scores of its rows, NaN elsewhere, ``(N, G)``; with the failures of what it asked."""
        mine = torch.tensor([group[0].prompt.column(self.column) == self.value for group in completions.groups()])
        if not mine.any():
            return Judgement(torch.full((completions.num_groups, completions.group_size), float("nan")))
        rows = [row for group, own in zip(completions.groups(), mine.tolist(), strict=True) if own for row in group]
        judged = self.reward.evaluate(Completions(rows, completions.group_size))
        parts = judged.judgements.items()

        def spread(values: Tensor, elsewhere: float) -> Tensor:
            everywhere = torch.full((len(mine), completions.group_size), elsewhere, dtype=values.dtype)
            everywhere[mine] = values
            return everywhere

        # What failed beside other components left their sum a number; then nothing is missing.
        unknown = judged.total.isnan()
        errors = torch.stack([part.error_flags for _, part in parts]).any(0) & unknown
        unverifiable = torch.stack([part.unverifiable_flags for _, part in parts]).any(0) & unknown
        return Judgement(
            spread(judged.total, float("nan")),
            spread(errors, False),
            spread(unverifiable, False),
            metrics={
                f"{name}/{key}": spread(values, float("nan"))
                for name, part in parts
                for key, values in part.metrics.items()
            },
            detail=next((part.detail for _, part in parts if part.detail), ""),
        )
