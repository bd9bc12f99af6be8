"""Rewards that compare the answer of a completion with the expected one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import torch

from rlframework.completions import Completion, Completions
from rlframework.rewards.against_gold import AgainstGold
from rlframework.rewards.judgement import Judgement
from rlframework.rewards.numerals import parse_number
from rlframework.rewards.template import AnswerTemplate


class ReadsAnswer(AgainstGold):
    """Base of the rewards that read the answer of the template; logs the share of completions without one."""

    def score(self, completions: Completions) -> Judgement:
        """Judge the rows one by one, ``B`` of them."""
        missing = [float(self.template.answer_of(row) is None) for row in completions]
        return replace(super().score(completions), metrics={"malformed": torch.tensor(missing)})


class AnswerCheck(ReadsAnswer):
    """Pays for the expected answer, and less for a number near it.

    The scores are those of Unsloth's Qwen3-4B GRPO notebook, re-implemented from its description. Differences: the
    answer is that of `AnswerTemplate.parse` and a completion cut by the token budget has none; the right number in
    another writing ("2125" for "2,125", "34.0" for "34") is paid like the right text with blanks about it; numbers are
    read by `parse_number` ("10,00", "52_8" and "nan" are none) and compared exactly; an expected 0 is a number as any
    other; where the expected answer is not a number, another text is wrong and not "not a number".

    With these scores a wrong number within 10 percent still earns a positive total together with the format rewards;
    set ``within_10_percent`` and ``within_20_percent`` to ``wrong`` where a near miss is worth nothing.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        answer_column: Column of the data with the expected answer, in any type that `gold_text` reads.
        identical: Score of the expected text, character by character.
        stripped: Score of the expected text with blanks about it, or of the expected number in another writing.
        within_10_percent: Score of another number at most 10 percent of the expected one away.
        within_20_percent: Score of a number more than 10 and at most 20 percent away.
        wrong: Score of any other number.
        not_a_number: Score of an answer that is not a number where a number is expected.
        missing: Score where the template is not kept.
        name: Name of the component in logs.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> prompt = Prompt([1], "?", row={"answer": "1,000"})
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in ("1,000", "1000", "950", "10,00")]
        >>> [AnswerCheck().score_row(Completion(prompt, [2], text, "stop")) for text in texts]
        [5.0, 3.5, 2.0, -4.5]
    """

    def __init__(
        self,
        template: AnswerTemplate | None = None,
        answer_column: str = "answer",
        *,
        identical: float = 5.0,
        stripped: float = 3.5,
        within_10_percent: float = 2.0,
        within_20_percent: float = 1.5,
        wrong: float = -2.5,
        not_a_number: float = -4.5,
        missing: float = -2.0,
        name: str | None = None,
    ) -> None:
        super().__init__(template, answer_column, name=name)
        self.identical = identical
        self.stripped = stripped
        self.within_10_percent = within_10_percent
        self.within_20_percent = within_20_percent
        self.wrong = wrong
        self.not_a_number = not_a_number
        self.missing = missing

    def score_against(self, completion: Completion, gold: str) -> float:
        """Return the score of the answer."""
        answer = self.template.answer_of(completion)
        if answer is None:
            return self.missing
        if answer == gold:
            return self.identical
        if same_answer(answer, gold):
            return self.stripped
        number = parse_number(gold)
        if number is None:
            return self.wrong
        guess = parse_number(answer)
        return self.not_a_number if guess is None else self._score_distance(guess, number)

    def _score_distance(self, guess: Decimal, gold: Decimal) -> float:
        # Fractions, because Decimal arithmetic would round to the 28 digits of its context.
        distance, size = abs(Fraction(guess) - Fraction(gold)), abs(Fraction(gold))
        if 10 * distance <= size:
            return self.within_10_percent
        return self.within_20_percent if 5 * distance <= size else self.wrong


class CorrectAnswer(ReadsAnswer):
    """1 for the right answer in the right layout, else 0: the accuracy to validate with.

    Right is the expected text but for surrounding blanks, or exactly the expected number. A completion cut by the token
    budget has no answer.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        answer_column: Column of the data with the expected answer, in any type that `gold_text` reads.
        name: Name of the component in logs.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> prompt = Prompt([1], "?", row={"answer": 42})
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in ("42.0", "42 or 43")]
        >>> [CorrectAnswer().score_row(Completion(prompt, [2], text, "stop")) for text in texts]
        [1.0, 0.0]
    """

    def score_against(self, completion: Completion, gold: str) -> float:
        """Return 1.0 or 0.0."""
        answer = self.template.answer_of(completion)
        return float(answer is not None and same_answer(answer, gold))


def same_answer(answer: str, expected: str) -> bool:
    """Return whether two answers are the same text but for surrounding blanks, or exactly the same number.

    Args:
        answer: What was answered.
        expected: The expected answer.

    Example:
        >>> same_answer(" blue ", "blue"), same_answer("2125.0", "2,125"), same_answer("2125.001", "2,125")
        (True, True, False)
    """
    if answer.strip() == expected.strip():
        return True
    number = parse_number(answer)
    return number is not None and number == parse_number(expected)
