"""`Judgement`: the scores of a reward, the rows whose check failed, and further columns and figures to record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rlframework.rewards.verdict import Verdict


@dataclass
class Judgement:
    """Scores with failed checks, columns and figures: `RewardModel.score` may return it in place of bare scores.

    Args:
        scores: ``(N, G)`` or ``(B,)``; NaN abstains.
        errors: ``(N, G)`` or ``(B,)`` bool: where the check failed. Scores there have to be NaN.
        unverifiable: Likewise: where the expected answer cannot be checked.
        columns: More to be written down of each completion, by name, ``B`` values each; ``RolloutWriter`` writes them.
        metrics: More to be logged, by name, ``(N, G)`` or ``(B,)``: the mean of the values that are not NaN, as
            ``train/judgement/<reward>/<name>``.
        detail: The first failure in words, for the message of a run that stops because of it.
        applies: Likewise bool: whose rows the reward is for; by default all are. On the others its NaN is no
            abstention, and in a sum their totals go without it.
        composed: Whether several rewards speak in it, as from `of_parts`. Then an optional one may have failed where
            there is a score all the same.

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
    applies: Tensor | None = None
    composed: bool = False

    @property
    def error_flags(self) -> Tensor:
        """``errors``, or false everywhere."""
        return torch.zeros_like(self.scores, dtype=torch.bool) if self.errors is None else self.errors

    @property
    def unverifiable_flags(self) -> Tensor:
        """``unverifiable``, or false everywhere."""
        return torch.zeros_like(self.scores, dtype=torch.bool) if self.unverifiable is None else self.unverifiable

    @property
    def applies_flags(self) -> Tensor:
        """``applies``, or true everywhere."""
        return torch.ones_like(self.scores, dtype=torch.bool) if self.applies is None else self.applies

    @property
    def checked(self) -> Tensor:
        """Where there was something to check: its own rows, and all that it scored or failed on."""
        return self.applies_flags | ~self.scores.isnan() | self.error_flags | self.unverifiable_flags

    @classmethod
    def of_parts(cls, scores: Tensor, parts: Sequence[tuple[str, Judgement]], applies: Tensor) -> Judgement:
        """Return what rewards said of ``(N, G)`` rows as the word of one; columns and metrics get their names before.

        Args:
            scores: What came of their scores.
            parts: Their names and judgements, in shape.
            applies: Where a score was to come of them.
        """
        return cls(
            scores,
            errors=torch.stack([part.error_flags for _, part in parts]).any(0),
            unverifiable=torch.stack([part.unverifiable_flags for _, part in parts]).any(0),
            columns={f"{name}/{key}": values for name, part in parts for key, values in part.columns.items()},
            metrics={f"{name}/{key}": values for name, part in parts for key, values in part.metrics.items()},
            detail=next((part.detail for _, part in parts if part.detail), ""),
            applies=applies,
            composed=True,
        )

    @classmethod
    def of_verdicts(cls, verdicts: Sequence[Verdict], scores: Mapping[Verdict, float], detail: str = "") -> Judgement:
        """Score ``B`` verdicts; those that abstain become NaN. The column ``verdict`` has them in words.

        The share that was malformed is logged.

        Args:
            verdicts: One for each of ``B`` completions.
            scores: The score of each verdict that does not abstain.
            detail: The first failure in words.
        """
        return cls(
            torch.tensor([float("nan") if verdict.abstains else scores[verdict] for verdict in verdicts]),
            errors=torch.tensor([verdict is Verdict.ERROR for verdict in verdicts]),
            unverifiable=torch.tensor([verdict is Verdict.GOLD_UNVERIFIABLE for verdict in verdicts]),
            columns={"verdict": [verdict.value for verdict in verdicts]},
            metrics={"malformed": torch.tensor([float(verdict is Verdict.MALFORMED) for verdict in verdicts])},
            detail=detail,
        )
