"""Rewards for answers without tags: one equation such as ``17 + 25 = 42``, or one boxed number, read strictly."""

from __future__ import annotations

import re
from abc import abstractmethod
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, NamedTuple

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards.gold import gold_text
from rlframework.rewards.math.exact import exact_value
from rlframework.rewards.math.parser import read
from rlframework.rewards.numerals import parse_number
from rlframework.rewards.verdict import Verdict
from rlframework.rewards.verified import VerifiedReward

MAX_EQUATION_CHARACTERS = 200

_NUMBER = r"[+-]?(?:[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
# A sign of the operation, a number and no letter: whoever writes 12x4 or 3(4) has not written an equation of numbers.
_EQUATION = re.compile(rf"({_NUMBER}(?:\s*[-+*/]\s*{_NUMBER})+)\s*=\s*({_NUMBER})\.?", re.ASCII)
_BOX = re.compile(r"\\boxed\{([^{}]*)\}\$?\.?", re.ASCII)
_SIGNS = str.maketrans("\u2212\u00d7\u00f7\u00b7", "-*/*")


class Equation(NamedTuple):
    """The equation of a completion, as exact numbers.

    Args:
        setup: Value of the left-hand side; None where a number was boxed and nothing shows how it came about.
        answer: The number on the right, or in the box.
    """

    setup: Fraction | None
    answer: Fraction


def read_equation(text: str) -> Equation | None:
    r"""Read a text that is one equation of numbers, or that ends with the one number it boxes; None if it is not.

    An equation stands alone but for blanks and a full stop, so that nothing can hedge it: two or more numbers joined
    by ``+ - * /`` (or a minus sign, a cross, a division sign), ``=``, one number, which may be boxed. Before any other
    box there may be a working, which is not checked; after it nothing, and no second box. Numbers are those of
    `parse_number`.

    Example:
        >>> read_equation("17 + 25 = 42")
        Equation(setup=Fraction(42, 1), answer=Fraction(42, 1))
        >>> read_equation(r"Twice 21 makes \boxed{42}.")
        Equation(setup=None, answer=Fraction(42, 1))
        >>> [read_equation(text) for text in ("42", "17 + 25 = 42 or 43", "17 + 25 = 40 + 2", r"\boxed{4} \boxed{2}")]
        [None, None, None, None]
    """
    text = text.strip().translate(_SIGNS)
    boxed = None
    if "\\boxed" in text:
        box = _BOX.fullmatch(text[text.index("\\boxed") :])
        number = parse_number(box[1]) if box else None
        if box is None or number is None:
            return None
        boxed = Equation(None, Fraction(number))
        text = text[: text.index("\\boxed")].lstrip("$") + box[1].strip()
    match = _EQUATION.fullmatch(text) if len(text) <= MAX_EQUATION_CHARACTERS else None
    if match is None:
        return boxed
    try:
        setup = exact_value(read(match[1].replace(",", "")))
    except ZeroDivisionError:
        return None
    number = parse_number(match[2])
    return None if setup is None or number is None else Equation(setup, Fraction(number))


class EquationReward(VerifiedReward):
    """Pays for what `read_equation` finds. Override `holds`.

    A completion that says none of it, or that the token budget cut, is malformed; an expected answer that is no number
    cannot be checked.

    Args:
        answer_column: Column of the data with the expected number, in any type that `gold_text` reads.
        correct: Score where `holds`.
        incorrect: Score of any other equation or box.
        malformed: Score where there is none.
        name: Name of the component in logs.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> class Positive(EquationReward):
        ...     def holds(self, equation, expected):
        ...         return equation.answer > 0
        >>> row = Completion(Prompt([1], "?", {"answer": "4"}), [2], "2 + 3 = 5", "stop")
        >>> Positive().evaluate(Completions([row], 1)).total
        tensor([[1.]])
    """

    component: ClassVar[str | None] = None

    def __init__(
        self,
        answer_column: str = "answer",
        *,
        correct: float = 1.0,
        incorrect: float = 0.0,
        malformed: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(correct=correct, incorrect=incorrect, malformed=malformed, name=name or self.component)
        self.answer_column = answer_column

    @abstractmethod
    def holds(self, equation: Equation, expected: Fraction) -> bool:
        """Return whether an equation is paid, given the expected number.

        Args:
            equation: The equation of the completion.
            expected: The expected answer.
        """

    def can_judge(self, prompt: Prompt) -> bool:
        """Return whether the expected number is there."""
        return self._expected(prompt) is not None

    def _expected(self, prompt: Prompt) -> Decimal | None:
        gold = gold_text(prompt.column(self.answer_column))
        return None if gold is None else parse_number(gold)

    def verdicts(self, completions: Completions) -> tuple[list[Verdict], str]:
        """Judge the equations, ``B`` of them."""
        return [self._verdict(row) for row in completions], ""

    def _verdict(self, row: Completion) -> Verdict:
        expected = self._expected(row.prompt)
        if expected is None:
            return Verdict.GOLD_UNVERIFIABLE
        equation = None if row.truncated else read_equation(row.text)
        if equation is None:
            return Verdict.MALFORMED
        return Verdict.CORRECT if self.holds(equation, Fraction(expected)) else Verdict.INCORRECT


class RightEquation(EquationReward):
    r"""Pays for the expected number on the right of a true equation, or in a box. The accuracy to validate with.

    Both sides are checked: ``1 + 1 = 42`` is not right, for any expected number.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> prompt = Prompt([1], "?", {"answer": "42"})
        >>> texts = ["17 + 25 = 42", r"\boxed{42}", "1 + 1 = 42", "17 + 25 = 32", "42"]
        >>> RightEquation().evaluate(Completions([Completion(prompt, [2], text, "stop") for text in texts], 5)).total
        tensor([[1., 1., 0., 0., 0.]])
    """

    component = "right"

    def holds(self, equation: Equation, expected: Fraction) -> bool:
        """Return whether both sides are the expected number."""
        return equation.answer == expected and equation.setup in (None, expected)


class EquationSetup(EquationReward):
    """Pays for a left-hand side whose value is the expected number: the operation is right, the sum need not be.

    A boxed number shows no setup and is not paid.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> prompt = Prompt([1], "?", {"answer": "42"})
        >>> texts = ["17 + 25 = 32", "25 - 17 = 42"]
        >>> EquationSetup().evaluate(Completions([Completion(prompt, [2], text, "stop") for text in texts], 2)).total
        tensor([[1., 0.]])
    """

    component = "setup"

    def holds(self, equation: Equation, expected: Fraction) -> bool:
        """Return whether the left-hand side is the expected number."""
        return equation.setup == expected


class EquationLayout(EquationReward):
    """Pays for one equation or one boxed number, right or wrong.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> prompt = Prompt([1], "?", {"answer": "42"})
        >>> texts = ["1 + 1 = 3", "It is 42."]
        >>> EquationLayout().evaluate(Completions([Completion(prompt, [2], text, "stop") for text in texts], 2)).total
        tensor([[1., 0.]])
    """

    component = "layout"

    def holds(self, equation: Equation, expected: Fraction) -> bool:
        """Accept any equation."""
        return True
