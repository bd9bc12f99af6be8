"""A reward for some of the rows: those whose column has a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rlframework.completions import Completions
from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel
from rlframework.rewards.judgement import Judgement


class Where(RewardModel):
    """Judges the rows whose column has a value and no others: for mixtures of tasks, or to measure a part.

    The reward inside never sees the other rows. In a sum their totals go without it, while a row of its own that it
    has no score for abstains: ``Where(a, "task", "sums") + Where(b, "task", "poems") + ExactFormat()``. Groups stay
    whole, as the rows of a group have one prompt.

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

    def can_judge(self, prompt: Prompt) -> bool:
        """Return whether a row that is its own holds what the reward compares with."""
        return prompt.column(self.column) != self.value or self.reward.can_judge(prompt)

    def score(self, completions: Completions) -> Judgement:
        """Return the scores of its rows, NaN elsewhere, ``(N, G)``; with the failures of what it asked."""
        mine = torch.tensor([group[0].prompt.column(self.column) == self.value for group in completions.groups()])
        size = completions.group_size
        applies = mine.unsqueeze(1).expand(-1, size)
        if not mine.any():
            return Judgement(torch.full((len(mine), size), float("nan")), applies=applies)
        rows = [row for group, own in zip(completions.groups(), mine.tolist(), strict=True) if own for row in group]
        said = self.reward.evaluate(Completions(rows, size)).as_judgement()

        def spread(values: Tensor, elsewhere: float) -> Tensor:
            everywhere = torch.full((len(mine), size), elsewhere, dtype=values.dtype)
            everywhere[mine] = values
            return everywhere

        def listed(values: Sequence[Any]) -> list[Any]:
            own = iter(values)
            return [next(own) if asked else None for asked in applies.flatten().tolist()]

        return replace(
            said,
            scores=spread(said.scores, float("nan")),
            errors=spread(said.error_flags, False),
            unverifiable=spread(said.unverifiable_flags, False),
            applies=spread(said.applies_flags, False),
            columns={key: listed(values) for key, values in said.columns.items()},
            metrics={key: spread(values, float("nan")) for key, values in said.metrics.items()},
        )
