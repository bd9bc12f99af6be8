"""A reward from verdicts: what is right, wrong or malformed is a number, and what could not be checked is none."""

from __future__ import annotations

from abc import abstractmethod

from rlframework.completions import Completions
from rlframework.rewards.base import RewardModel
from rlframework.rewards.judgement import Judgement
from rlframework.rewards.verdict import Verdict


class VerifiedReward(RewardModel):
    """Pays by verdict. Override `verdicts`.

    Args:
        correct: Score of a right answer.
        incorrect: Score of a wrong one.
        malformed: Score where there is no answer in the layout asked for.
        name: Name of the component in logs.

    Example:
        >>> class SaysYes(VerifiedReward):
        ...     def verdicts(self, completions):
        ...         return [Verdict.CORRECT if row.text == "yes" else Verdict.INCORRECT for row in completions], ""
        >>> SaysYes(incorrect=-1.0).name
        'says_yes'
    """

    def __init__(
        self, *, correct: float = 1.0, incorrect: float = 0.0, malformed: float = 0.0, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.correct = correct
        self.incorrect = incorrect
        self.malformed = malformed

    @abstractmethod
    def verdicts(self, completions: Completions) -> tuple[list[Verdict], str]:
        """Return ``B`` verdicts, and in words why the first ``ERROR`` came about, or ``""``."""

    def score(self, completions: Completions) -> Judgement:
        """Return the scores of the verdicts, ``(B,)``."""
        verdicts, detail = self.verdicts(completions)
        scores = {
            Verdict.CORRECT: self.correct,
            Verdict.INCORRECT: self.incorrect,
            Verdict.MALFORMED: self.malformed,
        }
        return Judgement.of_verdicts(verdicts, scores, detail)
