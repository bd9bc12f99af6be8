"""Entailment: a formula that has to follow from premises, or the question whether one does."""

from __future__ import annotations

from collections.abc import Sequence
from reprlib import repr  # Short, and without recursion: data can be long and deep.
from typing import Any

from rlframework.prompt import Prompt
from rlframework.rewards.logic.base import LogicReward, UnverifiableError, formula_of
from rlframework.rewards.logic.brute_force import entails, equivalent, is_tautology, satisfiable
from rlframework.rewards.logic.formula import Formula, FormulaError, parse_formula
from rlframework.rewards.template import AnswerTemplate
from rlframework.rewards.verdict import Verdict


class Entailment(LogicReward):
    """The answer is a formula that follows from the premises and says something that no premise says.

    Right is what has no countermodel and is more than copying. Refused are:

    - a tautology, which follows from anything;
    - what is equivalent to one premise, in whatever words;
    - of several premises, what follows from a single one, such as a premise weakened by ``| x`` (``jointly=False``
      allows it);
    - variables that no premise has;
    - more operands than the longest of the premises that it needs, so that premises joined by ``&`` do not pass
      (``max_operands`` sets another bound; an operand is a variable or constant, as often as it is written).

    A row abstains if its premises contradict one another, are all tautologies, or if one of them says all that they say
    together and ``jointly`` asks for more.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        premises_column: Column of the data with the premises, a list of formulas.
        jointly: Whether the conclusion must need more than one premise, where there are several.
        max_operands: Longest conclusion, by default as long as the longest premise that it needs.
        scores: ``correct``, ``incorrect``, ``malformed`` and ``name`` of `VerifiedReward`.

    Example:
        >>> from rlframework.completions import Completion, Completions
        >>> prompt = Prompt([1], "?", {"premises": ["p -> q", "q -> r"]})
        >>> answers = ("p -> r", "~r -> ~p", "q -> r", "~r -> ~q", "p -> q | r", "r | ~r", "r", "p implies")
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in answers]
        >>> rows = [Completion(prompt, [2], text, "stop") for text in texts]
        >>> verdicts = Entailment().verdicts(Completions(rows, len(rows)))[0]
        >>> [answer for answer, verdict in zip(answers, verdicts) if verdict is Verdict.CORRECT]
        ['p -> r', '~r -> ~p']
    """

    def __init__(
        self,
        template: AnswerTemplate | None = None,
        premises_column: str = "premises",
        *,
        jointly: bool = True,
        max_operands: int | None = None,
        **scores: Any,
    ) -> None:
        super().__init__(template, **scores)
        self.premises_column = premises_column
        self.jointly = jointly
        self.max_operands = max_operands

    def gold(self, prompt: Prompt) -> list[Formula]:
        """Return the premises, which have something to conclude from."""
        premises = premises_of(prompt.column(self.premises_column))
        try:
            if not satisfiable(premises):
                raise UnverifiableError("the premises contradict one another, and anything follows from them")
            if all(is_tautology(premise) for premise in premises):
                raise UnverifiableError("the premises are tautologies, and nothing else follows from them")
            if self._needs_several(premises) and any(
                all(entails([premise], other) for other in premises) for premise in premises
            ):
                raise UnverifiableError("one premise says all that they say together: drop it, or pass jointly=False")
        except FormulaError as error:
            raise UnverifiableError(str(error)) from error
        return premises

    def compare(self, answer: str, gold: list[Formula]) -> Verdict:
        """Look for a countermodel, and refuse what is no conclusion of its own."""
        conclusion = parse_formula(answer)
        known = {variable for premise in gold for variable in premise.variables}
        if not set(conclusion.variables) <= known or is_tautology(conclusion) or not entails(gold, conclusion):
            return Verdict.INCORRECT
        longest = self.max_operands
        if longest is None:
            longest = max(premise.operands for premise in needed(gold, conclusion))
        if conclusion.operands > longest or any(equivalent(conclusion, premise) for premise in gold):
            return Verdict.INCORRECT
        if self._needs_several(gold) and any(entails([premise], conclusion) for premise in gold):
            return Verdict.INCORRECT
        return Verdict.CORRECT

    def _needs_several(self, premises: Sequence[Formula]) -> bool:
        return self.jointly and len(premises) > 1


class EntailmentQuestion(LogicReward):
    """The answer is yes or no: does the conclusion follow from the premises?

    A guess is right half of the time if the data is balanced, and more if it is not: balance it. From premises that
    contradict one another everything follows.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        premises_column: Column of the data with the premises, a list of formulas.
        conclusion_column: Column with the conclusion.
        scores: ``correct``, ``incorrect``, ``malformed`` and ``name`` of `VerifiedReward`.

    Example:
        >>> from rlframework.completions import Completion, Completions
        >>> prompt = Prompt([1], "?", {"premises": ["p -> q", "q"], "conclusion": "p"})
        >>> answers = ("No.", "yes", "yes and no")
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in answers]
        >>> rows = [Completion(prompt, [2], text, "stop") for text in texts]
        >>> [str(verdict) for verdict in EntailmentQuestion().verdicts(Completions(rows, 3))[0]]
        ['correct', 'incorrect', 'malformed']
    """

    def __init__(
        self,
        template: AnswerTemplate | None = None,
        premises_column: str = "premises",
        conclusion_column: str = "conclusion",
        **scores: Any,
    ) -> None:
        super().__init__(template, **scores)
        self.premises_column = premises_column
        self.conclusion_column = conclusion_column

    def gold(self, prompt: Prompt) -> str:
        """Return ``"yes"`` or ``"no"``."""
        premises = premises_of(prompt.column(self.premises_column))
        try:
            return "yes" if entails(premises, formula_of(prompt.column(self.conclusion_column))) else "no"
        except FormulaError as error:
            raise UnverifiableError(str(error)) from error

    def compare(self, answer: str, gold: str) -> Verdict:
        """Compare the word, in any case and with or without a full stop."""
        word = answer.removesuffix(".").lower()
        if word not in ("yes", "no"):
            return Verdict.MALFORMED
        return Verdict.CORRECT if word == gold else Verdict.INCORRECT


def needed(premises: Sequence[Formula], conclusion: Formula) -> list[Formula]:
    """Return premises that the conclusion follows from, and from no fewer of them; long ones are left out first.

    Example:
        >>> premises = [parse_formula(text) for text in ("p -> q", "p & (a | b | c)", "p", "q -> r")]
        >>> [str(premise) for premise in needed(premises, parse_formula("q"))]
        ['(p -> q)', 'p']
    """
    kept = sorted(premises, key=lambda premise: premise.operands, reverse=True)
    position = 0
    while position < len(kept):
        rest = kept[:position] + kept[position + 1 :]
        if entails(rest, conclusion):
            kept = rest
        else:
            position += 1
    return kept


def premises_of(texts: Any) -> list[Formula]:
    """Return the formulas of a column of premises.

    Raises:
        UnverifiableError: It is no list of formulas, or an empty one.
    """
    if isinstance(texts, str) or not isinstance(texts, Sequence) or not texts:
        raise UnverifiableError(f"premises are a list of formulas, not {repr(texts)}")
    return [formula_of(text) for text in texts]
