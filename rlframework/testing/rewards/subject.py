"""The reward under test, and the ways in which the checks call it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from rlframework.completions import Completions
from rlframework.rewards.base import RewardModel, Scores
from rlframework.rewards.function import Source, as_reward
from rlframework.testing.rewards.cases import Case, in_groups, shortened
from rlframework.testing.rewards.elsewhere import Elsewhere

# Rounding in another batch is no fault: a learned reward pads its rows.
RELATIVE, ABSOLUTE = 1e-5, 1e-6


@dataclass
class Subject:
    """A reward and the cases that it is tried on.

    Args:
        source: The reward, its class, or a plain function.
        cases: What it is tried on.
        limit_s: Seconds that one completion may take.
        compares_rows: Whether a score depends on the other completions of the group.
        accept_above: A score above it accepts.
    """

    source: Source
    cases: Sequence[Case]
    limit_s: float = 5.0
    compares_rows: bool = False
    accept_above: float = 0.5
    reward: RewardModel = field(init=False)

    def __post_init__(self) -> None:
        self.reward = as_reward(self.source)

    def batch(self, group_size: int = 4) -> Completions:
        """Return all cases in groups, copied, so that no check sees what another did to them."""
        return in_groups(self.cases, group_size)[0]

    def judge(self, completions: Completions) -> Scores:
        """Return all that the reward says."""
        return self.reward.evaluate(completions)

    def scores(self, completions: Completions) -> Tensor:
        """Return ``(N, G)`` totals."""
        return self.judge(completions).total

    @cached_property
    def elsewhere(self) -> Elsewhere:
        """The same reward in a fresh process."""
        return Elsewhere(self.source)


def same_scores(one: Tensor, other: Tensor) -> Tensor:
    """Return where two tensors of scores agree; two abstentions do.

    Args:
        one: Scores of any shape.
        other: Scores of the same shape.
    """
    return torch.isclose(one, other, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)


def first_difference(one: Tensor, other: Tensor, completions: Completions) -> str:
    """Return the first row that got another score, in words; ``""`` if none did.

    Args:
        one: Scores, ``B`` of them in any shape.
        other: Scores of the same shape.
        completions: The ``B`` rows that were scored.
    """
    apart = ~same_scores(one, other).flatten()
    if not apart.any():
        return ""
    row = int(apart.nonzero()[0])
    scores = [f"{tensor.flatten()[row].item():g}" for tensor in (one, other)]
    return (
        f"{shortened(completions.rows[row].text)} gets {scores[0]} and then {scores[1]} "
        f"({int(apart.sum())} of {len(completions)} rows differ)"
    )
