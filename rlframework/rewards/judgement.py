"""All that a reward has to say of some completions: scores, and why there is none, and what else it wants recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rlframework.rewards.verdict import Verdict


@dataclass
class Judgement:
    """What `RewardModel.score` may return in place of bare scores.

    Args:
        scores: ``(N, G)`` or ``(B,)``; NaN abstains.
        errors: ``(N, G)`` or ``(B,)`` bool: where the check failed. Scores there have to be NaN.
        unverifiable: Likewise: where the expected answer cannot be checked.
        columns: More to be written down of each completion, by name, ``B`` values each; ``RolloutWriter`` writes them.
        metrics: More to be logged, by name, ``(N, G)`` or ``(B,)``: the mean of the values that are not NaN, as
            ``train/reward/<reward>/<name>``.
        detail: The first failure in words, for the message of a run that stops because of it.

    Example:
        >>> Judgement.of_verdicts([Verdict.CORRECT, Verdict.ERROR], {Verdict.CORRECT: 1.0}).scores
        tensor([1., nan])
    """

    scores: Tensor
    errors: Tensor | None = None
    unverifiable: Tensor | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    detail: str = ""

    @property
    def error_flags(self) -> Tensor:
        """``errors``, or false everywhere."""
        return torch.zeros_like(self.scores, dtype=torch.bool) if self.errors is None else self.errors

    @property
    def unverifiable_flags(self) -> Tensor:
        """``unverifiable``, or false everywhere."""
        return torch.zeros_like(self.scores, dtype=torch.bool) if self.unverifiable is None else self.unverifiable

    @classmethod
    def of_verdicts(cls, verdicts: Sequence[Verdict], scores: Mapping[Verdict, float], detail: str = "") -> Judgement:
        """Score ``B`` verdicts; those that abstain become NaN. The column ``verdict`` has them in words."""
        return cls(
            torch.tensor([float("nan") if verdict.abstains else scores[verdict] for verdict in verdicts]),
            errors=torch.tensor([verdict is Verdict.ERROR for verdict in verdicts]),
            unverifiable=torch.tensor([verdict is Verdict.GOLD_UNVERIFIABLE for verdict in verdicts]),
            columns={"verdict": [verdict.value for verdict in verdicts]},
            detail=detail,
        )
