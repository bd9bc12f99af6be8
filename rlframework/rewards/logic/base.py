"""`LogicReward`, the base of the logic rewards: checks the expected answer first, then reads the answer section."""

from __future__ import annotations

from abc import abstractmethod
from reprlib import repr  # Short, and without recursion: data can be long and deep.
from typing import Any

from rlframework.completions import Completions
from rlframework.prompt import Prompt
from rlframework.rewards.logic.formula import Formula, FormulaError, parse_formula
from rlframework.rewards.template import AnswerTemplate
from rlframework.rewards.verdict import Verdict
from rlframework.rewards.verified import VerifiedReward


class UnverifiableError(ValueError):
    """A row of data that no answer can be checked against."""


class LogicReward(VerifiedReward):
    """Judges the answer section by something that is worked out from the row. Override `gold` and `compare`.

    A row that cannot be worked out abstains for any completion: its fault is not the policy's.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        scores: ``correct``, ``incorrect``, ``malformed`` and ``name`` of `VerifiedReward`.

    Example:
        >>> class SameFormula(LogicReward):
        ...     def gold(self, prompt):
        ...         return formula_of(prompt.column("formula"))
        ...     def compare(self, answer, gold):
        ...         return Verdict.CORRECT if parse_formula(answer) == gold else Verdict.INCORRECT
        >>> SameFormula(incorrect=-1.0).incorrect
        -1.0
    """

    def __init__(self, template: AnswerTemplate | None = None, **scores: Any) -> None:
        super().__init__(**scores)
        self.template = template or AnswerTemplate()

    @abstractmethod
    def gold(self, prompt: Prompt) -> Any:
        """Return what answers to a prompt are held against.

        Raises:
            UnverifiableError: The row is at fault.
        """

    @abstractmethod
    def compare(self, answer: str, gold: Any) -> Verdict:
        """Return the verdict on an answer; a `FormulaError` that it raises makes it malformed.

        Args:
            answer: Text of the answer section.
            gold: What `gold` returned for the row.
        """

    def can_judge(self, prompt: Prompt) -> bool:
        """Return whether the row can be worked out."""
        try:
            self.gold(prompt)
        except UnverifiableError:
            return False
        return True

    def verdicts(self, completions: Completions) -> tuple[list[Verdict], str]:
        """Return ``B`` verdicts, and why the first row that is at fault is; a group's row is worked out once."""
        golds: dict[int, Any] = {}
        verdicts = []
        for row in completions:
            key = id(row.prompt)
            if key not in golds:
                try:
                    golds[key] = self.gold(row.prompt)
                except UnverifiableError as error:
                    golds[key] = error
            verdicts.append(self._verdict(self.template.answer_of(row), golds[key]))
        return verdicts, next((str(gold) for gold in golds.values() if isinstance(gold, UnverifiableError)), "")

    def _verdict(self, answer: str | None, gold: Any) -> Verdict:
        if isinstance(gold, UnverifiableError):
            return Verdict.GOLD_UNVERIFIABLE
        if answer is None:
            return Verdict.MALFORMED
        try:
            return self.compare(answer.strip(), gold)
        except FormulaError:
            return Verdict.MALFORMED


def formula_of(text: Any) -> Formula:
    """Return the formula in a column of the data.

    Raises:
        UnverifiableError: It is none.
    """
    try:
        return parse_formula(text)
    except FormulaError as error:
        raise UnverifiableError(f"{repr(text)} is no formula: {error}") from error
